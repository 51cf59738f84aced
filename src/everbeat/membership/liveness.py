"""Who is alive: turns status messages and the passage of time into node statuses.

    INIT ──status up──► UP ──status active──► ACTIVE        whatever a node says of itself
      │ initdead         │ silence > its dt      │
      └──────► DEAD ◄────┴───────────────────────┘          ping nodes: INIT ─echo► PING ─► DEAD
                         with a quorum: only when a majority says so (`may_bury`)
                 └──any later status──► what it says

Only status messages are signs of life (echoes for ping nodes). A node's own announced dt is its
limit of silence; until communication is up it is at least initdead, and deadping for ping nodes.

Verdicts fall at exact deadlines, one millisecond after the limit. They are held back while this
process itself was not scheduled: proof of life may lie unread in our sockets.

Source: measured on 3.0.6, which looks every 250 ms and flaps where we only report lateness.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from everbeat.model.members import NodeKind, NodeStatus
from everbeat.model.membership import HeartbeatLate, NodeStatusChanged, StatusReason

if TYPE_CHECKING:
    from collections.abc import Callable

    from everbeat.model.cluster import Timing
    from everbeat.model.names import NodeName

ANNOUNCED_MS_MIN: Final = 50
"""A peer that announces a shorter deadtime is held to this one: it could not be kept."""
ANNOUNCED_MS_MAX: Final = 24 * 3_600 * 1_000


@dataclass(slots=True)
class _Node:
    kind: NodeKind
    limit_ms: int
    since_ms: int  # last sign of life, or when we began to listen
    heard_ms: int | None = None  # last sign of life
    status: NodeStatus = NodeStatus.INIT
    is_lateness_judged: bool = False  # not after a restart or a return


class Liveness:
    """The statuses of all other nodes. One instance per link process."""

    def __init__(
        self,
        timing: Timing,
        *,
        is_communication_up: bool = False,
        may_bury: Callable[[NodeName, int], bool] | None = None,
    ) -> None:
        self._timing = timing
        self._may_bury = may_bury
        self._undecided: set[NodeName] = set()  # silent for too long, but not dead by votes
        self._is_communication_up = is_communication_up
        self._nodes: dict[NodeName, _Node] = {}
        self._verdicts_from_ms = 0

    def add(self, node: NodeName, kind: NodeKind, now_ms: int) -> None:
        """Begin to listen for a node."""
        is_ping = kind is NodeKind.PING
        limit_ms = self._timing.deadping_ms if is_ping else self._timing.deadtime_ms
        self._nodes[node] = _Node(kind, limit_ms, now_ms)

    def remove(self, node: NodeName) -> None:
        """Forget a node."""
        self._nodes.pop(node, None)
        self._undecided.discard(node)

    def status(self, node: NodeName) -> NodeStatus:
        """Return a node's status; INIT for an unknown node."""
        known = self._nodes.get(node)
        return known.status if known else NodeStatus.INIT

    def is_live(self, node: NodeName) -> bool:
        """Say whether a node takes part: up or active."""
        return self.status(node) in {NodeStatus.UP, NodeStatus.ACTIVE}

    def limit_ms(self, node: NodeName) -> int:
        """Return how long a node may be silent now."""
        known = self._nodes[node]
        if self._is_communication_up:
            return known.limit_ms
        return max(known.limit_ms, self._timing.initdead_ms)

    def on_communication_up(self) -> None:
        """From now on announced deadtimes count instead of initdead."""
        self._is_communication_up = True

    def on_restart(self, node: NodeName) -> None:
        """Note a node's restart: its silence until now was no lateness."""
        known = self._nodes.get(node)
        if known:
            known.is_lateness_judged = False

    def on_status(
        self, node: NodeName, status: NodeStatus, announced_ms: int | None, now_ms: int
    ) -> list[HeartbeatLate | NodeStatusChanged]:
        """Take a node's word about itself and its deadtime."""
        known = self._nodes[node]
        facts: list[HeartbeatLate | NodeStatusChanged] = []
        interval_ms = now_ms - known.since_ms
        if known.is_lateness_judged and interval_ms > self._timing.warntime_ms:
            facts.append(HeartbeatLate(node, interval_ms, now_ms))
        if announced_ms is not None:
            known.limit_ms = max(ANNOUNCED_MS_MIN, min(announced_ms, ANNOUNCED_MS_MAX))
        known.since_ms = known.heard_ms = now_ms
        known.is_lateness_judged = status is not NodeStatus.DEAD
        facts.extend(self._changed(node, status, StatusReason.HEARD, now_ms))
        return facts

    def on_indirect(self, node: NodeName, now_ms: int) -> None:
        """Note that another node hears this one: its silence means less."""
        known = self._nodes[node]
        if known.status is not NodeStatus.DEAD:
            known.since_ms = now_ms
            known.is_lateness_judged = False

    def on_echo(self, node: NodeName, now_ms: int) -> list[NodeStatusChanged]:
        """Take a ping node's echo."""
        known = self._nodes[node]
        known.since_ms = known.heard_ms = now_ms
        return self._changed(node, NodeStatus.PING, StatusReason.HEARD, now_ms)

    def hold_verdicts(self, until_ms: int) -> None:
        """Declare nobody dead before this time."""
        self._verdicts_from_ms = max(self._verdicts_from_ms, until_ms)

    def on_tick(self, now_ms: int) -> list[NodeStatusChanged]:
        """Let time pass; return the nodes whose silence crossed their limit."""
        if now_ms < self._verdicts_from_ms:
            return []
        facts: list[NodeStatusChanged] = []
        for name, node in self._nodes.items():
            self._undecided.discard(name)
            if node.status is NodeStatus.DEAD or now_ms - node.since_ms <= self.limit_ms(name):
                continue
            if not self._is_buried(name, node.kind, now_ms):
                self._undecided.add(name)
                continue
            reason = StatusReason.INITDEAD if node.heard_ms is None else StatusReason.DEADTIME
            node.is_lateness_judged = False
            facts.extend(self._changed(name, NodeStatus.DEAD, reason, now_ms))
        return facts

    def next_wakeup_ms(self) -> int | None:
        """Return when the next verdict may fall."""
        deadlines = [
            node.since_ms + self.limit_ms(name) + 1
            for name, node in self._nodes.items()
            if node.status is not NodeStatus.DEAD and name not in self._undecided
        ]
        return max(min(deadlines), self._verdicts_from_ms) if deadlines else None

    @property
    def has_undecided(self) -> bool:
        """Whether a node is silent for too long and not dead: look after every input."""
        return bool(self._undecided)

    def _is_buried(self, name: NodeName, kind: NodeKind, now_ms: int) -> bool:
        if self._may_bury is None or kind is NodeKind.PING:
            return True
        return self._may_bury(name, now_ms)

    def _changed(
        self, name: NodeName, status: NodeStatus, reason: StatusReason, now_ms: int
    ) -> list[NodeStatusChanged]:
        node = self._nodes[name]
        old, node.status = node.status, status
        if old is status:
            return []
        return [
            NodeStatusChanged(
                node=name,
                old=old,
                new=status,
                reason=reason,
                last_heard_ms=node.heard_ms or 0,
                at_ms=now_ms,
            )
        ]
