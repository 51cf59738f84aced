"""What facts put into the log: the lines that people and test suites search for."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everbeat.model.members import LinkStatus, NodeStatus
from everbeat.model.membership import (
    HeartbeatLate,
    LinkChanged,
    MembershipFact,
    MessageReceived,
    MessagesMissing,
    NodeDialectChanged,
    NodeRestarted,
    NodeStatusChanged,
    StatusReason,
)
from everbeat.model.message import Message, message_of
from everbeat.model.names import LinkName, NodeName
from everbeat.model.quorum import RightExtended, VotersChanged
from everbeat.node.link_backlog import KEPT_MAX, LinkBacklog
from everbeat.node.log_lines import LogLevel, lines_of_fact

ALPHA = NodeName("alpha")
st.register_type_strategy(Message, st.just(Message(())))


def changed(new: NodeStatus, reason: StatusReason) -> NodeStatusChanged:
    old = NodeStatus.UP
    return NodeStatusChanged(node=ALPHA, old=old, new=new, reason=reason, last_heard_ms=0, at_ms=0)


def missing(first: int, last: int, *, is_lost: bool) -> MessagesMissing:
    return MessagesMissing(ALPHA, first, last, is_lost, 0)


LINES = [
    (changed(NodeStatus.ACTIVE, StatusReason.HEARD), "Status update for node alpha: status active"),
    (changed(NodeStatus.PING, StatusReason.HEARD), "Status update for node alpha: status ping"),
    (changed(NodeStatus.DEAD, StatusReason.DEADTIME), "node alpha: is dead"),
    (changed(NodeStatus.UP, StatusReason.LOCAL), "Local status now set to: 'up'"),
    (LinkChanged(ALPHA, LinkName("eth0"), LinkStatus.UP, 0), "Link alpha:eth0 up."),
    (LinkChanged(ALPHA, LinkName("eth0"), LinkStatus.DEAD, 0), "Link alpha:eth0 dead."),
    (HeartbeatLate(ALPHA, 4200, 0), "Late heartbeat: Node alpha: interval 4200 ms"),
    (NodeRestarted(ALPHA, 7, 0), "Heartbeat restart on node alpha"),
    (missing(35, 35, is_lost=False), "1 lost packet(s) for [alpha] [34:36]"),
    (missing(35, 36, is_lost=True), "Irretrievably lost packet: node alpha seq 35-36"),
]


@pytest.mark.parametrize(("fact", "text"), LINES)
def test_lines_are_worded_as_heartbeat_words_them(fact: MembershipFact, text: str) -> None:
    assert [line for _, line in lines_of_fact(fact)] == [text]


def test_a_dead_node_is_a_warning_and_levels_are_spelled_as_heartbeat_spells_them() -> None:
    ((level, _),) = lines_of_fact(changed(NodeStatus.DEAD, StatusReason.INITDEAD))
    assert level is LogLevel.WARN
    assert [each.word for each in LogLevel] == ["debug", "info", "notice", "WARN", "ERROR", "CRIT"]


@given(st.one_of(*(st.from_type(kind) for kind in get_args(MembershipFact))))
def test_every_fact_has_its_lines_but_messages_and_what_comes_with_each_heartbeat(
    fact: MembershipFact,
) -> None:
    silent = MessageReceived | NodeDialectChanged | RightExtended | VotersChanged
    is_silent = isinstance(fact, silent)
    assert bool(lines_of_fact(fact)) is not is_silent


def test_the_backlog_keeps_what_the_view_does_not_hold_and_forgets_the_oldest() -> None:
    backlog = LinkBacklog()
    backlog.keep(changed(NodeStatus.DEAD, StatusReason.DEADTIME))
    backlog.keep(NodeRestarted(ALPHA, 7, 0))
    facts = [MessageReceived(message_of(t="x"), at_ms) for at_ms in range(KEPT_MAX)]
    for fact in facts:
        backlog.keep(fact)
    assert backlog.take() == tuple(facts)
    assert backlog.take() == ()
