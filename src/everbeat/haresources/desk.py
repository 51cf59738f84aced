"""What the stages of the resource manager share: one node's beliefs and intentions.

Owned by HaresourcesManager; born and kept in one process, never shared.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING

from everbeat.haresources.handover import NOTHING_MOVES
from everbeat.haresources.peers import GROUPS_FIELD, JOINING_FIELD, RIGHT_FIELD, Peer, successor
from everbeat.model.cluster import Monitoring
from everbeat.model.groups import AutoFailback
from everbeat.model.members import NodeStatus
from everbeat.model.membership import Broadcast
from everbeat.model.message import message_of
from everbeat.model.names import GroupKey, wire_text_of

if TYPE_CHECKING:
    from everbeat.haresources.handover import Handover
    from everbeat.haresources.peers import Holdings
    from everbeat.haresources.runner import GroupRunner
    from everbeat.journal.timeline import Timeline
    from everbeat.model.failures import ResourceFailures
    from everbeat.model.names import NodeName
    from everbeat.model.operations import MonitorFailed, Watch


class Stage(Enum):
    """Where this node stands in its life."""

    OFFLINE = "waiting"  # communication is not up
    ADOPTING = "adopting"  # looking for what already runs
    JOINING = "joining"  # waiting for what the others hold
    JOINED = "joined"
    YIELDING = "yielding"  # giving up everything: silent too long, or without the right to hold
    RIGHTLESS = "without the right to hold"  # a quorum decides, and is not with us
    STOPPING = "stopping"
    STOPPED = "stopped"


class Naming(Enum):
    """Whether groups are named beside the four words.

    Always in claims: while a changed haresources is taken over, the nodes' words differ in meaning.
    """

    WHERE_NEEDED = auto()
    ALWAYS = auto()


@dataclass(slots=True)
class Desk:
    """The shared state."""

    own: NodeName
    order: tuple[NodeName, ...]  # members as in ha.cf
    mode: AutoFailback
    deadtime_ms: int
    holdings: Holdings
    runner: GroupRunner
    timeline: Timeline
    monitoring: Monitoring = field(default_factory=Monitoring)
    peers: dict[NodeName, Peer] = field(default_factory=dict)
    failures: tuple[ResourceFailures, ...] = ()  # of this node
    watched: dict[GroupKey, tuple[Watch, ...]] = field(default_factory=dict)  # as last ordered
    heard: set[tuple[GroupKey, str]] = field(default_factory=set)  # their status has said "running"
    waiting: dict[tuple[GroupKey, str], MonitorFailed] = field(default_factory=dict)
    """Found dead while its group was being repaired for another one: seen to afterwards."""
    unheard: dict[tuple[GroupKey, str], str] = field(default_factory=dict)  # not watched, and why
    stage: Stage = Stage.OFFLINE
    is_adopting: bool = False
    handover: Handover | None = None
    join_until_ms: int | None = None
    is_report_heard: bool = False
    is_communication_up: bool = False
    has_quorum: bool = False
    has_fencing: bool = False  # two nodes: nothing is taken before the other is known to be off
    has_right: bool = True
    right_until_ms: int | None = None  # None: without end
    announced: tuple[frozenset[GroupKey], bool] | None = None
    pauses: dict[GroupKey, int] = field(default_factory=dict)  # hands off until
    overlaps: frozenset[GroupKey] = frozenset()
    contested: frozenset[GroupKey] = frozenset()  # held by another node as well, not long ago
    overlapped: frozenset[GroupKey] = frozenset()  # of these: known to have been, or most likely
    overlap_since_ms: dict[GroupKey, int] = field(default_factory=dict)
    orphan_since_ms: dict[GroupKey, int] = field(default_factory=dict)
    stop_at_ms: int | None = None
    stop_event: int | None = None
    requests: dict[GroupKey, int] = field(default_factory=dict)  # legacy: asked, ask again at
    grants: dict[GroupKey, NodeName] = field(default_factory=dict)  # legacy: to answer when stopped

    @property
    def is_exclusive(self) -> bool:
        """Whether votes or fencing promise that no two nodes hold a group."""
        return self.has_quorum or self.has_fencing

    @property
    def is_pair(self) -> bool:
        """Whether Heartbeat's four words say everything."""
        return len(self.order) <= 2

    @property
    def is_legacy(self) -> bool:
        """Whether the nodes ask for groups one by one: auto_failback legacy beside a Heartbeat.

        Among everbeat nodes, who tell each other what they hold, legacy is on.
        """
        is_legacy = self.mode is AutoFailback.LEGACY and self.is_pair
        return is_legacy and any(peer.dialect == 0 for peer in self.live_peers())

    @property
    def is_stable(self) -> bool:
        """Whether nothing moves here."""
        return self.stage is Stage.JOINED and self.handover is None and not self.runner.moving()

    @property
    def is_stable_outside(self) -> bool:
        """Whether we call ourselves stable to the others.

        Until both have agreed on a hand-over nothing moves. 3.0.6 ignores the question of a node
        that called itself unstable, and messages may overtake each other.
        """
        if self.handover is not None and self.handover.step not in NOTHING_MOVES:
            return False
        return self.stage is Stage.JOINED and not self.runner.moving()

    def live_peers(self) -> list[Peer]:
        """Return the other nodes that run, in the order of ha.cf."""
        return [peer for peer in self.peers.values() if peer.is_live]

    def live(self) -> set[NodeName]:
        """Return the nodes that run, ourselves included."""
        return {self.own, *(peer.node for peer in self.live_peers())}

    def peer(self, node: NodeName) -> Peer:
        """Return what we believe of a node, new if unknown."""
        if node not in self.peers:
            self.peers[node] = Peer(node)
            if node not in self.order:
                self.order = (*self.order, node)
        return self.peers[node]

    def claims(self) -> frozenset[GroupKey]:
        """Return what we say we hold: all that is wanted here.

        Where there must not be two holders also what may still run: it is to be stopped first.
        """
        touched = self.runner.touched() if self.is_exclusive else frozenset[GroupKey]()
        return (self.runner.wanted() | touched) & self.holdings.all()

    def last_claims(self) -> frozenset[GroupKey]:
        """Return what we say we hold while we stop: Heartbeat says nothing, from the start."""
        return self.claims() if self.is_exclusive else frozenset()

    def claimed_by_peers(self) -> frozenset[GroupKey]:
        """Return what live nodes say they hold."""
        return frozenset().union(*(peer.claims for peer in self.live_peers()))

    def unclaimed_for_us(self, *, is_joining: bool = False) -> frozenset[GroupKey]:
        """Return the groups that nobody claims and that fall to us.

        Where there must not be two holders: none while a live node has not said what it holds;
        and one that joins leaves its share to a node without the right, which may gain it now.
        """
        if self.is_exclusive and any(not peer.has_reported for peer in self.live_peers()):
            return frozenset()
        free = self.holdings.all() - self.claimed_by_peers() - self.claims()
        if self.handover is not None:
            free -= self.handover.keys  # on their way between two nodes that live
        live = self.live()
        if is_joining and self.is_exclusive:
            live |= {peer.node for peer in self.peers.values() if peer.is_there}
        return frozenset(
            key for key in free if successor(self.holdings.owner(key), self.order, live) == self.own
        )

    def announcement(self, claims: frozenset[GroupKey], info: str = "") -> Broadcast:
        """Say what we hold: a full `resource` message."""
        self.announced = (claims, self.is_stable_outside)
        fields = {
            "t": "resource",
            "rsc_hold": self.holdings.hold(claims, self.own).word,
            "rtype": "full",
            "isstable": "1" if self.is_stable_outside else "0",
        }
        if self.stage is Stage.JOINING:
            fields[JOINING_FIELD] = "1"
        if info:
            fields["info"] = info
        if not self.has_right and not self.runner.touched():
            fields[RIGHT_FIELD] = "0"
        return Broadcast(message_of(**fields, **self.named(claims, Naming.ALWAYS)))

    def named(
        self, keys: frozenset[GroupKey], naming: Naming = Naming.WHERE_NEEDED
    ) -> dict[str, str]:
        """Return the field that names groups, where the four words do not suffice or always."""
        if self.is_pair and naming is Naming.WHERE_NEEDED:
            return {}
        return {GROUPS_FIELD: wire_text_of(" ".join(sorted(keys)))}

    def can_name_groups(self, peer: Peer) -> bool:
        """Whether a hand-over to this node may be of some groups alone: a Heartbeat knows words."""
        return not self.is_pair or peer.dialect > 0

    def is_active(self, node: NodeName) -> bool:
        """Whether a node takes part right now."""
        peer = self.peers.get(node)
        return peer is not None and peer.is_live and peer.status is NodeStatus.ACTIVE
