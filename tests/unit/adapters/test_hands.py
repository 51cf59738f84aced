"""Who is at work on a service, found among the processes of this machine."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from everbeat.adapters.hands import Seen, look
from everbeat.adapters.main_processes import Ended
from everbeat.agents.agent import ScriptAgent

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def working(
    script: Path, word: str, *called: str, cwd: Path | None = None, head: str = "#!/bin/sh"
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a script with a word, `called` like that if anything is said."""
    script.write_text(f"{head}\ncd /\necho begun\nsleep 30 & wait\n")
    script.chmod(0o755)
    command = (*(called or (script,)), word)
    hand = subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True, cwd=cwd)
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


@pytest.mark.parametrize("called", ["{rc}/S20svc", "sh {rc}/S20svc", "sh ./S20svc", "bash S20svc"])
@pytest.mark.parametrize("head", ["#!/bin/sh", "#!/bin/bash -e"])
def test_a_script_is_known_by_its_file_whatever_it_is_called(
    tmp_path: Path, called: str, head: str
) -> None:
    script, agent = make_linked(tmp_path)
    words = called.format(rc=tmp_path / "rc3.d").split()
    with working(script, "restart", *words, cwd=tmp_path / "rc3.d", head=head) as hand:
        assert look(agent, Ended()).worker.endswith(f"restart [{hand.pid}]")
        assert look(ScriptAgent(str(tmp_path / "eb-test-other")), Ended()) == Seen()


def test_a_link_in_resource_d_is_its_script_and_the_links_own_name_stays_known(
    tmp_path: Path,
) -> None:
    script, _ = make_linked(tmp_path)
    (tmp_path / "web").symlink_to(script)
    agent = ScriptAgent(str(tmp_path / "web"))
    for called in (script, tmp_path / "web"):
        with working(script, "stop", str(called)) as hand:
            assert look(agent, Ended()).worker.endswith(f"stop [{hand.pid}]")


def test_another_script_of_the_same_arguments_is_not_taken_for_it(tmp_path: Path) -> None:
    script, agent = make_linked(tmp_path)
    script.write_text("#!/bin/sh\n")
    other = tmp_path / "eb-test-deploy"
    with working(other, "restart", "sh", str(other), str(script)):
        assert look(agent, Ended()) == Seen()


def make_linked(tmp_path: Path) -> tuple[Path, ScriptAgent]:
    """Return a script that rc3.d/S20svc leads to as well."""
    script = tmp_path / "eb-test-service"
    (tmp_path / "rc3.d").mkdir()
    (tmp_path / "rc3.d" / "S20svc").symlink_to("../eb-test-service")
    return script, ScriptAgent(str(script))


def test_a_pid_file_that_went_with_its_process_tells_of_a_stop_in_order(tmp_path: Path) -> None:
    file = tmp_path / "service.pid"
    agent = ScriptAgent(str(tmp_path / "eb-test-service"))
    assert look(agent, Ended(str(file))) == Seen(is_tidied_up=True)
    file.write_text("815")
    assert look(agent, Ended(str(file))) == Seen()


@pytest.mark.skipif(os.geteuid() != 0, reason="runs a process of another user")
@pytest.mark.parametrize("name", ["eb-test-service", "systemctl", "dpkg"])
def test_who_is_not_root_is_not_at_work_whatever_it_calls_itself(tmp_path: Path, name: str) -> None:
    script = tmp_path / "eb-test-service"
    agent, ended = ScriptAgent(str(script)), Ended(pid_file=str(tmp_path / "none"))
    program = Path(tempfile.mkdtemp()) / name  # others may go there
    program.parent.chmod(0o755)
    shutil.copy("/bin/sh", program)
    command = (str(program), "-c", "echo begun; read word", "restart", "eb-test-service")
    for user, is_seen in ((65_534, False), (0, True)):
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, user=user, cwd="/"
        ) as hand:
            assert hand.stdout is not None
            hand.stdout.readline()
            assert bool(look(agent, ended, is_orderly=True).worker) is is_seen
            hand.kill()
    shutil.rmtree(program.parent)
