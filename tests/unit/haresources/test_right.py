"""What the resource manager does with the right to hold: gained, lost, kept by others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from everbeat.haresources.joining import ANSWER_LIMIT_MS
from everbeat.model.members import LinkStatus, MembershipView, NodeStatus, QuorumView
from everbeat.model.membership import (
    CommunicationUp,
    LinkChanged,
    NodeRightChanged,
    RaiseGeneration,
)
from everbeat.model.names import LinkName
from everbeat.model.quorum import RightExtended, RightGained, RightLost
from unit.haresources.test_manager import ALPHA, BETA, Node

if TYPE_CHECKING:
    from everbeat.model.quorum import RightFact


def started(node: Node, *, is_held: bool = False) -> Node:
    """Let the core meet a link process whose cluster has a quorum, alpha up beside us."""
    quorum = QuorumView(kind="witness", is_held=is_held, lease_ms=5_000)
    node.take(node.manager.on_view(MembershipView(BETA, quorum=quorum), node.now_ms))
    node.alpha_is(NodeStatus.ACTIVE)
    return node


def gained(node: Node, until_ms: int | None = None) -> Node:
    node.fact(RightGained("alpha agrees", until_ms, node.now_ms))
    return node


def serving() -> Node:
    """Let beta hold its own group, alpha the other."""
    node = gained(started(Node()))
    node.fact(CommunicationUp(node.now_ms))
    node.alpha_holds("local")
    node.pass_time(1_000)
    assert node.running
    return node


def lose(node: Node, fact: RightFact | None = None) -> None:
    node.fact(fact or RightLost("no word from alpha", node.now_ms + 3_000, node.now_ms))


def test_without_the_right_nothing_is_asked_or_taken() -> None:
    node = started(Node())
    node.fact(CommunicationUp(node.now_ms))
    node.pass_time(60_000)
    assert not node.running
    assert "starting" not in [message.type for message in node.said]
    gained(node)
    assert node.said[-1].type == "starting"


def test_the_right_may_come_before_communication_is_up() -> None:
    node = gained(started(Node()))
    node.fact(CommunicationUp(node.now_ms))
    assert node.said[-1].type == "starting"


def test_a_right_lost_before_the_manager_began_may_be_gained_anew() -> None:
    node = Node()
    lost = QuorumView(kind="votes", is_held=False, lease_ms=5_000, stop_by_ms=node.now_ms + 2_000)
    view = MembershipView(BETA, is_communication_up=True, quorum=lost)
    node.take(node.manager.on_view(view, node.now_ms))
    assert node.orders == [RaiseGeneration()]
    gained(node)
    assert "starting" in [message.type for message in node.said]


def test_a_right_lost_before_communication_was_up_may_be_gained_anew() -> None:
    node = gained(started(Node()))
    lose(node)
    assert node.orders == [RaiseGeneration()]
    node.fact(CommunicationUp(node.now_ms))
    gained(node)
    assert node.said[-1].type == "starting"


def test_a_node_that_is_not_dead_is_waited_for_without_limit_and_asked_again() -> None:
    node = gained(started(Node()))
    node.fact(CommunicationUp(node.now_ms))
    node.pass_time(4 * ANSWER_LIMIT_MS)
    assert not node.running
    assert 4 <= node.types().count("starting") <= 5
    node.alpha_holds("local")
    node.pass_time(1_000)
    assert node.running


def test_when_the_right_is_lost_all_is_stopped_and_only_then_a_new_life_begins() -> None:
    node = serving()
    node.orders.clear()
    lose(node)
    assert not node.running
    assert node.orders == [RaiseGeneration()]
    assert "right-lost" in [event.kind for event in node.events]
    node.pass_time(60_000)
    assert not node.running
    gained(node)
    assert node.said[-1].type == "starting"


def test_what_cannot_be_stopped_is_never_called_given_up() -> None:
    node = serving()
    node.orders.clear()
    node.failing = {f"{word} stop" for word in node.running}
    lose(node)
    node.pass_time(60_000)
    assert node.running
    assert RaiseGeneration() not in node.orders


def test_a_link_that_says_nothing_more_has_lost_us_the_right() -> None:
    node = serving()
    node.fact(RightExtended(node.now_ms + 4_000, node.now_ms))
    node.pass_time(3_900)
    assert node.running
    node.pass_time(1_000)
    assert not node.running


def test_an_extension_does_not_bring_back_what_was_lost() -> None:
    node = serving()
    lose(node)
    node.fact(RightExtended(node.now_ms + 4_000, node.now_ms))
    node.pass_time(1_000)
    assert not node.running


def test_what_a_node_without_the_right_held_is_taken_at_once() -> None:
    node = serving()
    before = set(node.running)
    node.fact(NodeRightChanged(ALPHA, has_right=False, order=(2, 1), at_ms=node.now_ms))
    assert before < node.running


def test_an_overtaken_heartbeat_says_nothing_about_a_node_that_has_begun() -> None:
    node = serving()
    before = set(node.running)
    node.fact(NodeRightChanged(ALPHA, has_right=False, order=(0, 1), at_ms=node.now_ms))
    assert node.running == before


def test_nothing_is_taken_while_a_node_lives_that_only_others_hear_and_then_it_is_asked() -> None:
    node = serving()
    node.fact(LinkChanged(ALPHA, LinkName("eth0"), LinkStatus.UP, node.now_ms))
    node.fact(LinkChanged(ALPHA, LinkName("eth0"), LinkStatus.DEAD, node.now_ms))
    assert not node.manager._desk.unclaimed_for_us()
    assert not node.manager._desk.peer(ALPHA).has_reported
    node.fact(LinkChanged(ALPHA, LinkName("eth0"), LinkStatus.UP, node.now_ms))
    assert node.last("resource")["info"] == "returned"


def test_what_runs_is_looked_for_before_communication_is_up_and_before_anybody_is_answered() -> (
    None
):
    node = Node(is_adopting=True)
    node.running = {"web"}
    view = MembershipView(BETA, quorum=QuorumView(kind="votes", is_held=False, reason="lost"))
    node.take(node.manager.on_view(view, node.now_ms))
    assert node.running == set(), "the right is lost: it is given up"
    assert node.orders == [RaiseGeneration()]
