"""Counts dropped packets and tells of them without flooding: one fact a second per reason.

Enters: reasons. Leaves: PacketsRejected. Invariant: the counts of all facts plus what is still
held equal the number of packets counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from everbeat.model.membership import PacketsRejected

REPORT_INTERVAL_MS: Final = 1_000
REASONS_MAX: Final = 32
"""Reasons come from a closed set; should it ever grow past this, the rest is `other`."""
KEYS_MAX: Final = 256


@dataclass(slots=True)
class _Tally:
    count: int
    medium: str
    source: str
    free_ms: int  # the next fact may be told from then on


class Rejections:
    """Dropped packets by reason."""

    def __init__(self) -> None:
        self._tallies: dict[str, _Tally] = {}

    def on_rejected(
        self, reason: str, medium: str, source: str, now_ms: int
    ) -> list[PacketsRejected]:
        """Count a packet; tell of it at once unless this reason was told of just now."""
        if reason not in self._tallies and len(self._tallies) >= REASONS_MAX:
            reason = "other"
        tally = self._tallies.setdefault(reason, _Tally(0, medium, source, now_ms))
        tally.count += 1
        tally.medium, tally.source = medium, source
        return self._told(reason, tally, now_ms)

    def on_tick(self, now_ms: int) -> list[PacketsRejected]:
        """Tell of what was held back for long enough."""
        return [
            fact
            for reason, tally in self._tallies.items()
            for fact in self._told(reason, tally, now_ms)
        ]

    def next_wakeup_ms(self) -> int | None:
        """Return when something held back may be told."""
        return min((t.free_ms for t in self._tallies.values() if t.count), default=None)

    @staticmethod
    def _told(reason: str, tally: _Tally, now_ms: int) -> list[PacketsRejected]:
        if not tally.count or now_ms < tally.free_ms:
            return []
        fact = PacketsRejected(reason, tally.count, tally.medium, tally.source, now_ms)
        tally.count, tally.free_ms = 0, now_ms + REPORT_INTERVAL_MS
        return [fact]


class OncePerSecond:
    """Lets one fact a second pass for each key; at KEYS_MAX keys it forgets them all."""

    def __init__(self) -> None:
        self._free_ms: dict[tuple[str, str], int] = {}

    def allows(self, kind: str, name: str, now_ms: int) -> bool:
        """Say whether a fact of this kind about this name may be told now, and note it."""
        if now_ms < self._free_ms.get((kind, name), now_ms):
            return False
        if len(self._free_ms) >= KEYS_MAX:
            self._free_ms.clear()
        self._free_ms[kind, name] = now_ms + REPORT_INTERVAL_MS
        return True
