"""A rule as values: read once (reading.py), evaluated for many nodes (evaluate.py).

    Rule ── and / or ──┬─ AttributeCondition   a node attribute against a value
                       ├─ DateCondition        now against dates
                       ├─ ResourceCondition    the agent of the resource
                       ├─ OperationCondition   name and interval of the operation
                       ├─ Unsatisfiable        what could not be read: never holds
                       └─ Rule

Score and role of a rule say what its owner does with it; they take no part in the evaluation.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final, final

if TYPE_CHECKING:
    from everbeat.rules.calendar import Duration
    from everbeat.rules.date_spec import DateSpec
    from everbeat.rules.iso8601 import WrittenDate


class DateOperation(Enum):
    """How a date condition looks at now."""

    IN_RANGE = "in_range"
    AFTER = "gt"
    BEFORE = "lt"
    SPEC = "date_spec"


@final
class AttributeCondition:
    """Compare a node attribute. `source` says where `reference` is looked up."""

    def __init__(
        self,
        attribute: str,
        operation: str,
        type_name: str | None,
        source: str,
        reference: str | None,
    ) -> None:
        self.attribute: Final = attribute
        self.operation: Final = operation
        self.type_name: Final = type_name
        self.source: Final = source
        self.reference: Final = reference


@final
class DateCondition:
    """Compare now. IN_RANGE: ends included, either may be open; `duration` counts from start."""

    def __init__(
        self,
        operation: DateOperation,
        start: WrittenDate | None,
        end: WrittenDate | None,
        duration: Duration | None,
        spec: DateSpec | None,
    ) -> None:
        self.operation: Final = operation
        self.start: Final = start
        self.end: Final = end
        self.duration: Final = duration
        self.spec: Final = spec


@final
class ResourceCondition:
    """Compare the agent of the resource; None: any."""

    def __init__(self, class_name: str | None, provider: str | None, type_name: str | None) -> None:
        self.class_name: Final = class_name
        self.provider: Final = provider
        self.type_name: Final = type_name


@final
class OperationCondition:
    """Compare the operation; interval None: any."""

    def __init__(self, name: str, interval_ms: int | None) -> None:
        self.name: Final = name
        self.interval_ms: Final = interval_ms


@final
class Unsatisfiable:
    """A condition that could not be read. It never holds; the reader's report tells why."""


@final
class Rule:
    """Conditions joined by and / or, in document order."""

    def __init__(
        self,
        rule_id: str,
        conditions: list[Condition],
        *,
        is_any: bool,
        score: str | None,
        score_attribute: str | None,
        role: str | None,
    ) -> None:
        self.id: Final = rule_id
        self.conditions: Final = conditions
        self.is_any: Final = is_any
        self.score: Final = score
        self.score_attribute: Final = score_attribute
        self.role: Final = role


Condition = (
    AttributeCondition
    | DateCondition
    | ResourceCondition
    | OperationCondition
    | Unsatisfiable
    | Rule
)
