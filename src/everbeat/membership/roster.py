"""All that is kept per node, kept together: a node enters and leaves every part at once.

    NodeTable  Liveness  Links  Inbound  Ordering  Acknowledgements
        └─────────┴────────┴───────┴─────────┴────────────┘
                        one name, one life

Enters: names, deaths, restarts, time. Leaves: facts. Invariant: every node of the table but our
own is in liveness; every peer is in inbound.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from everbeat.membership.envelope import decimal_from_text
from everbeat.membership.inbound import Inbound
from everbeat.membership.links import Links
from everbeat.membership.liveness import Liveness
from everbeat.membership.nodes import (
    SITE_BYTES_MAX,
    WEIGHT_MAX,
    NodeRecord,
    NodeTable,
    names_from_node_list,
)
from everbeat.membership.ordering import Ordering
from everbeat.membership.outbound import Acknowledgements
from everbeat.model.members import NodeKind, NodeStatus
from everbeat.model.membership import MembershipFact, NodeRestarted
from everbeat.model.names import LinkName, NodeName, node_name_from_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from everbeat.membership.identity import KnownLife
    from everbeat.model.cluster import HaConfig
    from everbeat.model.message import Message
    from everbeat.ports.chance import Random


class Roster:
    """The other nodes, and our own in the table."""

    def __init__(
        self,
        config: HaConfig,
        own_uuid: bytes,
        random: Random,
        *,
        is_continuing: bool,
        may_bury: Callable[[NodeName, int], bool] | None = None,
    ) -> None:
        self._config = config
        self.table = NodeTable(config.node, own_uuid)
        self.liveness = Liveness(
            config.timing, is_communication_up=is_continuing, may_bury=may_bury
        )
        self.links = Links(self.liveness.limit_ms)
        self.inbound = Inbound(config.max_rexmit_delay_ms, random)
        self.ordering = Ordering(self.inbound.has_missing_below)
        self.acknowledgements = Acknowledgements()
        media = config.media
        self._peer_links = dict.fromkeys(m.link for m in media if not m.kind.is_ping)
        self._ping_links = dict.fromkeys(m.link for m in media if m.kind.is_ping)

    def on_start(self, now_ms: int) -> list[MembershipFact]:
        """Add the nodes of ha.cf, ping nodes last."""
        own = self._config.node
        names = self._config.nodes
        facts: list[MembershipFact] = []
        for name in names if own in names else (own, *names):
            facts += self.add(name, NodeKind.NORMAL, now_ms)
        for link in self._ping_links:
            facts += self.add(node_name_from_text(link), NodeKind.PING, now_ms)
        return facts

    def continue_lives(self, known: Iterable[KnownLife]) -> None:
        """Take over whom a former link process heard: another generation is a restart."""
        for life in known:
            record = self.table.get(life.node)
            if record is not None and record.kind is NodeKind.NORMAL:
                record.generation = life.generation

    def add(self, name: NodeName, kind: NodeKind, now_ms: int) -> list[MembershipFact]:
        """Add a node everywhere; no facts if it is known or the table is full."""
        record = self.table.add(name, kind)
        if record is None:
            return []
        if name == self._config.node:
            return [record.added()]
        self.liveness.add(name, kind, now_ms)
        for link in self._links_of(name, kind):
            self.links.add(name, link, now_ms)
        if kind is NodeKind.NORMAL:
            self.inbound.add(name)
        return [record.added()]

    def delete(self, name: NodeName) -> list[MembershipFact]:
        """Delete a dead peer everywhere; no facts if it is not dead (or not a peer)."""
        record = self.table.get(name)
        is_peer = record is not None and record.kind is NodeKind.NORMAL
        if not is_peer or self.liveness.status(name) is not NodeStatus.DEAD:
            return []
        deleted = self.table.delete(name)
        if deleted is None:
            return []
        self.liveness.remove(name)
        self.links.remove(name)
        self.inbound.remove(name)
        self.ordering.remove(name)
        self.acknowledgements.remove(name)
        return [deleted]

    def add_nodes(self, node_list: str | None, now_ms: int) -> list[MembershipFact]:
        """Add the peers of a node list."""
        names = names_from_node_list(node_list)
        return [fact for name in names for fact in self.add(name, NodeKind.NORMAL, now_ms)]

    def delete_nodes(self, node_list: str | None) -> list[MembershipFact]:
        """Delete the peers of a node list that are dead."""
        return [fact for name in names_from_node_list(node_list) for fact in self.delete(name)]

    def on_message(self, message: Message, now_ms: int) -> list[MembershipFact]:
        """Carry out the messages that edit the table, whoever sent them; ignore all others."""
        match message.type:
            case "addnode":
                return self.add_nodes(message.text("nodelist"), now_ms)
            case "delnode":
                return self.delete_nodes(message.text("nodelist"))
            case "setweight" | "setsite":
                return self._describe(message)
            case _:
                return []

    def on_restart(
        self, record: NodeRecord, generation: int, highest: int, now_ms: int
    ) -> list[MembershipFact]:
        """Begin a new life of a peer; `highest`: our own highest number."""
        record.generation = generation
        self.inbound.on_restart(record.name)
        self.ordering.remove(record.name)
        self.liveness.on_restart(record.name)
        self.acknowledgements.begin(record.name, highest)
        return [NodeRestarted(record.name, generation, now_ms)]

    def on_tick(self, now_ms: int) -> list[MembershipFact]:
        """Let time pass: nodes and paths die."""
        facts: list[MembershipFact] = []
        for change in self.liveness.on_tick(now_ms):
            facts.append(change)
            facts += self.inbound.on_dead(change.node, now_ms)
        facts += self.links.on_tick(now_ms)
        return facts

    def hold_verdicts(self, until_ms: int) -> None:
        """Declare nothing dead before this time."""
        self.liveness.hold_verdicts(until_ms)
        self.links.hold_verdicts(until_ms)

    def are_all_settled(self) -> bool:
        """Say whether every peer was heard or is dead."""
        return all(
            self.liveness.status(peer.name) is not NodeStatus.INIT for peer in self.table.peers()
        )

    def answering_peers(self) -> list[NodeName]:
        """Return the live peers that speak the current protocol."""
        return [
            peer.name
            for peer in self.table.peers()
            if not peer.is_old_protocol and self.liveness.is_live(peer.name)
        ]

    def must_pause(self, highest: int) -> bool:
        """Say whether clients must pause; `highest`: our own highest number."""
        answering = set(self.answering_peers())
        for peer in self.table.peers():
            self.acknowledgements.count(peer.name, highest, is_counted=peer.name in answering)
        return self.acknowledgements.must_pause(highest)

    def next_wakeup_ms(self) -> int | None:
        """Return when time next matters here."""
        times = (
            self.liveness.next_wakeup_ms(),
            self.links.next_wakeup_ms(),
            self.inbound.next_wakeup_ms(),
        )
        return min((time for time in times if time is not None), default=None)

    def _describe(self, message: Message) -> list[MembershipFact]:
        record = self.table.get(node_name_from_text(message.text("node") or ""))
        if record is None:
            return []
        weight, site = decimal_from_text(message.text("weight")), message.text("site")
        if weight is not None and weight <= WEIGHT_MAX:
            record.weight = weight
        if site is not None and len(site) <= SITE_BYTES_MAX:
            record.site = site
        return [record.added()]

    def _links_of(self, name: NodeName, kind: NodeKind) -> list[LinkName]:
        if kind is NodeKind.NORMAL:
            return list(self._peer_links)
        return [link for link in self._ping_links if node_name_from_text(link) == name]
