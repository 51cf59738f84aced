"""Harsh clusters, broken at random: whatever is taken is decided on, and nothing ever dies."""

import io
import random

import pytest

from everbeat.commands.cib_file import CibFile, cib_from_text
from everbeat.commands.crm_simulate import crm_simulate
from everbeat.policy.emit.transition import transition_from_cib
from everbeat.policy.reasons.actions import Explainer
from everbeat.policy.reasons.explanation import explain_inactions
from properties.cib_mutations import mutated
from scheduler.case_files import case_files, case_names

NAMES = [name for name in case_names() if name.startswith(("harsh-", "small-"))]
STEPS = 4
NOW = 1_700_000_000


@pytest.mark.parametrize("name", NAMES)
def test_a_broken_cluster_is_refused_or_decided_on_and_explained(name: str) -> None:
    text = mutated(case_files(name)["xml"], random.Random(name), STEPS)  # noqa: S311 - a seed
    read = cib_from_text(name, text)
    if not isinstance(read, CibFile) or read.refusals():
        return
    plan = transition_from_cib(read.cib, NOW).plan
    explainer = Explainer(plan)
    for action in plan.actions:
        if action.in_graph:
            assert explainer.reasons(action)
    explain_inactions(explainer)


def test_scores_have_a_heading_and_bullets_unless_only_they_are_asked_for() -> None:
    text = case_files("small-bundle-opt-in-scores")["xml"]
    shown, plain = io.StringIO(), io.StringIO()
    assert crm_simulate(["-p", "-sS"], shown, io.StringIO(), stdin=io.BytesIO(text), now=1) == 0
    assert crm_simulate(["-p", "-sSQ"], plain, io.StringIO(), stdin=io.BytesIO(text), now=1) == 0
    scores = plain.getvalue().splitlines()
    assert scores[0].startswith("pcmk__")
    block = ["Assignment Scores:", *(f"  * {score}" for score in scores)]
    assert "\n".join(block) in shown.getvalue()
