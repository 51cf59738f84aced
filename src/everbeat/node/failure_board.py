"""The fail counts of all nodes: ours told to the others, theirs heard from them.

    own counts (executor) ──► board ──► `resource-failures` to the cluster, when they change
    their messages ─────────►   │       and when a node becomes active
    a node died, restarted ─►   └────► NodeFailures of the node that changed
    time ───────────────────►

A message carries all counts of its sender, so that one that is lost is made good by the next one,
and when each is forgotten: if the word that it was is lost, it is forgotten here all the same.
Ages travel, not times: clocks are never compared. Heartbeat 3.0.6 knows no such message and
passes it over. Passwords in the words of resources do not travel.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, unquote

from everbeat.config.secrets import masked
from everbeat.model.failures import Failures, NodeFailures, ResourceFailures
from everbeat.model.members import NodeStatus
from everbeat.model.membership import Broadcast, MessageReceived, NodeRestarted, NodeStatusChanged
from everbeat.model.message import message_of
from everbeat.model.names import GroupKey, NodeName, wire_text_of, word_from_wire

if TYPE_CHECKING:
    from everbeat.model.membership import MembershipFact
    from everbeat.model.message import Message

FAILURES_TYPE: Final = "resource-failures"
CLEANUP_TYPE: Final = "resource-cleanup"
TOLD_MAX: Final = 200
"""Counts in one message; what failed first goes first."""

_COUNTS_FIELD: Final = "counts"
_RESOURCE_FIELD: Final = "rsc"
_NODE_FIELD: Final = "node"
_PARTS: Final = 6
_NUMBER: Final = re.compile(r"-?[0-9]{1,13}", re.ASCII)
_NUMBER_MAX: Final = 2**40


class FailureBoard:
    """What is known of failures, node by node."""

    def __init__(self, own: NodeName) -> None:
        self._own = own
        self._counts: dict[NodeName, tuple[ResourceFailures, ...]] = {}

    def all(self) -> tuple[NodeFailures, ...]:
        """Return the fail counts of every node that has any, ourselves first."""
        nodes = sorted(self._counts, key=lambda node: (node != self._own, node))
        return tuple(NodeFailures(n, self._counts[n]) for n in nodes if self._counts[n])

    def own(self) -> Failures:
        """Return our own counts."""
        return Failures(self._counts.get(self._own, ()))

    def on_own(self, failures: Failures, now_ms: int) -> list[Broadcast]:
        """Take our own counts; tell the others."""
        self._counts[self._own] = failures.counts
        return [self._message(now_ms)]

    def on_membership(
        self, fact: MembershipFact, now_ms: int
    ) -> tuple[list[Broadcast], NodeFailures | None]:
        """Return what to tell a node that comes, and the counts of a node if they changed."""
        match fact:
            case MessageReceived(message) if message.type == FAILURES_TYPE:
                return [], self._on_message(message, now_ms)
            case NodeStatusChanged(node=node, new=NodeStatus.ACTIVE) if node != self._own:
                return ([self._message(now_ms)] if self.own().counts else []), None
            case NodeStatusChanged(node=node, new=NodeStatus.DEAD) | NodeRestarted(node=node):
                return [], self._forget(node)
            case _:
                return [], None

    def on_tick(self, now_ms: int) -> list[NodeFailures]:
        """Forget what other nodes have forgotten by now; return the counts of those it changed."""
        changed = []
        for node, counts in self._counts.items():
            kept = tuple(count for count in counts if count.clears_ms > now_ms)
            if node != self._own and kept != counts:
                changed.append(NodeFailures(node, kept))
        self._counts |= {known.node: known.counts for known in changed}
        return changed

    def next_wakeup_ms(self) -> int | None:
        """Return when on_tick is due, or None."""
        others = (counts for node, counts in self._counts.items() if node != self._own)
        return min((count.clears_ms for counts in others for count in counts), default=None)

    def _on_message(self, message: Message, now_ms: int) -> NodeFailures | None:
        node = NodeName(message.text("src") or "")
        if node in {"", self._own}:
            return None
        words = word_from_wire(message.text(_COUNTS_FIELD) or "").split(" ")[:TOLD_MAX]
        counts = tuple(c for w in words if (c := _count_from_word(w, now_ms)) is not None)
        self._counts[node] = counts
        return NodeFailures(node, counts)

    def _forget(self, node: NodeName) -> NodeFailures | None:
        if node == self._own or not self._counts.pop(node, ()):
            return None
        return NodeFailures(node, ())

    def _message(self, now_ms: int) -> Broadcast:
        words = [_word_of(count, now_ms) for count in self.own().counts[:TOLD_MAX]]
        return Broadcast(
            message_of(t=FAILURES_TYPE, **{_COUNTS_FIELD: wire_text_of(" ".join(words))})
        )


def cleanup_message(resource: str, node: str) -> Message:
    """Return the message by which all nodes, or the one named, forget failures."""
    return message_of(
        t=CLEANUP_TYPE, **{_RESOURCE_FIELD: wire_text_of(masked(resource)), _NODE_FIELD: node}
    )


def cleanup_from_message(message: Message, own: NodeName) -> str | None:
    """Return the resource to be forgotten ("" for all), or None if it is not for us."""
    if message.type != CLEANUP_TYPE or message.text(_NODE_FIELD) not in {None, "", own}:
        return None
    return word_from_wire(message.text(_RESOURCE_FIELD) or "")


def _word_of(count: ResourceFailures, now_ms: int) -> str:
    age_ms, left_ms = now_ms - count.last_ms, count.clears_ms - now_ms
    bar = "1" if count.is_barred else "0"
    key = quote(
        count.group, safe="", errors="surrogateescape"
    )  # group keys hold slashes: 10.0.0.50/24/eth0
    return "/".join((str(count.count), bar, str(age_ms), str(left_ms), key, masked(count.resource)))


def _count_from_word(word: str, now_ms: int) -> ResourceFailures | None:
    """Read one count; None for what no everbeat node writes."""
    parts = word.split("/", _PARTS - 1)
    if len(parts) != _PARTS or not all(_NUMBER.fullmatch(part) for part in parts[:4]):
        return None
    number, bar, age_ms, left_ms = (int(part) for part in parts[:4])
    if max(abs(number), abs(age_ms), abs(left_ms)) > _NUMBER_MAX:
        return None
    return ResourceFailures(
        group=GroupKey(unquote(parts[4], errors="surrogateescape")),
        resource=parts[5],
        count=number,
        is_barred=bar == 1,
        last_ms=now_ms - age_ms,
        clears_ms=now_ms + left_ms,
    )
