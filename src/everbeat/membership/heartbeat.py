"""When our own heartbeat is due, what deadtime it announces, and whether it came too late.

    start ── dt = deadtime + 2 s for 5 s ──► dt = deadtime        (start-up is slow)

A heartbeat that is sent more than deadtime/3 after it was due shows that we were not scheduled:
then silence of others proves little, until our sockets have been read.

Source: measured on 3.0.6; the awareness of our own delay is ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from everbeat.model.cluster import Timing

STARTUP_MS: Final = 5_000
STARTUP_EXTRA_MS: Final = 2_000
GRACE_MS_MAX: Final = 100


class HeartbeatSchedule:
    """The beat of one link process."""

    def __init__(self, timing: Timing, *, is_continuing: bool) -> None:
        self._timing = timing
        self._generous_until_ms: int | None = None
        self._is_continuing = is_continuing
        self._sent_ms: int | None = None
        self._due_ms: int | None = None
        self._is_delay_told = False

    def on_start(self, now_ms: int) -> None:
        """Begin to beat now."""
        if not self._is_continuing:
            self._generous_until_ms = now_ms + STARTUP_MS
        self._due_ms = now_ms

    def is_due(self, now_ms: int) -> bool:
        """Say whether the regular heartbeat is to be sent now."""
        return self._due_ms is not None and now_ms >= self._due_ms

    def on_sent(self, now_ms: int) -> None:
        """Note a status message; the regular ones keep their beat unless they fell behind it."""
        self._sent_ms = now_ms
        self._is_delay_told = False
        if self._due_ms is None or now_ms < self._due_ms:
            return
        self._due_ms += self._timing.keepalive_ms
        if self._due_ms <= now_ms:
            self._due_ms = now_ms + self._timing.keepalive_ms

    def announced_ms(self, now_ms: int) -> int:
        """Return the deadtime to announce."""
        is_generous = self._generous_until_ms is not None and now_ms < self._generous_until_ms
        return self._timing.deadtime_ms + (STARTUP_EXTRA_MS if is_generous else 0)

    def starved_ms(self, now_ms: int) -> int | None:
        """Return how long we have been silent if that shows starvation; told once a delay."""
        if self._due_ms is None or self._sent_ms is None or self._is_delay_told:
            return None
        if now_ms - self._due_ms <= self._timing.deadtime_ms // 3:
            return None
        self._is_delay_told = True
        return now_ms - self._sent_ms

    def grace_ms(self, silent_ms: int) -> int:
        """Return how long to hold verdicts back after a delay: as long as it lasted.

        Who was held up once is so again soon, and hears others late.
        """
        stall_ms = min(silent_ms - self._timing.keepalive_ms, self._timing.deadtime_ms)
        return max(stall_ms, min(self._timing.keepalive_ms, GRACE_MS_MAX))

    def next_wakeup_ms(self) -> int | None:
        """Return when the next regular heartbeat is due."""
        return self._due_ms
