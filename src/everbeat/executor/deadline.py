"""The end of a run that takes too long: look at it, then TERM, then KILL, then leave it behind.

    IN_TIME --limit--> EXAMINED --seen, or EXAMINE_MS--> TERMINATED --> KILLED --> left behind
       |                                                     ^
       '-------------- nobody wants its result any more -----'

A process that even KILL does not end (a hung disk) is left behind after ABANDON_MS, so that what
waits for it is not blocked for ever.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from everbeat.executor.effects import Examine, Signal

EXAMINE_MS: Final = 1_000
"""How long the flight record may take; a machine that hangs may not tell what hangs."""

NOT_EXAMINED: Final = "how it hung could not be seen in time"

KILL_AFTER_MS: Final = 2_000
"""From TERM to KILL."""

ABANDON_MS: Final = 5_000
"""From KILL to giving up on a process that does not end."""


class Stage(Enum):
    """How far the end has come."""

    IN_TIME = 0
    EXAMINED = 1
    TERMINATED = 2
    KILLED = 3
    ABANDONED = 4


@dataclass(slots=True)
class Deadline:
    """The limit of one run. Owned by the core that started it."""

    run: int
    next_step_ms: int
    stage: Stage = Stage.IN_TIME

    @property
    def is_in_time(self) -> bool:
        """Whether nothing was done to it."""
        return self.stage is Stage.IN_TIME

    def press(self, now_ms: int) -> list[Examine | Signal]:
        """Take the next step, which is due; ABANDONED: nothing more can be done."""
        match self.stage:
            case Stage.IN_TIME:
                self.stage, self.next_step_ms = Stage.EXAMINED, now_ms + EXAMINE_MS
                return [Examine(self.run)]
            case Stage.EXAMINED:
                return self.terminate(now_ms)
            case Stage.TERMINATED:
                self.stage, self.next_step_ms = Stage.KILLED, now_ms + ABANDON_MS
                return [Signal(self.run, is_hard=True)]
            case Stage.KILLED | Stage.ABANDONED:
                self.stage = Stage.ABANDONED
                return []

    def terminate(self, now_ms: int) -> list[Examine | Signal]:
        """Ask it to end, unless that has been done."""
        if self.stage not in {Stage.IN_TIME, Stage.EXAMINED}:
            return []
        self.stage, self.next_step_ms = Stage.TERMINATED, now_ms + KILL_AFTER_MS
        return [Signal(self.run, is_hard=False)]
