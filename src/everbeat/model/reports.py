"""Reports: the only way to tell a person of a problem. Codes inside, text at the edge.

A checker collects every report it can find and then stops; nothing is half applied. Named tuples,
for the tools that every script calls load this: dataclasses take longer than such a tool may.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple


class Severity(IntEnum):
    """How bad it is. The highest one of a check decides its exit status."""

    INFO = 0
    WARNING = 1
    ERROR = 2


class Place(NamedTuple):
    """Where a problem stands: file, line (1-based; 0 for the whole file), the line's text."""

    file: str
    line: int = 0
    text: str = ""


class Report(NamedTuple):
    """One problem: what is wrong (`summary`) and what to write instead (`remedy`)."""

    code: str  # kebab-case, stable: tests and scripts compare it
    severity: Severity
    summary: str
    remedy: str = ""
    place: Place = Place("")


class Code(NamedTuple):
    """One kind of problem, for the table of a checker."""

    name: str  # kebab-case, stable
    severity: Severity
    meaning: str


def worst_severity(reports: list[Report]) -> Severity:
    """Return the highest severity, INFO for no reports."""
    return max((report.severity for report in reports), default=Severity.INFO)
