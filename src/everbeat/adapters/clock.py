"""The real clock: CLOCK_MONOTONIC and CLOCK_REALTIME in milliseconds."""

from __future__ import annotations

import time

_NS_PER_MS = 1_000_000


class SystemClock:
    """The clocks of this machine."""

    def now_ms(self) -> int:
        """Return CLOCK_MONOTONIC milliseconds; the same in all processes of the machine."""
        return time.monotonic_ns() // _NS_PER_MS

    def wall_ms(self) -> int:
        """Return CLOCK_REALTIME milliseconds."""
        return time.time_ns() // _NS_PER_MS
