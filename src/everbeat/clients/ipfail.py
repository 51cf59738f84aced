"""ipfail, built in: the node that reaches fewer ping nodes gives its groups to the other one.

    a ping node or a path falls or comes back, the other ipfail joins
         ── num_ping_nodes N ──►  fewer here: give up    as many: abort_giveup    more: you_are_dead
    you_are_dead, or fewer here ──► PENDING ──GIVE_UP_BEATS heartbeats──► give up, again while held
         ▲                             └── as many, abort_giveup, the other one is not active
         └─ a pause, in which the other node may find that it has lost the same ping nodes

The other one, if it is Heartbeat's, tries once and never while anything moves there: it is told
again that it is dead, RETELLS_MAX times, until it says that it reaches as many.

Enters: membership facts, the view. Leaves: messages to the other ipfail, GiveUp. Invariant: nothing
is given up but to a node that is active and has said that it reaches more. It speaks as the client
`ipfail`, so a Heartbeat's ipfail on the other node understands it, and it that one.

Source: what the ipfail of Heartbeat 3.0.6 sends and answers (traced); v1-behaviour of ipfail.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from everbeat.model.members import NodeKind, NodeStatus
from everbeat.model.membership import Broadcast, LinkChanged, MessageReceived, NodeStatusChanged
from everbeat.model.message import message_of
from everbeat.model.names import node_name_from_text

if TYPE_CHECKING:
    from everbeat.model.cluster import HaConfig
    from everbeat.model.members import MembershipView
    from everbeat.model.membership import MembershipFact
    from everbeat.model.message import Message
    from everbeat.model.names import NodeName

NAME: Final = "ipfail"
GIVE_UP_BEATS: Final = 2
RETRY_MS: Final = 1_000
AGAIN_MS: Final = 5_000
"""A hand-over that began may have been called off: the other ipfail asks for one at that moment."""
RETELL_MS: Final = 3_000
RETELLS_MAX: Final = 5
COUNT_DIGITS_MAX: Final = 4


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Order: hand all groups to the other node.

    `Ipfail.on_refused` takes that it cannot be now, `on_nothing_held` that it is done; else the
    order comes again.
    """

    why: str


IpfailOrder: TypeAlias = Broadcast | GiveUp


class Ipfail:
    """One node's ipfail."""

    def __init__(self, config: HaConfig) -> None:
        self._own = config.node
        self._pause_ms = GIVE_UP_BEATS * config.timing.keepalive_ms
        self._due_ms: int | None = None
        self._to: NodeName | None = None
        self._why = ""
        self._behind: NodeName | None = None  # who reaches fewer, and is told so
        self._retell_ms = 0
        self._retells = 0

    def on_start(self, view: MembershipView) -> list[IpfailOrder]:
        """Join: the other ipfail answers with its count."""
        joins = message_of(t="hbapi-clstat", st="join", info="signon", **_named())
        return [Broadcast(joins), *self._tell(view)]

    def on_membership(
        self, fact: MembershipFact, view: MembershipView, now_ms: int
    ) -> list[IpfailOrder]:
        """Take one fact; `view`: after it."""
        match fact:
            case NodeStatusChanged(node=node) if _kind(view, node) is NodeKind.PING:
                return self._tell(view)
            case NodeStatusChanged(node=node, new=new) if node != self._own:
                if new is not NodeStatus.ACTIVE:
                    self._forget(node)
                return self._tell(view) if new is NodeStatus.ACTIVE else []
            case LinkChanged(node) if _kind(view, node) is NodeKind.NORMAL:
                return self._tell(view)
            case MessageReceived(message):
                return self._on_message(message, view, now_ms)
            case _:
                return []

    def on_refused(self, now_ms: int) -> None:
        """Try again: resources are moving, or the other node is not ready."""
        self._due_ms = now_ms + RETRY_MS

    def on_nothing_held(self) -> None:
        """Be content: there is nothing to give up."""
        self._due_ms = None

    def on_tick(self, view: MembershipView, now_ms: int) -> list[IpfailOrder]:
        """Give up, or tell the other node again that it should, when it is due."""
        orders: list[IpfailOrder] = []
        if self._behind is not None and now_ms >= self._retell_ms:
            orders.append(_to(self._behind, "you_are_dead"))
            self._retell_ms, self._retells = now_ms + RETELL_MS, self._retells + 1
            if self._retells == RETELLS_MAX:
                self._behind = None
        if self._due_ms is not None and now_ms >= self._due_ms:
            self._due_ms = None
            if self._to is not None and _is_active(view, self._to):
                self._due_ms = now_ms + AGAIN_MS
                orders.append(GiveUp(self._why))
        return orders

    def next_wakeup_ms(self) -> int | None:
        """Return when on_tick is due, or None."""
        due = [self._due_ms, self._retell_ms if self._behind is not None else None]
        return min((moment for moment in due if moment is not None), default=None)

    def _on_message(self, message: Message, view: MembershipView, now_ms: int) -> list[IpfailOrder]:
        sender = node_name_from_text(message.text("src") or "")
        receiver = message.text("dest")
        is_for_us = receiver is None or node_name_from_text(receiver) == self._own
        if message.text("from_id") != NAME or sender == self._own or not is_for_us:
            return []
        if not _is_active(view, sender):
            return []
        match message.type:
            case "hbapi-clstat" if message.text("st") == "join":
                return self._tell(view, sender)
            case "num_ping_nodes":
                return self._compare(sender, message.text("num_ping") or "", view, now_ms)
            case "you_are_dead":
                self._await(sender, f"{sender} reaches more ping nodes", now_ms)
            case "abort_giveup":
                self._forget(sender)
            case _:
                pass
        return []

    def _compare(
        self, sender: NodeName, text: str, view: MembershipView, now_ms: int
    ) -> list[IpfailOrder]:
        if not (text.isascii() and text.isdecimal() and len(text) <= COUNT_DIGITS_MAX):
            return []
        theirs, ours = int(text), _reached(view)
        self._forget(sender, is_waiting=theirs > ours)
        if theirs > ours:
            self._await(sender, f"{sender} reaches {theirs} ping nodes, this node {ours}", now_ms)
            return []
        if theirs < ours:
            self._behind, self._retell_ms, self._retells = sender, now_ms + RETELL_MS, 0
        return [_to(sender, "you_are_dead" if theirs < ours else "abort_giveup")]

    def _await(self, to: NodeName, why: str, now_ms: int) -> None:
        if self._due_ms is None or self._to != to:
            self._due_ms = now_ms + self._pause_ms
        self._to, self._why = to, why

    def _forget(self, node: NodeName, *, is_waiting: bool = False) -> None:
        """Drop what was between us and a node; `is_waiting`: but not that we give up to it."""
        if node == self._behind:
            self._behind = None
        if node == self._to and not is_waiting:
            self._due_ms = self._to = None

    def _tell(self, view: MembershipView, node: NodeName | None = None) -> list[IpfailOrder]:
        """Tell the other nodes, or one, how many ping nodes we reach."""
        others = [node] if node is not None else [n.node for n in view.peers()]
        count = str(_reached(view))
        return [
            _to(each, "num_ping_nodes", num_ping=count) for each in others if _is_active(view, each)
        ]


def _reached(view: MembershipView) -> int:
    return sum(node.status is NodeStatus.PING for node in view.nodes)


def _is_active(view: MembershipView, name: NodeName) -> bool:
    node = view.node(name)
    is_member = node is not None and node.kind is NodeKind.NORMAL
    return is_member and node is not None and node.status is NodeStatus.ACTIVE


def _kind(view: MembershipView, name: NodeName) -> NodeKind | None:
    node = view.node(name)
    return node.kind if node is not None else None


def _named() -> dict[str, str]:
    return {"from_id": NAME, "to_id": NAME, "client_gen": "0"}


def _to(node: NodeName, kind: str, **fields: str) -> Broadcast:
    return Broadcast(message_of(t=kind, **fields, dest=node, **_named()))
