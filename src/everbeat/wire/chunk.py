"""`LEN:text,`: the counted piece that netstring fields, list elements and the trailer share.

LEN is decimal and counts the text alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from everbeat.wire.errors import WireError
from everbeat.wire.field_check import checked_text, wire_text

if TYPE_CHECKING:
    from everbeat.wire.part_count import PartCount

_LENGTH_DIGITS_MAX: Final = 7  # 2 MiB, the longest uncompressed message, has seven


def encode_chunk(text: bytes) -> bytes:
    """Return the counted form of a text."""
    return b"%d:%b," % (len(text), text)


def read_chunk(data: bytes, start: int) -> tuple[int, int]:
    """Return begin and end of the text of the chunk at `start`; the next one is at end + 1.

    Raises WireError: bad-length, truncated, no-comma.
    """
    colon = data.find(b":", start, start + _LENGTH_DIGITS_MAX + 1)
    digits = data[start:colon] if colon > start else b""
    if not digits.isdigit():
        raise WireError("bad-length", f"at byte {start}")
    begin = colon + 1
    end = begin + int(digits)
    if end >= len(data):
        raise WireError("truncated", f"at byte {start}")
    if data[end] != ord(","):
        raise WireError("no-comma", f"at byte {end}")
    return begin, end


def pack_list(elements: tuple[str, ...]) -> bytes:
    """Return the value of a LIST field: its elements as chunks. Raises WireError.

    A list of nothing is no field: 3.0.6 drops a message that has one. It also stops reading a
    list at an empty element.
    """
    if not elements:
        raise WireError("empty-list")
    return b"".join(encode_chunk(wire_text(element)) for element in elements)


def unpack_list(value: bytes, parts: PartCount) -> tuple[str, ...]:
    """Return the elements of a LIST field's value. Raises WireError."""
    if not value:
        raise WireError("empty-list")
    elements: list[str] = []
    position = 0
    while position < len(value):
        parts.take()
        begin, end = read_chunk(value, position)
        elements.append(checked_text(value[begin:end]).decode("latin-1"))
        position = end + 1
    return tuple(elements)
