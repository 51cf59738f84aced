"""Time and chance as a core needs them. Real in `adapters`, seeded in `sim`."""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    """Monotonic and wall-clock milliseconds."""

    def now_ms(self) -> int:
        """Return CLOCK_MONOTONIC milliseconds; never goes back."""
        ...

    def wall_ms(self) -> int:
        """Return CLOCK_REALTIME milliseconds; may jump."""
        ...


class Random(Protocol):
    """A source of chance; random.Random satisfies it."""

    def randrange(self, stop: int, /) -> int:
        """Return an integer from 0 up to, not including, `stop`."""
        ...
