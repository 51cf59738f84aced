"""What a service writes to the output of the script that started it, for real."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from everbeat.adapters.processes import Processes
from everbeat.executor.effects import Ending, Launch
from lab.slowness import is_over

WRITER = """import os, time
with open("/proc/self/stat") as stat: pid = stat.read().split()[0]
written = 0
try:
    while True:
        written += os.write(1, b"x" * 65536)
        os.write(2, b"y")
        open(f"{folder}/written.new", "w").write(str(written))
        os.rename(f"{folder}/written.new", f"{folder}/written")
except OSError as error:
    open(f"{folder}/error", "w").write(repr(error))
"""
KILLED = """import asyncio, os, sys
from everbeat.adapters.processes import Processes
from everbeat.executor.effects import Launch
async def main():
    loop = asyncio.get_running_loop()
    processes = Processes(loop, lambda run, ending: None)
    command = ("/bin/sh", "-c", sys.argv[1])
    processes.launch(Launch(run=1, command=command, environment=(), may_leave_running=True))
    print("begun", flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""


def script(folder: Path, *, is_waiting: bool = False) -> str:
    (folder / "writer.py").write_text(f"folder = {str(folder)!r}\n{WRITER}")
    python = f"{sys.executable} {folder}/writer.py"
    tail = "sleep 60" if is_waiting else "echo started"
    return f"setsid {python} & echo $! >{folder}/pid; {tail}"


def written(folder: Path) -> int:
    try:
        return int((folder / "written").read_text())
    except FileNotFoundError:
        return 0


def wait_megabytes(folder: Path, more: int) -> None:
    """Wait until so many megabytes more than now are written: far beyond what a pipe holds."""
    began, wanted = time.monotonic(), written(folder) + more * 1_000_000
    while written(folder) < wanted:
        assert not (folder / "error").exists(), (folder / "error").read_text()
        assert not is_over(began, 20), f"{written(folder)} bytes, then it was blocked"
        time.sleep(0.02)


def end_writer(folder: Path) -> None:
    """End it; who reads for it ends by itself."""
    pid = int((folder / "pid").read_text())
    left = readers_of(pid)
    os.kill(pid, signal.SIGKILL)
    began = time.monotonic()
    while any(Path(f"/proc/{reader}").exists() and not is_zombie(reader) for reader in left):
        assert not is_over(began, 10), left
        time.sleep(0.02)


def readers_of(pid: int) -> list[int]:
    """Return the other processes that hold the writer's pipe."""
    pipe = Path(f"/proc/{pid}/fd/1").readlink()
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) not in {pid, os.getpid()}:
            try:
                links = {fd.readlink() for fd in (entry / "fd").iterdir()}
            except OSError:
                continue
            if pipe in links:
                found.append(int(entry.name))
    return found


def is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


async def _run(order: Launch) -> Ending:
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[Ending] = loop.create_future()
    processes = Processes(loop, lambda _, ending: ended.set_result(ending))
    processes.launch(order)
    ending = await asyncio.wait_for(ended, 20)
    await asyncio.sleep(0.3)
    return ending


@pytest.mark.parametrize("is_start", [True, False])
@pytest.mark.parametrize("is_read", [True, False])
def test_what_an_action_leaves_may_write_for_ever(
    tmp_path: Path,
    is_start: bool,  # noqa: FBT001 - a parameter
    is_read: bool,  # noqa: FBT001 - a parameter
) -> None:
    command = ("/bin/sh", "-c", script(tmp_path))
    order = Launch(
        run=1, command=command, environment=(), is_read=is_read, may_leave_running=is_start
    )
    ending = asyncio.run(_run(order))
    assert ending.exit_code == 0
    wait_megabytes(tmp_path, 3)  # nobody of this process reads any more
    end_writer(tmp_path)


def test_it_may_write_on_though_we_are_killed_in_the_middle_of_its_start(tmp_path: Path) -> None:
    executor = subprocess.Popen(
        [sys.executable, "-c", KILLED, script(tmp_path, is_waiting=True)], stdout=subprocess.PIPE
    )
    assert executor.stdout is not None
    assert executor.stdout.readline() == b"begun\n"
    wait_megabytes(tmp_path, 1)
    executor.kill()
    executor.wait()
    executor.stdout.close()
    wait_megabytes(tmp_path, 3)
    for reader in readers_of(int((tmp_path / "pid").read_text())):
        command = Path(f"/proc/{reader}/cmdline").read_bytes()
        if b"sleep 60" in command or command.startswith(b"sleep"):
            os.kill(reader, signal.SIGKILL)  # the script that was under way
    end_writer(tmp_path)


def test_the_output_of_an_action_is_still_heard_and_a_closed_one_costs_nothing() -> None:
    said = "echo one; echo two >&2; exec >&- 2>&-; sleep 0.3"
    began = time.process_time()
    order = Launch(run=1, command=("/bin/sh", "-c", said), environment=(), may_leave_running=True)
    ending = asyncio.run(_run(order))
    assert ending.output == "one\ntwo\n"
    assert time.process_time() - began < 0.25
