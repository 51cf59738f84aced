"""Room for long chains of constraints: the engine follows them by calls within calls.

A chain of 100 colocations takes some 400 calls, more than an interpreter allows by itself. What is
deeper than the room given here is a report and no traceback.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final, TypeVar

from everbeat.model.reports import Place, Report, Severity

if TYPE_CHECKING:
    from collections.abc import Callable

CALLS_MAX: Final = 50_000

Result = TypeVar("Result")


def with_room(name: str, decide: Callable[[], Result]) -> Result | Report:
    """Run a decision about the document `name`; a chain too long for any room is a report."""
    usual = sys.getrecursionlimit()
    sys.setrecursionlimit(max(usual, CALLS_MAX))
    try:
        return decide()
    except RecursionError:
        return Report(
            code="chain-too-long",
            severity=Severity.ERROR,
            summary="a chain of constraints is too long to be followed to its end",
            remedy="groups or resource sets in place of long chains",
            place=Place(name),
        )
    finally:
        sys.setrecursionlimit(usual)
