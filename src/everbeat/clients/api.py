"""The client API of Heartbeat on RUN/register: sessions, requests, and messages to the cluster.

                        signon refused: answer, hbapi-clstat leave, hang up
    connected ---------<
                        signon taken: named clients are announced (hbapi-clstat join)
    signed on: hbapi-req is answered; from a named client any other message is broadcast;
               every message from the cluster goes to the clients it is for
    signoff, fault, hang-up: named clients are announced (hbapi-clstat leave)

Enters: connections, messages of clients, membership facts. Leaves: Reply, Disconnect and
Broadcast, to be carried out in order. Invariant: at most SESSIONS_MAX sessions, no two of one
name; a message of a client never carries a name but its own, nor fields or types by which nodes
speak to each other.

Source: measured on 3.0.6 (docs/protocol); Heartbeat: heartbeat/hb_api.c.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from everbeat.clients import answers, ipfail
from everbeat.clients.authorization import Accounts, Gate, Refused, is_client_name
from everbeat.clients.orders import ApiOrder, ApiWish, AskStandby, Disconnect, Reply
from everbeat.clients.session import Session, filter_from_text, is_within_rate
from everbeat.model.members import NodeKind, NodeStatus
from everbeat.model.membership import (
    Broadcast,
    ClientFlowChanged,
    LinkChanged,
    MessageReceived,
    NodeStatusChanged,
)
from everbeat.model.message import Field, FieldType, Message, message_of
from everbeat.model.names import node_name_from_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from everbeat.clients.authorization import Credentials
    from everbeat.model.cluster import HaConfig
    from everbeat.model.groups import ManagerView
    from everbeat.model.members import MembershipView, NodeView
    from everbeat.model.membership import MembershipFact
    from everbeat.model.names import NodeName

SESSIONS_MAX: Final = 128  # beyond it a new connection is hung up on
SESSIONS_PER_USER_MAX: Final = 32
STRANGERS_MAX: Final = 32  # sessions of users that no apiauth rule names, who can never sign on
ROOT_PLACES: Final = 16  # of SESSIONS_MAX, kept for root
SIGNON_MS_MAX: Final = 10_000  # a connection that does not sign on in time is hung up on
HELD_MAX: Final = 200  # messages kept while flow control pauses clients; beyond: the sender goes
STAMP_DIGITS_MAX: Final = 16

# How nodes speak to each other; a client that uses these would pass for a node.
NODE_TYPES: Final = frozenset({
    "status", "starting", "resource", "shutdone", "reqnodes", "repnodes", "stonith", "ifstat",
    "hbapi-clstat", "hbapi-resp", "query-cstatus", "respond-cstatus",
    "takeover-refused", "fence_me", "resource-failures", "resource-cleanup",
})  # fmt: skip
# What moves groups and changes nodes. By default any member of haclient may be client ping.
MOVING_TYPES: Final = frozenset({
    "ask_resources", "hb_takeover", "ip-request", "ip-request-resp", "addnode", "delnode",
    "setweight", "setsite",
})  # fmt: skip
LOOKING_CLIENT: Final = "ping"
_NODE_FIELDS: Final = (
    "src", "srcuuid", "destuuid", "seq", "hg", "ts", "ld", "ttl", "auth", "protocol",
    "from_id", "to_id", "client_gen",
)  # fmt: skip
_HEARTBEAT_TYPES: Final = frozenset({"status", "NS_st"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiStatistics:
    """What the client API counts."""

    sessions: int
    refused_signons: int
    refused_messages: int
    held: int


class ClientApi:
    """The sessions of all clients. Clients are numbered by the host, never reusing a number."""

    def __init__(self, config: HaConfig, own: NodeName) -> None:
        self._config = config
        self._own = own
        self._accounts = Accounts()
        self._gate = Gate(config.apiauth, self._accounts)
        self._sessions: dict[int, Session] = {}
        self._generation = 0
        self._held: deque[Broadcast] = deque()
        self._ping_nodes = {str(medium.link) for medium in config.media if medium.kind.is_ping}
        self._wall_offset_ms = 0
        self._refused_signons = 0
        self._refused_messages = 0

    def on_configuration(self, config: HaConfig) -> None:
        """Answer by another ha.cf; who is signed on stays so."""
        self._config = config
        self._gate = Gate(config.apiauth, self._accounts)
        self._ping_nodes = {str(medium.link) for medium in config.media if medium.kind.is_ping}

    def on_accounts(self, accounts: Accounts) -> None:
        """Take the numbers of the users and groups that apiauth names; until then root's alone."""
        self._accounts = accounts
        self._gate = Gate(self._config.apiauth, accounts)

    def on_connect(self, client: int, credentials: Credentials, now_ms: int) -> list[ApiOrder]:
        """Take a new connection."""
        is_stranger = not self._gate.knows(credentials)
        if not self._has_place(credentials, is_stranger=is_stranger):
            return [Disconnect(client, "too-many-clients")]
        self._sessions[client] = Session(credentials, now_ms, is_stranger)
        return []

    def on_message(
        self,
        client: int,
        message: Message,
        view: MembershipView,
        manager: ManagerView,
        now_ms: int,
    ) -> Sequence[ApiWish]:
        """Take a message from a client."""
        session = self._sessions.get(client)
        if session is None:
            return []
        if not session.is_signed_on:
            return self._sign_on(client, session, message)
        if message.type != "hbapi-req":
            return self._pass_on(client, message, view, now_ms)
        known = answers.Knowledge(self._config, view, manager)
        found = answers.answer(message, known)
        if found is not None:
            return [Reply(client, each) for each in found]
        return self._act(client, session, message, view, now_ms)

    def on_disconnect(self, client: int) -> list[ApiOrder]:
        """Take that a client hung up or was too slow."""
        session = self._sessions.pop(client, None)
        return self._announce_leave(session, "disconnect") if session is not None else []

    def on_membership(self, fact: MembershipFact) -> list[ApiOrder]:
        """Take a fact of the cluster: deliver it to clients, answer other nodes' questions."""
        match fact:
            case MessageReceived(message, at_ms):
                self._read_clock(message, at_ms)
                return [*self._answer_peer(message), *self._deliver(message)]
            case NodeStatusChanged():
                return self._deliver(self._status_change(fact), is_change=True)
            case LinkChanged(node, link, status):
                return self._deliver(
                    message_of(t="ifstat", node=node, ifname=link, st=status.value)
                )
            case ClientFlowChanged(is_paused=False):
                released: list[ApiOrder] = list(self._held)
                self._held.clear()
                return released
            case _:
                return []

    def on_tick(self, now_ms: int) -> list[ApiOrder]:
        """Hang up on connections that never signed on."""
        late = [
            client
            for client, session in self._sessions.items()
            if not session.is_signed_on and now_ms - session.connected_ms >= SIGNON_MS_MAX
        ]
        return [order for client in late for order in self._drop(client, "no-signon")]

    def next_wakeup_ms(self) -> int | None:
        """Return when on_tick has something to do, or None."""
        waiting = [s.connected_ms for s in self._sessions.values() if not s.is_signed_on]
        return min(waiting) + SIGNON_MS_MAX if waiting else None

    def statistics(self) -> ApiStatistics:
        """Return the counters."""
        return ApiStatistics(
            sessions=len(self._sessions),
            refused_signons=self._refused_signons,
            refused_messages=self._refused_messages,
            held=len(self._held),
        )

    def names(self) -> tuple[str, ...]:
        """Return the names of the clients signed on, ipfail if built in, then as they connected."""
        signed_on = tuple(s.name for s in self._sessions.values() if s.is_signed_on)
        return (ipfail.NAME, *signed_on) if self._config.has_ipfail else signed_on

    def _has_place(self, credentials: Credentials, *, is_stranger: bool) -> bool:
        """Whether there is room: strangers take it from each other, nobody takes root's."""
        sessions = self._sessions.values()
        if credentials.uid == 0:
            return len(sessions) < SESSIONS_MAX
        if sum(each.credentials.uid == credentials.uid for each in sessions) >= (
            SESSIONS_PER_USER_MAX
        ):
            return False
        if is_stranger and sum(each.is_stranger for each in sessions) >= STRANGERS_MAX:
            return False
        return len(sessions) < SESSIONS_MAX - ROOT_PLACES

    def _sign_on(self, client: int, session: Session, message: Message) -> list[ApiOrder]:
        if message.type != "hbapi-req" or message.text("reqtype") != "signon":
            self._refused_messages += 1
            return self._drop(client, "not-signed-on")
        verdict = self._gate.admit(message, session.credentials)
        if not isinstance(verdict, Refused) and verdict.name in self.names():
            verdict = Refused("", "duplicate add request")
        self._generation += 1
        if isinstance(verdict, Refused):
            self._refused_signons += 1
            leave = _client_status("leave", verdict.name, verdict.info, self._generation, self._own)
            return [
                Reply(client, answers.signon_response(self._config, verdict.info)),
                Reply(client, leave),
                *self._drop(client, "refused"),
            ]
        session.name, session.is_casual = verdict.name, verdict.is_casual
        session.generation = self._generation
        accepted = Reply(client, answers.signon_response(self._config))
        if session.is_casual:
            return [accepted]
        join = _client_status("join", session.name, "signon", session.generation)
        return [accepted, Broadcast(join)]

    def _act(
        self, client: int, session: Session, message: Message, view: MembershipView, now_ms: int
    ) -> list[ApiOrder]:
        """Carry out a request that changes the session or asks another node."""
        kind = message.text("reqtype") or ""
        match kind:
            case "signoff":
                return self._sign_off(client, session)
            case "setfilter":
                chosen = filter_from_text(message.text("fmask"))
                if chosen is None:
                    return [Reply(client, answers.refusal(kind))]
                session.filter = chosen
                return [Reply(client, answers.response(kind, answers.OK))]
            case "setsignal":
                # None is fine (ipfail insists on it); any other would let a client aim signals.
                is_none = message.text("signal") == "0"
                answer = answers.response(kind, answers.OK)
                return [Reply(client, answer if is_none else answers.refusal(kind, ""))]
            case "set_sendqlen":
                return []  # 3.0.6 does not answer; our queue is bounded in bytes
            case "clientstatus":
                return self._client_status_request(client, session, message, view, now_ms)
            case _:
                self._refused_messages += 1
                return [Reply(client, answers.refusal(kind[:64], ""))]

    def _sign_off(self, client: int, session: Session) -> list[ApiOrder]:
        del self._sessions[client]
        orders: list[ApiOrder] = []
        if not session.is_casual:
            name, generation = session.name, session.generation
            farewell = _client_status("leave", name, "signoff", generation, self._own)
            leave = _client_status("leave", name, "signoff", generation)
            orders = [Reply(client, farewell), Broadcast(leave)]
        return [*orders, Disconnect(client, "signoff")]

    def _client_status_request(
        self, client: int, session: Session, message: Message, view: MembershipView, now_ms: int
    ) -> list[ApiOrder]:
        node = answers.node_of(message, view)
        name = message.text("cn") or ""
        if node is None or node.kind is NodeKind.PING or not is_client_name(name):
            return [Reply(client, answers.refusal("clientstatus"))]
        if node.node == self._own or node.status is NodeStatus.DEAD:
            is_online = node.node == self._own and name in self.names()
            told = answers.response(
                "clientstatus",
                answers.OK,
                subt="respond-cstatus",
                cs="online" if is_online else "offline",
            )
            return [Reply(client, told)]
        if not is_within_rate(session, now_ms):
            return self._drop(client, "too-fast")
        query = message_of(t="query-cstatus", dest=node.node, cn=name, from_id=session.name)
        return self._send(client, Broadcast(query), view)

    def _pass_on(
        self, client: int, message: Message, view: MembershipView, now_ms: int
    ) -> Sequence[ApiWish]:
        """Broadcast a client's own message under its name."""
        session = self._sessions[client]
        if not is_within_rate(session, now_ms):
            return self._drop(client, "too-fast")
        if session.is_casual:
            self._refused_messages += 1
            return self._drop(client, "casual-client-may-not-send")
        if not _may_send(session, message, view):
            self._refused_messages += 1
            return []
        if message.type == "ask_resources":
            return self._ask_standby(message)
        return self._send(client, Broadcast(_signed_by(session, message)), view)

    def _send(self, client: int, broadcast: Broadcast, view: MembershipView) -> list[ApiOrder]:
        """Broadcast for a client, or keep it as long as flow control pauses clients."""
        if not view.is_client_flow_paused:
            return [broadcast]
        if len(self._held) >= HELD_MAX:
            return self._drop(client, "too-fast")
        self._held.append(broadcast)
        return []

    def _ask_standby(self, message: Message) -> list[ApiWish]:
        """Have this node ask. To pass the question on would be to ask twice, and before we may."""
        if message.text("info") == "me":
            return [AskStandby(message.text("rsc_hold") or "")]
        self._refused_messages += 1  # the answers are the nodes' own
        return []

    def _answer_peer(self, message: Message) -> list[ApiOrder]:
        if message.type != "query-cstatus" or not self._is_for_us(message):
            return []
        asker, name, client = message.text("src"), message.text("cn"), message.text("from_id")
        if asker in {None, self._own} or not is_client_name(name or ""):
            return []
        answer = message_of(
            t="respond-cstatus",
            dest=asker or "",
            result=answers.OK,
            cn=name or "",
            to_id=client or "",
            cs="online" if name in self.names() else "offline",
        )
        return [Broadcast(answer)]

    def _deliver(self, message: Message, *, is_change: bool = False) -> list[ApiOrder]:
        if message.type in {"query-cstatus", "hbapi-req"} or not self._is_for_us(message):
            return []
        is_heartbeat = message.type in _HEARTBEAT_TYPES and not is_change
        return [
            Reply(client, message)
            for client, session in self._sessions.items()
            if session.wants(message, is_heartbeat=is_heartbeat)
        ]

    def _read_clock(self, message: Message, at_ms: int) -> None:
        """Learn the wall clock from our own messages, which come back with their time."""
        stamp = message.text("ts")
        if stamp is None or message.text("src") != self._own or len(stamp) > STAMP_DIGITS_MAX:
            return
        try:
            self._wall_offset_ms = int(stamp, 16) * 1_000 - at_ms
        except ValueError:
            return

    def _status_change(self, fact: NodeStatusChanged) -> Message:
        """Build the message 3.0.6 makes for its clients when a node's status changes.

        libhbclient passes over a status without seq and ts.
        """
        is_ping = fact.node in self._ping_nodes or fact.new is NodeStatus.PING
        return message_of(
            t="status",
            seq="1",
            ts=f"{max(fact.at_ms + self._wall_offset_ms, 0) // 1_000:x}",
            src=fact.node,
            st=fact.new.value,
            info="ping" if is_ping else fact.reason.value,
        )

    def _is_for_us(self, message: Message) -> bool:
        receiver = message.text("dest")
        return receiver is None or node_name_from_text(receiver) == self._own

    def _announce_leave(self, session: Session, info: str) -> list[ApiOrder]:
        if not session.is_signed_on or session.is_casual:
            return []
        leave = _client_status("leave", session.name, info, session.generation)
        return [Broadcast(leave)]

    def _drop(self, client: int, reason: str) -> list[ApiOrder]:
        session = self._sessions.pop(client)
        return [Disconnect(client, reason), *self._announce_leave(session, reason)]


def _client_status(status: str, name: str, info: str, generation: int, src: str = "") -> Message:
    """Build the news of a client's coming or going; `src` only if it does not go by broadcast."""
    source = {"src": src} if src else {}
    return message_of(
        t="hbapi-clstat",
        st=status,
        from_id=name,
        to_id=name,
        **source,
        info=info,
        client_gen=f"{generation:x}",
    )


def _may_send(session: Session, message: Message, view: MembershipView) -> bool:
    """Whether a client's message has a type, speaks for no node, and goes to a known node."""
    kind = message.type
    is_looking = session.name == LOOKING_CLIENT and session.credentials.uid != 0
    if is_looking and kind in MOVING_TYPES:
        return False
    if not kind or kind in NODE_TYPES or kind.startswith(("NS_", "eb_")):
        return False
    receiver = message.text("dest")
    return receiver is None or _is_member(view.node(node_name_from_text(receiver)))


def _is_member(node: NodeView | None) -> bool:
    return node is not None and node.kind is NodeKind.NORMAL


def _signed_by(session: Session, message: Message) -> Message:
    """Return the message with the client's name as sender and receiver, as 3.0.6 sets them."""
    return message.without(*_NODE_FIELDS).with_fields(
        Field(FieldType.STRING, "from_id", session.name),
        Field(FieldType.STRING, "to_id", session.name),
        Field(FieldType.STRING, "client_gen", f"{session.generation:x}"),
    )
