"""Old words are no news: of an older life, overtaken, or said again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everbeat.haresources.manager import HaresourcesManager
from everbeat.haresources.order import STATES, SpokenOrder
from everbeat.journal.timeline import Timeline
from everbeat.model.cluster import HaConfig
from everbeat.model.groups import AutoFailback, ResourceGroup, ResourceSpec
from everbeat.model.members import MembershipView, NodeKind, NodeStatus, NodeView
from everbeat.model.membership import MessageReceived, NodeRestarted
from everbeat.model.message import Message, message_of
from everbeat.model.names import GroupKey, NodeName
from everbeat.node.fencing_gate import FencingGate

ALPHA, BETA = NodeName("alpha"), NodeName("beta")
KINDS = ("starting", "resource", "shutdone", "ask_resources", "hb_takeover", "ip-request")


def said(kind: str, generation: int, number: int, **fields: str) -> Message:
    return message_of(t=kind, src="alpha", hg=f"{generation:x}", seq=f"{number:x}", **fields)


@pytest.mark.parametrize("kind", KINDS)
def test_a_word_counts_once_and_no_older_one_after_it(kind: str) -> None:
    order = SpokenOrder()
    assert order.is_news(said(kind, 7, 5))
    assert [order.is_news(said(kind, g, n)) for g, n in ((7, 5), (7, 4), (6, 9))] == [False] * 3
    assert order.is_news(said(kind, 7, 6))
    assert order.is_news(said(kind, 8, 1))


def test_a_state_ends_all_that_was_said_before_it() -> None:
    order = SpokenOrder()
    assert order.is_news(said("shutdone", 7, 9))
    assert [order.is_news(said(kind, 7, 8)) for kind in sorted(STATES)] == [False] * 3


def test_a_question_that_was_lost_may_come_after_a_newer_state() -> None:
    order = SpokenOrder()
    assert order.is_news(said("resource", 7, 9))
    assert order.is_news(said("ask_resources", 7, 8))


def test_membership_says_which_life_it_is() -> None:
    order = SpokenOrder()
    order.on_restarted(ALPHA, 7)
    assert not order.is_present(said("anything", 6, 100))
    assert order.is_present(said("anything", 7, 1))


@given(st.lists(st.tuples(st.sampled_from(KINDS), st.integers(1, 5), st.integers(1, 9))))
def test_what_is_taken_grows(words: list[tuple[str, int, int]]) -> None:
    order, taken = SpokenOrder(), list[tuple[str, tuple[int, int]]]()
    for kind, generation, number in words:
        if order.is_news(said(kind, generation, number)):
            taken.append((kind, (generation, number)))
    generations = [place[0] for _, place in taken]
    assert generations == sorted(generations)
    for kind in KINDS:
        places = [place for other, place in taken if other == kind]
        assert places == sorted(set(places))


def beta_with_alpha_serving() -> HaresourcesManager:
    """Return beta's manager; alpha is in generation 7 and holds its group."""
    group = ResourceGroup(ALPHA, GroupKey("web"), (ResourceSpec("web", "web"),))
    config = HaConfig(node=BETA, nodes=(ALPHA, BETA), auto_failback=AutoFailback.ON)
    manager = HaresourcesManager(config, [group])
    nodes = tuple(NodeView(n, NodeKind.NORMAL, NodeStatus.ACTIVE) for n in (ALPHA, BETA))
    manager.on_view(MembershipView(BETA, nodes, is_communication_up=True), 0)
    report = {"rsc_hold": "local", "rtype": "full", "isstable": "1"}
    manager.on_membership(MessageReceived(said("resource", 7, 20, **report), 10), 10)
    assert [view.holder for view in manager.view().groups if view.group.resources] == [ALPHA]
    return manager


@pytest.mark.parametrize(
    "old",
    [
        said("shutdone", 6, 90, st="dead"),
        said("shutdone", 7, 19, st="dead"),
        said("starting", 6, 90),
        said("resource", 6, 90, rsc_hold="none", rtype="full", isstable="1"),
        said("ask_resources", 6, 90, info="me", rsc_hold="all"),
        said("hb_takeover", 6, 90, rsc_hold="all"),
        said("ip-request-resp", 6, 90, ipaddr="web", dest="beta", ok="OK"),
    ],
    ids=lambda message: f"{message.type}-{message.text('hg')}",
)
def test_no_old_word_moves_anything(old: Message) -> None:
    manager = beta_with_alpha_serving()
    before = manager.view()
    assert manager.on_membership(MessageReceived(old, 20), 20) == []
    assert manager.view() == before


def test_an_old_farewell_does_not_pass_over_fencing() -> None:
    config = HaConfig(node=BETA, nodes=(ALPHA, BETA))
    gate = FencingGate(config, Timeline(BETA, 1), 1)
    nodes = tuple(NodeView(n, NodeKind.NORMAL, NodeStatus.ACTIVE) for n in (ALPHA, BETA))
    view = MembershipView(BETA, nodes, is_communication_up=True)
    gate.on_view(view, 0, is_holding=False)
    for fact in (
        NodeRestarted(ALPHA, 7, 10),
        MessageReceived(said("resource", 7, 20), 10),
        MessageReceived(said("shutdone", 6, 90), 20),
        MessageReceived(said("shutdone", 7, 19), 30),
    ):
        gate.on_membership(fact, view, 40, is_holding=False)
    assert gate.safe_nodes() == ()
    gate.on_membership(MessageReceived(said("shutdone", 7, 21), 50), view, 50, is_holding=False)
    assert [entry.node for entry in gate.safe_nodes()] == [ALPHA]
