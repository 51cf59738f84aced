"""Tell whether a rule holds here and now, and when that might change by itself.

Conditions are evaluated in document order; `and` stops at the first that fails, `or` at the first
that holds. An empty `and` holds, an empty `or` does not. The next change is the earliest point at
which a condition that was evaluated would turn over; those that were not reached do not count, and
date specifications have none, as in Pacemaker.

    in_range  before: start      inside: end + 1 s     gt  not yet: start + 1 s     lt  still: end
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, assert_never, final

from everbeat.rules.calendar import add_duration
from everbeat.rules.expressions import holds
from everbeat.rules.iso8601 import moment_of
from everbeat.rules.rule import (
    AttributeCondition,
    Condition,
    DateCondition,
    DateOperation,
    OperationCondition,
    ResourceCondition,
    Rule,
    Unsatisfiable,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from everbeat.rules.calendar import Moment

_NO_AGENT: Final = (None, None, None)
_NOTHING: Final[Mapping[str, str]] = {}


@final
class AgentFacts:
    """The agent of the resource whose defaults are looked up."""

    def __init__(self, class_name: str, provider: str | None, type_name: str) -> None:
        self.class_name: Final = class_name
        self.provider: Final = provider
        self.type_name: Final = type_name


@final
class OperationFacts:
    """The operation whose defaults are looked up."""

    def __init__(self, name: str, interval_ms: int) -> None:
        self.name: Final = name
        self.interval_ms: Final = interval_ms


@final
class RuleFacts:
    """What a rule may look at. None: there is no node, agent or operation in this place.

    `parameters` and `metas` are the resource's on that node; `submatches` are those of the
    rsc-pattern that found the resource, `%0` first.
    """

    def __init__(
        self,
        node_attributes: Mapping[str, str] | None = None,
        *,
        parameters: Mapping[str, str] = _NOTHING,
        metas: Mapping[str, str] = _NOTHING,
        submatches: Sequence[str] = (),
        agent: AgentFacts | None = None,
        operation: OperationFacts | None = None,
    ) -> None:
        self.node_attributes: Final = node_attributes
        self.parameters: Final = parameters
        self.metas: Final = metas
        self.submatches: Final = submatches
        self.agent: Final = agent
        self.operation: Final = operation


@final
class RuleResult:
    """Whether the rule holds, and the second (since 1970) at which time alone may change it."""

    def __init__(self, *, is_satisfied: bool, next_change_s: int | None) -> None:
        self.is_satisfied: Final = is_satisfied
        self.next_change_s: Final = next_change_s

    def __repr__(self) -> str:
        """Show both parts."""
        return f"RuleResult({self.is_satisfied}, {self.next_change_s})"


def evaluate(rule: Rule, facts: RuleFacts, now: Moment) -> RuleResult:
    """Evaluate a rule; dates without a zone are in now's."""
    evaluation = _Evaluation(facts, now)
    is_satisfied = evaluation.rule_holds(rule)
    return RuleResult(is_satisfied=is_satisfied, next_change_s=evaluation.next_change_s)


def earlier(first_s: int | None, second_s: int | None) -> int | None:
    """Return the earlier of two moments of change; None is never."""
    if first_s is None or second_s is None:
        return second_s if first_s is None else first_s
    return min(first_s, second_s)


def with_submatches(text: str, submatches: Sequence[str]) -> str:
    """Replace `%0` to `%9` by the submatches; one that did not match is nothing."""
    if "%" not in text or not submatches:
        return text
    pieces = text.split("%")
    replaced = [pieces[0]]
    for piece in pieces[1:]:
        if piece and piece[0] in "0123456789":
            number = int(piece[0])
            replaced.append(submatches[number] if number < len(submatches) else "")
            replaced.append(piece[1:])
        else:
            replaced.append("%" + piece)
    return "".join(replaced)


@final
class _Evaluation:
    """One run over a rule; collects the next change on the way."""

    def __init__(self, facts: RuleFacts, now: Moment) -> None:
        self.next_change_s: int | None = None
        self._facts = facts
        self._now = now

    def rule_holds(self, rule: Rule) -> bool:
        is_any = rule.is_any
        for condition in rule.conditions:
            if self._condition_holds(condition) == is_any:
                return is_any
        return not is_any

    def _condition_holds(self, condition: Condition) -> bool:
        if isinstance(condition, AttributeCondition):
            return self._attribute_holds(condition)
        if isinstance(condition, Rule):
            return self.rule_holds(condition)
        if isinstance(condition, DateCondition):
            return self._date_holds(condition)
        if isinstance(condition, ResourceCondition):
            return self._resource_holds(condition)
        if isinstance(condition, OperationCondition):
            return self._operation_holds(condition)
        if isinstance(condition, Unsatisfiable):
            return False
        assert_never(condition)

    def _attribute_holds(self, condition: AttributeCondition) -> bool:
        facts = self._facts
        attributes = facts.node_attributes
        actual = None
        if attributes is not None:
            actual = attributes.get(with_submatches(condition.attribute, facts.submatches))
        reference = condition.reference
        if reference is not None and condition.source != "literal":
            table = facts.parameters if condition.source == "param" else facts.metas
            reference = table.get(reference)
        return holds(actual, condition.operation, reference, condition.type_name)

    def _date_holds(self, condition: DateCondition) -> bool:
        if condition.operation is DateOperation.SPEC:
            return condition.spec is not None and condition.spec.matches(self._now)
        now = self._now
        start = None if condition.start is None else moment_of(condition.start, now)
        start_s = None if start is None else start.epoch_s
        end_s = None if condition.end is None else moment_of(condition.end, now).epoch_s
        if end_s is None and start is not None and condition.duration is not None:
            end_s = add_duration(start, condition.duration).epoch_s
        if condition.operation is DateOperation.IN_RANGE:
            return self._is_between(start_s, end_s)
        if condition.operation is DateOperation.AFTER:
            return start_s is not None and not self._is_waiting(start_s + 1)
        return end_s is not None and self._is_waiting(end_s)

    def _is_between(self, start_s: int | None, end_s: int | None) -> bool:
        if start_s is not None and self._is_waiting(start_s):
            return False
        return end_s is None or self._is_waiting(end_s + 1)

    def _is_waiting(self, change_s: int) -> bool:
        """Tell whether the second of a change is still to come, and note it if so."""
        if self._now.epoch_s >= change_s:
            return False
        self.next_change_s = earlier(self.next_change_s, change_s)
        return True

    def _resource_holds(self, condition: ResourceCondition) -> bool:
        agent = self._facts.agent
        if agent is None:  # what asks for nothing holds of a collective, too
            return (condition.class_name, condition.provider, condition.type_name) == _NO_AGENT
        return (
            condition.class_name in (None, agent.class_name)
            and condition.provider in (None, agent.provider)
            and condition.type_name in (None, agent.type_name)
        )

    def _operation_holds(self, condition: OperationCondition) -> bool:
        operation = self._facts.operation
        if operation is None or condition.name != operation.name:
            return False
        return condition.interval_ms in (None, operation.interval_ms)
