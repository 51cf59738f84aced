"""Datagrams of our own dialect that were heard before: nothing is taken twice from one medium.

    a sender that has not answered us in this generation ─► CLOSED: what it says proves nothing
    open(origin): it has                                 ─► from this counter on:

    counter  … ──[ before its answer ]──[ WINDOW_BITS, each heard or not ]──► newer
                      REPLAY                     FRESH once each            the window moves

One window for each sender and medium (the same datagram comes once over every medium), as in
RFC 4303 section 3.4.3. Whatever is older than the newest of its sender on any medium by more than
the window is a replay, too. A sender is whoever put the datagram on this wire, which on serial
lines need not be who made the message. Bounded: SENDERS_MAX, the oldest goes first.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from everbeat.wire.dialect import Origin

WINDOW_BITS: Final = 1024
SENDERS_MAX: Final = 256
_MASK: Final = (1 << WINDOW_BITS) - 1


class Freshness(Enum):
    """What the counter of a datagram says."""

    FRESH = "fresh"
    REPLAY = "replay"
    CLOSED = "closed"  # nothing: its sender has not answered us in this generation


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
    first: int  # counter of the datagram by which it answered us
    highest: int
    media: dict[int, _Window] = field(default_factory=dict)


class ReplayWindows:
    """What was heard of whom."""

    def __init__(self) -> None:
        self._senders: dict[bytes, _Sender] = {}

    def judge(self, origin: Origin, medium: int) -> Freshness:
        """Say what this datagram, known to be authentic, is; note it if it is fresh."""
        sender = self._senders.get(origin.uuid)
        if sender is None or origin.generation != sender.generation:
            return Freshness.CLOSED
        if origin.counter < max(sender.first, sender.highest - WINDOW_BITS + 1):
            return Freshness.REPLAY
        sender.highest = max(sender.highest, origin.counter)
        is_first = sender.media.setdefault(medium, _Window()).take(origin.counter)
        return Freshness.FRESH if is_first else Freshness.REPLAY

    def open(self, origin: Origin, medium: int) -> None:
        """Begin to listen to a sender that has answered us by this datagram."""
        self._senders.pop(origin.uuid, None)
        if len(self._senders) >= SENDERS_MAX:
            del self._senders[next(iter(self._senders))]
        self._senders[origin.uuid] = _Sender(origin.generation, origin.counter, origin.counter)
        self.judge(origin, medium)
