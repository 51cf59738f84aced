"""Tell a resource that has died from one that somebody restarts right now.

    NONE ──not held──► ASKING ── nobody is at work ─────────────────► failed
      ^                 │  ^  └─ nobody, and it was stopped in order ─► WAITING ─► status again
      │                 v  │AT_WORK_LOOK_MS                                │
      │               AT_WORK ── nobody any more ──► WAITING               │ ORDERLY_MS have passed
      └───────────── held ◄────────────────────────────────────────────────┴─► failed

Administrators, cron, packages and systemd restart services. That is no failure, and starting a
service while its script does would start it twice. Who is at work the shell finds out
(LookForHands); systemd says it of its units itself (Condition.MOVING). A stop in order that stays
a stop is mended after ORDERLY_MS, a restart that does not end after AT_WORK_MS_MAX. Where nobody
saw a process die, a stop in order is taken for granted.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

AT_WORK_LOOK_MS: Final = 500
ORDERLY_LOOK_MS: Final = 1_000
ORDERLY_MS: Final = 5_000
"""After a stop in order somebody may start it again for so long."""

AT_WORK_MS_MAX: Final = 300_000
"""A restart by somebody else that takes longer has failed: as long as a start may take."""


class Next(Enum):
    """What to do with a resource that does not run."""

    FAIL = auto()
    ASK_HANDS = auto()  # who is at work?
    LOOK = auto()  # at the resource itself, when `again_ms` has come


@dataclass(slots=True)
class Suspicion:
    """One resource that does not run. `again_ms`: when the next step is due."""

    begun_ms: int
    last_work_ms: int | None = None  # when somebody was last seen at work, or it was in order
    again_ms: int = 0
    asks_hands: bool = False  # at `again_ms`; else the resource itself is looked at

    def on_moving(self, now_ms: int) -> Next:
        """Take that whoever runs the resource says that it is being started or stopped."""
        self.last_work_ms = now_ms
        if now_ms - self.begun_ms >= AT_WORK_MS_MAX:
            return Next.FAIL
        self.again_ms, self.asks_hands = now_ms + AT_WORK_LOOK_MS, False
        return Next.LOOK

    def on_hands(self, now_ms: int, *, are_at_work: bool, is_orderly: bool) -> Next:
        """Take whether somebody is at work, and whether it was stopped in order."""
        if are_at_work and now_ms - self.begun_ms < AT_WORK_MS_MAX:
            self.last_work_ms = now_ms
            self.again_ms, self.asks_hands = now_ms + AT_WORK_LOOK_MS, True
            return Next.ASK_HANDS
        if are_at_work:
            return Next.FAIL
        if self.asks_hands:  # they have just finished: see what they have left
            self.again_ms, self.asks_hands = now_ms, False
            return Next.LOOK
        if is_orderly and self.last_work_ms is None:
            self.last_work_ms = now_ms
        if self.last_work_ms is None or now_ms - self.last_work_ms >= ORDERLY_MS:
            return Next.FAIL
        self.again_ms = now_ms + ORDERLY_LOOK_MS
        return Next.LOOK
