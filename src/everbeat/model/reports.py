"""Reports: the only way to tell a person of a problem. Codes inside, text at the edge.

A checker collects every report it can find and then stops; nothing is half applied.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum


class Severity(IntEnum):
    """How bad it is. The highest one of a check decides its exit status."""

    INFO = 0
    WARNING = 1
    ERROR = 2


@dataclass(frozen=True, slots=True)
class Place:
    """Where a problem stands: file, line (1-based; 0 for the whole file), the line's text."""

    file: str
    line: int = 0
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One problem: what is wrong (`summary`) and what to write instead (`remedy`)."""

    code: str  # kebab-case, stable: tests and scripts compare it
    severity: Severity
    summary: str
    remedy: str = ""
    place: Place = field(default_factory=lambda: Place(""))


@dataclass(frozen=True, slots=True)
class Code:
    """One kind of problem, for the table of a checker."""

    name: str  # kebab-case, stable
    severity: Severity
    meaning: str


def worst_severity(reports: list[Report]) -> Severity:
    """Return the highest severity, INFO for no reports."""
    return max((report.severity for report in reports), default=Severity.INFO)
