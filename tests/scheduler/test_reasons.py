"""Every action of every case has a reason, and every score its terms."""

import pytest

from everbeat.commands.cib_file import CibFile, cib_from_text
from everbeat.policy.emit.graph import build_graph
from everbeat.policy.reasons.actions import Explainer
from everbeat.policy.reasons.explanation import explain_inactions
from everbeat.policy.reasons.reason import Kind, Reason
from everbeat.policy.reasons.scores import terms_of
from everbeat.policy.schedule import schedule
from everbeat.policy.score import add_scores
from scheduler.case_files import case_files, case_names, case_time

UNWRITTEN = {
    Kind.OPTION,  # the default of an option counts
    Kind.QUORUM,
    Kind.ATTRIBUTE,  # no agent has set a promotion score
    Kind.FAIL_COUNT,  # a failure is in the history and was not counted
    Kind.OPERATION,  # the monitors that a bundle's parts have by themselves
}
"""Kinds whose subject may be a name that is written nowhere."""


@pytest.mark.parametrize("name", case_names())
def test_every_action_has_a_specific_reason_and_every_score_its_terms(name: str) -> None:
    read = cib_from_text(name, case_files(name)["xml"])
    assert isinstance(read, CibFile)
    assert read.refusals() == []
    plan = schedule(read.cib, case_time(name, read.cib))
    graph = build_graph(plan)
    explainer = Explainer(plan)
    names = {node.name for node in plan.nodes} | set(plan.resources_by_id)
    for synapse in graph:
        reasons = explainer.reasons(synapse.action)
        assert reasons
        for reason in reasons:
            _check(explainer, reason, names)
    for inaction in explain_inactions(explainer):
        _check(explainer, inaction.reason, names)
    _check_ledgers(explainer)


def _check(explainer: Explainer, reason: Reason, names: set[str]) -> None:
    assert reason.is_grounded, reason
    for root in reason.roots():
        assert root.text
        assert root.kind is not Kind.SCORE, "a step of the engine is no reason"
        is_written = explainer.document.exists(root.subject) or root.kind in UNWRITTEN
        known = all(part in names for part in root.subject.split())
        assert is_written or known, root


def _check_ledgers(explainer: Explainer) -> None:
    plan = explainer.plan
    for resource in plan.all_resources():
        for node in plan.nodes:
            if not resource.table.has(node.index):
                continue
            score = 0
            for term in terms_of(plan, explainer.document, resource, node):
                score = term.amount if term.is_new else add_scores(score, term.amount)
                assert score == term.after
                assert term.reason.kind is not Kind.SCORE, "a step of the engine is no term"
            assert score == resource.table.get(node.index)
