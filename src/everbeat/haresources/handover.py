"""One hand-over of groups between two nodes, as Heartbeat's three-step standby.

    giver                                     taker
    ASKING   -- ask_resources me -->          (stable and idle)
             <-- ask_resources other --       OFFERED
    RELEASING   stops, then
    WAITING  -- ask_resources done -->        TAKING      starts, then
             <-- ask_resources done --        (finished)
    (finished)

Limits: ASKING 10 s, all else one hour, as measured on Heartbeat 3.0.6. A taker that does not hear
the giver begin gives up after OFFER_LIMIT_MS: the giver has not heard it, or chose another.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from everbeat.model.names import GroupKey, NodeName

REPLY_LIMIT_MS: Final = 10_000
OFFER_LIMIT_MS: Final = 20_000
WORK_LIMIT_MS: Final = 3_600_000


class HandoverStep(Enum):
    """Where a hand-over stands, seen from this node."""

    ASKING = auto()  # giver: waits for `other`
    RELEASING = auto()  # giver: stops its groups
    WAITING = auto()  # giver: waits for the taker's `done`
    OFFERED = auto()  # taker: waits for the giver's `done`
    TAKING = auto()  # taker: starts the groups


NOTHING_MOVES: Final = frozenset({HandoverStep.ASKING, HandoverStep.OFFERED})


@dataclass(slots=True)
class Handover:
    """The hand-over under way; at most one per node."""

    step: HandoverStep
    word: str  # local, foreign or all, from the giver's point of view
    keys: frozenset[GroupKey]
    peer: NodeName | None  # None while a giver waits for whoever answers
    cause: str
    until_ms: int
    event_id: int | None = None
    asked_order: tuple[int, int] = (0, 0)  # taker: of the question; an older `done` is not its end
    is_named: bool = False  # giver in a pair: of the groups it names, not of all the word means
    has_begun: bool = False  # taker: the giver was heard to be unstable since the offer

    @property
    def is_giver(self) -> bool:
        """Whether we give."""
        return self.step in {HandoverStep.ASKING, HandoverStep.RELEASING, HandoverStep.WAITING}
