"""What membership tells and is told. Facts are past tense; folding them all gives the view.

    link process:  node.link_node  -- facts -->  core process: haresources, clients
                                   <-- orders --

Times (`at_ms`) are CLOCK_MONOTONIC milliseconds of this machine, the same in all its processes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeAlias

from everbeat.model.journal import Phase
from everbeat.model.members import (
    LifeDoubt,
    LinkStatus,
    MembershipView,
    NodeKind,
    NodeStatus,
    NodeView,
)
from everbeat.model.message import Message
from everbeat.model.names import LinkName, NodeName
from everbeat.model.quorum import (
    ConfirmOff,
    RightExtended,
    RightGained,
    RightGivenBack,
    RightLost,
    VotersChanged,
    fold_right,
)


class StatusReason(StrEnum):
    """Why a node's status changed."""

    HEARD = "heard"  # it says so itself
    DEADTIME = "deadtime"  # silent for longer than its deadtime
    INITDEAD = "initdead"  # never heard within initdead
    LOCAL = "local"  # our own status


@dataclass(frozen=True, slots=True)
class NodeAdded:
    """A node is configured, or joined by reqnodes/repnodes, addnode or autojoin.

    Told again when its weight, site or uuid becomes known: then it replaces what was known.
    """

    node: NodeName
    kind: NodeKind
    weight: int = 100
    site: str = ""
    uuid: bytes = b""


@dataclass(frozen=True, slots=True)
class NodeDeleted:
    """A node left the list by delnode or repnodes."""

    node: NodeName


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeStatusChanged:
    """A node (ours included) has another status. `last_heard_ms`: last heartbeat, 0 never.

    `phases`: of a death, what was done to make sure of it before the resource manager heard of it.
    """

    node: NodeName
    old: NodeStatus
    new: NodeStatus
    reason: StatusReason
    last_heard_ms: int
    at_ms: int
    phases: tuple[Phase, ...] = ()


@dataclass(frozen=True, slots=True)
class NodeRestarted:
    """A node we knew speaks with a higher generation: everything it held before is gone."""

    node: NodeName
    generation: int
    at_ms: int


@dataclass(frozen=True, slots=True)
class NodeReturned:
    """A node declared dead speaks again under its old generation: a split has healed."""

    node: NodeName
    at_ms: int


@dataclass(frozen=True, slots=True)
class LinkChanged:
    """A path to a node came up or died."""

    node: NodeName
    link: LinkName
    status: LinkStatus
    at_ms: int


@dataclass(frozen=True, slots=True)
class CommunicationUp:
    """Every configured node was heard or declared dead and we have a node list: we are active."""

    at_ms: int


@dataclass(frozen=True, slots=True)
class MessageReceived:
    """A message for resource managers and clients; our own broadcasts come back as well."""

    message: Message
    at_ms: int


@dataclass(frozen=True, slots=True)
class HeartbeatLate:
    """A node's heartbeat came after more than warntime."""

    node: NodeName
    interval_ms: int
    at_ms: int


@dataclass(frozen=True, slots=True)
class MessagesMissing:
    """A gap in a sender's sequence numbers was seen; `is_lost`: it can never be filled."""

    node: NodeName
    first: int
    last: int
    is_lost: bool
    at_ms: int


@dataclass(frozen=True, slots=True)
class ReplayRejected:
    """A message with a generation below the sender's last one was dropped."""

    node: NodeName
    known_generation: int
    got_generation: int
    at_ms: int


@dataclass(frozen=True, slots=True)
class PacketsRejected:
    """Packets were dropped unread since the last such fact (at most one a second per reason)."""

    reason: (
        str  # no-auth bad-digest unknown-key malformed too-large unknown-node missing-field loop
        # replay unproved
    )
    count: int
    medium: str
    source: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class MediumChanged:
    """One of our own media failed (`error` says why) or works again (`error` empty)."""

    medium: str
    error: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class ClientFlowChanged:
    """Flow control: peers have not acknowledged enough, clients must pause (or may go on)."""

    is_paused: bool
    at_ms: int


@dataclass(frozen=True, slots=True)
class OwnHeartbeatLate:
    """We ourselves sent no heartbeat for this long: we were starved; trust our verdicts less."""

    silent_ms: int
    at_ms: int


@dataclass(frozen=True, slots=True)
class NodeRightChanged:
    """A node says that it holds nothing, because it may not; or that it may hold groups.

    `order`: generation and number of the heartbeat that said so.
    """

    node: NodeName
    has_right: bool
    order: tuple[int, int]
    at_ms: int


@dataclass(frozen=True, slots=True)
class NodeDialectChanged:
    """A node says that it understands everbeat's messages of this version; 0: Heartbeat's only."""

    node: NodeName
    dialect: int


@dataclass(frozen=True, slots=True)
class NodeIdentityChanged:
    """A name came with another uuid, or a uuid with another name (renamed or cloned machine)."""

    node: NodeName
    detail: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class NodeDoubted:
    """What is heard of a node is not believed, or it does not believe us; None: no longer so."""

    node: NodeName
    doubt: LifeDoubt | None
    at_ms: int


MembershipFact: TypeAlias = (
    NodeAdded
    | NodeDeleted
    | NodeStatusChanged
    | NodeRestarted
    | NodeReturned
    | LinkChanged
    | CommunicationUp
    | MessageReceived
    | HeartbeatLate
    | MessagesMissing
    | ReplayRejected
    | PacketsRejected
    | MediumChanged
    | ClientFlowChanged
    | OwnHeartbeatLate
    | NodeRightChanged
    | NodeDialectChanged
    | NodeIdentityChanged
    | NodeDoubted
    | RightGained
    | RightExtended
    | RightGivenBack
    | RightLost
    | VotersChanged
)


@dataclass(frozen=True, slots=True)
class Broadcast:
    """Order: send this to every node. The sender adds src, srcuuid, seq, hg, ts, ld, ttl, auth.

    `message` holds the payload fields only, `t` among them, and `dest` if it is for one node.
    """

    message: Message


@dataclass(frozen=True, slots=True)
class RaiseGeneration:
    """Order: go on under a new, higher generation, so that peers see a restart and not a split.

    With a quorum it says more: everything was given up, nothing is held here any more.
    """


MembershipOrder: TypeAlias = Broadcast | RaiseGeneration | ConfirmOff


def fold(view: MembershipView, fact: MembershipFact) -> MembershipView:
    """Return the view after one more fact."""
    match fact:
        case NodeAdded(node, kind, weight, site, uuid):
            if view.node(node) is not None:
                return _with_node(view, node, weight=weight, site=site, uuid=uuid)
            added = NodeView(node, kind, weight=weight, site=site, uuid=uuid)
            return replace(view, nodes=(*view.nodes, added))
        case NodeDeleted(node):
            return replace(view, nodes=tuple(n for n in view.nodes if n.node != node))
        case NodeStatusChanged():
            return _with_node(
                view,
                fact.node,
                status=fact.new,
                last_heard_ms=fact.last_heard_ms,
                status_since_ms=fact.at_ms,
            )
        case LinkChanged(node, link, status):
            known = view.node(node)
            links = dict(known.links) if known else {}
            links[link] = status
            return _with_node(view, node, links=tuple(links.items()))
        case CommunicationUp():
            return replace(view, is_communication_up=True)
        case MediumChanged(medium, error):
            failed = {m: e for m, e in view.failed_media if m != medium}
            if error:
                failed[medium] = error
            return replace(view, failed_media=tuple(failed.items()))
        case NodeRightChanged(node, has_right):
            return _with_node(view, node, has_right=has_right)
        case NodeDialectChanged(node, dialect):
            return _with_node(view, node, dialect=dialect)
        case NodeDoubted(node, doubt):
            return _with_node(view, node, doubt=doubt)
        case RightGained() | RightExtended() | RightLost() | RightGivenBack() | VotersChanged():
            assert view.quorum is not None
            return replace(view, quorum=fold_right(view.quorum, fact))
        case ClientFlowChanged(is_paused):
            return replace(view, is_client_flow_paused=is_paused)
        case _:
            return view


def _with_node(view: MembershipView, name: NodeName, **changes: object) -> MembershipView:
    changed = tuple(
        replace(node, **changes) if node.node == name else node  # type: ignore[arg-type] # field names are ours
        for node in view.nodes
    )
    return replace(view, nodes=changed)
