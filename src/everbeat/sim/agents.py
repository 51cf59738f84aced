"""Simulated resources of one machine: scripts that take time, and may fail, hang or lie."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from everbeat.executor.effects import Ending
from everbeat.model.operations import Action

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

NOT_RUNNING_EXIT: Final = 3
RUNNING: Final = "running"


class Manner(Enum):
    """How a machine's scripts behave."""

    HONEST = auto()
    FAILING = auto()  # start or stop ends with 1 and does nothing
    HANGING = auto()  # start and stop are killed at their limit, having done nothing
    MUTE = auto()  # status is killed at its limit
    LYING = auto()  # status says stopped whatever runs


@dataclass(slots=True)
class SimulatedAgents:
    """What runs on one machine, by resource word. `on_change`: told of each start and stop."""

    random: Random
    on_change: Callable[[], None]
    manner: Manner = Manner.HONEST
    running: set[str] = field(default_factory=set[str])
    starting: set[str] = field(default_factory=set[str])  # their start is under way
    heard: set[str] = field(default_factory=set[str])  # the executor has read "running" of them

    def clear(self) -> None:
        """Lose everything, as a power cut does."""
        self.running.clear()
        self.starting.clear()
        self.heard.clear()

    def begin(self, word: str, action: Action) -> None:
        """Note that an action begins."""
        if action is Action.START:
            self.starting.add(word)
            self.on_change()

    def duration_ms(self, action: Action, *, is_address: bool) -> int | None:
        """Return how long an action will take; None: until it is ended. Addresses never hang."""
        if is_address:
            return 1 + self.random.randrange(20)
        is_status = action is Action.STATUS
        if self.manner is (Manner.MUTE if is_status else Manner.HANGING):
            return None
        return 5 + self.random.randrange(300)

    def act(self, word: str, action: Action) -> Ending:
        """Carry an action out and return how it ended."""
        if action is Action.START:
            self.starting.discard(word)
        if action is Action.STATUS:
            is_held = word in self.running and self.manner is not Manner.LYING
            exit_code = 0 if is_held else NOT_RUNNING_EXIT
            return Ending(exit_code=exit_code, words=RUNNING if is_held else "stopped")
        if self.manner is Manner.FAILING:
            return Ending(exit_code=1)
        if action is Action.START:
            self.running.add(word)
        else:
            self.running.discard(word)
        self.on_change()
        return Ending(exit_code=0)

    def give_up(self, word: str, action: Action) -> None:
        """End an action that hangs: it has done nothing."""
        if action is Action.START:
            self.starting.discard(word)

    def die(self, number: int) -> str:
        """Let one of the running resources end by itself; return its word, "" if none runs.

        Not one whose status has never said that it runs: nobody could find that out.
        """
        alive = sorted(self.running & self.heard)
        if not alive:
            return ""
        word = alive[number % len(alive)]
        self.running.discard(word)
        return word
