"""Which paths to a node work: any authentic packet keeps a path up, silence kills it.

    (unknown) ──packet──► UP ──silence > the node's limit──► DEAD ──packet──► UP
        └────────────── never a packet within the limit ───────┘

A duplicate that came over a second path is worth as much as the first copy. A path that never
worked is told as dead once the node's limit has passed, so that a forgotten cable is seen.

Source: measured on 3.0.6.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from everbeat.model.members import LinkStatus
from everbeat.model.membership import LinkChanged

if TYPE_CHECKING:
    from collections.abc import Callable

    from everbeat.model.names import LinkName, NodeName


@dataclass(slots=True)
class _Path:
    since_ms: int  # last packet, or when we began to listen
    status: LinkStatus | None = None


class Links:
    """The paths to all other nodes. `limit_ms` tells how long a node may be silent now."""

    def __init__(self, limit_ms: Callable[[NodeName], int]) -> None:
        self._limit_ms = limit_ms
        self._paths: dict[tuple[NodeName, LinkName], _Path] = {}
        self._verdicts_from_ms = 0

    def add(self, node: NodeName, link: LinkName, now_ms: int) -> None:
        """Begin to listen for a node on a link."""
        self._paths[node, link] = _Path(now_ms)

    def remove(self, node: NodeName) -> None:
        """Forget all paths to a node."""
        for key in [key for key in self._paths if key[0] == node]:
            del self._paths[key]

    def on_packet(self, node: NodeName, link: LinkName, now_ms: int) -> list[LinkChanged]:
        """Note an authentic packet; unknown paths are ignored."""
        path = self._paths.get((node, link))
        if path is None:
            return []
        path.since_ms = now_ms
        if path.status is LinkStatus.UP:
            return []
        path.status = LinkStatus.UP
        return [LinkChanged(node, link, LinkStatus.UP, now_ms)]

    def hold_verdicts(self, until_ms: int) -> None:
        """Declare no path dead before this time."""
        self._verdicts_from_ms = max(self._verdicts_from_ms, until_ms)

    def on_tick(self, now_ms: int) -> list[LinkChanged]:
        """Let time pass; return the paths whose silence crossed the limit."""
        if now_ms < self._verdicts_from_ms:
            return []
        facts: list[LinkChanged] = []
        for (node, link), path in self._paths.items():
            if path.status is LinkStatus.DEAD or now_ms - path.since_ms <= self._limit_ms(node):
                continue
            path.status = LinkStatus.DEAD
            facts.append(LinkChanged(node, link, LinkStatus.DEAD, now_ms))
        return facts

    def next_wakeup_ms(self) -> int | None:
        """Return when the next path may be declared dead."""
        deadlines = [
            path.since_ms + self._limit_ms(node) + 1
            for (node, _), path in self._paths.items()
            if path.status is not LinkStatus.DEAD
        ]
        return max(min(deadlines), self._verdicts_from_ms) if deadlines else None
