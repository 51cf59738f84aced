"""Where the engine asks whether a rule passes: the only module that knows how rules are judged.

Enters: a `rule` element and the facts it may look at. Leaves: yes or no, and through
`Plan.recheck_at` the time at which the answer may change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from everbeat.rules.calendar import Moment
from everbeat.rules.evaluate import AgentFacts, OperationFacts, evaluate, with_submatches
from everbeat.rules.evaluate import RuleFacts as Facts
from everbeat.rules.iso8601 import moment_from_text
from everbeat.rules.reading import read_rule

if TYPE_CHECKING:
    from everbeat.cib.tree import Element
    from everbeat.policy.plan.plan import Plan


@final
class RuleFacts:
    """What a rule may look at; None where there is nothing of the kind."""

    def __init__(
        self,
        *,
        node_attributes: dict[str, str] | None = None,
        agent: tuple[str, str, str] | None = None,
        operation: tuple[str, int] | None = None,
        parameters: dict[str, str] | None = None,
        meta: dict[str, str] | None = None,
        submatches: list[str] | None = None,
    ) -> None:
        self.node_attributes: Final = node_attributes
        self.agent: Final = agent
        self.operation: Final = operation
        self.parameters: Final = parameters
        self.meta: Final = meta
        self.submatches: Final = submatches


def rules_pass(plan: Plan, element: Element, facts: RuleFacts) -> bool:
    """Say whether the rule of a set of attributes passes; a set without one always does."""
    for child in element.children:
        if child.tag == "rule" and not rule_passes(plan, child, facts):
            return False
    return True


def rule_passes(plan: Plan, rule: Element, facts: RuleFacts) -> bool:
    """Say whether a rule passes, and note when that may change."""
    agent = operation = None
    if facts.agent is not None:
        class_name, provider, type_name = facts.agent
        agent = AgentFacts(class_name, provider or None, type_name)
    if facts.operation is not None:
        operation = OperationFacts(facts.operation[0], facts.operation[1])
    known = Facts(
        facts.node_attributes,
        parameters=facts.parameters or {},
        metas=facts.meta or {},
        submatches=facts.submatches or (),
        agent=agent,
        operation=operation,
    )
    reading = read_rule(rule, plan.elements_by_id)
    verdict = evaluate(reading.rule, known, Moment(plan.now))
    if verdict.next_change_s is not None:
        plan.recheck_at(verdict.next_change_s)
    return verdict.is_satisfied


def expand_submatches(text: str, submatches: list[str] | None) -> str:
    """Replace `%0` to `%9` by what the pattern of a location constraint matched."""
    return text if submatches is None else with_submatches(text, submatches)


def epoch_of_date(text: str) -> int | None:
    """Return the time an ISO 8601 text names, in seconds since the epoch."""
    moment = moment_from_text(text, Moment(0))
    return moment.epoch_s if isinstance(moment, Moment) else None
