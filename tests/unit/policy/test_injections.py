"""Events put into a document: their words, and what becomes of the status."""

from __future__ import annotations

import pytest

from everbeat.cib.tree import Element, tree_from_text
from everbeat.policy.simulation.inject import Injected, inject
from everbeat.policy.simulation.injections import (
    Injection,
    NodeChange,
    NodeEvent,
    OperationResult,
    QuorumEvent,
    TicketChange,
    TicketEvent,
    WatchdogEvent,
    result_from_words,
)
from everbeat.policy.unpack.unpack import plan_from_cib

NOW = 1_700_000_000
TEXT = """
<cib have-quorum="true"><configuration><crm_config/><nodes><node id="1" uname="n1"/></nodes>
<resources><primitive id="a" class="ocf" provider="p" type="T"/></resources></configuration>
<status><node_state id="1" uname="n1" in_ccm="true" crmd="online" join="member" expected="member">
<lrm id="1"><lrm_resources/></lrm><transient_attributes id="1"/></node_state></status></cib>
"""


def injected(*events: Injection) -> Injected:
    return inject(plan_from_cib(tree_from_text(TEXT), NOW), events, NOW)


def first_state(cib: Element) -> Element:
    status = cib.first("status")
    assert status is not None
    return status.all("node_state")[-1]


def entries(cib: Element) -> dict[str, str]:
    """Return rc-code by id of every history entry."""
    found: dict[str, str] = {}
    stack = [cib]
    while stack:
        element = stack.pop()
        stack.extend(element.children)
        if element.tag == "lrm_rsc_op":
            found[element.id] = element.text("rc-code")
    return found


def test_an_operation_is_resource_task_interval_node_and_code() -> None:
    assert result_from_words("my_db_monitor_10000@n1.example=7") == OperationResult(
        resource="my_db",
        task="monitor",
        interval_ms=10_000,
        node="n1.example",
        rc=7,
        words="my_db_monitor_10000@n1.example=7",
    )


@pytest.mark.parametrize(
    "words", ["", "a", "a_start_0", "a_start_0@n1", "a_start_x@n1=1", "a_start_0@n1=300", "@=1"]
)
def test_other_words_are_no_operation(words: str) -> None:
    assert result_from_words(words) is None


def test_a_node_that_goes_takes_what_was_known_of_it_along() -> None:
    state = first_state(injected(NodeEvent(NodeChange.DOWN, "n1")).cib)
    assert (state.get("crmd"), state.get("expected"), len(state.children)) == ("offline", "down", 0)


def test_a_node_that_falls_silent_leaves_what_was_known_of_it() -> None:
    state = first_state(injected(NodeEvent(NodeChange.FAIL, "n1")).cib)
    assert (state.get("in_ccm"), state.get("crmd")) == ("false", "online")
    assert len(state.children) == 2


def test_a_node_nobody_knew_is_entered() -> None:
    cib = injected(NodeEvent(NodeChange.UP, "n2")).cib
    assert plan_from_cib(cib, NOW).node_named("n2") is not None
    assert first_state(cib).get("join") == "member"


def test_a_failed_monitor_is_entered_as_last_failure_and_counted() -> None:
    result = result_from_words("a_monitor_10000@n1=7")
    assert result is not None
    first = injected(result)
    assert entries(first.cib) == {"a_last_failure_0": "7"}
    again = inject(plan_from_cib(first.cib, NOW), [result], NOW).cib
    node = plan_from_cib(again, NOW).nodes[0]
    assert node.attributes["fail-count-a#monitor_10000"] == "2"
    assert node.attributes["last-failure-a#monitor_10000"] == str(NOW)


def test_a_failed_start_is_entered_twice_as_crm_simulate_does() -> None:
    result = result_from_words("a_start_0@n1=1")
    assert result is not None
    assert entries(injected(result).cib) == {"a_last_failure_0": "1", "a_last_0": "1"}


def test_a_success_is_entered_and_not_counted() -> None:
    result = result_from_words("a_start_0@n1=0")
    assert result is not None
    assert entries(injected(result).cib) == {"a_last_0": "0"}
    assert len(injected(result).lines) == 1


@pytest.mark.parametrize("words", ["zz_start_0@n1=1", "a_start_0@n9=1"])
def test_what_does_not_exist_is_refused(words: str) -> None:
    result = result_from_words(words)
    assert result is not None
    outcome = injected(result)
    assert len(outcome.refused) == 1
    assert outcome.lines == []


def test_tickets_quorum_and_watchdog_are_entered_before_results() -> None:
    outcome = injected(
        TicketEvent(TicketChange.STANDBY, "T"),
        TicketEvent(TicketChange.GRANT, "T"),
        WatchdogEvent("true"),
        QuorumEvent("false"),
    )
    assert [line.split()[0] for line in outcome.lines] == [
        "Setting",
        "Setting",
        "Granting",
        "Making",
    ]
    plan = plan_from_cib(outcome.cib, NOW)
    assert not plan.have_quorum
    assert plan.options.have_watchdog
    assert plan.tickets["T"].granted
    assert plan.tickets["T"].standby


@pytest.mark.parametrize("change", [NodeChange.DOWN, NodeChange.FAIL])
def test_a_node_nobody_knows_can_only_come(change: NodeChange) -> None:
    refused = injected(NodeEvent(change, "n2")).refused
    assert refused == ["there is no node n2; nodes are: n1"]
    assert injected(NodeEvent(change, "N1")).refused == []
    assert injected(NodeEvent(change, "n2"), NodeEvent(NodeChange.UP, "n2")).refused == []


def test_nodes_and_tickets_have_names() -> None:
    events = (NodeEvent(NodeChange.UP, ""), TicketEvent(TicketChange.GRANT, ""))
    assert injected(*events).refused == ["a node has a name; nodes are: n1", "a ticket has a name"]
