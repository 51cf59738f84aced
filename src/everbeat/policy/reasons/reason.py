"""A reason: what kind of cause it is, what it speaks of, a sentence, and what is behind it.

    stop web on node1 ◄─ ACTION restart of db ◄─ HISTORY db_monitor_10000 failed on node1
    start ip on node2 ◄─ PLACEMENT node2 ◄─ LOCATION ip-likes-node2

A chain of reasons ends at a root: something a person can look at or change, that is an element of
the configuration, an entry of the status, the state of a node, or a fact of the whole cluster.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator


class Kind(StrEnum):
    """What a reason's subject is."""

    # Roots in the configuration; the subject is an element's id or an option's name.
    LOCATION = "location"
    COLOCATION = "colocation"
    ORDER = "order"
    TICKET = "ticket"
    OPTION = "option"
    META = "meta-attribute"
    OPERATION = "operation"
    RESOURCE = "resource"
    GROUP = "group"
    CLONE = "clone"
    BUNDLE = "bundle"
    # Roots in the status; the subject is an entry's id, or the name of a node or resource.
    HISTORY = "history"
    NO_HISTORY = "no-history"
    FAIL_COUNT = "fail-count"
    NODE = "node"
    ATTRIBUTE = "node-attribute"
    QUORUM = "quorum"
    LOCK = "shutdown-lock"
    CAPACITY = "capacity"
    # Decisions with something behind them; the subject is a node or an action's name.
    PLACEMENT = "placement"
    ACTION = "action"
    # A change of a score without a rule of its own: the subject says which step it was.
    SCORE = "score"


DECISIONS: Final = frozenset((Kind.PLACEMENT, Kind.ACTION))
"""Kinds that never end a chain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One cause. `text` is a whole sentence without its dot; `because` the causes behind it."""

    kind: Kind
    subject: str
    text: str
    because: tuple[Reason, ...] = ()

    def roots(self) -> Iterator[Reason]:
        """Yield the ends of all chains behind this reason."""
        if not self.because:
            yield self
        for behind in self.because:
            yield from behind.roots()

    @property
    def is_grounded(self) -> bool:
        """Say whether every chain ends at something a person can look at."""
        return all(root.kind not in DECISIONS and root.subject for root in self.roots())
