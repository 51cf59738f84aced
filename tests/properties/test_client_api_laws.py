"""Laws of the client API: whatever clients and peers say, it answers in bounds and never breaks."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from api_daemon import ALPHA, config_of, manager_of, view_of
from everbeat.clients.api import NODE_TYPES, SESSIONS_MAX, ClientApi
from everbeat.clients.authorization import Credentials
from everbeat.clients.orders import ApiWish, Disconnect, Reply
from everbeat.model.cluster import ApiAuthorization
from everbeat.model.membership import Broadcast, MessageReceived
from everbeat.model.message import Field, FieldType, Message, message_of

ROOT = Credentials(pid=100, uid=0, gid=0, groups=(0,))
OWN_TYPES = {"hbapi-clstat", "query-cstatus", "respond-cstatus"}

words = st.sampled_from([
    "signon", "signoff", "nodelist", "nodestatus", "iflist", "ifstatus", "getparm", "getrsc",
    "clientstatus", "setfilter", "getuuid", "getname", "numnodes", "set_sendqlen", "setsignal",
    "alpha", "beta", "10.77.0.100", "eth0", "mon", "100", "0", "ff", "hbapi-req", "hbapi-resp",
    "status", "query-cstatus", "respond-cstatus", "NS_st", "foo", "-1", "999999999999",
])  # fmt: skip
texts = st.one_of(words, st.text(st.characters(max_codepoint=255), max_size=20))
names = st.sampled_from([
    "t", "reqtype", "dest", "node", "ifname", "pname", "cn", "from_id", "to_id", "pid", "uid",
    "gid", "fmask", "src", "queryname",
])  # fmt: skip
fields = st.one_of(
    st.builds(Field, st.just(FieldType.STRING), names, texts),
    st.builds(Field, st.just(FieldType.STRING), st.text(max_size=5), texts),
    st.builds(Field, st.just(FieldType.BINARY), st.just("queryuuid"), st.binary(max_size=20)),
)
messages = st.builds(Message, st.lists(fields, max_size=12))
signons = st.builds(
    lambda name: message_of(
        t="hbapi-req", reqtype="signon", pid="100", from_id=name, uid="0", gid="0"
    ),
    st.sampled_from(["mon", "100", "two", "nobody"]),
)
requests = st.builds(
    lambda kind, more: Message((*message_of(t="hbapi-req", reqtype=kind).fields, *more)),
    words,
    st.lists(fields, max_size=5),
)
steps = st.one_of(
    st.tuples(st.just("connect"), st.integers(0, 5), messages),
    st.tuples(st.just("say"), st.integers(0, 5), st.one_of(messages, signons, requests)),
    st.tuples(st.just("hear"), st.integers(0, 5), messages),
    st.tuples(st.just("leave"), st.integers(0, 5), messages),
)


@settings(max_examples=300)
@given(st.lists(steps, max_size=40))
def test_whatever_is_said_the_api_answers_in_bounds(
    history: list[tuple[str, int, Message]],
) -> None:
    rules = (ApiAuthorization("mon", users=("root",)), ApiAuthorization("two", users=("root",)))
    api = ClientApi(config_of(ALPHA, *rules), ALPHA)
    connected: set[int] = set()
    for number, (kind, client, message) in enumerate(history):
        orders: list[ApiWish] = []
        if kind == "connect" and client not in connected:
            connected.add(client)
            orders = api.on_connect(client, ROOT, number)
        elif kind == "say":
            orders = api.on_message(client, message, view_of(), manager_of(), number)
        elif kind == "hear":
            orders = api.on_membership(MessageReceived(message, number))
        elif kind == "leave":
            connected.discard(client)
            orders = api.on_disconnect(client)
        names_before = api.names()
        assert len(set(names_before)) == len(names_before)
        assert api.statistics().sessions <= SESSIONS_MAX
        for order in orders:
            match order:
                case Reply(to):
                    assert to in connected
                case Disconnect(to):
                    connected.discard(to)
                case Broadcast(sent):
                    assert sent.type in OWN_TYPES or sent.type not in NODE_TYPES
                    assert sent.text("src") is None
                    assert sent.text("auth") is None
