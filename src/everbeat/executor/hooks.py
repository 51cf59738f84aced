"""Run rc.d/TYPE for messages of the cluster, one after the other.

    on_hook ─► waiting (WAITING_MAX) ─► running ─ ends, or TIMEOUT_MS: TERM, KILL ─► next

Five scripts of Heartbeat's own drive its resource manager from the shell. everbeat does their work
itself, so they are passed over: see is_stock.
"""

from __future__ import annotations

import re
from collections import deque
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

from everbeat.agents.environment import accepted
from everbeat.executor.effects import Launch, Note, Signal
from everbeat.model.reports import Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from everbeat.agents.environment import Environment
    from everbeat.executor.effects import Ending
    from everbeat.model.operations import RunHook

WAITING_MAX: Final = 100
"""Hooks waiting; one more is dropped with a note."""

TIMEOUT_MS: Final = 300_000
KILL_AFTER_MS: Final = 2_000
ABANDON_MS: Final = 5_000

NAME_BYTES_MAX: Final = 64
_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")

_STOCK_CALLS: Final = {
    "status": "mach_down",
    "ip-request": "givegroup",
    "ip-request-resp": "takegroup",
    "hb_takeover": "hb_standby",
    "ask_resources": "takegroup",
}

HookEffect: TypeAlias = Launch | Signal | Note


class HookScripts(Protocol):
    """The scripts of ETC/rc.d."""

    def hook(self, name: str) -> tuple[str, str] | None:
        """Return path and text of the executable rc.d/NAME, or None."""
        ...


def is_stock(name: str, text: str) -> bool:
    """Whether a script is one of Heartbeat's own whose work everbeat does itself.

    It is if it has one of the five names and, outside of comments, the word by which that script
    gives or takes resources: status mach_down, ip-request givegroup, ip-request-resp and
    ask_resources takegroup, hb_takeover hb_standby. So an edited copy counts too: two managers
    would take the same resources. A site's own script of that name without the word runs.
    """
    word = _STOCK_CALLS.get(name)
    if word is None:
        return False
    called = re.compile(rf"(?<![\w-]){word}(?![\w-])")
    lines = (line.partition("#")[0] for line in text.splitlines())
    return any(called.search(line) for line in lines)


class Hooks:
    """The queue of hooks. `base` is every script's environment."""

    def __init__(self, scripts: HookScripts, base: Environment, runs: Iterator[int]) -> None:
        self._scripts = scripts
        self._base = base
        self._runs = runs
        self._waiting: deque[RunHook] = deque()
        self._run: int | None = None
        self._name = ""
        self._next_step_ms: int | None = None
        self._signals = 0
        self.dropped_count = 0

    def on_hook(self, order: RunHook, now_ms: int) -> list[HookEffect]:
        """Take an order; it is dropped with a note when WAITING_MAX hooks wait."""
        if len(self._waiting) >= WAITING_MAX:
            self.dropped_count += 1
            return [Note(Severity.WARNING, f"rc.d/{order.name[:NAME_BYTES_MAX]} dropped: too many")]
        self._waiting.append(order)
        return self._start_next(now_ms)

    def on_ended(self, run: int, ending: Ending, now_ms: int) -> list[HookEffect] | None:
        """Go on with the next hook; None: not our run."""
        if run != self._run:
            return None
        self._run, self._next_step_ms = None, None
        notes = _notes_of(self._name, ending)
        return [*notes, *self._start_next(now_ms)]

    def on_tick(self, now_ms: int) -> list[HookEffect]:
        """End a hook that runs for too long."""
        if self._run is None or self._next_step_ms is None or now_ms < self._next_step_ms:
            return []
        self._signals += 1
        if self._signals > 2:
            self._run, self._next_step_ms = None, None
            return self._start_next(now_ms)
        is_hard = self._signals == 2
        self._next_step_ms = now_ms + (ABANDON_MS if is_hard else KILL_AFTER_MS)
        return [Signal(self._run, is_hard=is_hard)]

    def next_wakeup_ms(self) -> int | None:
        """Return when on_tick must be called next."""
        return self._next_step_ms

    def _start_next(self, now_ms: int) -> list[HookEffect]:
        while self._run is None and self._waiting:
            order = self._waiting.popleft()
            if (path := self._path_of(order.name)) is not None:
                return [self._launch(order, path, now_ms)]
        return []

    def _path_of(self, name: str) -> str | None:
        """Return the script to run; the name comes from the network and must be a plain word."""
        if len(name) > NAME_BYTES_MAX or _NAME.fullmatch(name) is None:
            return None
        found = self._scripts.hook(name)
        if found is None:
            return None
        path, text = found
        return None if is_stock(name, text) else path

    def _launch(self, order: RunHook, path: str, now_ms: int) -> Launch:
        self._run = next(self._runs)
        self._name = order.name
        self._signals = 0
        self._next_step_ms = now_ms + TIMEOUT_MS
        environment = (*accepted(order.environment), *self._base)
        return Launch(run=self._run, command=(path, order.name), environment=environment)


def _notes_of(name: str, ending: Ending) -> list[HookEffect]:
    if ending.exit_code == 0 and not ending.output:
        return []
    severity = Severity.WARNING if ending.exit_code else Severity.INFO
    text = f"rc.d/{name} ended with {ending.exit_code}: {ending.output.strip()}"
    return [Note(severity, text.rstrip(": "))]
