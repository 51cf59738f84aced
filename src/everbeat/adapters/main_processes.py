"""Tell at once when the main process of a watched service ends: a pidfd each, nothing is polled.

    observe ─► find (again after a while, FIND_DELAYS_S) ─► pidfd ─ readable ─► on_cause
                 ^                                                                 │
                 '────────────── after RELOOK_S: a service may have exchanged it ──'

A cause is certain if a pid file named the process and now names none that lives: what a script's
status would find out as well, twenty milliseconds later.

Workers that outlive a killed master keep its ports: `end_remains` kills them once a monitor has
said that the service does not run.

Found, in this order: systemd's MainPID; a pid file (agents.main_process); the oldest process left
in the session in which the script was started. Whatever is found: its end is a hint, a monitor
decides. Files and systemctl are asked in a thread.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from everbeat.adapters.pid_file import is_named_none, process_named_by
from everbeat.adapters.process_table import process, processes
from everbeat.agents.agent import AddressAgent, ScriptAgent, SystemdAgent
from everbeat.agents.main_process import pid_files, pid_from_text
from everbeat.model.operations import Action

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from everbeat.agents.agent import Agent

FIND_DELAYS_S: Final = (0.0, 0.3, 1.0, 3.0, 10.0, 30.0)
"""After these pauses, one after the other, a main process is looked for; then no more."""

PID_FILE_TRIES: Final = 2
"""So many times a pid file alone is believed: a daemon that has just been forked writes it soon,
and has not left the session of its start yet."""

RELOOK_S: Final = 2.0
RELOOKS_MAX: Final = 20
LIVED_S: Final = 60.0
"""So many main processes of one watch seen to end that lived for less: a service that changes
them all the time is polled alone."""

SCRIPT_BYTES_MAX: Final = 65_536
SESSIONS_MAX: Final = 1_000
SYSTEMCTL_S: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Main:
    """A main process: `pid_file` names it ("" if that is not how it was found)."""

    pid: int
    pidfd: int
    leads_session: bool
    pid_file: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The main process that was seen to end last: who named it, and whose session we began."""

    pid_file: str = ""
    session: int = 0


@dataclass(slots=True)
class _Observed:
    agent: Agent
    tries: int = 0
    ends: int = 0
    ended: Ended = Ended()
    ended_leader: int = 0  # the last main process that ended, if it led its session
    found: Main | None = None
    found_s: float = 0.0  # in the loop's time
    timer: asyncio.TimerHandle | None = None


@dataclass(slots=True)
class MainProcesses:
    """The main processes under observation. `on_cause(watch, text, is_certain)`: in the loop."""

    loop: asyncio.AbstractEventLoop
    on_cause: Callable[[int, str, bool], None]
    _observed: dict[int, _Observed] = field(default_factory=dict)
    _sessions: dict[str, int] = field(default_factory=dict)  # script and arguments -> session
    _thread: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(1, "main-process")
    )

    def on_started(self, command: tuple[str, ...], pid: int) -> None:
        """Remember the session in which a script was started."""
        self._sessions[" ".join(command[:-1])] = pid
        if len(self._sessions) > SESSIONS_MAX:
            del self._sessions[next(iter(self._sessions))]

    def observe(self, watch: int, agent: Agent) -> None:
        """Begin to look for the main process of what an agent serves."""
        if not isinstance(agent, AddressAgent):
            self._observed[watch] = _Observed(agent)
            self._look_later(watch)

    def unobserve(self, watch: int) -> None:
        """Let go."""
        one = self._observed.pop(watch, None)
        if one is None:
            return
        if one.timer is not None:
            one.timer.cancel()
        self._close(one)

    def end_remains(self, watch: int) -> tuple[int, ...]:
        """Kill what is left of the session that the ended main process led; return who."""
        one = self._observed.get(watch)
        leader, killed = (one.ended_leader if one is not None else 0), []
        if one is None or not leader:
            return ()
        one.ended_leader = 0
        for left in processes():
            if left.session == leader and left.pid != leader:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(left.pid, signal.SIGKILL)
                    killed.append(left.pid)
        return tuple(killed)

    def is_alive(self, command: tuple[str, ...]) -> bool:
        """Whether the main process of what this command starts is observed, and has not ended."""
        return any(
            one.found is not None
            and not isinstance(one.agent, AddressAgent)
            and one.agent.command(Action.START) == command
            for one in self._observed.values()
        )

    def ended_main(self, watch: int) -> Ended:
        """Return what is known of the main process of a watch that ended last."""
        one = self._observed.get(watch)
        if one is None:
            return Ended()
        return Ended(one.ended.pid_file, self._session_of(one.agent))

    def close(self) -> None:
        """Let go of all."""
        for watch in tuple(self._observed):
            self.unobserve(watch)
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _look_later(self, watch: int) -> None:
        one = self._observed[watch]
        if one.tries < len(FIND_DELAYS_S):
            delay_s = FIND_DELAYS_S[one.tries]
            one.tries += 1
            one.timer = self.loop.call_later(delay_s, self._look, watch)

    def _look(self, watch: int) -> None:
        one = self._observed[watch]
        session = 0
        if one.tries > PID_FILE_TRIES:
            session = self._session_of(one.agent)
        looking = self.loop.run_in_executor(self._thread, find_main, one.agent, session)
        looking.add_done_callback(lambda done: self._on_found(watch, done))

    def _on_found(self, watch: int, done: asyncio.Future[Main | None]) -> None:
        if done.cancelled():
            return
        found = done.result()
        one = self._observed.get(watch)
        if one is None:
            if found is not None:
                os.close(found.pidfd)
        elif found is None:
            self._look_later(watch)
        else:
            one.found, one.found_s = found, self.loop.time()
            self.loop.add_reader(found.pidfd, self._on_end, watch, found)

    def _on_end(self, watch: int, ended: Main) -> None:
        one = self._observed[watch]
        self._close(one)
        one.ends = 0 if self.loop.time() - one.found_s >= LIVED_S else one.ends + 1
        one.ended = Ended(ended.pid_file)
        one.ended_leader = ended.pid if ended.leads_session else 0
        if one.ends <= RELOOKS_MAX:
            one.tries = 0
            one.timer = self.loop.call_later(RELOOK_S, self._look, watch)
        asking = self.loop.run_in_executor(self._thread, is_named_none, ended.pid_file)
        asking.add_done_callback(lambda done: self._tell(watch, ended, done))

    def _tell(self, watch: int, ended: Main, done: asyncio.Future[bool]) -> None:
        if not done.cancelled():
            self.on_cause(watch, f"process {ended.pid} ended", done.result())

    def _session_of(self, agent: Agent) -> int:
        """Return the session in which we started what an agent serves; 0 if we did not."""
        if not isinstance(agent, ScriptAgent):
            return 0
        return self._sessions.get(" ".join(agent.command(Action.START)[:-1]), 0)

    def _close(self, one: _Observed) -> None:
        if one.found is not None:
            self.loop.remove_reader(one.found.pidfd)
            os.close(one.found.pidfd)
            one.found = None


def find_main(agent: Agent, session: int) -> Main | None:
    """Return the main process with an open pidfd, or None. Blocking. `session`: 0 if unknown."""
    pid: int | None = None
    pid_file = ""
    match agent:
        case SystemdAgent(unit):
            pid = _of_unit(unit)
        case ScriptAgent(path):
            pid, pid_file = _of_pid_file(path) or (_of_session(session), "")
        case AddressAgent():
            pass
    if pid is None:
        return None
    before = process(pid)
    if before is None or before.state == "Z":
        return None
    try:
        pidfd = os.pidfd_open(pid)
    except OSError:
        return None
    after = process(pid)
    if after is None or after.started_ticks != before.started_ticks:
        os.close(pidfd)
        return None
    leads = before.session == pid
    return Main(pid=pid, pidfd=pidfd, leads_session=leads, pid_file=pid_file)


def _of_unit(unit: str) -> int | None:
    asking = ["systemctl", "show", "--property", "MainPID", "--value", unit]
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        answer = subprocess.run(
            asking, capture_output=True, text=True, timeout=SYSTEMCTL_S, check=False
        )
        return pid_from_text(answer.stdout)
    return None


def _of_pid_file(script: str) -> tuple[int, str] | None:
    """Return the process of the script's first pid file that may name one, and that file."""
    try:
        with Path(script).open("rb") as file:
            text = file.read(SCRIPT_BYTES_MAX).decode("latin-1")
    except OSError:
        return None
    for path in pid_files(Path(script).name, text):
        named = process_named_by(path)
        if named is not None:
            return named.pid, path
    return None


def _of_session(session: int) -> int | None:
    """Return the oldest process left of a start."""
    if not session:
        return None
    left = [one for one in processes() if one.session == session and one.state != "Z"]
    oldest = min(left, key=lambda one: (one.started_ticks, one.pid), default=None)
    return oldest.pid if oldest is not None else None
