"""The simulated network: what is sent arrives late, twice, out of order, or not at all.

Every medium of ha.cf is one wire that all nodes share, by its index. A cut is directed: (a, b)
means that b does not hear a.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from everbeat.model.names import NodeName

if TYPE_CHECKING:
    from random import Random

WITNESS: Final = NodeName("the-witness")
WITNESS_PATH: Final = -1  # no medium of ha.cf: it fails by cuts alone
SWITCH: Final = NodeName("the-switch")  # answers pings


@dataclass(slots=True)
class Network:
    """Chances out of 1,000 and delays in milliseconds; faults are set and cleared by scenarios."""

    random: Random
    loss_permille: int = 0
    duplicate_permille: int = 0
    delay_ms_max: int = 2
    cuts: set[tuple[NodeName, NodeName]] = field(default_factory=set[tuple["NodeName", "NodeName"]])
    dead_media: set[int] = field(default_factory=set[int])

    def arrivals(self, sender: NodeName, receiver: NodeName, medium: int) -> list[int]:
        """Return the delays after which copies of one datagram arrive; empty if it is lost."""
        if (sender, receiver) in self.cuts or medium in self.dead_media:
            return []
        if self.random.randrange(1_000) < self.loss_permille:
            return []
        copies = 1 + (self.random.randrange(1_000) < self.duplicate_permille)
        return [self.random.randrange(self.delay_ms_max + 1) for _ in range(copies)]

    def cut(self, one: NodeName, other: NodeName, *, is_one_way: bool) -> None:
        """Let `other` not hear `one`, and unless one-way the reverse."""
        self.cuts.add((one, other))
        if not is_one_way:
            self.cuts.add((other, one))

    def heal(self) -> None:
        """Undo every fault."""
        self.loss_permille = self.duplicate_permille = 0
        self.delay_ms_max = 2
        self.cuts.clear()
        self.dead_media.clear()
