"""Facts that no core process has heard, kept for the next one.

A new core is given the MembershipView, which holds what most facts add up to. Only facts the view
does not hold are kept: messages, and that a node restarted or returned. At KEPT_MAX the oldest go.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from everbeat.model.membership import MessageReceived, NodeRestarted, NodeReturned

if TYPE_CHECKING:
    from everbeat.model.membership import MembershipFact

KEPT_MAX: Final = 1_000


class LinkBacklog:
    """What the next core process must be told besides the view. Oldest first."""

    def __init__(self) -> None:
        self._kept: deque[MembershipFact] = deque(maxlen=KEPT_MAX)

    def keep(self, fact: MembershipFact) -> None:
        """Keep a fact if the view does not hold it."""
        if not isinstance(fact, MessageReceived | NodeRestarted | NodeReturned):
            return
        self._kept.append(fact)

    def take(self) -> tuple[MembershipFact, ...]:
        """Return what was kept, and forget it."""
        kept = tuple(self._kept)
        self._kept.clear()
        return kept
