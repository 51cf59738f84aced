"""A program that cannot be started: what is said of it."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import pytest

from everbeat.adapters.host_facts import RealHost
from everbeat.adapters.processes import NOT_STARTED_EXIT, Processes
from everbeat.executor.effects import Ending, Launch

if TYPE_CHECKING:
    from pathlib import Path


async def _launched(path: Path, *more: str) -> Ending:
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[Ending] = loop.create_future()
    processes = Processes(loop, lambda _, ending: ended.set_result(ending), is_prompt=False)
    environment = (("PATH", os.environ["PATH"]),)
    processes.launch(Launch(run=1, command=(str(path), *more, "start"), environment=environment))
    return await asyncio.wait_for(ended, 20)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("#!/bin/sh\r\nexit 0\r\n", "its first line ends with a CR (DOS line ends)"),
        ("#!/bin/sh -e\r\nexit 0\r\n", ""),
        ("#!/no/such/ksh\nexit 0\n", "its interpreter /no/such/ksh is not found"),
    ],
)
def test_a_script_whose_interpreter_is_not_found_is_not_called_missing(
    tmp_path: Path, text: str, said: str
) -> None:
    script = tmp_path / "appctl"
    script.write_bytes(text.encode())
    script.chmod(0o755)
    ending = asyncio.run(_launched(script))
    assert ending.exit_code != 0
    assert said in ending.output
    assert "No such file" not in ending.output or not said


def test_a_missing_script_is_called_missing(tmp_path: Path) -> None:
    assert "No such file" in asyncio.run(_launched(tmp_path / "none")).output


@pytest.mark.parametrize("word", ["a\0b", "\ud800"])
def test_a_word_that_no_program_can_be_given_fails_its_run_alone(tmp_path: Path, word: str) -> None:
    script = tmp_path / "appctl"
    script.write_bytes(b"#!/bin/sh\n")
    script.chmod(0o755)
    assert asyncio.run(_launched(script, word)).exit_code == NOT_STARTED_EXIT


def test_scripts_are_listed_and_their_first_lines_read(tmp_path: Path) -> None:
    folder = tmp_path / "resource.d"
    folder.mkdir()
    (folder / "appctl").write_bytes(b"#!/bin/sh\r\n")
    (folder / "appctl").chmod(0o755)
    (folder / "README").write_text("not a script")
    host = RealHost(tmp_path)
    assert "appctl" in host.service_names()
    assert "README" not in host.service_names()
    assert host.first_line(f"{folder}/appctl") == "#!/bin/sh\r\n"
    assert host.first_line(f"{folder}/none") == ""
    assert "127.0.0.0/8" in [entry.network for entry in host.interfaces() if entry.name == "lo"]
