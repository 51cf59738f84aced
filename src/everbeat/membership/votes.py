"""Votes: whom we hold for dead, what the other nodes say, and what we echo of whom.

    heard ──silent for its deadtime──► VOTED ──heard in a newer life──► heard
      ▲                                  │ heard in the same life
      └────── deadtime has passed ─── COOLING    (neither a vote nor an echo meanwhile)

A voter that has voted a node dead echoes nothing of it: that node's lease runs out. Others count
our vote as long as the lease runs that came with it, so one that takes its vote back waits a
deadtime before it echoes again. A newer life needs no wait: it begins with empty hands, and may
hold nothing before everybody who is not dead has echoed it.

A vote names the newest life the voter knows of; votes about an older life than we know count
nothing. A node whose heartbeat another node echoes, newer than any we know of, is not silent.

Enters: heartbeats, verdicts of silence. Leaves: answers to questions. Times are this clock's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from everbeat.membership.beat import Beat, Echo, Vote

if TYPE_CHECKING:
    from collections.abc import Iterable

    from everbeat.model.names import NodeName


@dataclass(slots=True)
class _Node:
    heard: tuple[int, int] | None = None  # generation and stamp of the newest heartbeat heard
    known: tuple[int, int] = (0, 0)  # the same, of those others told of as well
    voted_generation: int | None = None
    echo_from_ms: int = 0
    beat: Beat | None = None  # its newest; None: Heartbeat's, or none yet
    beat_until_ms: int = 0  # how long its votes may be counted
    generation: int = 0  # the newest life known


class Votes:
    """Everybody's verdicts about the other nodes, as this one knows them."""

    def __init__(self, nodes: Iterable[NodeName]) -> None:
        self._nodes = {node: _Node() for node in nodes}

    def on_beat(
        self, node: NodeName, generation: int, beat: Beat, now_ms: int, cooling_ms: int
    ) -> list[NodeName]:
        """Take a node's newest heartbeat; return the nodes it proves alive that we do not hear."""
        known = self._nodes[node]
        if known.voted_generation is not None:
            if generation <= known.voted_generation:
                known.echo_from_ms = now_ms + cooling_ms
            known.voted_generation = None
        known.heard = generation, beat.stamp_ms
        known.known = max(known.known, known.heard)
        known.generation = max(known.generation, generation)
        known.beat = beat
        return self._heard_by_others(node, beat)

    def on_plain_status(self, node: NodeName, generation: int) -> None:
        """Take the status of a node that says nothing for quorum: Heartbeat's."""
        known = self._nodes[node]
        known.voted_generation = known.beat = known.heard = None
        known.generation = max(known.generation, generation)

    def on_lease(self, node: NodeName, until_ms: int) -> None:
        """Count a node's votes so long: its newest heartbeat brought a lease."""
        self._nodes[node].beat_until_ms = until_ms

    def on_silent(self, node: NodeName) -> None:
        """Vote a node dead."""
        known = self._nodes[node]
        known.voted_generation = known.generation

    def take_back(self, node: NodeName, now_ms: int, cooling_ms: int) -> None:
        """Hold a node for alive again without having heard it: another node has."""
        known = self._nodes[node]
        if known.voted_generation is not None:
            known.voted_generation = None
            known.echo_from_ms = now_ms + cooling_ms

    def forget_leases(self) -> None:
        """Count no vote that came with a lease of a former life."""
        for known in self._nodes.values():
            known.beat_until_ms = 0

    def echoes(self, now_ms: int) -> tuple[Echo, ...]:
        """Return what we tell the others that we hear."""
        return tuple(
            Echo(name, *node.heard)
            for name, node in self._nodes.items()
            if node.heard and node.voted_generation is None and now_ms >= node.echo_from_ms
        )

    def votes(self) -> tuple[Vote, ...]:
        """Return whom we hold for dead."""
        return tuple(
            Vote(name, node.voted_generation)
            for name, node in self._nodes.items()
            if node.voted_generation is not None
        )

    def is_voted(self, node: NodeName) -> bool:
        """Say whether we ourselves hold a node for dead."""
        return self._nodes[node].voted_generation is not None

    def is_plain(self, node: NodeName) -> bool:
        """Say whether a node was heard last as Heartbeat."""
        return self._nodes[node].beat is None

    def others_against(self, node: NodeName, now_ms: int) -> list[NodeName]:
        """Return the nodes whose vote against this one counts now."""
        generation = self._nodes[node].generation
        return [
            name
            for name, voter in self._nodes.items()
            if voter.beat is not None
            and now_ms < voter.beat_until_ms
            and (against := voter.beat.votes_against(node)) is not None
            and against >= generation
        ]

    def dead_for(self, voter: NodeName) -> tuple[NodeName, ...]:
        """Return whom another node says it holds for dead."""
        beat = self._nodes[voter].beat
        return tuple(vote.node for vote in beat.votes) if beat else ()

    def _heard_by_others(self, teller: NodeName, beat: Beat) -> list[NodeName]:
        for vote in beat.votes:
            known = self._nodes.get(vote.node)
            if known is not None:
                known.generation = max(known.generation, vote.generation)
                if known.voted_generation is not None:
                    known.voted_generation = known.generation
        alive: list[NodeName] = []
        for echo in beat.echoes:
            known = self._nodes.get(echo.node)
            if known is None or echo.node == teller:
                continue
            if (echo.generation, echo.stamp_ms) > known.known:
                known.known = echo.generation, echo.stamp_ms
                alive.append(echo.node)
        return alive
