"""Date specifications: ranges of calendar fields, such as `hours="9-16" weekdays="1-5"`.

A range is `N`, `N-`, `-N` or `N-M`, ends included. A specification matches a moment if every
range holds the moment's field, in the moment's own zone. Nothing given matches always.

Source: behaviour of Pacemaker (date_spec of a date_expression).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, final

from everbeat.rules.calendar import CalendarFields, Moment, fields_of
from everbeat.rules.iso8601 import TextFault

if TYPE_CHECKING:
    from collections.abc import Mapping

FIELD_NAMES: Final = (
    "years",
    "months",
    "monthdays",
    "hours",
    "minutes",
    "seconds",
    "yeardays",
    "weekyears",
    "weeks",
    "weekdays",
)
_RANGE: Final = r" *([0-9]{1,9})? *(-)? *([0-9]{1,9})? *"


@final
class FieldRange:
    """The values a field may have; None: no bound on that side."""

    def __init__(self, field: str, low: int | None, high: int | None) -> None:
        self.field: Final = field
        self.low: Final = low
        self.high: Final = high

    def holds(self, value: int) -> bool:
        """Tell whether the value lies between the ends."""
        if self.low is not None and value < self.low:
            return False
        return self.high is None or value <= self.high


@final
class DateSpec:
    """All ranges of one specification."""

    def __init__(self, ranges: list[FieldRange]) -> None:
        self.ranges: Final = ranges

    def matches(self, moment: Moment) -> bool:
        """Tell whether each range holds the moment's field."""
        if not self.ranges:
            return True
        fields = fields_of(moment)
        return all(range_.holds(_field(fields, range_.field)) for range_ in self.ranges)


def date_spec_from_attributes(attributes: Mapping[str, str]) -> DateSpec | TextFault:
    """Read the ranges of a date_spec element; attributes of other names are not looked at."""
    ranges: list[FieldRange] = []
    for name in FIELD_NAMES:
        text = attributes.get(name)
        if text is None:
            continue
        field_range = _range_from_text(name, text)
        if isinstance(field_range, TextFault):
            return field_range
        ranges.append(field_range)
    return DateSpec(ranges)


def _range_from_text(name: str, text: str) -> FieldRange | TextFault:
    match = re.fullmatch(_RANGE, text)
    if match is None or (match.group(1) is None and match.group(3) is None):
        return TextFault(name, text)
    low = None if match.group(1) is None else int(match.group(1))
    high = None if match.group(3) is None else int(match.group(3))
    if match.group(2) is None:
        return TextFault(name, text) if high is not None else FieldRange(name, low, low)
    return FieldRange(name, low, high)


def _field(fields: CalendarFields, name: str) -> int:
    match name:
        case "years":
            return fields.year
        case "months":
            return fields.month
        case "monthdays":
            return fields.monthday
        case "hours":
            return fields.hour
        case "minutes":
            return fields.minute
        case "seconds":
            return fields.second
        case "yeardays":
            return fields.yearday
        case "weekyears":
            return fields.weekyear
        case "weeks":
            return fields.week
        case _:
            assert name == "weekdays"
            return fields.weekday
