"""Frames on a unix stream socket: a 4-byte big-endian length, then that many bytes.

In: a byte stream in pieces of any size. Out: whole payloads. Pure; used by the asyncio channel
and by the blocking client.
"""

from __future__ import annotations

from typing import Final

FRAME_BYTES_MAX: Final = 4 * 1024 * 1024
"""A longer frame is an error of its sender; the connection ends."""

HEADER_BYTES: Final = 4


class FrameError(ValueError):
    """A frame is longer than FRAME_BYTES_MAX."""


def frame(payload: bytes) -> bytes:
    """Return the payload with its length in front. Raise FrameError if it is too long."""
    _check_size(len(payload))
    return len(payload).to_bytes(HEADER_BYTES, "big") + payload


def payload_size(header: bytes) -> int:
    """Return the payload's size from the first HEADER_BYTES. Raise FrameError if too large."""
    size = int.from_bytes(header, "big")
    _check_size(size)
    return size


class FrameSplitter:
    """Cuts a byte stream into payloads; holds at most one unfinished frame."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes and return the payloads they complete. Raise FrameError if one is too long."""
        self._buffer += data
        payloads: list[bytes] = []
        at = 0
        while len(self._buffer) - at >= HEADER_BYTES:
            size = payload_size(bytes(self._buffer[at : at + HEADER_BYTES]))
            end = at + HEADER_BYTES + size
            if len(self._buffer) < end:
                break
            payloads.append(bytes(self._buffer[at + HEADER_BYTES : end]))
            at = end
        del self._buffer[:at]
        return payloads


def _check_size(size: int) -> None:
    if size > FRAME_BYTES_MAX:
        raise FrameError(f"frame of {size} bytes, at most {FRAME_BYTES_MAX}")
