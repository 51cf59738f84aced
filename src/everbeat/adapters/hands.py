"""Find out whether somebody else is at work on a service: its script, or systemctl.

Looked at: processes that an interpreter or the script's own file runs, or with the short name of a
tool that manages services, that began less than WORK_AGE_S ago and not in the session of our own
start. Whether they run the script is told by its file, not by the name by which it was called:
the path as the process sees it, or the script that its shell holds open. A daemon may
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
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from everbeat.adapters.process_table import process, user_of
from everbeat.agents.agent import ScriptAgent
from everbeat.agents.hands import (
    PACKAGE_TOOLS,
    is_at_work,
    may_be_at_work,
    program_position,
    runs_scripts,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from everbeat.adapters.main_processes import Ended
    from everbeat.agents.agent import Agent

LOOK_S: Final = 1.0
WORK_AGE_S: Final = 120.0
COMMAND_BYTES_MAX: Final = 4_096
FILES_MAX: Final = 64
"""Open files of a process looked at; a shell has its script and what it was given."""

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
    known = _known_as(agent)
    programs = {one.path for one in known if isinstance(one, ScriptAgent)}
    tool = ""
    for pid, name in _names():
        if name in PACKAGE_TOOLS and _may_work(pid):
            tool = f"{name} [{pid}]"
        if not may_be_at_work(name, agent):
            program = _target(f"/proc/{pid}/exe")
            if program not in programs and not runs_scripts(program):
                continue
        one = process(pid)
        if one is None or one.state == "Z" or one.started_ticks < youngest or not _may_work(pid):
            continue
        command = () if ended.session and one.session == ended.session else _command(pid)
        called = _by_own_name(pid, command, agent)
        if any(is_at_work(called, one) for one in known):
            return Seen(f"{' '.join(command)} [{pid}]")
    # After the look: a script tidies up while it is at work, and is gone in the next millisecond.
    is_tidied_up = bool(ended.pid_file) and not Path(ended.pid_file).exists()
    has_tool = is_orderly or (is_tidied_up and isinstance(agent, ScriptAgent))
    return Seen(tool if has_tool else "", is_tidied_up)


def _may_work(pid: int) -> bool:
    """Whether a process is root's, or of our own user: others could keep what has died down."""
    return user_of(pid) in {0, os.geteuid()}


def _known_as(agent: Agent) -> tuple[Agent, ...]:
    """Return an agent, and the one of the file that a link of resource.d leads to."""
    if not isinstance(agent, ScriptAgent):
        return (agent,)
    return tuple(dict.fromkeys((agent, replace(agent, path=os.path.realpath(agent.path)))))


def _by_own_name(pid: int, command: tuple[str, ...], agent: Agent) -> tuple[str, ...]:
    """Return a command line with the script called as the agent calls it, if it is this script."""
    if not command or not isinstance(agent, ScriptAgent):
        return command
    position = program_position(command)
    named = os.path.join(f"/proc/{pid}/cwd", command[position])  # noqa: PTH118 - ./ must stay
    if _is_same(named, agent.path) or _has_open(pid, os.path.realpath(agent.path)):
        return (agent.path, *command[position + 1 :])
    return command


def _is_same(path: str, other: str) -> bool:
    try:
        return Path(path).samefile(other)
    except (OSError, ValueError):
        return False


def _has_open(pid: int, path: str) -> bool:
    """Whether a process runs this file, or has it open as a shell has its script."""
    try:
        numbers = os.listdir(f"/proc/{pid}/fd")[:FILES_MAX]  # noqa: PTH208 - as fast as can be
    except OSError:
        return False
    links = (f"/proc/{pid}/exe", *(f"/proc/{pid}/fd/{number}" for number in numbers))
    return any(_target(link) == path for link in links)


def _target(link: str) -> str:
    """Return where a link of /proc leads, "" if nowhere. Never waits for that file's disk."""
    try:
        return os.readlink(link)  # noqa: PTH115 - as fast as can be
    except OSError:
        return ""


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
