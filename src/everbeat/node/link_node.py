"""The link process without its sockets: wire and membership put together.

    datagrams ─ open ─► envelope ─► known node? ─► its present life? ─► number ─► by type
    orders ──────────────────────────────────────────────────────────────► sender
    time ──► heartbeat, verdicts, requests for missing messages, node list

    own status:  INIT ──media run──► UP ──node list, or nobody to ask──► ACTIVE

Enters: datagrams, orders, time. Leaves: effects, to be carried out in order. Invariants: a datagram
that is not authentic changes nothing but a counter; folding all facts gives `view()`.

Source: measured on 3.0.6 (docs/protocol).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from everbeat.membership.admission import STATUS_TYPE, OwnLife
from everbeat.membership.envelope import (
    UNNUMBERED_PREFIX,
    decimal_from_text,
    hex_from_text,
)
from everbeat.membership.heartbeat import HeartbeatSchedule
from everbeat.membership.identity import Identity
from everbeat.membership.join import NodeListQuest
from everbeat.membership.lives import LIFE_BITS, Lives, fresh_ms_of, greeting_from_message
from everbeat.membership.outbound import Refusal
from everbeat.membership.rejections import Rejections
from everbeat.membership.roster import Roster
from everbeat.model.cluster import MediumKind
from everbeat.model.members import MembershipView, NodeKind, NodeStatus
from everbeat.model.membership import (
    Broadcast,
    ClientFlowChanged,
    CommunicationUp,
    MediumChanged,
    MembershipFact,
    MembershipOrder,
    MessageReceived,
    NodeDialectChanged,
    NodeDoubted,
    NodeReturned,
    NodeStatusChanged,
    OwnHeartbeatLate,
    RaiseGeneration,
    StatusReason,
    fold,
)
from everbeat.model.message import Message, message_of
from everbeat.model.names import NodeName, node_name_from_text
from everbeat.model.quorum import AskWitness, ConfirmOff, RightGained
from everbeat.node.link_door import LinkDoor
from everbeat.node.link_effects import (
    LinkEffect,
    PersistGeneration,
    PersistLives,
    PersistPingProof,
    PersistPromise,
    ReserveSequence,
    Transmit,
)
from everbeat.node.link_quorum import LinkQuorum
from everbeat.node.link_sender import LinkSender
from everbeat.wire.datagram import Rejected
from everbeat.wire.dialect import DIALECT_FIELD, VERSION
from everbeat.wire.errors import WireError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from everbeat.membership.envelope import Envelope
    from everbeat.membership.nodes import NodeRecord
    from everbeat.model.cluster import HaConfig, Medium
    from everbeat.model.keys import AuthKeys
    from everbeat.model.quorum import WitnessReply
    from everbeat.node.link_door import OpenedMessage
    from everbeat.ports.chance import Random
    from everbeat.ports.cipher import Cipher

__all__ = [
    "Identity",
    "LinkEffect",
    "LinkNode",
    "PersistGeneration",
    "ReserveSequence",
    "Transmit",
]

PROTOCOL: Final = "1"
OWN_TYPES: Final = frozenset({"status", "reqnodes", "repnodes"})
"""Types that membership alone sends, besides all NS_ types: orders to send them are dropped."""

SUPERSEDING_TYPES: Final = frozenset({"resource"})
"""Types of which the newest message alone counts."""

_STATUSES: Final = {
    status.value: status
    for status in (NodeStatus.INIT, NodeStatus.UP, NodeStatus.ACTIVE, NodeStatus.DEAD)
}


class LinkNode:
    """One node's messaging and membership. `on_start` first; times never go back."""

    def __init__(
        self,
        config: HaConfig,
        keys: AuthKeys,
        identity: Identity,
        random: Random,
        cipher: Cipher | None = None,
    ) -> None:
        self._config = config
        self._identity = identity
        self._sender = LinkSender(config, keys, identity, cipher)
        life = f"{random.randrange(1 << LIFE_BITS):0{LIFE_BITS // 4}x}"
        self._lives = Lives(config.node, life, fresh_ms_of(config.timing), identity.known)
        self._quorum = LinkQuorum(config, identity, random, self._lives)
        self._roster = Roster(
            config,
            identity.uuid,
            random,
            is_continuing=identity.is_continuing,
            may_bury=self._may_bury if self._quorum.is_voting else None,
        )
        self._heartbeat = HeartbeatSchedule(config.timing, is_continuing=identity.is_continuing)
        self._quest = NodeListQuest()
        self._rejections = Rejections()
        self._door = LinkDoor(config, identity.uuid, self._roster, self._lives)
        self._status = NodeStatus.INIT
        self._view = MembershipView(config.node, quorum=self._quorum.first_view())
        self._effects: list[LinkEffect] = []
        self._newest: dict[str, Message] = {}  # of SUPERSEDING_TYPES, as it was sent last

    # -- inputs ------------------------------------------------------------------------------

    def on_start(self, now_ms: int) -> list[LinkEffect]:
        """Add the configured nodes and speak for the first time."""
        self._sender.on_start(now_ms)
        self._publish(self._roster.on_start(now_ms))
        if self._identity.is_continuing:
            self._roster.continue_lives(self._identity.known)
        self._quest.on_start(now_ms, self._config.timing.initdead_ms)
        self._heartbeat.on_start(now_ms)
        self._quorum.on_start(now_ms)
        self._effects += self._sender.reserve()
        if self._identity.is_continuing:
            self._activate(now_ms)
        else:
            self._send_status(now_ms)
            self._become(NodeStatus.UP, now_ms)
            self._send_status(now_ms)
            self._send_status(now_ms)
        self._effects += self._sender.pings(self._lives.ping_fields(now_ms))
        return self._leave(now_ms)

    def on_tick(self, now_ms: int) -> list[LinkEffect]:
        """Let time pass: beat, judge, ask for what is missing."""
        self._notice_starvation(now_ms)
        if self._heartbeat.is_due(now_ms):
            self._send_status(now_ms)
            self._effects += self._sender.pings(self._lives.ping_fields(now_ms))
        self._publish(self._roster.on_tick(now_ms))
        self._tell(self._quorum.on_tick(self._sender.generation, now_ms), now_ms)
        for peer in self._roster.table.peers():
            self._deliver_waiting(peer.name, now_ms)
        for node, number in self._roster.inbound.due_requests(now_ms):
            # Decimal on purpose: the only sequence numbers on the wire that are not hexadecimal.
            self._send_to(node, t="NS_rexmit", firstseq=str(number), lastseq=str(number))
        self._publish(self._rejections.on_tick(now_ms))
        return self._leave(now_ms)

    def on_datagram(self, medium: int, data: bytes, source: str, now_ms: int) -> list[LinkEffect]:
        """Take bytes from a medium; `source` is for people. For ping media: an echoed payload."""
        self._notice_starvation(now_ms)
        self._receive(medium, data, source, now_ms)
        return self._leave(now_ms)

    def on_order(self, order: MembershipOrder, now_ms: int) -> list[LinkEffect]:
        """Carry out an order of the core."""
        self._notice_starvation(now_ms)
        match order:
            case Broadcast(message):
                self._broadcast(message, now_ms)
            case RaiseGeneration():
                self._raise_generation(now_ms)
            case ConfirmOff(node):
                self._quorum.on_confirmed_off(node)
        return self._leave(now_ms)

    def on_witness_reply(self, reply: WitnessReply, now_ms: int) -> list[LinkEffect]:
        """Take an authentic answer of the witness."""
        self._quorum.on_witness_reply(reply, now_ms)
        return self._leave(now_ms)

    def on_witness_heard(self, now_ms: int) -> list[LinkEffect]:
        """Take that the witness has answered anything authentic."""
        self._quorum.on_witness_heard(now_ms)
        return self._leave(now_ms)

    def on_promise(
        self, nodes: tuple[NodeName, ...], now_ms: int, *, is_kept: bool
    ) -> list[LinkEffect]:
        """Take the outcome of PersistPromise: whether these nodes are on disk."""
        farewell = self._quorum.farewell(nodes, is_kept=is_kept)
        if farewell is not None:
            self._send_all(farewell, now_ms)
        return self._leave(now_ms)

    def on_medium(self, medium: int, error: str, now_ms: int) -> list[LinkEffect]:
        """Note that a medium failed, or with an empty error that it works again."""
        name = _medium_name(self._config.media[medium])
        if dict(self._view.failed_media).get(name, "") != error:
            self._publish([MediumChanged(name, error, now_ms)])
        return self._leave(now_ms)

    def on_witness_trouble(self, trouble: str, now_ms: int) -> list[LinkEffect]:
        """Note what keeps the witness from answering, or with an empty text that it does."""
        assert self._config.witness is not None
        name = f"witness {self._config.witness.host}"
        if dict(self._view.failed_media).get(name, "") != trouble:
            self._publish([MediumChanged(name, trouble, now_ms)])
        return self._leave(now_ms)

    def on_surroundings(self, wall_s: int, load: str) -> None:
        """Note time(2) and /proc/loadavg for the messages to come; before on_start, too."""
        self._sender.on_surroundings(wall_s, load.strip())

    def on_keys(self, keys: AuthKeys, cipher: Cipher | None = None) -> None:
        """Sign and verify with other keys from now on."""
        self._sender.keys, self._sender.cipher = keys, cipher

    def next_wakeup_ms(self) -> int | None:
        """Return when to call on_tick; None before on_start."""
        if self._heartbeat.next_wakeup_ms() is None:
            return None
        is_asking = self._status is NodeStatus.UP and self._roster.are_all_settled()
        times = (
            self._heartbeat.next_wakeup_ms(),
            self._roster.next_wakeup_ms(),
            self._rejections.next_wakeup_ms(),
            self._quest.next_wakeup_ms() if is_asking else None,
            self._quorum.next_wakeup_ms(),
            self._lives.next_wakeup_ms(),
        )
        return min(time for time in times if time is not None)

    def view(self) -> MembershipView:
        """Return the sum of all facts so far."""
        return self._view

    def is_overdue(self, now_ms: int) -> bool:
        """Say whether the right to hold is lost, its time to stop over, and not all given up."""
        return self._quorum.is_overdue(now_ms)

    # -- leaving an input ----------------------------------------------------------------------

    def _publish(self, facts: Iterable[MembershipFact]) -> None:
        for fact in facts:
            self._view = fold(self._view, fact)
            self._effects.append(fact)

    def _tell(self, effects: Iterable[LinkEffect], now_ms: int) -> None:
        """Pass on what the quorum has to say; the others hear at once that we have the right."""
        for effect in effects:
            match effect:
                case AskWitness() | PersistPromise() | PersistPingProof():
                    self._effects.append(effect)
                case RightGained():
                    self._publish([effect])
                    self._send_status(now_ms)
                case Transmit() | PersistGeneration() | PersistLives() | ReserveSequence():
                    raise AssertionError("the quorum sends nothing itself")
                case _:
                    self._publish([effect])

    def _leave(self, now_ms: int) -> list[LinkEffect]:
        if self._roster.liveness.has_undecided:
            self._publish(self._roster.on_tick(now_ms))
        self._tell(self._quorum.look(now_ms), now_ms)
        known = self._lives.take_news()
        if known is not None:
            self._effects.append(PersistLives(known))
        answer_ms = self._lives.answer_due_ms()
        if answer_ms is not None and now_ms >= answer_ms:
            self._send_status(now_ms)  # before anything that a newcomer takes only afterwards
        self._publish(
            NodeDoubted(node, doubt, now_ms)
            for node, doubt in self._lives.new_doubts(now_ms)
            if self._view.node(node) is not None
        )
        if self._status is NodeStatus.UP and self._roster.are_all_settled():
            self._seek_node_list(now_ms)
        is_paused = self._roster.must_pause(self._sender.highest)
        if is_paused is not self._view.is_client_flow_paused:
            self._publish([ClientFlowChanged(is_paused, now_ms)])
        effects, self._effects = self._effects, []
        return effects

    # -- our own life --------------------------------------------------------------------------

    def _seek_node_list(self, now_ms: int) -> None:
        peers = self._roster.answering_peers()
        if not peers or self._quest.is_over(now_ms):
            self._activate(now_ms)
            return
        peer = self._quest.whom_to_ask(peers, now_ms)
        if peer is not None:
            self._send_to(peer, t="reqnodes")

    def _activate(self, now_ms: int) -> None:
        self._become(NodeStatus.ACTIVE, now_ms)
        self._roster.liveness.on_communication_up()
        self._send_status(now_ms)
        self._publish([CommunicationUp(now_ms)])

    def _become(self, status: NodeStatus, now_ms: int) -> None:
        old, self._status = self._status, status
        change = NodeStatusChanged(
            node=self._config.node,
            old=old,
            new=status,
            reason=StatusReason.LOCAL,
            last_heard_ms=now_ms,
            at_ms=now_ms,
        )
        self._publish([change])

    def _notice_starvation(self, now_ms: int) -> None:
        """Trust our verdicts less after a delay; after a long one begin a new life.

        Peers have declared us dead by then. Going on under the old generation would make them
        release everything and restart (3.0.6 calls it returning after partition).
        """
        silent_ms = self._heartbeat.starved_ms(now_ms)
        if silent_ms is None:
            return
        self._publish([OwnHeartbeatLate(silent_ms, now_ms)])
        self._roster.hold_verdicts(now_ms + self._heartbeat.grace_ms(silent_ms))
        if silent_ms > self._config.timing.deadtime_ms and not self._quorum.is_voting:
            self._raise_generation(now_ms)

    def _raise_generation(self, now_ms: int) -> None:
        self._effects += self._sender.raise_generation()
        self._newest.clear()
        self._quorum.on_given_up(now_ms)
        self._roster.acknowledgements.restart()
        self._send_status(now_ms)

    # -- sending -------------------------------------------------------------------------------

    def _send_status(self, now_ms: int) -> None:
        announced_ms = self._heartbeat.announced_ms(now_ms)
        self._heartbeat.on_sent(now_ms)
        self._send(
            message_of(
                t="status",
                st=self._status,
                dt=f"{announced_ms:x}",
                protocol=PROTOCOL,
                **{DIALECT_FIELD: str(VERSION)},
                **(self._lives.fields(now_ms) | self._quorum.status_fields(now_ms)),
            )
        )

    def _send_to(self, node: NodeName, *, t: str, **fields: str) -> None:
        self._send(message_of(t=t, dest=node, **fields))

    def _send(self, payload: Message) -> Message:
        """Send a payload with all header fields. Raises WireError for one that can't be sent."""
        message, effects = self._sender.send(
            payload,
            ttl=self._config.hopfudge + len(self._roster.table),
            destination_uuid=self._roster.table.uuid_of(payload.text("dest")),
        )
        self._effects += effects
        return message

    def _broadcast(self, payload: Message, now_ms: int) -> None:
        kind, own = payload.type, self._config.node
        if not kind or kind in OWN_TYPES or kind.startswith(UNNUMBERED_PREFIX):
            self._reject("malformed", "", own, now_ms)
            return
        promise = self._quorum.leaving(payload, self._dead_peers(), now_ms)
        self._tell(promise, now_ms)
        if not promise:
            self._send_all(payload, now_ms)

    def _send_all(self, payload: Message, now_ms: int) -> None:
        kind, own = payload.type, self._config.node
        try:
            message = self._send(payload)
        except WireError as error:
            self._reject(error.reason, "", own, now_ms)
            return
        if kind in SUPERSEDING_TYPES:
            self._newest[kind] = message
        destination = message.text("dest")
        if not destination or node_name_from_text(destination) == own:
            self._deliver(message, now_ms)

    # -- receiving -----------------------------------------------------------------------------

    def _reject(self, reason: str, medium: str, source: str, now_ms: int) -> None:
        self._publish(self._rejections.on_rejected(reason, medium, source, now_ms))

    def _receive(self, index: int, data: bytes, source: str, now_ms: int) -> None:
        medium = self._config.media[index]
        opened = self._door.open(index, data, self._sender)
        if isinstance(opened, Rejected):
            reason = opened.reason
        elif medium.kind.is_ping:
            reason = self._take_echo(medium, opened.message, now_ms)
        else:
            reason = self._take_message(index, opened, now_ms)
        if reason:
            self._reject(reason, _medium_name(medium), source, now_ms)

    def _take_echo(self, medium: Medium, message: Message, now_ms: int) -> str:
        host = node_name_from_text(medium.link)
        if message.type != "NS_st" or node_name_from_text(message.text("src") or "") != host:
            return "malformed"
        record = self._roster.table.get(host)
        if record is None or record.kind is not NodeKind.PING:
            return "unknown-node"
        if not self._lives.is_echo(message, now_ms):
            return "replay"
        self._publish(self._roster.links.on_packet(host, medium.link, now_ms))
        self._publish(self._roster.liveness.on_echo(host, now_ms))
        self._quorum.on_echo(medium.link, message, now_ms)
        return ""

    def _take_message(self, index: int, opened: OpenedMessage, now_ms: int) -> str:
        """Take an authentic message; return why it is dropped, or nothing."""
        own = OwnLife(
            generation=self._sender.generation,
            highest=self._sender.highest,
            wall_s=self._sender.wall_s,
        )
        entered = self._door.enter(index, opened, own, now_ms)
        self._publish(entered.facts)
        record, envelope, message = entered.sender, entered.envelope, opened.message
        if record is None or envelope is None:
            return entered.reason
        medium = self._config.media[index]
        self._publish(self._roster.links.on_packet(record.name, medium.link, now_ms))
        if medium.kind is MediumKind.SERIAL:
            try:
                self._effects += self._sender.forward(message, envelope.ttl, index)
            except WireError as error:
                return error.reason
        if envelope.sequence is None:
            return self._take_unnumbered(record, envelope, message, now_ms)
        inbound = self._roster.inbound
        arrival, facts = inbound.on_sequence(record.name, envelope.sequence, now_ms)
        self._publish(facts)
        if not arrival.is_taken:
            return ""
        self._acknowledge(record)
        if envelope.type == STATUS_TYPE:
            reason = self._take_status(record, envelope, message, now_ms, is_fresh=entered.is_fresh)
        else:
            reason = self._take_numbered(record, envelope, envelope.sequence, message, now_ms)
        self._deliver_waiting(record.name, now_ms)
        return reason

    def _acknowledge(self, record: NodeRecord) -> None:
        number = self._roster.inbound.due_ack(record.name)
        if number is not None and not record.is_old_protocol:
            self._send_to(record.name, t="NS_ackmsg", ackseq=f"{number:x}")

    def _is_for_us(self, envelope: Envelope) -> bool:
        if envelope.destination_uuid:
            return envelope.destination_uuid == self._identity.uuid
        return envelope.destination in {None, self._config.node}

    # -- by type -------------------------------------------------------------------------------

    def _take_unnumbered(
        self, record: NodeRecord, envelope: Envelope, message: Message, now_ms: int
    ) -> str:
        match envelope.type:
            case "NS_ackmsg" if self._is_for_us(envelope):
                number = hex_from_text(message.text("ackseq"))
                if number is None:
                    return "malformed"
                acknowledgements = self._roster.acknowledgements
                acknowledgements.on_ack(record.name, number, self._sender.highest)
            case "NS_rexmit" if self._is_for_us(envelope):
                return self._say_again(record, message, now_ms)
            case "NS_nak_rexmit":
                # Whoever asked: what the sender can't find is lost for us as well.
                number = hex_from_text(message.text("firstseq"))
                if number is None:
                    return "malformed"
                self._publish(self._roster.inbound.on_nak(record.name, number, now_ms))
                self._acknowledge(record)
                self._deliver_waiting(record.name, now_ms)
            case "NS_st":
                return "malformed"  # belongs on ping media
            case _:
                pass  # unknown kinds are for newer peers
        return ""

    def _say_again(self, record: NodeRecord, message: Message, now_ms: int) -> str:
        first = decimal_from_text(message.text("firstseq"))
        last = decimal_from_text(message.text("lastseq"))
        if first is None or last is None:
            return "malformed"
        acked = self._roster.acknowledgements.acked(record.name)
        for answer in self._sender.history.again(first, last, acked, now_ms):
            if isinstance(answer, Refusal):
                self._refuse_again(record, f"{answer.number:x}", answer.reason)
                continue
            try:
                self._effects += self._sender.again(answer)
            except WireError as error:  # other keys than at first make it longer
                self._refuse_again(record, answer.text("seq") or "", error.reason)
                continue
            self._supersede(answer)
        return ""

    def _refuse_again(self, record: NodeRecord, number: str, reason: str) -> None:
        self._send_to(record.name, t="NS_nak_rexmit", firstseq=number, info=reason)

    def _supersede(self, said_again: Message) -> None:
        """Say the newest of its type once more, with a new number, after an older one.

        3.0.6 takes a message that was missing as news, whatever came after it: an old `resource`
        with isstable=0 would leave it waiting for us for ever.
        """
        newest = self._newest.get(said_again.type)
        if newest is not None and newest is not said_again:
            self._newest[said_again.type] = self._send(newest)

    def _take_numbered(
        self, record: NodeRecord, envelope: Envelope, number: int, message: Message, now_ms: int
    ) -> str:
        if not self._is_for_us(envelope):
            return ""
        match envelope.type:
            case "reqnodes":
                # Status first: 3.0.6 is up once it has the list, and takes what it owns without
                # asking if it does not know by then that we are active.
                self._send_status(now_ms)
                self._answer_node_list(record.name)
            case "repnodes":
                self._take_node_list(message, now_ms)
            case _:
                ordering = self._roster.ordering
                for ready in ordering.on_message(record.name, number, message):
                    self._deliver(ready, now_ms)
        return ""

    def _take_status(
        self,
        record: NodeRecord,
        envelope: Envelope,
        message: Message,
        now_ms: int,
        *,
        is_fresh: bool,
    ) -> str:
        status = _STATUSES.get(message.text("st") or "")
        if status is None:
            return "malformed"
        heard = (envelope.generation, envelope.sequence or 0)
        if heard <= record.last_status:
            return ""  # sent again or overtaken: no sign of life now
        liveness = self._roster.liveness
        has_returned = (
            liveness.status(record.name) is NodeStatus.DEAD
            and record.last_status[0] == envelope.generation
        )
        record.last_status = heard
        record.is_old_protocol = message.text("protocol") is None
        self._hear_dialect(record, decimal_from_text(message.text(DIALECT_FIELD)) or 0)
        self._choose_dialect(now_ms)
        greeting = greeting_from_message(message)
        if greeting is not None:
            self._lives.on_word_of_us(record.name, greeting, self._sender.generation, now_ms)
        if not is_fresh:
            return ""  # it may have been held back for long
        is_sign_of_life, facts = self._quorum.on_status(
            record, message, envelope.generation, self._sender.generation, self._roster, now_ms
        )
        self._publish(facts)
        if not is_sign_of_life:
            return ""
        if has_returned:
            self._publish([NodeReturned(record.name, now_ms)])
        announced_ms = hex_from_text(message.text("dt"))
        self._publish(liveness.on_status(record.name, status, announced_ms, now_ms))
        if status is NodeStatus.DEAD:
            self._publish(self._roster.inbound.on_dead(record.name, now_ms))
        if has_returned:
            self._send_status(now_ms)
        return ""

    def _hear_dialect(self, record: NodeRecord, dialect: int) -> None:
        if record.dialect != dialect:
            record.dialect = dialect
            self._publish([NodeDialectChanged(record.name, dialect)])

    def _choose_dialect(self, now_ms: int) -> None:
        """Speak our own dialect where all understand it; its first word is a status."""
        spoke_own = self._sender.speaks_own
        self._sender.has_own_ears = all(p.dialect for p in self._roster.table.peers())
        if self._sender.speaks_own and not spoke_own:
            self._send_status(now_ms)

    def _answer_node_list(self, asker: NodeName) -> None:
        table = self._roster.table
        self._send(
            message_of(
                dest=asker,
                t="repnodes",
                nodelist=table.node_list(),
                delnodelist=table.deleted_list(),
            )
        )

    def _take_node_list(self, message: Message, now_ms: int) -> None:
        self._publish(self._roster.add_nodes(message.text("nodelist"), now_ms))
        self._publish(self._roster.delete_nodes(message.text("delnodelist")))
        if self._status is NodeStatus.UP:
            self._activate(now_ms)

    # -- delivering ----------------------------------------------------------------------------

    def _deliver_waiting(self, node: NodeName, now_ms: int) -> None:
        for ready in self._roster.ordering.due(node):
            self._deliver(ready, now_ms)

    def _may_bury(self, node: NodeName, now_ms: int) -> bool:
        record = self._roster.table.get(node)
        return self._quorum.may_bury(node, record.generation if record else None, now_ms)

    def _dead_peers(self) -> list[NodeName]:
        peers, status = self._roster.table.peers(), self._roster.liveness.status
        return [peer.name for peer in peers if status(peer.name) is NodeStatus.DEAD]

    def _deliver(self, message: Message, now_ms: int) -> None:
        self._quorum.on_message(message, node_name_from_text(message.text("src") or ""))
        self._publish(self._roster.on_message(message, now_ms))
        self._publish([MessageReceived(message, now_ms)])


def _medium_name(medium: Medium) -> str:
    return f"{medium.kind} {medium.link}"
