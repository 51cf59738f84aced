"""The witness: a voter that serves many clusters and holds nothing itself (ADR 0010).

For each node of a cluster:

               granted                      dead_ms since the last grant
    no grant ──────────► fresh ──────────────────────────────────────────► no grant
                          └─ granted again: fresh for longer

A node's question is about one silent peer. It is granted unless somebody on the other side is
fresh: the peer itself, or a node that was granted something about the asker. So, of two nodes that
do not hear each other, one at a time has the witness.

Enters: authentic questions with their cluster, as keys tell it. Leaves: facts and orders. Times
are this machine's; nothing is compared with another machine's clock, only that D is counted here
after L was counted there. A grant is fresh from the moment its question was heard, which is after
the moment the asker counts from.

Invariant: a node that was granted something about a peer, and counts it for `lease_ms` from its
stamp, is not overtaken: that peer is granted nothing about it for `dead_ms` after the last grant.
After a restart every grant that may have been made before counts as made at the start; who had
one then is on disk before he hears of it.

A question about the witness's presence changes nothing, and so does one that does not name this
life of the witness, a number drawn at its start: it is answered by that number, to be asked again.
So no recorded question of a former life counts. Any other with a stamp that is not above its node's
last one is dropped: overtaken, doubled or played again. One of an older generation is dropped as
well, and answered by that: where hb_generation is an old copy, somebody must hear of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

from everbeat.model.names import NodeName
from everbeat.model.quorum import Want, WitnessAsk, WitnessReason, WitnessReply

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_NOBODY: Final = NodeName("")

NODES_MAX: Final = 256
"""Nodes remembered for one cluster. Above it the one whose grant ended first is forgotten; as long
as all of them are fresh, others are refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptGrant:
    """What of a grant outlives the witness: who, how long it counts, and about whom."""

    node: NodeName
    dead_ms: int
    about: tuple[NodeName, ...]  # sorted


@dataclass(frozen=True, slots=True)
class KeepGrants:
    """Order: write these durably, in place of what was kept of the cluster, before what follows.

    If it cannot be written, nothing that follows may be sent: end.
    """

    cluster: str
    grants: tuple[KeptGrant, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """Order: send this to the asker."""

    reply: WitnessReply


@dataclass(frozen=True, slots=True, kw_only=True)
class SideTaken:
    """The witness is on a node's side now, and was not before (or for another want)."""

    cluster: str
    node: NodeName
    about: NodeName
    wants: Want
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SideRefused:
    """A node was refused for the first time since it was last granted something, or otherwise."""

    cluster: str
    node: NodeName
    about: NodeName
    reason: WitnessReason
    holder: NodeName | None
    retry_after_ms: int
    at_ms: int


WitnessEffect: TypeAlias = KeepGrants | Answer | SideTaken | SideRefused


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeAsking:
    """What the witness knows of one node. Times are 0 for never in this life of the witness."""

    node: NodeName
    about: tuple[NodeName, ...]  # the peers it was granted something about while it was fresh
    granted_ms: int
    fresh_until_ms: int
    asked_ms: int
    grant_count: int
    refusal_count: int
    dropped_count: int  # overtaken, doubled or replayed


@dataclass(frozen=True, slots=True)
class ClusterAsking:
    """What the witness knows of one cluster; nodes sorted by name."""

    cluster: str
    nodes: tuple[NodeAsking, ...]


@dataclass(slots=True)
class _Node:
    last: tuple[int, int] = (-1, -1)  # generation and stamp of its newest question
    about: set[NodeName] = field(default_factory=set[NodeName])
    wants: Want | None = None  # what it was granted last
    dead_ms: int = 0  # the longest of the grants that are fresh
    granted_ms: int = 0
    until_ms: int = 0
    asked_ms: int = 0
    refused: WitnessReason | None = None  # told so, and nothing granted since
    grants: int = 0
    refusals: int = 0
    dropped: int = 0


@dataclass(slots=True)
class _Cluster:
    nodes: dict[NodeName, _Node] = field(default_factory=dict[NodeName, _Node])
    kept: tuple[KeptGrant, ...] = ()


class Witness:
    """One instance per witness process. The clusters are bounded by the keys it was given."""

    def __init__(self, kept: Mapping[str, Iterable[KeptGrant]], started_ms: int, life: int) -> None:
        """Begin with what was kept; `life`: 64 bits drawn for this start alone."""
        self._life = life
        self._started_ms = started_ms
        self._clusters: dict[str, _Cluster] = {}
        for cluster, grants in kept.items():
            found = self._clusters[cluster] = _Cluster(kept=tuple(grants))
            for grant in found.kept:
                found.nodes[grant.node] = _Node(
                    about=set(grant.about),
                    dead_ms=grant.dead_ms,
                    until_ms=started_ms + grant.dead_ms,
                )

    def on_ask(self, cluster: str, ask: WitnessAsk, now_ms: int) -> list[WitnessEffect]:
        """Take an authentic question; times never go back."""
        if ask.wants is Want.PRESENCE:
            return [self._answer(ask, WitnessReason.PRESENT)]
        if ask.life != self._life:
            return [self._answer(ask, WitnessReason.AGAIN)]
        record = self._clusters.setdefault(cluster, _Cluster())
        node = _node_of(record, ask.node, now_ms)
        if node is None:
            return [self._answer(ask, WitnessReason.HELD, rest_ms=ask.dead_ms)]
        if (ask.generation, ask.stamp_ms) <= node.last:
            node.dropped += 1
            is_older = ask.generation < node.last[0]
            return [self._answer(ask, WitnessReason.OLDER)] if is_older else []
        node.last = (ask.generation, ask.stamp_ms)
        if now_ms - node.asked_ms > ask.dead_ms:
            node.refused = None  # another trouble: worth a line in the log again
        node.asked_ms = now_ms
        if ask.lease_ms >= ask.dead_ms:
            return self._refuse(cluster, ask, WitnessReason.UNSAFE, None, 0, now_ms)
        rival = _fresh_rival(record, ask, now_ms)
        if rival is not None:
            rest_ms = record.nodes[rival].until_ms - now_ms
            return self._refuse(cluster, ask, WitnessReason.HELD, rival, rest_ms, now_ms)
        # Nobody is known to be on the other side; but did an earlier life grant somebody?
        rest_ms = self._started_ms + ask.dead_ms - now_ms
        if rest_ms > 0 and all(grant.node != ask.node for grant in record.kept):
            return self._refuse(cluster, ask, WitnessReason.STARTING, None, rest_ms, now_ms)
        return self._grant(cluster, ask, now_ms)

    def view(self) -> tuple[ClusterAsking, ...]:
        """Return what is known, by the names of clusters and nodes."""
        return tuple(
            ClusterAsking(name, tuple(_shown(n, node) for n, node in sorted(cluster.nodes.items())))
            for name, cluster in sorted(self._clusters.items())
        )

    def _grant(self, cluster: str, ask: WitnessAsk, now_ms: int) -> list[WitnessEffect]:
        record = self._clusters[cluster]
        node = record.nodes[ask.node]
        is_new = node.until_ms <= now_ms or ask.about not in node.about or ask.wants != node.wants
        if node.until_ms <= now_ms:
            node.about.clear()
            node.dead_ms = 0
        node.about.add(ask.about)
        node.wants = ask.wants
        node.dead_ms = max(node.dead_ms, ask.dead_ms)
        node.granted_ms = now_ms
        node.until_ms = max(node.until_ms, now_ms + ask.dead_ms)
        node.refused = None
        node.grants += 1
        effects: list[WitnessEffect] = []
        kept = _grants_to_keep(record, now_ms)
        if kept != record.kept:
            record.kept = kept
            effects.append(KeepGrants(cluster, kept))
        if is_new:
            taken = SideTaken(
                cluster=cluster, node=ask.node, about=ask.about, wants=ask.wants, at_ms=now_ms
            )
            effects.append(taken)
        reply = WitnessReply(
            stamp_ms=ask.stamp_ms,
            nonce=ask.nonce,
            wants=ask.wants,
            is_granted=True,
            holder=ask.node,
            reason=WitnessReason.GRANTED,
            life=self._life,
        )
        return [*effects, Answer(reply)]

    def _refuse(
        self,
        cluster: str,
        ask: WitnessAsk,
        reason: WitnessReason,
        holder: NodeName | None,
        rest_ms: int,
        now_ms: int,
    ) -> list[WitnessEffect]:
        node = self._clusters[cluster].nodes[ask.node]
        node.refusals += 1
        answer = self._answer(ask, reason, holder, rest_ms)
        if node.refused is reason:
            return [answer]
        node.refused = reason
        refused = SideRefused(
            cluster=cluster,
            node=ask.node,
            about=ask.about,
            reason=reason,
            holder=holder,
            retry_after_ms=rest_ms,
            at_ms=now_ms,
        )
        return [refused, answer]

    def _answer(
        self,
        ask: WitnessAsk,
        reason: WitnessReason,
        holder: NodeName | None = None,
        rest_ms: int = 0,
    ) -> Answer:
        """Grant nothing, and say why."""
        return Answer(
            WitnessReply(
                stamp_ms=ask.stamp_ms,
                nonce=ask.nonce,
                wants=ask.wants,
                is_granted=False,
                holder=holder or _NOBODY,
                reason=reason,
                retry_after_ms=rest_ms,
                life=self._life,
            )
        )


def _node_of(record: _Cluster, name: NodeName, now_ms: int) -> _Node | None:
    """Return a node's record, made if there is room; None if all others are fresh."""
    known = record.nodes.get(name)
    if known is not None:
        return known
    if len(record.nodes) >= NODES_MAX:
        oldest = min(record.nodes, key=lambda other: record.nodes[other].until_ms)
        if record.nodes[oldest].until_ms > now_ms:
            return None
        del record.nodes[oldest]
    made = record.nodes[name] = _Node()
    return made


def _fresh_rival(record: _Cluster, ask: WitnessAsk, now_ms: int) -> NodeName | None:
    """Return the node on the other side whose grant counts longest, or None."""
    rivals = [
        (node.until_ms, name)
        for name, node in record.nodes.items()
        if name != ask.node
        and now_ms < node.until_ms
        and (name == ask.about or ask.node in node.about)
    ]
    return max(rivals)[1] if rivals else None


def _grants_to_keep(record: _Cluster, now_ms: int) -> tuple[KeptGrant, ...]:
    return tuple(
        KeptGrant(node=name, dead_ms=node.dead_ms, about=tuple(sorted(node.about)))
        for name, node in sorted(record.nodes.items())
        if now_ms < node.until_ms
    )


def _shown(name: NodeName, node: _Node) -> NodeAsking:
    return NodeAsking(
        node=name,
        about=tuple(sorted(node.about)),
        granted_ms=node.granted_ms,
        fresh_until_ms=node.until_ms,
        asked_ms=node.asked_ms,
        grant_count=node.grants,
        refusal_count=node.refusals,
        dropped_count=node.dropped,
    )
