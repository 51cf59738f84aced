"""One link node, spoken to by hand: what it says, tells and forgets."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, TypeVar

from everbeat.membership.envelope import Stamp, stamped
from everbeat.membership.identity import continuing_identity
from everbeat.model.cluster import Autojoin, HaConfig, Medium, MediumKind
from everbeat.model.keys import AuthKey, AuthKeys
from everbeat.model.members import Doubt, LifeDoubt, LinkStatus, NodeKind, NodeStatus
from everbeat.model.membership import (
    Broadcast,
    ClientFlowChanged,
    CommunicationUp,
    HeartbeatLate,
    LinkChanged,
    MediumChanged,
    MembershipFact,
    MessageReceived,
    NodeAdded,
    NodeDeleted,
    NodeDoubted,
    NodeIdentityChanged,
    NodeRestarted,
    NodeReturned,
    NodeStatusChanged,
    OwnHeartbeatLate,
    PacketsRejected,
    RaiseGeneration,
    ReplayRejected,
    StatusReason,
    fold,
)
from everbeat.model.message import Message, message_of
from everbeat.model.names import LinkName, NodeName
from everbeat.node.link_node import (
    Identity,
    LinkEffect,
    LinkNode,
    PersistGeneration,
    ReserveSequence,
    Transmit,
)
from everbeat.node.link_sender import UDP_BYTES_MAX
from everbeat.wire.datagram import Opened, open_datagram, seal, seal_string
from properties.link_world import KEYS, TIMING, bcast, config_of, identity_of

if TYPE_CHECKING:
    from collections.abc import Iterable

ALPHA, BETA = NodeName("alpha"), NodeName("beta")
BEGIN_MS = 10_000
PING = Medium(kind=MediumKind.PING, link=LinkName("10.0.0.9"), hosts=("10.0.0.9",))

_Fact = TypeVar("_Fact")


def serial(device: str) -> Medium:
    return Medium(kind=MediumKind.SERIAL, link=LinkName(device), device=device)


class Bench:
    """A link node called alpha, and a voice for its peers."""

    def __init__(
        self, config: HaConfig | None = None, identity: Identity | None = None, *, seed: int = 1
    ) -> None:
        self.config = config or config_of("alpha")
        self.node = LinkNode(
            self.config,
            KEYS,
            identity or identity_of("alpha"),
            Random(seed),  # noqa: S311 - repeatable on purpose
        )
        self.now_ms = BEGIN_MS
        self.effects: list[LinkEffect] = []
        self.node.on_surroundings(0x6B02FCCB, "4.72 3.01 1.65 9/185 45")
        self.take(self.node.on_start(BEGIN_MS))
        self.seq = 0

    def take(self, effects: Iterable[LinkEffect]) -> list[LinkEffect]:
        taken = list(effects)
        self.effects += taken
        return taken

    def hear(
        self,
        *,
        source: str = "beta",
        generation: int = 7,
        seq: int | None = None,
        uuid: bytes | None = None,
        medium: int = 0,
        destination_uuid: bytes = b"",
        **payload: str,
    ) -> list[LinkEffect]:
        """Let the node hear a well sealed message; `seq` goes on by itself."""
        is_numbered = not payload["t"].startswith("NS_")
        if is_numbered and seq is None:
            self.seq += 1
        stamp = Stamp(
            own=NodeName(source),
            uuid=source.encode().ljust(16, b"\1") if uuid is None else uuid,
            generation=generation,
            wall_s=1,
            load="0",
            ttl=3,
        )
        message = stamped(
            message_of(**payload),
            stamp,
            sequence=(seq or self.seq) if is_numbered else None,
            destination_uuid=destination_uuid,
        )
        is_serial = self.config.media[medium].kind is MediumKind.SERIAL
        data = (seal_string if is_serial else seal)(message, KEYS)
        return self.take(self.node.on_datagram(medium, data, source, self.now_ms))

    def hear_status(self, status: str = "active", **others: object) -> list[LinkEffect]:
        fields = {"t": "status", "st": status, "dt": "7d0", "protocol": "1"}
        return self.hear(**(fields | others))  # type: ignore[arg-type] # checked by hear

    def order(self, **payload: str) -> list[LinkEffect]:
        return self.take(self.node.on_order(Broadcast(message_of(**payload)), self.now_ms))

    def sleep(self, duration_ms: int) -> list[LinkEffect]:
        """Tick exactly whenever the node wants it."""
        end_ms, effects = self.now_ms + duration_ms, []
        while (wakeup_ms := self.node.next_wakeup_ms() or 0) <= end_ms:
            self.now_ms = max(self.now_ms, wakeup_ms)
            effects += self.take(self.node.on_tick(self.now_ms))
        self.now_ms = end_ms
        return effects

    def join(self) -> Bench:
        """Let beta come up and answer."""
        self.hear_status("up")
        self.hear(t="repnodes", dest="alpha", nodelist="alpha beta ", delnodelist=" ")
        self.hear_status("active")
        assert self.node.view().is_communication_up
        self.effects.clear()
        return self

    def status(self, node: str) -> NodeStatus:
        view = self.node.view().node(NodeName(node))
        assert view is not None
        return view.status


def said(effects: Iterable[LinkEffect]) -> list[Message]:
    messages = []
    for effect in effects:
        if isinstance(effect, Transmit):
            opened = open_datagram(effect.data, KEYS)
            assert isinstance(opened, Opened)
            messages.append(opened.message)
    return messages


def types(effects: Iterable[LinkEffect]) -> list[str]:
    return [f"{m.type} {m.text('st') or ''}".strip() for m in said(effects)]


def facts(effects: Iterable[LinkEffect], kind: type[_Fact]) -> list[_Fact]:
    return [effect for effect in effects if isinstance(effect, kind)]


def names(message: Message) -> str:
    return " ".join(field.name for field in message.fields)


# -- our own life ------------------------------------------------------------------------------


def test_a_start_says_init_up_up_and_then_up_each_keepalive() -> None:
    bench = Bench()
    assert types(bench.effects) == ["status init", "status up", "status up"]
    assert types(bench.sleep(1_100)) == ["status up", "status up"]
    assert [m.text("dt") for m in said(bench.effects)] == ["fa0"] * 5
    assert isinstance(bench.effects[2], ReserveSequence)


def test_messages_carry_the_fields_of_3_0_6_in_its_order() -> None:
    bench = Bench()
    bench.hear_status("up")
    bench.hear(t="reqnodes", dest="alpha")
    by_type = {message.type: names(message) for message in said(bench.effects)}
    assert (
        by_type["status"]
        == "t st dt protocol eb_dialect eb_life eb_stamp src srcuuid seq hg ts ld ttl"
    )
    assert by_type["reqnodes"] == "t dest destuuid src srcuuid seq hg ts ld ttl"
    assert (
        by_type["repnodes"] == "dest t nodelist delnodelist destuuid src srcuuid seq hg ts ld ttl"
    )
    assert said(bench.effects)[0].text("ttl") == "3"


def test_a_lone_node_becomes_active_after_initdead() -> None:
    bench = Bench()
    bench.sleep(TIMING.initdead_ms)
    assert bench.status("alpha") is NodeStatus.UP
    effects = bench.sleep(1)
    (dead, own) = facts(effects, NodeStatusChanged)
    assert (dead.node, dead.new, dead.reason) == (BETA, NodeStatus.DEAD, StatusReason.INITDEAD)
    assert (own.node, own.new, own.reason) == (ALPHA, NodeStatus.ACTIVE, StatusReason.LOCAL)
    assert facts(effects, CommunicationUp)
    assert "status active" in types(effects)


def test_a_single_node_cluster_is_active_at_once() -> None:
    bench = Bench(config_of("alpha", ("alpha",)))
    assert bench.status("alpha") is NodeStatus.ACTIVE


def test_the_node_list_is_asked_for_each_second_until_it_comes() -> None:
    bench = Bench()
    assert types(bench.hear_status("up"))[-1] == "reqnodes"
    assert types(bench.sleep(1_999)).count("reqnodes") == 1
    effects = bench.hear(t="repnodes", dest="alpha", nodelist="alpha beta ", delnodelist=" ")
    assert types(effects)[-1] == "status active"
    assert facts(effects, CommunicationUp)


def test_a_peer_of_the_old_protocol_is_neither_asked_nor_acknowledged() -> None:
    bench = Bench()
    for _ in range(25):
        bench.hear(t="status", st="up", dt="7d0")
    assert bench.status("alpha") is NodeStatus.ACTIVE
    assert not {"reqnodes", "NS_ackmsg"} & {m.type for m in said(bench.effects)}


def test_a_peer_that_never_answers_does_not_keep_us_out_for_ever() -> None:
    bench = Bench()
    for _ in range(20):
        bench.hear_status("up")
        bench.sleep(500)
    assert bench.status("alpha") is NodeStatus.ACTIVE


def test_node_list_questions_are_always_answered() -> None:
    bench = Bench()
    bench.hear_status("up")
    status, answer = said(bench.hear(t="reqnodes", dest="alpha"))[-2:]
    assert status.type == "status", "3.0.6 would take itself for alone"
    assert (answer.type, answer.text("dest")) == ("repnodes", "beta")
    assert (answer.text("nodelist"), answer.text("delnodelist")) == ("alpha beta ", " ")
    assert answer.binary("destuuid") == b"beta".ljust(16, b"\1")


def test_a_continuing_link_process_speaks_as_active_at_once() -> None:
    identity = continuing_identity(b"u" * 16, 100, reserved_seq=1_001)
    bench = Bench(identity=identity)
    assert types(bench.effects) == ["status active"]
    (status,) = said(bench.effects)
    assert status.text("seq") == f"{1_001 + 252:x}"
    assert status.text("dt") == "7d0"
    assert bench.node.view().is_communication_up
    assert bench.status("beta") is NodeStatus.INIT
    bench.sleep(TIMING.deadtime_ms)
    assert bench.status("beta") is NodeStatus.INIT
    bench.sleep(1)
    assert bench.status("beta") is NodeStatus.DEAD


def test_numbers_are_reserved_before_they_are_used() -> None:
    bench = Bench().join()
    reserved = 0
    highest = 0
    for effect in [*Bench().effects, *(e for _ in range(1_500) for e in bench.order(t="x"))]:
        if isinstance(effect, ReserveSequence):
            assert effect.up_to > reserved
            reserved = effect.up_to
        for message in said([effect]):
            highest = int(message.text("seq") or "0", 16)
            assert highest <= reserved
    assert highest > 1_500


# -- generations -------------------------------------------------------------------------------


def test_a_lower_generation_is_a_replay_and_changes_nothing() -> None:
    bench = Bench().join()
    before = bench.node.view()
    effects = bench.hear_status("dead", generation=6, seq=99)
    doubt = LifeDoubt(kind=Doubt.RECORDED, heard=6, known=7)
    told = [ReplayRejected(BETA, 7, 6, BEGIN_MS), NodeDoubted(BETA, doubt, BEGIN_MS)]
    assert effects == told
    assert bench.hear_status("dead", generation=6, seq=100) == []
    assert fold(before, told[1]) == bench.node.view()


def test_a_higher_generation_is_a_restart_and_numbers_begin_anew() -> None:
    bench = Bench().join()
    effects = bench.hear_status("init", generation=8, seq=1)
    assert facts(effects, NodeRestarted) == [NodeRestarted(BETA, 8, BEGIN_MS)]
    assert bench.status("beta") is NodeStatus.INIT
    bench.hear_status("up", generation=8, seq=2)
    assert facts(bench.hear(t="starting", generation=8, seq=3), MessageReceived)
    assert facts(bench.effects, NodeReturned) == []


def test_a_dead_node_under_its_old_generation_has_returned_and_is_answered_at_once() -> None:
    bench = Bench().join()
    bench.sleep(3_000)
    assert bench.status("beta") is NodeStatus.DEAD
    effects = bench.hear_status("active")
    assert [type(e) for e in effects if not isinstance(e, Transmit | LinkChanged)] == [
        NodeReturned,
        NodeStatusChanged,
    ]
    assert types(effects) == ["status active"]


def test_a_dead_node_under_a_new_generation_has_restarted_and_not_returned() -> None:
    bench = Bench().join()
    bench.sleep(3_000)
    bench.hear(t="starting", generation=8, seq=4)  # its first status was lost
    bench.hear_status("up", generation=8, seq=5)
    assert facts(bench.effects, NodeRestarted)
    assert not facts(bench.effects, NodeReturned)


def test_an_old_status_sent_again_brings_nobody_back_to_life() -> None:
    bench = Bench().join()
    bench.seq += 2
    bench.hear_status("active")  # the two before it are missing
    bench.sleep(3_000)
    assert bench.status("beta") is NodeStatus.DEAD
    assert not facts(bench.hear_status("active", seq=bench.seq - 1), NodeStatusChanged)


def test_raising_the_generation_persists_it_before_speaking() -> None:
    bench = Bench().join()
    effects = bench.take(bench.node.on_order(RaiseGeneration(), bench.now_ms))
    assert [type(effect) for effect in effects] == [PersistGeneration, ReserveSequence, Transmit]
    assert effects[0] == PersistGeneration(101)
    (status,) = said(effects)
    assert (status.text("hg"), status.text("seq"), status.text("st")) == ("65", "1", "active")


# -- starvation --------------------------------------------------------------------------------


def test_after_a_delay_of_our_own_unread_heartbeats_are_heard_before_any_verdict() -> None:
    bench = Bench().join()
    bench.sleep(600)
    bench.hear_status("active")
    bench.now_ms += 2_900  # not scheduled
    effects = bench.take(bench.node.on_tick(bench.now_ms))
    assert [fact.silent_ms for fact in facts(effects, OwnHeartbeatLate)] == [3_000]
    assert bench.status("beta") is NodeStatus.ACTIVE
    assert facts(bench.hear_status("active"), HeartbeatLate)
    bench.sleep(1_000)
    assert bench.status("beta") is NodeStatus.ACTIVE


def test_after_a_delay_a_silent_peer_is_dead_when_as_much_time_has_passed_again() -> None:
    bench = Bench().join()
    bench.now_ms += 2_500
    effects = bench.take(bench.node.on_tick(bench.now_ms))
    (late,) = facts(effects, OwnHeartbeatLate)
    grace_ms = min(late.silent_ms - TIMING.keepalive_ms, TIMING.deadtime_ms)
    bench.sleep(grace_ms - 1)
    assert bench.status("beta") is NodeStatus.ACTIVE
    bench.sleep(1)
    assert bench.status("beta") is NodeStatus.DEAD


def test_silence_above_our_deadtime_begins_a_new_life_before_another_word() -> None:
    bench = Bench().join()
    bench.now_ms += TIMING.deadtime_ms + 1
    effects = bench.hear_status("active")
    assert facts(effects, OwnHeartbeatLate)
    assert facts(effects, PersistGeneration) == [PersistGeneration(101)]
    assert {message.text("hg") for message in said(effects)} == {"65"}


def test_silence_below_our_deadtime_keeps_the_generation() -> None:
    bench = Bench().join()
    bench.now_ms += TIMING.deadtime_ms
    effects = bench.take(bench.node.on_tick(bench.now_ms))
    assert facts(effects, OwnHeartbeatLate)
    assert not facts(effects, PersistGeneration)


# -- messages ----------------------------------------------------------------------------------


def test_our_own_broadcasts_are_delivered_here_at_once() -> None:
    bench = Bench().join()
    effects = bench.order(t="resource", rsc_hold="none")
    (fact,) = facts(effects, MessageReceived)
    assert fact.message.text("src") == "alpha"
    assert fact.message == said(effects)[0]


def test_a_message_for_one_node_is_delivered_to_that_node_only() -> None:
    bench = Bench().join()
    assert not facts(bench.order(t="x", dest="beta"), MessageReceived)
    assert facts(bench.order(t="x", dest="alpha"), MessageReceived)
    assert not facts(bench.hear(t="x", dest="gamma"), MessageReceived)
    assert facts(bench.hear(t="x", dest="Alpha"), MessageReceived)


def test_destuuid_wins_over_dest_unless_it_is_null() -> None:
    bench = Bench().join()
    own = b"alpha".ljust(16, b"\1")
    assert facts(bench.hear(t="x", dest="gamma", destination_uuid=own), MessageReceived)
    assert not facts(bench.hear(t="x", dest="alpha", destination_uuid=b"?" * 16), MessageReceived)
    assert facts(bench.hear(t="x", dest="alpha", destination_uuid=bytes(16)), MessageReceived)


def test_types_of_membership_itself_are_neither_delivered_nor_taken_as_orders() -> None:
    bench = Bench().join()
    bench.hear_status("active")
    bench.hear(t="reqnodes", dest="alpha")
    bench.hear(t="NS_ackmsg", dest="alpha", ackseq="1")
    assert not facts(bench.effects, MessageReceived)
    assert not said(bench.order(t="status", st="dead"))
    assert not said(bench.order(t="NS_nak_rexmit", firstseq="1"))


def test_an_order_too_large_for_a_datagram_is_rejected_and_uses_no_number() -> None:
    bench = Bench().join()
    (before,) = said(bench.order(t="x"))
    effects = bench.order(t="x", big="b" * 70_000)
    assert [fact.reason for fact in facts(effects, PacketsRejected)] == ["too-large"]
    (after,) = said(bench.order(t="x"))
    assert int(after.text("seq") or "", 16) == int(before.text("seq") or "", 16) + 1


def test_duplicates_on_a_second_medium_only_refresh_the_path() -> None:
    bench = Bench(config_of("alpha", media=(bcast("eth0"), bcast("eth1"))))
    bench.hear_status("up")
    effects = bench.hear_status("up", seq=bench.seq, medium=1)
    assert effects == [LinkChanged(BETA, LinkName("eth1"), LinkStatus.UP, BEGIN_MS)]


def test_a_request_is_answered_with_the_same_fields_and_an_old_one_is_refused() -> None:
    bench = Bench().join()
    (sent,) = said(bench.order(t="x"))
    bench.node.on_surroundings(9, "other")
    number = str(int(sent.text("seq") or "", 16))
    effects = bench.hear(t="NS_rexmit", dest="alpha", firstseq=number, lastseq=number)
    assert said(effects) == [sent]
    for _ in range(600):
        bench.order(t="x")
    (refusal,) = said(bench.hear(t="NS_rexmit", dest="alpha", firstseq="1", lastseq="1"))
    assert (refusal.type, refusal.text("firstseq")) == ("NS_nak_rexmit", "1")
    assert refusal.text("info") == "seqno too low"


def test_a_message_that_grew_too_long_under_other_keys_is_lost_and_nothing_else() -> None:
    bench = Bench().join()
    own = AuthKey(2, "sha256", b"AnotherTopSecretKey")
    bench.node.on_keys(AuthKeys(2, (*KEYS.keys, own)))
    length = UDP_BYTES_MAX
    while not [e for e in bench.order(t="x", text="x" * length) if isinstance(e, Transmit)]:
        length -= 1  # as long as it can be in our own dialect
    bench.node.on_keys(KEYS)
    number = str(int(said(bench.order(t="y"))[0].text("seq") or "", 16) - 1)
    (refusal,) = said(bench.hear(t="NS_rexmit", dest="alpha", firstseq=number, lastseq=number))
    assert refusal.type == "NS_nak_rexmit"
    assert types(bench.order(t="z")) == ["z"]


def test_an_old_resource_message_said_again_is_followed_by_the_newest() -> None:
    """3.0.6 takes whatever arrives last for news."""
    bench = Bench().join()
    (old,) = said(bench.order(t="resource", rsc_hold="all", isstable="0"))
    (new,) = said(bench.order(t="resource", rsc_hold="all", isstable="1"))
    number = str(int(old.text("seq") or "", 16))
    again, newest = said(bench.hear(t="NS_rexmit", dest="alpha", firstseq=number, lastseq=number))
    assert again == old
    assert newest.text("isstable") == "1"
    assert int(newest.text("seq") or "", 16) == int(new.text("seq") or "", 16) + 1
    number = str(int(newest.text("seq") or "", 16))
    assert said(bench.hear(t="NS_rexmit", dest="alpha", firstseq=number, lastseq=number)) == [
        newest
    ]


def test_clients_pause_without_acknowledgements_and_go_on_with_them() -> None:
    bench = Bench().join()
    effects = [effect for _ in range(251) for effect in bench.order(t="x")]
    assert [fact.is_paused for fact in facts(effects, ClientFlowChanged)] == [True]
    seq = said(effects)[-1].text("seq") or ""
    effects = bench.hear(t="NS_ackmsg", dest="alpha", ackseq=seq)
    assert [fact.is_paused for fact in facts(effects, ClientFlowChanged)] == [False]


# -- who may speak -----------------------------------------------------------------------------


def test_an_unknown_node_is_rejected_or_joins_as_autojoin_says() -> None:
    closed = Bench()
    effects = closed.hear_status("up", source="gamma")
    assert [fact.reason for fact in facts(effects, PacketsRejected)] == ["unknown-node"]
    opened = Bench(config_of("alpha", autojoin=Autojoin.OTHER))
    effects = opened.hear_status("up", source="gamma")
    assert facts(effects, NodeAdded)[0].node == "gamma"
    assert opened.status("gamma") is NodeStatus.UP


def test_our_own_datagrams_and_those_of_a_namesake_change_nothing() -> None:
    bench = Bench().join()
    before = bench.node.view()
    assert bench.hear_status("dead", source="alpha", seq=9_999) == []
    effects = bench.hear_status("dead", source="alpha", seq=9_999, uuid=b"other".ljust(16))
    assert [type(effect) for effect in effects] == [NodeIdentityChanged]
    assert bench.node.view() == before


def test_a_copied_uuid_is_told_and_the_nodes_stay_two() -> None:
    config = config_of("alpha", ("alpha", "beta", "gamma"))
    bench = Bench(config)
    bench.hear_status("up", source="beta", seq=1)
    effects = bench.hear_status("up", source="gamma", seq=1, uuid=b"beta".ljust(16, b"\1"))
    assert [fact.node for fact in facts(effects, NodeIdentityChanged)] == ["gamma"]
    assert bench.status("gamma") is NodeStatus.UP


def test_a_changed_uuid_is_told_and_accepted() -> None:
    bench = Bench().join()
    effects = bench.hear_status("active", uuid=b"reinstalled".ljust(16))
    assert facts(effects, NodeIdentityChanged)
    view = bench.node.view().node(BETA)
    assert view is not None
    assert view.uuid == b"reinstalled".ljust(16)


def test_an_unsigned_flood_is_told_once_a_second() -> None:
    bench = Bench().join()
    before = bench.node.view()
    for _ in range(500):
        bench.take(bench.node.on_datagram(0, b"junk", "198.51.100.7", bench.now_ms))
    bench.sleep(1_000)
    told = facts(bench.effects, PacketsRejected)
    assert [fact.count for fact in told] == [1, 499]
    assert bench.node.view().nodes == before.nodes


# -- node lists --------------------------------------------------------------------------------


def test_nodes_are_added_and_dead_ones_deleted_at_run_time() -> None:
    bench = Bench().join()
    bench.hear(t="addnode", nodelist="gamma delta ")
    assert [n.node for n in bench.node.view().nodes] == ["alpha", "beta", "gamma", "delta"]
    assert not facts(bench.order(t="delnode", nodelist="beta "), NodeDeleted)
    bench.sleep(3_000)
    effects = bench.order(t="delnode", nodelist="beta alpha ")
    assert facts(effects, NodeDeleted) == [NodeDeleted(BETA)]
    bench.hear_status("up", source="gamma", seq=1)
    *_, answer = said(bench.hear(t="reqnodes", dest="alpha", source="gamma", seq=2))
    assert answer.text("delnodelist") == "beta "
    assert answer.text("ttl") == "4"


def test_weight_and_site_are_told() -> None:
    bench = Bench().join()
    bench.hear(t="setweight", node="beta", weight="50")
    bench.order(t="setsite", node="beta", site="north")
    view = bench.node.view().node(BETA)
    assert view is not None
    assert (view.weight, view.site) == (50, "north")


# -- media -------------------------------------------------------------------------------------


def test_a_ping_node_is_asked_each_keepalive_and_lives_by_its_echo() -> None:
    bench = Bench(config_of("alpha", media=(bcast("eth0"), PING)))
    pings = [e for e in bench.effects if isinstance(e, Transmit) and e.media == (1,)]
    assert len(pings) == 1
    assert names(said(pings)[0]) == "t st info src ts eb_life eb_stamp"
    assert said(bench.effects)[0].text("ttl") == "4"
    effects = bench.take(bench.node.on_datagram(1, pings[0].data, "10.0.0.9", bench.now_ms))
    assert [f.new for f in facts(effects, NodeStatusChanged)] == [NodeStatus.PING]
    assert bench.node.view().nodes[-1].kind is NodeKind.PING
    later = bench.sleep(500)
    assert [e for e in later if isinstance(e, Transmit) and e.media == (1,)]


def test_an_echo_of_a_former_life_or_of_long_ago_is_a_recording() -> None:
    former = Bench(config_of("alpha", media=(bcast("eth0"), PING)))
    (ping,) = [e for e in former.effects if isinstance(e, Transmit) and e.media == (1,)]
    bench = Bench(config_of("alpha", media=(bcast("eth0"), PING)), seed=2)
    (own,) = [e for e in bench.effects if isinstance(e, Transmit) and e.media == (1,)]
    bench.take(bench.node.on_datagram(1, ping.data, "10.0.0.9", bench.now_ms))
    assert bench.status("10.0.0.9") is NodeStatus.INIT
    bench.sleep(60_000)
    bench.take(bench.node.on_datagram(1, own.data, "10.0.0.9", bench.now_ms))
    assert bench.status("10.0.0.9") is not NodeStatus.PING


def test_an_echo_on_a_normal_medium_proves_nothing() -> None:
    bench = Bench(config_of("alpha", media=(bcast("eth0"), PING)))
    (ping,) = [e for e in bench.effects if isinstance(e, Transmit) and e.media == (1,)]
    bench.take(bench.node.on_datagram(0, ping.data, "10.0.0.9", bench.now_ms))
    assert bench.status("10.0.0.9") is NodeStatus.INIT


def test_serial_lines_carry_the_string_form_and_pass_it_round_the_ring() -> None:
    media = (bcast("eth0"), serial("/dev/ttyS0"), serial("/dev/ttyS1"))
    bench = Bench(config_of("alpha", media=media))
    first = [e for e in bench.effects if isinstance(e, Transmit)][:2]
    assert [e.media for e in first] == [(0,), (1, 2)]
    assert first[1].data.startswith(b">>>\nt=status\n")
    effects = bench.hear_status("up", medium=1)
    (forwarded,) = [e for e in effects if isinstance(e, Transmit) and e.media == (2,)]
    assert b"\nttl=2\n" in forwarded.data
    assert b"\nsrc=beta\n" in forwarded.data
    own = bench.hear_status("up", source="alpha", medium=2, seq=3)
    assert not said(own)


def test_media_failures_are_told_when_they_change() -> None:
    bench = Bench()
    effects = bench.node.on_medium(0, "no such device", bench.now_ms)
    assert effects == [MediumChanged("bcast eth0", "no such device", bench.now_ms)]
    assert bench.node.on_medium(0, "no such device", bench.now_ms) == []
    assert bench.node.on_medium(0, "", bench.now_ms) == [
        MediumChanged("bcast eth0", "", bench.now_ms)
    ]


def test_facts_alone_make_the_view() -> None:
    bench = Bench()
    told = [e for e in bench.effects if isinstance(e, MembershipFact)]
    assert [fact.node for fact in told if isinstance(fact, NodeAdded)] == [ALPHA, BETA]
