r"""The string form: what serial lines, the FIFO and the client API carry.

    >>>\n
    name=value\n              STRING
    (1)name=BASE64\n          every other type: its digit in front
    <<<\n

A newline in a string or list element travels as byte 19 (3.0.6 writes that of a list element
as it is and cannot read its own line back). The text of a struct travels on one line: each of its
newlines is replaced by a byte that says how deep it stands. The two replacements cannot be told
from the same bytes in the value itself: a string with such a control character comes back
changed, in 3.0.6 as here.

Source: measured on 3.0.6; cluster-glue: lib/clplumbing/cl_msg.c, cl_msg_types.c.
"""

from __future__ import annotations

import base64
import binascii
from typing import Final

from everbeat.model.message import Field, FieldType, Message
from everbeat.wire.chunk import pack_list, unpack_list
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

BEGIN: Final = b">>>\n"
END: Final = b"<<<\n"
STRING_NEWLINE: Final = b"\x13"
STRUCT_NEWLINES: Final = tuple(
    bytes([byte]) for byte in (20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 15, 16, 17, 18)
)
"""What stands for a newline of a struct's text, by how many structs are around it."""


def encode_string(message: Message) -> bytes:
    """Return the message between its markers, without a NUL. Raises WireError."""
    return _encode(message, 0)


def signed_lines(message: Message) -> bytes:
    """Return the lines the inner digest covers: all but `auth`, without markers."""
    return b"".join(_encode_line(field, 0) for field in message.fields if field.name != "auth")


def decode_string(data: bytes, parts: PartCount | None = None) -> Message:
    """Return the message; one trailing NUL is tolerated. Raises WireError."""
    text = data.removesuffix(b"\0")
    if not (text.startswith(BEGIN) and text.endswith(b"\n" + END)):
        raise WireError("no-marker", repr(data[:20]))
    return _decode(text, 0, parts or PartCount())


def _encode(message: Message, depth: int) -> bytes:
    lines = [_encode_line(field, depth) for field in message.fields]
    return b"".join((BEGIN, *lines, END))


def _encode_line(field: Field, depth: int) -> bytes:
    name = wire_name(field.name)
    match field.type, field.value:
        case FieldType.STRING, str(text):
            return b"%b=%b\n" % (name, wire_text(text).replace(b"\n", STRING_NEWLINE))
        case ((FieldType.BINARY | FieldType.COMPRESSED), bytes(raw)):
            value = base64.b64encode(raw)
        case ((FieldType.STRUCT | FieldType.UNCOMPRESSED), Message() as inner):
            if depth >= NESTING_MAX:
                raise WireError("too-deep", field.name)
            value = _encode(inner, depth + 1).replace(b"\n", STRUCT_NEWLINES[depth])
        case FieldType.LIST, tuple(elements):
            value = pack_list(elements).replace(b"\n", STRING_NEWLINE)
        case _:
            raise WireError("wrong-value", field.name)
    return b"(%d)%b=%b\n" % (field.type, name, value)


def _decode(text: bytes, depth: int, parts: PartCount) -> Message:
    body = text[len(BEGIN) : -len(END)]
    parts.take(body.count(b"\n"))  # before there are as many lines, empty ones as well
    return Message(_decode_line(line, depth, parts) for line in body.split(b"\n") if line)


def _decode_line(line: bytes, depth: int, parts: PartCount) -> Field:
    kind, rest = _split_type(line)
    name, equals, value = rest.partition(b"=")
    if not equals:
        raise WireError("no-equals", repr(line[:40]))
    text_name = checked_name(name).decode("latin-1")
    match kind:
        case FieldType.STRING:
            return Field(kind, text_name, _restored(value).decode("latin-1"))
        case FieldType.BINARY | FieldType.COMPRESSED:
            return Field(kind, text_name, _from_base64(value))
        case FieldType.STRUCT | FieldType.UNCOMPRESSED:
            return Field(kind, text_name, _decode_struct(value, depth, parts))
        case FieldType.LIST:
            return Field(kind, text_name, unpack_list(_restored(value), parts))


def _split_type(line: bytes) -> tuple[FieldType, bytes]:
    if not line.startswith(b"("):
        return FieldType.STRING, line
    kind = KIND_OF_DIGIT.get(line[1]) if len(line) > 2 else None
    if not kind or line[2] != ord(")"):  # a string has no type here
        raise WireError("bad-type", repr(line[:40]))
    return kind, line[3:]


def _restored(value: bytes) -> bytes:
    return checked_text(value.replace(STRING_NEWLINE, b"\n"))


def _from_base64(value: bytes) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except binascii.Error as error:
        raise WireError("bad-base64", repr(value[:40])) from error


def _decode_struct(value: bytes, depth: int, parts: PartCount) -> Message:
    if depth >= NESTING_MAX:
        raise WireError("too-deep")
    text = value.replace(STRUCT_NEWLINES[depth], b"\n")
    if not (text.startswith(BEGIN) and text.endswith(b"\n" + END)):
        raise WireError("no-marker", repr(value[:20]))
    return _decode(text, depth + 1, parts)
