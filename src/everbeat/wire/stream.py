r"""String-form messages out of a byte stream: a serial line or the FIFO.

      searching --- `>>>\n` ---> inside --- `\n<<<\n` ---> a message, searching
          ^                        | `>>>\n` on a line of its own: the older start is dropped
          '------ limit reached ---'

Enters: bytes as they arrive, cut anywhere. Leaves: complete messages with their markers. Whatever
lies between messages is dropped and counted. The buffer never outgrows the limit by more than
the bytes of one feed.
"""

from __future__ import annotations

from typing import Final, final

from everbeat.wire.limits import DATAGRAM_BYTES_MAX
from everbeat.wire.string_form import BEGIN, END

_LAST_LINE: Final = b"\n" + END
_NEXT_START: Final = b"\n" + BEGIN


@final
class StreamSplitter:
    """Cuts one stream. `limit`: the longest message in bytes, markers included."""

    def __init__(self, limit: int = DATAGRAM_BYTES_MAX) -> None:
        self.dropped_bytes = 0
        self._limit = limit
        self._buffer = bytearray()
        self._is_inside = False
        self._searched = 0  # no end lies before this offset

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes; return the messages they complete."""
        self._buffer += data
        messages: list[bytes] = []
        while self._is_inside or self._find_start():
            length = self._find_end()
            if length == 0:
                break
            if length <= self._limit:
                messages.append(bytes(self._buffer[:length]))
            else:
                self.dropped_bytes += length
            del self._buffer[:length]
            self._is_inside = False
        return messages

    def _find_start(self) -> bool:
        start = self._buffer.find(BEGIN)
        if start < 0:
            self._drop(len(self._buffer) - _overlap(self._buffer))
            return False
        self._drop(start)
        self._enter()
        return True

    def _find_end(self) -> int:
        """Return the length of the message at the buffer's start, or 0 for not yet."""
        end = self._buffer.find(_LAST_LINE, self._searched)
        bound = end if end >= 0 else len(self._buffer)
        restart = self._buffer.rfind(_NEXT_START, self._searched, bound)
        if restart >= 0:
            self._drop(restart + 1)
            self._enter()
            end = end - restart - 1 if end >= 0 else end
        if end >= 0:
            return end + len(_LAST_LINE)
        if len(self._buffer) > self._limit:
            self._is_inside = False
            self._drop(len(self._buffer) - _overlap(self._buffer))
            return 0
        self._searched = max(self._searched, len(self._buffer) - len(_LAST_LINE) + 1)
        return 0

    def _enter(self) -> None:
        self._is_inside = True
        self._searched = len(BEGIN) - 1  # the newline of the start may be that of an empty message

    def _drop(self, count: int) -> None:
        self.dropped_bytes += count
        del self._buffer[:count]


def _overlap(buffer: bytearray) -> int:
    """Return how many bytes at the end may be the beginning of a start."""
    return next((n for n in (3, 2, 1) if buffer.endswith(BEGIN[:n])), 0)
