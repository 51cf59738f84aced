"""Find out whether somebody else is at work on a service: its script, or systemctl.

Looked at: processes with the short name of an interpreter, of the script or of a tool that manages
services, that began less than WORK_AGE_S ago and not in the session of our own start. A daemon may
keep the command line of the script that forked it; so what is older is no hand. Only those few
command lines are read, in a thread of their own: reading one waits for a process that hangs in a
page fault. Where that takes longer than LOOK_S the answer is that nobody is seen.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from everbeat.adapters.process_table import process
from everbeat.agents.agent import ScriptAgent
from everbeat.agents.hands import PACKAGE_TOOLS, is_at_work, may_be_at_work

if TYPE_CHECKING:
    from collections.abc import Iterator

    from everbeat.adapters.main_processes import Ended
    from everbeat.agents.agent import Agent

LOOK_S: Final = 1.0
WORK_AGE_S: Final = 120.0
COMMAND_BYTES_MAX: Final = 4_096
_NAME_BYTES_MAX: Final = 64


@dataclass(frozen=True, slots=True)
class Seen:
    """Who is at work ("" for nobody), and whether the pid file went with the process."""

    worker: str = ""
    is_tidied_up: bool = False


@dataclass(slots=True)
class Hands:
    """Looks for hands, one look after the other."""

    loop: asyncio.AbstractEventLoop
    _thread: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "hands"))

    async def look(self, agent: Agent, ended: Ended, *, is_orderly: bool) -> Seen:
        """Return who is at work on what an agent serves."""
        looking = self.loop.run_in_executor(
            self._thread, partial(look, agent, ended, is_orderly=is_orderly)
        )
        with contextlib.suppress(TimeoutError):
            return await asyncio.wait_for(looking, LOOK_S)
        return Seen()

    def close(self) -> None:
        """Look no more."""
        self._thread.shutdown(wait=False, cancel_futures=True)


def look(agent: Agent, ended: Ended, *, is_orderly: bool = False) -> Seen:
    """Look now. Blocking; some 20 us a process."""
    ticks = os.sysconf("SC_CLK_TCK")
    youngest = (time.clock_gettime(time.CLOCK_BOOTTIME) - WORK_AGE_S) * ticks
    tool = ""
    for pid, name in _names():
        if name in PACKAGE_TOOLS:
            tool = f"{name} [{pid}]"
        if not may_be_at_work(name, agent):
            continue
        one = process(pid)
        if one is None or one.state == "Z" or one.started_ticks < youngest:
            continue
        command = () if ended.session and one.session == ended.session else _command(pid)
        if is_at_work(command, agent):
            return Seen(f"{' '.join(command)} [{pid}]")
    # After the look: a script tidies up while it is at work, and is gone in the next millisecond.
    is_tidied_up = bool(ended.pid_file) and not Path(ended.pid_file).exists()
    has_tool = is_orderly or (is_tidied_up and isinstance(agent, ScriptAgent))
    return Seen(tool if has_tool else "", is_tidied_up)


def _names() -> Iterator[tuple[int, str]]:
    """Yield the numbers and short names of all processes. Plain calls: a service waits for it."""
    for entry in os.listdir("/proc"):  # noqa: PTH208 - as fast as can be
        if not entry.isdecimal():
            continue
        try:
            file = os.open(f"/proc/{entry}/comm", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            name = os.read(file, _NAME_BYTES_MAX)
        except OSError:
            continue
        finally:
            os.close(file)
        yield int(entry), name.rstrip(b"\n").decode("latin-1")


def _command(pid: int) -> tuple[str, ...]:
    try:
        with Path(f"/proc/{pid}/cmdline").open("rb") as file:
            data = file.read(COMMAND_BYTES_MAX)
    except OSError:
        return ()
    return tuple(os.fsdecode(word) for word in data.split(b"\0") if word)
