"""Membership facts as log lines, in the words that Heartbeat's users and test suites search for.

Enters: a fact and our own name. Leaves: level and text; the adapter adds time, host and process.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Final, TypeAlias

from everbeat.model.members import Doubt, NodeStatus
from everbeat.model.membership import (
    ClientFlowChanged,
    CommunicationUp,
    HeartbeatLate,
    LinkChanged,
    MediumChanged,
    MessageReceived,
    MessagesMissing,
    NodeAdded,
    NodeDeleted,
    NodeDialectChanged,
    NodeDoubted,
    NodeIdentityChanged,
    NodeRestarted,
    NodeReturned,
    NodeRightChanged,
    NodeStatusChanged,
    OwnHeartbeatLate,
    PacketsRejected,
    ReplayRejected,
    StatusReason,
)
from everbeat.model.quorum import (
    RightExtended,
    RightGained,
    RightGivenBack,
    RightLost,
    VotersChanged,
)

if TYPE_CHECKING:
    from everbeat.model.members import LifeDoubt
    from everbeat.model.membership import MembershipFact

GAP_MAX: Final = 250
"""A wider gap in a sender's numbers is given up at once."""


class LogLevel(IntEnum):
    """Heartbeat's levels, numbered as the standard library numbers its own."""

    DEBUG = 10
    INFO = 20
    NOTICE = 25
    WARN = 30
    ERROR = 40
    CRIT = 50

    @property
    def word(self) -> str:
        """Return the level as a log line shows it."""
        return self.name.lower() if self < LogLevel.WARN else self.name


LogLine: TypeAlias = tuple[LogLevel, str]


def lines_of_fact(fact: MembershipFact) -> tuple[LogLine, ...]:
    """Return what a fact puts into the log; nothing for messages, which the core tells of."""
    match fact:
        case NodeStatusChanged():
            return (_status_line(fact),)
        case MessagesMissing():
            return _missing_lines(fact)
        case MessageReceived():
            return ()
        case NodeAdded(node, kind):
            return ((LogLevel.DEBUG, f"node {node}: {kind} node configured"),)
        case RightGained() | RightLost() | RightGivenBack() | NodeRightChanged():
            return (_right_line(fact),)
        case RightExtended() | VotersChanged() | NodeDialectChanged():
            return ()
        case _:
            return (_line(fact),)


def _line(
    fact: NodeDeleted
    | NodeRestarted
    | NodeReturned
    | LinkChanged
    | CommunicationUp
    | HeartbeatLate
    | ReplayRejected
    | PacketsRejected
    | MediumChanged
    | ClientFlowChanged
    | OwnHeartbeatLate
    | NodeIdentityChanged
    | NodeDoubted,
) -> LogLine:
    match fact:
        case LinkChanged(node, link, status):
            return LogLevel.INFO, f"Link {node}:{link} {status}."
        case CommunicationUp():
            return LogLevel.INFO, "Comm_now_up(): updating status to active"
        case NodeRestarted(node):
            return LogLevel.INFO, f"Heartbeat restart on node {node}"
        case NodeReturned(node):
            return LogLevel.CRIT, f"Cluster node {node} returning after partition."
        case NodeDeleted(node):
            return LogLevel.INFO, f"node {node}: deleted from the cluster"
        case HeartbeatLate(node, interval_ms):
            return LogLevel.WARN, f"Late heartbeat: Node {node}: interval {interval_ms} ms"
        case ReplayRejected(node, known, got):
            text = f"should_drop_message: attempted replay attack [{node}]? [gen = {got}, curgen"
            return LogLevel.ERROR, f"{text} = {known}]"
        case PacketsRejected(reason, count, medium, source):
            why = _REJECTIONS.get(reason, reason)
            level = LogLevel.INFO if reason == "unproved" else LogLevel.WARN
            return level, f"{count} packet(s) from {source} on {medium} dropped: {why}"
        case MediumChanged(medium, error):
            if error:
                return LogLevel.ERROR, f"Heartbeat medium {medium} failed: {error}"
            return LogLevel.INFO, f"Heartbeat medium {medium} works again."
        case ClientFlowChanged(is_paused):
            if is_paused:
                return LogLevel.WARN, "Peers do not acknowledge: clients are paused"
            return LogLevel.INFO, "Peers acknowledge again: clients go on"
        case OwnHeartbeatLate(silent_ms):
            text = f"Own heartbeat was delayed: nothing sent for {silent_ms} ms; is the machine"
            return LogLevel.WARN, f"{text} overloaded?"
        case NodeIdentityChanged(node, detail):
            return LogLevel.WARN, f"node {node} {detail}"
        case NodeDoubted(node, doubt):
            if doubt is None:
                return LogLevel.INFO, f"node {node}: all that is heard of it is believed again"
            return LogLevel.WARN, f"node {node}: {_doubt_text(doubt)}"


def _right_line(
    fact: RightGained | RightLost | RightGivenBack | NodeRightChanged,
) -> LogLine:
    match fact:
        case RightGained(reason):
            return LogLevel.NOTICE, f"This node may hold resources: {reason}"
        case RightLost(reason, stop_by_ms, at_ms):
            within = f"within {max(stop_by_ms - at_ms, 0)} ms"
            text = f"This node may not hold resources any more: {reason}; gives up all {within}"
            return LogLevel.CRIT, text
        case RightGivenBack():
            return LogLevel.INFO, "This node has said farewell and holds nothing any more"
        case NodeRightChanged(node, has_right):
            says = "may hold resources" if has_right else "holds nothing and may not"
            return LogLevel.INFO, f"node {node}: {says}"


def _doubt_text(doubt: LifeDoubt) -> str:
    match doubt.kind:
        case Doubt.OLDER:
            return f"speaks in generation {doubt.heard}, but was heard in {doubt.known} before"
        case Doubt.RECORDED:
            return f"generation {doubt.heard} is heard, but it is in {doubt.known}: a recording?"
        case Doubt.ABSURD:
            return f"says generation {doubt.heard}, far beyond {doubt.known}: not believed"
        case Doubt.DEAF:
            return "is heard, but does not answer: it does not hear this node, or is a recording"
        case Doubt.REFUSES:
            text = "does not believe this node: it has heard generation"
            return f"{text} {doubt.known} of it, which is above {doubt.heard}"


_REJECTIONS: Final = {
    "no-auth": "it carries no signature",
    "bad-digest": "its signature is wrong (authkeys must be the same on all nodes)",
    "unknown-key": "it is signed with a key that authkeys here does not have",
    "malformed": "it is no Heartbeat message",
    "too-large": "it is too large",
    "unknown-node": "its sender is not a node of ha.cf (another cluster on this network?)",
    "missing-field": "it lacks src, ts or t",
    "replay": "it was said before (a recording?)",
    "unproved": "its sender has not answered this process yet (it starts, or is a recording)",
    "loop": "it went in circles",
}


def _status_line(fact: NodeStatusChanged) -> LogLine:
    if fact.reason is StatusReason.LOCAL:
        return LogLevel.INFO, f"Local status now set to: '{fact.new}'"
    if fact.new is NodeStatus.DEAD:
        return LogLevel.WARN, f"node {fact.node}: is dead"
    return LogLevel.INFO, f"Status update for node {fact.node}: status {fact.new}"


def _missing_lines(fact: MessagesMissing) -> tuple[LogLine, ...]:
    count = fact.last - fact.first + 1
    seen = f"{count} lost packet(s) for [{fact.node}] [{fact.first - 1}:{fact.last + 1}]"
    if not fact.is_lost:
        return ((LogLevel.WARN, seen),)
    if count > GAP_MAX:
        return ((LogLevel.WARN, seen), (LogLevel.ERROR, f"lost a lot of packets from {fact.node}!"))
    numbers = f"{fact.first}" if count == 1 else f"{fact.first}-{fact.last}"
    return ((LogLevel.ERROR, f"Irretrievably lost packet: node {fact.node} seq {numbers}"),)
