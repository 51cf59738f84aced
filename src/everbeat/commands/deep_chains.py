"""Room for long chains of constraints: the engine follows them by calls within calls.

A chain of 100 colocations takes some 400 calls, more than an interpreter allows by itself, and the
compiled engine has no limit but its stack. So a decision runs in a thread with a large stack; what
is deeper than the room given here is a report and no traceback.
"""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from everbeat.model.reports import Place, Report, Severity

if TYPE_CHECKING:
    from collections.abc import Callable

CALLS_MAX: Final = 50_000
STACK_BYTES: Final = 256 * 1024 * 1024
"""Only what is used of it becomes memory."""

Result = TypeVar("Result")


class _Outcome(Generic[Result]):
    """A result or an error between two threads; concurrent.futures would take 8 ms to load."""

    def __init__(self) -> None:
        self.results: list[Result] = []
        self.error: BaseException | None = None


def with_room(name: str, decide: Callable[[], Result]) -> Result | Report:
    """Run a decision about the document `name`; a chain too long for any room is a report."""
    usual_calls, usual_stack = sys.getrecursionlimit(), threading.stack_size(STACK_BYTES)
    sys.setrecursionlimit(max(usual_calls, CALLS_MAX))
    outcome: _Outcome[Result] = _Outcome()
    try:
        # A daemon: whoever interrupts the wait does not wait for the decision.
        thread = threading.Thread(target=_run, args=(decide, outcome), daemon=True)
        thread.start()
        thread.join()
        if outcome.error is not None:
            raise outcome.error
        return outcome.results[0]
    except RecursionError:
        return Report(
            code="chain-too-long",
            severity=Severity.ERROR,
            summary="a chain of constraints is too long to be followed to its end",
            remedy="groups or resource sets in place of long chains",
            place=Place(name),
        )
    finally:
        threading.stack_size(usual_stack)
        sys.setrecursionlimit(usual_calls)


def _run(decide: Callable[[], Result], outcome: _Outcome[Result]) -> None:
    """Hand the result or the error over to the thread that waits."""
    try:
        outcome.results.append(decide())
    except BaseException as error:  # noqa: BLE001 - raised again by the thread that waits
        outcome.error = error
