"""The built-in ipfail: who gives up, who waits, who is not believed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from api_daemon import ALPHA, BETA, PING, config_of, view_of
from everbeat.clients.api import ClientApi
from everbeat.clients.ipfail import (
    AGAIN_MS,
    RETELL_MS,
    RETELLS_MAX,
    RETRY_MS,
    GiveUp,
    Ipfail,
    IpfailOrder,
)
from everbeat.model.members import LinkStatus, MembershipView, NodeStatus
from everbeat.model.membership import (
    Broadcast,
    LinkChanged,
    MessageReceived,
    NodeStatusChanged,
    StatusReason,
)
from everbeat.model.message import message_of
from everbeat.model.names import LinkName, NodeName

CONFIG = config_of()
PAUSE_MS = 2 * CONFIG.timing.keepalive_ms


def view(
    ping: NodeStatus = NodeStatus.PING, beta: NodeStatus = NodeStatus.ACTIVE
) -> MembershipView:
    known = view_of(beta=beta)
    nodes = tuple(replace(n, status=ping) if n.node == PING else n for n in known.nodes)
    return replace(known, nodes=nodes)


BLIND = view(ping=NodeStatus.DEAD)


def said(**fields: str) -> MessageReceived:
    return MessageReceived(message_of(**{"src": "beta", "from_id": "ipfail", **fields}), 0)


def status_of(node: NodeName, old: NodeStatus, new: NodeStatus) -> NodeStatusChanged:
    return NodeStatusChanged(
        node=node, old=old, new=new, reason=StatusReason.DEADTIME, last_heard_ms=0, at_ms=0
    )


def texts(orders: list[IpfailOrder]) -> list[tuple[str, str | None, str | None]]:
    messages = [order.message for order in orders if isinstance(order, Broadcast)]
    assert all(message.text("from_id") == message.text("to_id") == "ipfail" for message in messages)
    return [(m.type, m.text("dest"), m.text("num_ping")) for m in messages]


def test_it_joins_as_heartbeats_does_and_tells_its_count() -> None:
    orders = Ipfail(CONFIG).on_start(view())
    assert texts(orders) == [("hbapi-clstat", None, None), ("num_ping_nodes", "beta", "1")]


@pytest.mark.parametrize(
    "fact",
    [
        status_of(PING, NodeStatus.PING, NodeStatus.DEAD),
        LinkChanged(BETA, LinkName("eth0"), LinkStatus.DEAD, 0),
        said(t="hbapi-clstat", st="join"),
    ],
)
def test_whatever_may_have_changed_the_counts_is_told_to_the_other_one(
    fact: NodeStatusChanged | LinkChanged | MessageReceived,
) -> None:
    orders = Ipfail(CONFIG).on_membership(fact, BLIND, 0)
    assert texts(orders) == [("num_ping_nodes", "beta", "0")]


@pytest.mark.parametrize(
    ("count", "known", "answer"),
    [("0", view(), "you_are_dead"), ("1", view(), "abort_giveup"), ("0", BLIND, "abort_giveup")],
)
def test_who_reaches_as_many_or_more_says_so(
    count: str, known: MembershipView, answer: str
) -> None:
    ipfail = Ipfail(CONFIG)
    asked = said(t="num_ping_nodes", num_ping=count, dest="alpha")
    assert texts(ipfail.on_membership(asked, known, 0)) == [(answer, "beta", None)]
    assert (ipfail.next_wakeup_ms() is None) is (answer == "abort_giveup")


def test_who_reaches_fewer_is_told_again_until_it_reaches_as_many() -> None:
    ipfail = Ipfail(CONFIG)
    ipfail.on_membership(said(t="num_ping_nodes", num_ping="0"), view(), 0)
    for number in range(1, RETELLS_MAX + 1):
        assert texts(ipfail.on_tick(view(), number * RETELL_MS)) == [("you_are_dead", "beta", None)]
    assert ipfail.next_wakeup_ms() is None
    ipfail.on_membership(said(t="num_ping_nodes", num_ping="0"), view(), 0)
    ipfail.on_membership(said(t="num_ping_nodes", num_ping="1"), view(), 0)
    assert ipfail.next_wakeup_ms() is None


def pending() -> Ipfail:
    ipfail = Ipfail(CONFIG)
    asked = said(t="num_ping_nodes", num_ping="1", dest="alpha")
    assert ipfail.on_membership(asked, BLIND, 0) == []
    assert ipfail.next_wakeup_ms() == PAUSE_MS
    return ipfail


def test_who_reaches_fewer_gives_up_after_a_pause_and_again_if_it_cannot_be_now() -> None:
    ipfail = pending()
    ipfail.on_membership(said(t="you_are_dead", dest="alpha"), BLIND, PAUSE_MS - 1)
    assert ipfail.on_tick(BLIND, PAUSE_MS - 1) == []
    [order] = ipfail.on_tick(BLIND, PAUSE_MS)
    assert isinstance(order, GiveUp)
    assert ipfail.on_tick(BLIND, PAUSE_MS + 1) == []
    ipfail.on_refused(PAUSE_MS)
    assert len(ipfail.on_tick(BLIND, PAUSE_MS + RETRY_MS)) == 1


def test_what_was_called_off_is_given_up_again_until_nothing_is_held() -> None:
    ipfail = pending()
    assert len(ipfail.on_tick(BLIND, PAUSE_MS)) == 1
    assert ipfail.next_wakeup_ms() == PAUSE_MS + AGAIN_MS
    assert len(ipfail.on_tick(BLIND, PAUSE_MS + AGAIN_MS)) == 1
    ipfail.on_nothing_held()
    assert ipfail.next_wakeup_ms() is None


@pytest.mark.parametrize(
    "fact",
    [
        said(t="abort_giveup", dest="alpha"),
        said(t="num_ping_nodes", num_ping="0", dest="alpha"),
        status_of(BETA, NodeStatus.ACTIVE, NodeStatus.DEAD),
    ],
)
def test_what_ends_the_reason_ends_the_wait(fact: MessageReceived | NodeStatusChanged) -> None:
    ipfail = pending()
    ipfail.on_membership(fact, BLIND, 1)
    assert ipfail.on_tick(BLIND, PAUSE_MS) == []
    assert ipfail.next_wakeup_ms() is None


@pytest.mark.parametrize(
    "fact",
    [
        said(t="you_are_dead", from_id="other"),
        said(t="you_are_dead", src="gamma"),
        said(t="you_are_dead", src="alpha"),
        said(t="you_are_dead", src=PING),
        said(t="you_are_dead", dest="gamma"),
        said(t="num_ping_nodes", num_ping="-1"),
        said(t="num_ping_nodes", num_ping="٣"),
        said(t="num_ping_nodes", num_ping="9" * 9),
        said(t="num_ping_nodes"),
    ],
)
def test_what_the_other_ipfail_did_not_say_moves_nothing(fact: MessageReceived) -> None:
    ipfail = Ipfail(CONFIG)
    assert ipfail.on_membership(fact, BLIND, 0) == []
    assert ipfail.next_wakeup_ms() is None


def test_nothing_is_given_to_a_node_that_is_not_there() -> None:
    ipfail = pending()
    assert ipfail.on_tick(view(NodeStatus.DEAD, NodeStatus.DEAD), PAUSE_MS) == []


def test_its_name_is_taken() -> None:
    assert ClientApi(replace(CONFIG, has_ipfail=True), ALPHA).names() == ("ipfail",)
