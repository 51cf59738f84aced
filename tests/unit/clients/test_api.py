"""The client API answers as Heartbeat 3.0.6 did when it was recorded."""

from __future__ import annotations

import ast
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from api_daemon import ALPHA, BETA, config_of, manager_of, view_of
from everbeat.clients.api import (
    HELD_MAX,
    MOVING_TYPES,
    ROOT_PLACES,
    SESSIONS_MAX,
    SESSIONS_PER_USER_MAX,
    STRANGERS_MAX,
    ClientApi,
)
from everbeat.clients.authorization import Accounts, Credentials
from everbeat.clients.orders import ApiWish, AskStandby, Disconnect, Reply
from everbeat.clients.session import SENDS_PER_SECOND_MAX
from everbeat.model.cluster import ApiAuthorization, HaConfig, Medium, MediumKind, Timing
from everbeat.model.members import LinkStatus, MembershipView, NodeStatus
from everbeat.model.membership import (
    Broadcast,
    ClientFlowChanged,
    LinkChanged,
    MessageReceived,
    NodeStatusChanged,
    StatusReason,
)
from everbeat.model.message import Field, FieldType, Message, message_of
from everbeat.model.names import LinkName
from everbeat.wire.client_frame import FrameSplitter

if TYPE_CHECKING:
    from collections.abc import Sequence

SHARED = Path(os.environ.get("EVERBEAT_SHARED", Path(__file__).parents[3].parent / "shared"))
RECORDED = SHARED / "heartbeat" / "captures" / "api"
ROOT = Credentials(pid=100, uid=0, gid=0, groups=(0,))
HACLIENT = 115
ACCOUNTS = Accounts({"root": 0, "ann": 1000}, {"root": 0, "haclient": HACLIENT})
IPFAIL_RULE = ApiAuthorization("mon", users=("root",))


class Speaker:
    """An API with what the tests say most often."""

    def __init__(self, config: HaConfig | None = None) -> None:
        self.api = ClientApi(config or config_of(ALPHA, IPFAIL_RULE), ALPHA)
        self.api.on_accounts(ACCOUNTS)
        self.view: MembershipView = view_of()
        self.now_ms = 0

    def say(self, client: int, message: Message) -> Sequence[ApiWish]:
        return self.api.on_message(client, message, self.view, manager_of(), self.now_ms)

    def ask(self, client: int, kind: str, **fields: str) -> Sequence[ApiWish]:
        return self.say(client, message_of(t="hbapi-req", reqtype=kind, **fields))

    def sign_on(
        self, client: int, name: str = "", credentials: Credentials = ROOT
    ) -> Sequence[ApiWish]:
        assert self.api.on_connect(client, credentials, self.now_ms) == []
        return self.ask(
            client,
            "signon",
            pid=str(credentials.pid),
            from_id=name or str(credentials.pid),
            uid=str(credentials.uid),
            gid=str(credentials.gid),
        )

    def answer(self, client: int, kind: str, **fields: str) -> Message:
        (order,) = self.ask(client, kind, **fields)
        assert isinstance(order, Reply)
        assert order.client == client
        return order.message


def replies(orders: Sequence[ApiWish]) -> list[Message]:
    return [order.message for order in orders if isinstance(order, Reply)]


def broadcasts(orders: Sequence[ApiWish]) -> list[Message]:
    return [order.message for order in orders if isinstance(order, Broadcast)]


def received(**fields: str) -> MessageReceived:
    return MessageReceived(message_of(**fields), 0)


# --- recorded conversations ---------------------------------------------------------------------


def conversation(path: Path) -> tuple[list[Message], list[Message]]:
    """Return requests and answers of a recorded conversation."""
    asked, told = FrameSplitter(), FrameSplitter()
    requests: list[Message] = []
    answers: list[Message] = []
    for row in path.read_text().splitlines():
        sent = re.search(r'sendto\(3, ("(?:[^"\\]|\\.)*"), \d+', row)
        got = re.search(r'recvfrom\(3, ("(?:[^"\\]|\\.)*"), \d+', row)
        if sent:
            requests += asked.feed(_bytes(sent.group(1)))
        elif got:
            answers += told.feed(_bytes(got.group(1)))
    return requests, answers


def _bytes(text: str) -> bytes:
    value = ast.literal_eval("b" + text)
    assert isinstance(value, bytes)
    return value


def recorded() -> list[str]:
    return sorted(path.name for path in RECORDED.glob("*.strace.txt"))


def as_answered_here(message: Message) -> Message:
    """Return a recorded answer with our version in place of 3.0.6's."""
    return Message(
        Field(field.type, field.name, "3.0.6 (everbeat)") if field.name == "hbversion" else field
        for field in message.fields
    )


def without_client_generation(message: Message) -> Message:
    return message.without("client_gen")


@pytest.mark.skipif(not RECORDED.is_dir(), reason=f"no recordings: {RECORDED} is missing")
@pytest.mark.parametrize("name", recorded())
def test_a_recorded_conversation_gets_the_recorded_answers(name: str) -> None:
    requests, expected = conversation(RECORDED / name)
    config = HaConfig(
        node=ALPHA,
        nodes=(ALPHA, BETA),
        media=(Medium(kind=MediumKind.BCAST, link=LinkName("eth0"), interface="eth0"),),
        timing=Timing(deadtime_ms=3000, keepalive_ms=500),
        parameters=(("keepalive", "500ms"),),
    )
    speaker = Speaker(config)
    first = requests[0]
    uid, gid = int(first.text("uid") or 0), int(first.text("gid") or 0)
    credentials = Credentials(pid=int(first.text("pid") or 0), uid=uid, gid=gid, groups=(0,))
    speaker.api.on_connect(1, credentials, 0)
    got: list[Message] = []
    for request in requests:
        orders = speaker.say(1, request)
        got += replies(orders)
        if any(message.type == "query-cstatus" for message in broadcasts(orders)):
            (answer,) = [message for message in expected if message.type == "respond-cstatus"]
            got += replies(speaker.api.on_membership(MessageReceived(answer, 0)))
    assert [without_client_generation(m) for m in got] == [
        without_client_generation(as_answered_here(m)) for m in expected
    ]


# --- signing on ---------------------------------------------------------------------------------


def test_a_named_client_is_announced_and_a_casual_one_is_not() -> None:
    speaker = Speaker()
    (join,) = broadcasts(speaker.sign_on(1, "mon"))
    assert list(join.strings()) == [
        ("t", "hbapi-clstat"),
        ("st", "join"),
        ("from_id", "mon"),
        ("to_id", "mon"),
        ("info", "signon"),
        ("client_gen", "1"),
    ]
    assert broadcasts(speaker.sign_on(2)) == []


@pytest.mark.parametrize(
    ("fields", "info"),
    [
        ({"pid": "100", "uid": "5", "gid": "0"}, "incorrect/false credentials"),
        ({"pid": "1", "uid": "0", "gid": "0"}, "pid mismatch"),
        ({"pid": "100"}, "invalid id info"),
        ({"pid": "100", "uid": "0", "gid": "0", "from_id": "unheard"}, "no default client auth"),
        ({"pid": "100", "uid": "0", "gid": "0", "from_id": "ping"}, "client failed authorization"),
    ],
)
def test_signon_is_refused_in_the_words_of_heartbeat(fields: dict[str, str], info: str) -> None:
    speaker = Speaker()
    speaker.api.on_connect(1, ROOT, 0)
    orders = speaker.ask(1, "signon", **{"from_id": "mon", **fields})
    answer, leave = replies(orders)
    assert (answer.text("result"), answer.text("info")) == ("badreq", info)
    assert (leave.text("st"), leave.text("info")) == ("leave", info)
    assert orders[-1] == Disconnect(1, "refused")
    assert speaker.api.names() == ()


def test_a_name_is_given_once() -> None:
    speaker = Speaker()
    speaker.sign_on(1, "mon")
    answer, _ = replies(speaker.sign_on(2, "mon"))
    assert answer.text("info") == "duplicate add request"


def test_haclient_as_a_supplementary_group_admits_casual_clients() -> None:
    user = Credentials(pid=7, uid=1000, gid=1000, groups=(1000, HACLIENT))
    assert replies(Speaker().sign_on(1, credentials=user))[0].text("result") == "OK"
    stranger = Credentials(pid=7, uid=1001, gid=1001, groups=(1001,))
    assert replies(Speaker().sign_on(1, credentials=stranger))[0].text("result") == "badreq"


def test_an_apiauth_line_replaces_the_default_of_its_client() -> None:
    config = config_of(ALPHA, ApiAuthorization("anon", users=("ann",)))
    assert replies(Speaker(config).sign_on(1))[0].text("info") == "client failed authorization"
    ann = Credentials(pid=7, uid=1000, gid=1000, groups=(1000,))
    assert replies(Speaker(config).sign_on(1, credentials=ann))[0].text("result") == "OK"


def test_an_apiauth_line_may_give_numbers_and_admits_nobody_by_a_name_that_has_none() -> None:
    ann = Credentials(pid=7, uid=1000, gid=1000, groups=(1000,))
    for users, groups in ((("1000",), ()), ((), ("1000",))):
        by_number = config_of(ALPHA, ApiAuthorization("anon", users=users, groups=groups))
        assert replies(Speaker(by_number).sign_on(1, credentials=ann))[0].text("result") == "OK"
    nameless = config_of(ALPHA, ApiAuthorization("anon", users=("nosuch",), groups=("nosuch",)))
    assert replies(Speaker(nameless).sign_on(1, credentials=ann))[0].text("result") == "badreq"


def test_until_the_numbers_of_names_are_known_root_alone_is_admitted() -> None:
    user = Credentials(pid=7, uid=1000, gid=1000, groups=(1000, HACLIENT))
    early = Speaker()
    early.api.on_accounts(Accounts())
    assert replies(early.sign_on(1, credentials=user))[0].text("result") == "badreq"
    assert replies(early.sign_on(2))[0].text("result") == "OK"
    early.api.on_accounts(ACCOUNTS)
    assert replies(early.sign_on(3, credentials=user))[0].text("result") == "OK"


# --- requests -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "fields", "expected"),
    [
        ("nodestatus", {"node": "BETA"}, {"st": "active", "result": "OK"}),
        ("nodestatus", {"node": "nosuch"}, {"result": "badreq", "info": "EINVAL"}),
        ("nodetype", {"node": "10.77.0.100"}, {"nodetype": "ping", "result": "OK"}),
        ("nodeweight", {"node": "beta"}, {"weight": "100", "result": "OK"}),
        ("nodesite", {"node": "beta"}, {"site": "", "result": "OK"}),
        ("iflist", {"node": "beta"}, {"ifname": "eth0", "st": "up", "result": "OK"}),
        ("iflist", {"node": "x"}, {"result": "badreq", "info": "EINVAL"}),
        ("ifstatus", {"node": "beta", "ifname": "e9"}, {"result": "badreq", "info": "EINVAL"}),
        ("getparm", {"pname": "keepalive"}, {"pvalue": "500ms", "result": "OK"}),
        ("getparm", {"pname": "nosuch"}, {"result": "OK"}),
        ("getparm", {}, {"result": "badreq", "info": "EINVAL"}),
        ("getrsc", {}, {"rsc_hold": "local", "result": "OK"}),
        ("numnodes", {}, {"numnodes": "2", "result": "OK"}),
        ("getuuid", {"queryname": "nosuch"}, {"result": "OK"}),
        ("getuuid", {}, {"result": "badreq", "info": "no query node name found"}),
        ("setfilter", {"fmask": "ff"}, {"result": "OK"}),
        ("setfilter", {"fmask": "0"}, {"result": "badreq", "info": "EINVAL"}),
        ("setfilter", {"fmask": "40"}, {"result": "badreq", "info": "EINVAL"}),
        ("setsignal", {"signal": "0"}, {"result": "OK"}),
        ("setsignal", {"signal": "9"}, {"result": "badreq"}),
        ("signon", {}, {"result": "badreq"}),
        ("bogus", {}, {"result": "badreq"}),
    ],
)
def test_a_request_is_answered(kind: str, fields: dict[str, str], expected: dict[str, str]) -> None:
    speaker = Speaker()
    speaker.sign_on(1)
    answer = speaker.answer(1, kind, **fields)
    assert dict(answer.strings()) == {"t": "hbapi-resp", "reqtype": kind, **expected}


def test_a_node_is_found_by_its_uuid() -> None:
    speaker = Speaker()
    speaker.sign_on(1)
    assert speaker.answer(1, "getuuid", queryname="beta").binary("queryuuid") == b"b" * 16
    query = message_of(t="hbapi-req", reqtype="getname").with_fields(
        Field(FieldType.BINARY, "queryuuid", b"b" * 16)
    )
    assert replies(speaker.say(1, query))[0].text("queryname") == "beta"


def test_a_node_never_heard_has_dead_links_and_we_have_our_own() -> None:
    speaker = Speaker()
    speaker.view = MembershipView(
        own=ALPHA,
        nodes=tuple(node.__class__(node.node, node.kind, node.status) for node in view_of().nodes),
    )
    speaker.sign_on(1)
    assert speaker.answer(1, "ifstatus", node="beta", ifname="eth0").text("st") == "dead"
    assert speaker.answer(1, "ifstatus", node="alpha", ifname="eth0").text("st") == "up"


def test_a_client_at_another_node_is_asked_for_and_the_answer_delivered() -> None:
    speaker = Speaker()
    speaker.sign_on(1)
    (query,) = broadcasts(speaker.ask(1, "clientstatus", node="beta", cn="ipfail"))
    assert list(query.strings()) == [
        ("t", "query-cstatus"),
        ("dest", "beta"),
        ("cn", "ipfail"),
        ("from_id", "100"),
    ]
    there = ClientApi(config_of(BETA), BETA)
    arrived = query.with_fields(Field(FieldType.STRING, "src", "alpha"))
    (answer,) = broadcasts(there.on_membership(MessageReceived(arrived, 0)))
    assert list(answer.strings()) == [
        ("t", "respond-cstatus"),
        ("dest", "alpha"),
        ("result", "OK"),
        ("cn", "ipfail"),
        ("to_id", "100"),
        ("cs", "offline"),
    ]
    (delivered,) = speaker.api.on_membership(MessageReceived(answer, 0))
    assert delivered == Reply(1, answer)


def test_a_client_here_and_at_a_dead_node_is_told_of_at_once() -> None:
    speaker = Speaker()
    speaker.sign_on(1, "mon")
    speaker.view = view_of(beta=NodeStatus.DEAD)
    assert speaker.answer(1, "clientstatus", node="alpha", cn="mon").text("cs") == "online"
    assert speaker.answer(1, "clientstatus", node="beta", cn="mon").text("cs") == "offline"
    assert speaker.answer(1, "clientstatus", node="nosuch", cn="mon").text("result") == "badreq"


def test_signoff_is_announced_and_ends_the_session() -> None:
    speaker = Speaker()
    speaker.sign_on(1, "mon")
    orders = speaker.ask(1, "signoff")
    assert replies(orders)[0].text("info") == "signoff"
    assert broadcasts(orders)[0].text("st") == "leave"
    assert orders[-1] == Disconnect(1, "signoff")
    assert speaker.api.on_disconnect(1) == []
    assert speaker.api.names() == ()


def test_a_client_that_hangs_up_is_announced_as_gone() -> None:
    speaker = Speaker()
    speaker.sign_on(1, "mon")
    assert broadcasts(speaker.api.on_disconnect(1))[0].text("st") == "leave"


# --- messages to and from the cluster -----------------------------------------------------------


def test_a_named_clients_message_goes_out_under_its_own_name() -> None:
    speaker = Speaker()
    speaker.sign_on(1, "mon")
    forged = message_of(t="foo", bar="1", from_id="zzz", src="evil", seq="1", auth="1 x")
    (sent,) = broadcasts(speaker.say(1, forged))
    assert list(sent.strings()) == [
        ("t", "foo"),
        ("bar", "1"),
        ("from_id", "mon"),
        ("to_id", "mon"),
        ("client_gen", "1"),
    ]


@pytest.mark.parametrize("kind", ["status", "NS_ackmsg", "shutdone", "reqnodes", "hbapi-resp", ""])
def test_a_client_cannot_pass_for_a_node(kind: str) -> None:
    speaker = Speaker()
    speaker.sign_on(1, "mon")
    assert speaker.say(1, message_of(t=kind, st="dead")) == []
    assert speaker.api.statistics().refused_messages == 1


def test_ipfail_may_ask_for_standby() -> None:
    speaker = Speaker()
    speaker.sign_on(1, "mon")
    wish = message_of(t="ask_resources", rsc_hold="all", info="me")
    assert speaker.say(1, wish) == [AskStandby("all")], "this node asks, the client's is not passed"
    for answer in ("other", "done", ""):
        assert speaker.say(1, message_of(t="ask_resources", rsc_hold="all", info=answer)) == []


def test_a_message_to_a_node_that_is_none_is_dropped() -> None:
    speaker = Speaker()
    speaker.sign_on(1, "mon")
    assert speaker.say(1, message_of(t="foo", dest="nosuch")) == []
    assert broadcasts(speaker.say(1, message_of(t="foo", dest="beta"))) != []


def test_a_casual_client_may_not_send_to_the_cluster() -> None:
    speaker = Speaker()
    speaker.sign_on(1)
    assert speaker.say(1, message_of(t="foo")) == [Disconnect(1, "casual-client-may-not-send")]


def test_who_has_not_signed_on_may_do_nothing_else() -> None:
    speaker = Speaker()
    speaker.api.on_connect(1, ROOT, 0)
    assert speaker.ask(1, "nodelist") == [Disconnect(1, "not-signed-on")]


def test_messages_go_to_the_client_they_name_or_to_all() -> None:
    speaker = Speaker(config_of(ALPHA, IPFAIL_RULE, ApiAuthorization("two", users=("root",))))
    speaker.sign_on(1, "mon")
    speaker.sign_on(2, "two")
    to_one = speaker.api.on_membership(received(t="foo", to_id="two", src="beta"))
    assert [order.client for order in to_one if isinstance(order, Reply)] == [2]
    to_all = speaker.api.on_membership(received(t="foo", src="beta"))
    assert [order.client for order in to_all if isinstance(order, Reply)] == [1, 2]
    assert speaker.api.on_membership(received(t="foo", src="beta", dest="beta")) == []


def test_heartbeats_reach_only_clients_that_ask_for_them() -> None:
    speaker = Speaker()
    speaker.sign_on(1, "mon")
    heartbeat = received(t="status", st="active", src="beta")
    assert speaker.api.on_membership(heartbeat) == []
    speaker.ask(1, "setfilter", fmask="3")
    assert len(speaker.api.on_membership(heartbeat)) == 1


def test_clients_hear_of_nodes_and_links_that_change() -> None:
    speaker = Speaker()
    speaker.sign_on(1, "mon")
    died = NodeStatusChanged(
        node=BETA,
        old=NodeStatus.ACTIVE,
        new=NodeStatus.DEAD,
        reason=StatusReason.DEADTIME,
        last_heard_ms=1,
        at_ms=2,
    )
    speaker.api.on_membership(received(t="foo", src="alpha", ts="6b0320c9", to_id="nobody"))
    (news,) = replies(speaker.api.on_membership(died))
    assert list(news.strings()) == [
        ("t", "status"),
        ("seq", "1"),
        ("ts", "6b0320c9"),
        ("src", "beta"),
        ("st", "dead"),
        ("info", "deadtime"),
    ]
    cut = LinkChanged(BETA, LinkName("eth0"), LinkStatus.DEAD, 3)
    (news,) = replies(speaker.api.on_membership(cut))
    assert dict(news.strings()) == {"t": "ifstat", "node": "beta", "ifname": "eth0", "st": "dead"}


# --- limits -------------------------------------------------------------------------------------


def test_questions_to_other_nodes_are_counted_and_held_back_as_messages_are() -> None:
    speaker = Speaker()
    speaker.sign_on(1, "mon")
    ask = message_of(t="hbapi-req", reqtype="clientstatus", node="beta", cn="ipfail")
    for _ in range(SENDS_PER_SECOND_MAX):
        assert len(speaker.say(1, ask)) == 1
    assert speaker.say(1, ask)[0] == Disconnect(1, "too-fast")
    speaker.sign_on(1, "mon")
    speaker.view = MembershipView(ALPHA, speaker.view.nodes, is_client_flow_paused=True)
    assert speaker.say(1, ask) == []
    assert speaker.api.statistics().held == 1


def test_flow_control_holds_messages_back_in_order_and_drops_who_goes_on() -> None:
    speaker = Speaker()
    speaker.sign_on(1, "mon")
    speaker.view = MembershipView(ALPHA, speaker.view.nodes, is_client_flow_paused=True)
    for number in range(HELD_MAX):
        assert speaker.say(1, message_of(t="foo", n=str(number))) == []
    assert speaker.say(1, message_of(t="foo"))[0] == Disconnect(1, "too-fast")
    released = broadcasts(speaker.api.on_membership(ClientFlowChanged(is_paused=False, at_ms=0)))
    assert [message.text("n") for message in released] == [str(n) for n in range(HELD_MAX)]


def test_a_client_that_floods_the_cluster_is_hung_up_on() -> None:
    speaker = Speaker()
    speaker.sign_on(1, "mon")
    for _ in range(SENDS_PER_SECOND_MAX):
        assert isinstance(speaker.say(1, message_of(t="foo"))[0], Broadcast)
    assert speaker.say(1, message_of(t="foo"))[0] == Disconnect(1, "too-fast")


def test_no_user_but_root_can_fill_the_table() -> None:
    api = ClientApi(config_of(), ALPHA)
    user = Credentials(pid=7, uid=1000, gid=1000, groups=(1000,))
    for client in range(SESSIONS_PER_USER_MAX):
        assert api.on_connect(client, user, 0) == []
    assert api.on_connect(1_000, user, 0) == [Disconnect(1_000, "too-many-clients")]
    for client in range(2_000, 2_000 + SESSIONS_MAX - SESSIONS_PER_USER_MAX):
        assert api.on_connect(client, ROOT, 0) == []
    assert api.on_connect(3_000, ROOT, 0) == [Disconnect(3_000, "too-many-clients")]


def test_strangers_take_places_from_each_other_alone() -> None:
    api = ClientApi(config_of(), ALPHA)
    api.on_accounts(ACCOUNTS)
    taken = 0
    for client in range(200):
        stranger = Credentials(pid=7, uid=2000 + client % 9, gid=2000, groups=(2000,))
        taken += api.on_connect(client, stranger, 0) == []
    assert taken == STRANGERS_MAX
    for client in range(1_000, 1_200):
        user = Credentials(pid=7, uid=3000 + client, gid=1, groups=(HACLIENT,))
        taken += api.on_connect(client, user, 0) == []
    assert taken == SESSIONS_MAX - ROOT_PLACES
    for client in range(2_000, 2_000 + ROOT_PLACES):
        assert api.on_connect(client, ROOT, 0) == []


def test_a_connection_that_never_signs_on_ends() -> None:
    api = ClientApi(config_of(), ALPHA)
    api.on_connect(1, ROOT, 5_000)
    due = api.next_wakeup_ms()
    assert due == 15_000
    assert api.on_tick(due - 1) == []
    assert api.on_tick(due) == [Disconnect(1, "no-signon")]
    assert api.next_wakeup_ms() is None


@pytest.mark.parametrize("kind", sorted(MOVING_TYPES))
def test_a_member_of_haclient_looks_and_moves_nothing(kind: str) -> None:
    speaker = Speaker()
    user = Credentials(pid=7, uid=1000, gid=1000, groups=(1000, HACLIENT))
    assert replies(speaker.sign_on(1, "ping", user))[0].text("result") == "OK"
    moving = message_of(t=kind, info="me", rsc_hold="all", nodelist="evil1 ")
    assert speaker.say(1, moving) == []
    assert speaker.api.statistics().refused_messages == 1
    assert broadcasts(speaker.say(1, message_of(t="pingpong")))
    speaker.sign_on(2, "mon")  # a line of ha.cf admits it under a name of its own
    assert speaker.say(2, moving)
