"""Who is at work on a service, found among the processes of this machine."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from typing import TYPE_CHECKING

from everbeat.adapters.hands import Seen, look
from everbeat.adapters.main_processes import Ended
from everbeat.agents.agent import ScriptAgent

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextlib.contextmanager
def working(script: Path, word: str) -> Iterator[subprocess.Popen[bytes]]:
    script.write_text("#!/bin/sh\necho begun\nsleep 30 & wait\n")
    script.chmod(0o755)
    hand = subprocess.Popen([script, word], stdout=subprocess.PIPE, start_new_session=True)
    assert hand.stdout is not None
    hand.stdout.readline()
    try:
        yield hand
    finally:
        os.killpg(hand.pid, signal.SIGKILL)
        hand.wait()
        hand.stdout.close()


def test_a_script_that_restarts_its_service_is_seen_and_one_that_looks_is_not(
    tmp_path: Path,
) -> None:
    script = tmp_path / "eb-test-service"
    agent = ScriptAgent(str(script))
    with working(script, "restart") as hand:
        assert look(agent, Ended()).worker.endswith(f"restart [{hand.pid}]")
        assert look(agent, Ended(session=hand.pid)) == Seen()  # of our own start
        other = ScriptAgent(str(tmp_path / "eb-test-other"))
        assert look(other, Ended()) == Seen()
    with working(script, "status"):
        assert look(agent, Ended()) == Seen()


def test_a_pid_file_that_went_with_its_process_tells_of_a_stop_in_order(tmp_path: Path) -> None:
    file = tmp_path / "service.pid"
    agent = ScriptAgent(str(tmp_path / "eb-test-service"))
    assert look(agent, Ended(str(file))) == Seen(is_tidied_up=True)
    file.write_text("815")
    assert look(agent, Ended(str(file))) == Seen()
