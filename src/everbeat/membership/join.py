"""Whom to ask for the node list before we take part.

    every node heard or dead ──► reqnodes to a live peer, the next one each second ──► repnodes
                              └► nobody to ask, or nobody answered: our own list will do

3.0.6 asks for ever; a peer that never answers would keep us from ever taking part.

Source: measured on 3.0.6; the end of asking is ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from everbeat.model.names import NodeName

REPEAT_MS: Final = 1_000
REQUESTS_MIN: Final = 5
"""We go on without an answer after initdead, but not before this many requests."""


class NodeListQuest:
    """Asks one live peer after the other."""

    def __init__(self) -> None:
        self._ends_ms = 0
        self._next_ms = 0
        self._asked = 0

    def on_start(self, now_ms: int, initdead_ms: int) -> None:
        """Note when the node started."""
        self._ends_ms = now_ms + initdead_ms

    def is_over(self, now_ms: int) -> bool:
        """Say whether nobody is going to answer."""
        has_asked = self._asked >= REQUESTS_MIN and now_ms >= self._next_ms
        return has_asked and now_ms >= self._ends_ms

    def whom_to_ask(self, peers: Sequence[NodeName], now_ms: int) -> NodeName | None:
        """Return the peer to ask now; `peers`, not empty, are those that can answer."""
        if now_ms < self._next_ms:
            return None
        self._next_ms = now_ms + REPEAT_MS
        self._asked += 1
        return peers[(self._asked - 1) % len(peers)]

    def next_wakeup_ms(self) -> int | None:
        """Return when the next one is asked; None before the first."""
        return self._next_ms if self._asked else None
