"""Chance as a core needs it. Real in the daemons, seeded in `sim`."""

from __future__ import annotations

from typing import Protocol


class Random(Protocol):
    """A source of chance; random.Random satisfies it."""

    def randrange(self, stop: int, /) -> int:
        """Return an integer from 0 up to, not including, `stop`."""
        ...
