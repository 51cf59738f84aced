"""How 3.0.6 compresses: a whole message (traditional) or the fields asked for.

    traditional   the message as bytes, compressed, in a message of two fields:
                  (1)_compressed_payload  (0)_compression_algorithm
    field-wise    each UNCOMPRESSED field becomes COMPRESSED, whatever its size, and
                  (0)_compression_algorithm is added at the end; other fields stay as they are

The compressed bytes are the string form and a NUL, or the netstring form if the message cannot
be a string (a struct in it) or msgfmt is netstring.

Source: measured on libplumb 1.0.12 (tests/interop).
"""

from __future__ import annotations

from typing import Final

from everbeat.model.message import Field, FieldType, Message
from everbeat.wire.compression import compress, decompress
from everbeat.wire.errors import WireError
from everbeat.wire.limits import UNCOMPRESSED_BYTES_MAX
from everbeat.wire.netstring import BEGIN as NETSTRING_BEGIN
from everbeat.wire.netstring import decode_netstring, encode_netstring
from everbeat.wire.part_count import PartCount
from everbeat.wire.string_form import decode_string, encode_string

PAYLOAD_FIELD: Final = "_compressed_payload"
ALGORITHM_FIELD: Final = "_compression_algorithm"

_NETSTRING_ONLY: Final = frozenset({FieldType.STRUCT, FieldType.COMPRESSED, FieldType.UNCOMPRESSED})


def needs_netstring(message: Message) -> bool:
    """Whether 3.0.6 sends this message as a netstring everywhere, without inner auth."""
    return any(field.type in _NETSTRING_ONLY for field in message.fields)


def encode_plain(message: Message, msgfmt: str) -> bytes:
    """Return the bytes 3.0.6 passes between processes and compresses. Raises WireError."""
    if msgfmt == "netstring" or needs_netstring(message):
        return encode_netstring(message)
    return encode_string(message) + b"\0"


def decode_plain(data: bytes, parts: PartCount | None = None) -> Message:
    """Return the message of either form; string form may end in a NUL. Raises WireError."""
    if not data.startswith(NETSTRING_BEGIN):
        return decode_string(data, parts)
    message, end = decode_netstring(data, parts)
    if end != len(data):
        raise WireError("trailing-bytes")
    return message


def packed(message: Message, algorithm: str, msgfmt: str) -> Message:
    """Return the message that carries this one compressed (traditional)."""
    payload = compress(algorithm, encode_plain(message, msgfmt))
    return Message(
        (
            Field(FieldType.BINARY, PAYLOAD_FIELD, payload),
            Field(FieldType.STRING, ALGORITHM_FIELD, algorithm),
        )
    )


def unpacked(message: Message) -> Message | None:
    """Return the message carried compressed, or None if there is none. Raises WireError."""
    payload, algorithm = message.binary(PAYLOAD_FIELD), message.text(ALGORITHM_FIELD)
    if payload is None or algorithm is None:
        return None
    return decode_plain(decompress(algorithm, payload))


def with_packed_fields(message: Message, algorithm: str, msgfmt: str) -> Message:
    """Return the message with its UNCOMPRESSED fields compressed. Raises WireError."""
    if all(field.type is not FieldType.UNCOMPRESSED for field in message.fields):
        return message
    fields = [_packed_field(field, algorithm, msgfmt) for field in message.fields]
    return Message((*fields, Field(FieldType.STRING, ALGORITHM_FIELD, algorithm)))


def with_unpacked_fields(message: Message) -> Message:
    """Return the message with its COMPRESSED fields readable again. Raises WireError.

    For whoever reads such a field; a message that is passed on keeps it as it came. All fields
    together yield at most UNCOMPRESSED_BYTES_MAX, and PARTS_MAX parts.
    """
    algorithm = message.text(ALGORITHM_FIELD)
    if algorithm is None:
        return message
    room, parts = UNCOMPRESSED_BYTES_MAX, PartCount()
    fields: list[Field] = []
    for field in message.without(ALGORITHM_FIELD).fields:
        if field.type is FieldType.COMPRESSED and isinstance(field.value, bytes):
            text = decompress(algorithm, field.value, room)
            room -= len(text)
            fields.append(Field(FieldType.UNCOMPRESSED, field.name, decode_plain(text, parts)))
        else:
            fields.append(field)
    return Message(fields)


def as_plain_structs(message: Message) -> Message:
    """Return the message with UNCOMPRESSED fields as STRUCT: what traditional compression does."""
    return Message(
        Field(FieldType.STRUCT, field.name, field.value)
        if field.type is FieldType.UNCOMPRESSED
        else field
        for field in message.fields
    )


def _packed_field(field: Field, algorithm: str, msgfmt: str) -> Field:
    if field.type is not FieldType.UNCOMPRESSED or not isinstance(field.value, Message):
        return field
    text = encode_plain(field.value, msgfmt)
    return Field(FieldType.COMPRESSED, field.name, compress(algorithm, text))
