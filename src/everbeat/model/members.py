"""The cluster as one node sees it: its members, their links, and the right to hold groups.

Times are CLOCK_MONOTONIC milliseconds of this machine, the same in all its processes.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from everbeat.model.names import LinkName, NodeName


class NodeStatus(StrEnum):
    """What cl_status nodestatus prints."""

    INIT = "init"  # never heard
    UP = "up"  # its media run
    ACTIVE = "active"  # it has a node list and takes part
    DEAD = "dead"
    PING = "ping"  # a ping node that answers


class NodeKind(StrEnum):
    """What cl_status nodetype prints."""

    NORMAL = "normal"
    PING = "ping"


class LinkStatus(StrEnum):
    """What cl_status hblinkstatus prints."""

    UP = "up"
    DEAD = "dead"


class Doubt(StrEnum):
    """Why what is heard of a node is not believed, or why it does not believe us."""

    OLDER = "older"  # it answers us, but in an older life than one that was believed
    RECORDED = "recorded"  # an older life, that does not answer us: a recording, or Heartbeat
    ABSURD = "absurd"  # its generation is far beyond time and its last one
    DEAF = "deaf"  # it does not answer us: it does not hear us, or is a recording
    REFUSES = "refuses"  # it holds our own life for an older one


@dataclass(frozen=True, slots=True, kw_only=True)
class LifeDoubt:
    """A doubt with its generations. For REFUSES: `heard` is ours, `known` what that node knows."""

    kind: Doubt
    heard: int
    known: int  # the newest that is believed; 0: none


@dataclass(frozen=True, slots=True, kw_only=True)
class VoterView:
    """What one voter does for us, for people."""

    voter: str  # a node, `witness` or `ping`
    is_leasing: bool = False
    has_left: bool = False  # it stopped in order and promised to hold nothing
    votes_dead: tuple[NodeName, ...] = ()
    heard_ms: int = 0  # the witness: when it answered anything; 0: not yet


@dataclass(frozen=True, slots=True, kw_only=True)
class QuorumView:
    """Where the right to hold comes from, for people and for a core that has just started."""

    kind: str  # of model.cluster.Quorum
    is_held: bool = False
    is_known: bool = True  # False: a new link process has not heard enough yet
    until_ms: int | None = None  # while held; None: without end
    stop_by_ms: int | None = None  # lost, and not everything was given up yet
    has_left: bool = False  # given back: this life may gain it no more
    reason: str = ""
    lease_ms: int = 0
    majority: int = 0
    voters: tuple[VoterView, ...] = ()
    waits_for: tuple[NodeName, ...] = ()  # we promised to hold nothing before we hear them
    is_deciding: bool = True  # False: one of the nodes has not reached the ping nodes yet


@dataclass(frozen=True, slots=True)
class NodeView:
    """What is known of one node."""

    node: NodeName
    kind: NodeKind
    status: NodeStatus = NodeStatus.INIT
    weight: int = 100
    site: str = ""
    uuid: bytes = b""
    last_heard_ms: int = 0
    status_since_ms: int = 0
    has_right: bool = True  # False: it holds nothing and may hold nothing
    dialect: int = 0  # of everbeat's own messages; 0: none, or not heard yet
    doubt: LifeDoubt | None = None
    links: tuple[tuple[LinkName, LinkStatus], ...] = ()


@dataclass(frozen=True, slots=True)
class MembershipView:
    """Everything membership has told so far: the sum of its facts, and the start for a newcomer."""

    own: NodeName
    nodes: tuple[NodeView, ...] = ()  # in the order they were added
    failed_media: tuple[tuple[str, str], ...] = ()  # medium, error
    is_communication_up: bool = False
    is_client_flow_paused: bool = False
    quorum: QuorumView | None = None  # None: holding needs no right

    def node(self, name: NodeName) -> NodeView | None:
        """Return what is known of a node, or None."""
        return next((node for node in self.nodes if node.node == name), None)

    def peers(self) -> tuple[NodeView, ...]:
        """Return the other cluster members, without ping nodes."""
        return tuple(n for n in self.nodes if n.kind is NodeKind.NORMAL and n.node != self.own)
