r"""The netstring form: what every datagram of 3.0.6 is.

    ###\n
    LEN:(T)name=value,        LEN counts from the parenthesis; binary values are raw
    %%%\n

A struct is a complete inner message. The trailer with the digest follows `%%%\n` and is not
part of this form (see datagram).

Source: measured on 3.0.6; cluster-glue: lib/clplumbing/cl_netstring.c.
"""

from __future__ import annotations

from typing import Final

from everbeat.model.message import Field, FieldType, Message
from everbeat.wire.chunk import encode_chunk, pack_list, read_chunk, unpack_list
from everbeat.wire.errors import WireError
from everbeat.wire.field_check import (
    KIND_OF_DIGIT,
    checked_name,
    checked_text,
    wire_name,
    wire_text,
)
from everbeat.wire.limits import NESTING_MAX
from everbeat.wire.part_count import PartCount

BEGIN: Final = b"###\n"
END: Final = b"%%%\n"


def encode_netstring(message: Message) -> bytes:
    r"""Return the message up to and including `%%%\n`. Raises WireError."""
    return _encode(message, 0)


def decode_netstring(data: bytes, parts: PartCount | None = None) -> tuple[Message, int]:
    r"""Return the message and the offset behind its `%%%\n`. Raises WireError."""
    return _decode(data, 0, parts or PartCount())


def _encode(message: Message, depth: int) -> bytes:
    chunks = [encode_chunk(_encode_field(field, depth)) for field in message.fields]
    return b"".join((BEGIN, *chunks, END))


def _encode_field(field: Field, depth: int) -> bytes:
    name = wire_name(field.name)
    match field.type, field.value:
        case FieldType.STRING, str(text):
            value = wire_text(text)
        case ((FieldType.BINARY | FieldType.COMPRESSED), bytes(raw)):
            value = raw
        case ((FieldType.STRUCT | FieldType.UNCOMPRESSED), Message() as inner):
            if depth >= NESTING_MAX:
                raise WireError("too-deep", field.name)
            value = _encode(inner, depth + 1)
        case FieldType.LIST, tuple(elements):
            value = pack_list(elements)
        case _:
            raise WireError("wrong-value", field.name)
    return b"(%d)%b=%b" % (field.type, name, value)


def _decode(data: bytes, depth: int, parts: PartCount) -> tuple[Message, int]:
    if not data.startswith(BEGIN):
        raise WireError("no-marker", repr(data[:20]))
    fields: list[Field] = []
    position = len(BEGIN)
    while not data.startswith(END, position):
        parts.take()
        begin, end = read_chunk(data, position)
        fields.append(_decode_field(data[begin:end], depth, parts))
        position = end + 1
    return Message(fields), position + len(END)


def _decode_field(text: bytes, depth: int, parts: PartCount) -> Field:
    kind = KIND_OF_DIGIT.get(text[1]) if len(text) > 2 else None
    if kind is None or text[0] != ord("(") or text[2] != ord(")"):
        raise WireError("bad-type", repr(text[:40]))
    raw_name, equals, value = text[3:].partition(b"=")
    if not equals:
        raise WireError("no-equals", repr(text[:40]))
    name = checked_name(raw_name).decode("latin-1")
    match kind:
        case FieldType.STRING:
            return Field(kind, name, checked_text(value).decode("latin-1"))
        case FieldType.BINARY | FieldType.COMPRESSED:
            return Field(kind, name, value)
        case FieldType.STRUCT | FieldType.UNCOMPRESSED:
            return Field(kind, name, _decode_struct(value, depth, parts))
        case FieldType.LIST:
            return Field(kind, name, unpack_list(value, parts))


def _decode_struct(value: bytes, depth: int, parts: PartCount) -> Message:
    if depth >= NESTING_MAX:
        raise WireError("too-deep")
    message, end = _decode(value, depth + 1, parts)
    if end != len(value):
        raise WireError("trailing-bytes")
    return message
