"""Count the failures of each resource on this machine; they are forgotten after a window.

    failed --> counted; so many within the window, or a failed start: barred
    window over, or people say so --> forgotten

In:  failures of starts and monitors, time. Out: Failures, whenever anything has changed.
Invariant: what is told is what is counted now; a count never outlives its window.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from everbeat.config.secrets import masked
from everbeat.model.failures import Failures, ResourceFailures

if TYPE_CHECKING:
    from everbeat.model.names import GroupKey

FAILURES_MAX: Final = 100
"""Failures remembered of one resource; the oldest is dropped."""

RESOURCES_MAX: Final = 1_000
"""Resources counted; the one counted longest is dropped."""

WHY_CHARACTERS_MAX: Final = 200


@dataclass(slots=True)
class _Count:
    times_ms: deque[int] = field(default_factory=lambda: deque(maxlen=FAILURES_MAX))
    start_failed_ms: int | None = None
    why: str = ""


class FailCounts:
    """The fail counts of one machine."""

    def __init__(self, max_failures: int, window_ms: int) -> None:
        self._max = max_failures
        self._window_ms = window_ms
        self._counts: dict[tuple[GroupKey, str], _Count] = {}

    def use_limits(self, max_failures: int, window_ms: int) -> None:
        """Judge by other limits from now on."""
        self._max, self._window_ms = max_failures, window_ms

    def on_failure(
        self, group: GroupKey, resource: str, why: str, now_ms: int, *, is_start: bool
    ) -> list[Failures]:
        """Count one failure; a failed start bars the node at once."""
        self._prune(now_ms)
        count = self._counts.setdefault((group, resource), _Count())
        count.times_ms.append(now_ms)
        count.why = " ".join(why.split())[:WHY_CHARACTERS_MAX]
        if is_start:
            count.start_failed_ms = now_ms
        if len(self._counts) > RESOURCES_MAX:
            del self._counts[next(iter(self._counts))]
        return [self.current()]

    def on_forget(self, resource: str) -> list[Failures]:
        """Set the count of a resource, as written or as shown, to zero, or of all (empty)."""
        self._counts = {
            key: count
            for key, count in self._counts.items()
            if resource not in {"", key[1], masked(key[1])}
        }
        return [self.current()]

    def on_restored(self, failures: Failures) -> None:
        """Take what an executor before this one has counted, unless we count already."""
        if self._counts:
            return
        for known in failures.counts[:RESOURCES_MAX]:
            times = deque([known.last_ms] * known.count, maxlen=FAILURES_MAX)
            is_start = known.is_barred and not 0 < self._max <= known.count
            start_ms = known.last_ms if is_start else None
            self._counts[known.group, known.resource] = _Count(times, start_ms, known.why)

    def on_tick(self, now_ms: int) -> list[Failures]:
        """Forget what is older than the window."""
        return [self.current()] if self._prune(now_ms) else []

    def next_wakeup_ms(self) -> int | None:
        """Return when the oldest failure is forgotten."""
        oldest = [count.times_ms[0] for count in self._counts.values()]
        return min(oldest) + self._window_ms if oldest else None

    def current(self) -> Failures:
        """Return what is counted now, in the order of first failures."""
        return Failures(tuple(self._told(key, count) for key, count in self._counts.items()))

    def _told(self, key: tuple[GroupKey, str], count: _Count) -> ResourceFailures:
        number, last_ms = len(count.times_ms), count.times_ms[-1]
        return ResourceFailures(
            group=key[0],
            resource=key[1],
            count=number,
            is_barred=count.start_failed_ms is not None or 0 < self._max <= number,
            last_ms=last_ms,
            clears_ms=last_ms + self._window_ms,
            why=count.why,
        )

    def _prune(self, now_ms: int) -> bool:
        """Drop what is too old; whether there was any."""
        limit_ms = now_ms - self._window_ms
        is_changed = False
        for key, count in list(self._counts.items()):
            while count.times_ms and count.times_ms[0] <= limit_ms:
                count.times_ms.popleft()
                is_changed = True
            if count.start_failed_ms is not None and count.start_failed_ms <= limit_ms:
                count.start_failed_ms = None
            if not count.times_ms:
                del self._counts[key]
        return is_changed
