"""From the `rule` element of a CIB to a Rule, with a report for everything that is wrong in it.

A condition that cannot be read becomes Unsatisfiable: the rest of the rule keeps its meaning, and
what is unknown does not hold. An `id-ref` is followed once through `definitions`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from everbeat.model.reports import Report, Severity
from everbeat.rules.calendar import Duration
from everbeat.rules.date_spec import date_spec_from_attributes
from everbeat.rules.expressions import OPERATIONS, SOURCES, TYPES
from everbeat.rules.iso8601 import (
    DURATION_PART_MAX,
    TextFault,
    WrittenDate,
    milliseconds_from_text,
    written_date_from_text,
)
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
    from collections.abc import Mapping

    from everbeat.cib.tree import Element

RULE_DEPTH_MAX: Final = 50  # deeper nesting does not hold
_NO_DEFINITIONS: Final[Mapping[str, Element]] = {}
_DURATION_DAYS: Final = (("weeks", 7), ("days", 1))
_DURATION_SECONDS: Final = (("hours", 3600), ("minutes", 60), ("seconds", 1))


@final
class RuleReading:
    """A rule and what is wrong in it."""

    def __init__(self, rule: Rule, reports: list[Report]) -> None:
        self.rule: Final = rule
        self.reports: Final = reports


def read_rule(
    element: Element, definitions: Mapping[str, Element] = _NO_DEFINITIONS
) -> RuleReading:
    """Read a rule; `definitions` are the document's elements by id, for id-refs."""
    reader = _Reader(definitions)
    rule = reader.rule(element, 1)
    return RuleReading(rule, reader.reports)


@final
class _Reader:
    def __init__(self, definitions: Mapping[str, Element]) -> None:
        self.reports: Final[list[Report]] = []
        self._definitions: Final = definitions

    def rule(self, element: Element, depth: int) -> Rule:
        reference = element.get("id-ref")
        if reference is not None:
            definition = self._definitions.get(reference)
            if definition is None or definition.tag != "rule":
                self._note("rule-reference-unknown", element, f"no rule has the id {reference!r}")
            else:
                element = definition
        word = (element.get("boolean-op") or "and").lower()
        if word not in ("and", "or"):
            self._note("rule-boolean-op-unknown", element, f"{word!r} is neither and nor or")
            word = "and"
        conditions = [self._condition(child, depth) for child in element.children]
        if not conditions:
            self._note("rule-empty", element, "a rule without conditions")
        return Rule(
            element.id,
            conditions,
            is_any=word == "or",
            score=element.get("score"),
            score_attribute=element.get("score-attribute"),
            role=element.get("role"),
        )

    def _condition(self, element: Element, depth: int) -> Condition:
        match element.tag:
            case "rule":
                if depth >= RULE_DEPTH_MAX:
                    return self._refuse("rule-too-deep", element, "rules nested too deeply")
                return self.rule(element, depth + 1)
            case "expression":
                return self._attribute(element)
            case "date_expression":
                return self._date(element)
            case "rsc_expression":
                return ResourceCondition(
                    element.get("class"), element.get("provider"), element.get("type")
                )
            case "op_expression":
                return self._operation(element)
            case _:
                return self._refuse(
                    "rule-condition-unknown", element, f"{element.tag} is no condition"
                )

    def _attribute(self, element: Element) -> Condition:
        attribute = element.get("attribute")
        if not attribute:
            return self._refuse("rule-attribute-missing", element, "no attribute is named")
        operation = (element.get("operation") or "").lower()
        if operation not in OPERATIONS:
            return self._refuse(
                "rule-operation-unknown", element, f"{operation!r} is no comparison"
            )
        type_name = element.get("type")
        if type_name is not None and type_name.lower() not in TYPES:
            self._note("rule-type-unknown", element, f"{type_name!r} is no type of values")
            type_name = None
        source = (element.get("value-source") or "literal").lower()
        if source not in SOURCES:
            self._note("rule-value-source-unknown", element, f"{source!r} is no source of values")
            source = "literal"
        reference = element.get("value")
        if operation in ("defined", "not_defined"):
            if reference is not None:
                self._note("rule-value-surplus", element, f"{operation} takes no value")
        elif reference is None:
            self._note("rule-value-missing", element, f"{operation} needs a value")
        return AttributeCondition(
            attribute,
            operation,
            None if type_name is None else type_name.lower(),
            source,
            reference,
        )

    def _operation(self, element: Element) -> Condition:
        name = element.get("name")
        if not name:
            return self._refuse("rule-operation-missing", element, "no operation is named")
        text = element.get("interval")
        if text is None:
            return OperationCondition(name, None)
        interval_ms = milliseconds_from_text(text)
        if isinstance(interval_ms, TextFault):
            return self._refuse("rule-interval-malformed", element, f"{text!r} is no interval")
        return OperationCondition(name, interval_ms)

    def _date(self, element: Element) -> Condition:
        word = (element.get("operation") or "in_range").lower()
        match word:
            case "date_spec":
                return self._date_spec(element)
            case "in_range":
                return self._range(element)
            case "gt" | "lt":
                name = "start" if word == "gt" else "end"
                date = self._written(element, name)
                if date is None:
                    return self._refuse("rule-date-missing", element, f"{word} needs {name}")
                if isinstance(date, Unsatisfiable):
                    return date
                if word == "gt":
                    return DateCondition(DateOperation.AFTER, date, None, None, None)
                return DateCondition(DateOperation.BEFORE, None, date, None, None)
            case _:
                return self._refuse(
                    "rule-date-operation-unknown", element, f"{word!r} is no comparison of dates"
                )

    def _range(self, element: Element) -> Condition:
        start = self._written(element, "start")
        end = self._written(element, "end")
        if isinstance(start, Unsatisfiable) or isinstance(end, Unsatisfiable):
            return Unsatisfiable()
        if start is None and end is None:
            return self._refuse("rule-date-missing", element, "a range needs start or end")
        duration: Duration | None = None
        child = element.first("duration")
        if child is not None and start is not None and end is None:
            duration = self._duration(child)
            if duration is None:
                return Unsatisfiable()
        return DateCondition(DateOperation.IN_RANGE, start, end, duration, None)

    def _date_spec(self, element: Element) -> Condition:
        child = element.first("date_spec")
        if child is None:
            return self._refuse("rule-date-missing", element, "date_spec needs a date_spec")
        spec = date_spec_from_attributes(child.attributes)
        if isinstance(spec, TextFault):
            return self._refuse(
                "rule-date-spec-malformed", child, f"{spec.text!r} is no range of {spec.expected}"
            )
        return DateCondition(DateOperation.SPEC, None, None, None, spec)

    def _written(self, element: Element, name: str) -> WrittenDate | Unsatisfiable | None:
        text = element.get(name)
        if text is None:
            return None
        date = written_date_from_text(text)
        if isinstance(date, TextFault):
            return self._refuse("rule-date-malformed", element, f"{name} {text!r} is no date")
        return date

    def _duration(self, element: Element) -> Duration | None:
        """Read the duration element; None after a report."""
        days = seconds = 0
        for name, factor in _DURATION_DAYS:
            count = self._count(element, name)
            if count is None:
                return None
            days += count * factor
        for name, factor in _DURATION_SECONDS:
            count = self._count(element, name)
            if count is None:
                return None
            seconds += count * factor
        years, months = self._count(element, "years"), self._count(element, "months")
        if years is None or months is None:
            return None
        return Duration(years, months, days, seconds)

    def _count(self, element: Element, name: str) -> int | None:
        text = (element.get(name) or "0").strip()
        digits = text[1:] if text[:1] in ("+", "-") else text
        if not (digits.isascii() and digits.isdigit()) or int(digits) > DURATION_PART_MAX:
            self._note("rule-duration-malformed", element, f"{name} {text!r} is no number")
            return None
        return int(text)

    def _refuse(self, code: str, element: Element, summary: str) -> Unsatisfiable:
        self._note(code, element, summary)
        return Unsatisfiable()

    def _note(self, code: str, element: Element, summary: str) -> None:
        where = f"{element.tag} {element.id}" if element.id else element.tag
        self.reports.append(
            Report(code=code, severity=Severity.WARNING, summary=f"{where}: {summary}")
        )
