"""What holds for the policy engine whatever the cluster: generated documents, no failures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import HealthCheck, given, settings

from everbeat.cib.tree import tree_from_text
from everbeat.policy.emit.execute import execute
from everbeat.policy.emit.graph import Synapse, build_graph
from everbeat.policy.emit.transition import transition_from_cib
from everbeat.policy.reasons.actions import Explainer
from everbeat.policy.reasons.scores import terms_of
from everbeat.policy.schedule import schedule
from everbeat.policy.score import INFINITY, add_scores
from everbeat.policy.verify.loops import find_loops
from properties.generated_cibs import cibs

if TYPE_CHECKING:
    from everbeat.policy.plan.plan import Plan

NOW = 1_700_000_000
RUNS_MAX = 5
SHORT = settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow], derandomize=True)


def decided(text: str) -> tuple[Plan, list[Synapse]]:
    plan = schedule(tree_from_text(text), NOW)
    return plan, build_graph(plan)


@SHORT
@given(cibs())
def test_the_same_document_gives_the_same_bytes(text: str) -> None:
    first, again = (transition_from_cib(tree_from_text(text), NOW) for _ in range(2))
    assert (first.graph, first.scores, first.dot) == (again.graph, again.scores, again.dot)
    assert first.summary == again.summary


@SHORT
@given(cibs())
def test_nothing_is_put_where_it_is_banned_or_on_a_node_that_is_not_there(text: str) -> None:
    plan, _ = decided(text)
    for resource in plan.all_resources():
        node = resource.assigned
        if node is None or resource.children:
            continue
        assert node.is_available()
        assert resource.table.get(node.index) > -INFINITY


@SHORT
@given(cibs())
def test_members_of_a_group_run_together_each_with_all_before_it(text: str) -> None:
    plan, _ = decided(text)
    for group in plan.resources:
        if not group.is_group():
            continue
        places = [member.assigned for member in group.children]
        running = [place for place in places if place is not None]
        assert len(set(running)) <= 1
        assert None not in places[: len(running)]


@SHORT
@given(cibs())
def test_a_graph_has_no_loop_that_its_constraints_have_not(text: str) -> None:
    plan, graph = decided(text)
    edges = {
        str(synapse.action.id): [str(first.id) for first in synapse.inputs] for synapse in graph
    }
    ordered: dict[str, list[str]] = {}
    constraints = plan.cib.first("configuration")
    section = None if constraints is None else constraints.first("constraints")
    for order in [] if section is None else section.all("rsc_order"):
        ordered.setdefault(order.text("first"), []).append(order.text("then"))
    if not find_loops(ordered):
        assert find_loops(edges) == []


@SHORT
@given(cibs(stickiness=("INFINITY",), colocations_max=0))
def test_after_what_was_planned_nothing_is_left_to_do(text: str) -> None:
    assert runs_until_rest(text) <= 1


@SHORT
@given(cibs(stickiness=("INFINITY",)))
def test_with_colocations_too_a_cluster_comes_to_rest(text: str) -> None:
    """One that runs now may wish another to where it was banned before, as in Pacemaker."""
    assert runs_until_rest(text) <= RUNS_MAX


def runs_until_rest(text: str) -> int:
    """Count the runs that have something to do; a loop of orderings counts as rest."""
    cib = tree_from_text(text)
    for run in range(RUNS_MAX + 1):
        plan = schedule(cib, NOW)
        graph = build_graph(plan)
        execution = execute(plan, graph)
        if not graph or execution.stuck:
            return run
        cib = execution.cib
    return RUNS_MAX + 1


@SHORT
@given(cibs())
def test_the_terms_of_every_score_add_up_to_it(text: str) -> None:
    plan, _ = decided(text)
    document = Explainer(plan).document
    for resource in plan.all_resources():
        for node in plan.nodes:
            if not resource.table.has(node.index):
                continue
            score = 0
            for term in terms_of(plan, document, resource, node):
                score = term.amount if term.is_new else add_scores(score, term.amount)
                assert score == term.after
            assert score == resource.table.get(node.index)


@SHORT
@given(cibs())
def test_every_action_has_a_reason_that_ends_at_something_to_look_at(text: str) -> None:
    plan, graph = decided(text)
    explainer = Explainer(plan)
    for synapse in graph:
        reasons = explainer.reasons(synapse.action)
        assert reasons
        assert all(reason.is_grounded and reason.text for reason in reasons)
