r"""Frames of the client API (the socket RUN/register).

    LENGTH   4 bytes, little endian: bytes of the payload
    MAGIC    CD AB 00 00
    payload  a message in string form and one NUL

A message with a struct in it travels as a netstring instead, without a trailer.

Source: measured on 3.0.6 (strace of cl_status); cluster-glue: lib/clplumbing/ipcsocket.c.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, final

from everbeat.wire.errors import WireError
from everbeat.wire.limits import DATAGRAM_BYTES_MAX, PARTS_MAX
from everbeat.wire.packing import decode_plain, encode_plain
from everbeat.wire.part_count import PartCount

if TYPE_CHECKING:
    from everbeat.model.message import Message

_HEADER: Final = struct.Struct("<II")
_MAGIC: Final = 0xABCD


def encode_frame(message: Message) -> bytes:
    """Return the frame of a message. Raises WireError."""
    payload = encode_plain(message, "classic")
    return _HEADER.pack(len(payload), _MAGIC) + payload


@final
class FrameSplitter:
    """Cuts one connection's bytes into messages. After a WireError it must be closed.

    `limit`: the longest payload in bytes; may be changed between messages. `parts_max`: the parts
    a message may have.
    """

    def __init__(self, limit: int = DATAGRAM_BYTES_MAX, parts_max: int = PARTS_MAX) -> None:
        self.limit = limit
        self._parts_max = parts_max
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Message]:
        """Take bytes; return the messages they complete. Raises WireError, see next_message."""
        self.add(data)
        messages: list[Message] = []
        while (message := self.next_message()) is not None:
            messages.append(message)
        return messages

    def add(self, data: bytes) -> None:
        """Take bytes, and look at none of them."""
        self._buffer += data

    def next_message(self) -> Message | None:
        """Return the next complete message; None if there is none yet.

        Raises WireError: bad-magic, too-large, or why a payload is no message.
        """
        payload = self._next_payload()
        return None if payload is None else decode_plain(payload, PartCount(self._parts_max))

    def _next_payload(self) -> bytes | None:
        if len(self._buffer) < _HEADER.size:
            return None
        length, magic = _HEADER.unpack_from(self._buffer)
        if magic != _MAGIC:
            raise WireError("bad-magic", f"{magic:x}")
        if length > self.limit:
            raise WireError("too-large", f"{length} bytes")
        end = _HEADER.size + length
        if len(self._buffer) < end:
            return None
        payload = bytes(self._buffer[_HEADER.size : end])
        del self._buffer[:end]
        return payload
