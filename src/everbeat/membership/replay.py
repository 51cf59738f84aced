"""Datagrams of our own dialect that were heard before: nothing is taken twice from one medium.

    counter  … ────────[ WINDOW_BITS, each heard or not ]──► newer
               replay            once each                   fresh, the window moves

One window for each sender and medium (the same datagram comes once over every medium), as in
RFC 4303 section 3.4.3. Whatever is older than the newest of its sender on any medium by more than
the window is a replay, too. Bounded: SENDERS_MAX, the oldest goes first.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from everbeat.wire.dialect import Origin

WINDOW_BITS: Final = 1024
SENDERS_MAX: Final = 256
_MASK: Final = (1 << WINDOW_BITS) - 1


@dataclass(slots=True)
class _Window:
    highest: int = -1
    heard: int = 0  # bit n: highest - n was heard

    def take(self, counter: int) -> bool:
        """Whether this counter is heard for the first time; note it."""
        ahead = counter - self.highest
        if ahead > 0:
            self.heard = ((self.heard << min(ahead, WINDOW_BITS)) | 1) & _MASK
            self.highest = counter
            return True
        if -ahead >= WINDOW_BITS or self.heard >> -ahead & 1:
            return False
        self.heard |= 1 << -ahead
        return True


@dataclass(slots=True)
class _Sender:
    generation: int
    highest: int = -1
    media: dict[int, _Window] = field(default_factory=dict)


class ReplayWindows:
    """What was heard of whom."""

    def __init__(self) -> None:
        self._senders: dict[bytes, _Sender] = {}

    def is_fresh(self, origin: Origin, medium: int) -> bool:
        """Whether this datagram, known to be authentic, is no replay; note it."""
        sender = self._senders.get(origin.uuid)
        if sender is None or origin.generation > sender.generation:
            sender = self._begin(origin)
        elif origin.generation < sender.generation:
            return False
        if origin.counter <= sender.highest - WINDOW_BITS:
            return False
        sender.highest = max(sender.highest, origin.counter)
        return sender.media.setdefault(medium, _Window()).take(origin.counter)

    def _begin(self, origin: Origin) -> _Sender:
        self._senders.pop(origin.uuid, None)
        if len(self._senders) >= SENDERS_MAX:
            del self._senders[next(iter(self._senders))]
        sender = self._senders[origin.uuid] = _Sender(origin.generation)
        return sender
