"""The fields every message carries besides its payload: written when sent, checked when heard.

    payload [destuuid] src srcuuid [seq] hg ts [ld] ttl      NS_ messages lack seq and ld

Numbers are lower-case hex, except ttl (decimal). Missing t, src or ts: the message is dropped.
Receivers care neither for the order nor for ld and srcuuid.

Source: measured on 3.0.6 (docs/protocol).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from everbeat.model.message import Field, FieldType, Message
from everbeat.model.names import NODE_NAME_BYTES_MAX, NodeName, node_name_from_text
from everbeat.wire.packing import PAYLOAD_FIELD

UUID_BYTES: Final = 16
NULL_UUID: Final = bytes(UUID_BYTES)
TTL_MAX: Final = 255
TYPE_BYTES_MAX: Final = 99
UNNUMBERED_PREFIX: Final = "NS_"
STAMPED_FIELDS: Final = (
    "destuuid",
    "src",
    "srcuuid",
    "seq",
    "hg",
    "ts",
    "ld",
    "ttl",
    "auth",
    PAYLOAD_FIELD,
)
"""Fields the sender alone writes; a payload that brings them along loses them.

The last one is a whole message, header and all: whoever opens ours would take it for what we said.
"""

_HEX: Final = re.compile(r"[0-9a-fA-F]{1,16}", re.ASCII)
_DECIMAL: Final = re.compile(r"[0-9]{1,18}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """What the header fields of a heard message say."""

    type: str
    source: NodeName
    source_uuid: bytes  # empty if absent
    sequence: int | None  # None: an NS_ message
    generation: int
    destination: NodeName | None
    destination_uuid: bytes  # empty if absent or null
    ttl: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """What the sender writes on every message it makes now."""

    own: NodeName
    uuid: bytes
    generation: int
    wall_s: int
    load: str
    ttl: int


def envelope_from_message(message: Message) -> Envelope | str:
    """Return the envelope, or the reason for dropping the message."""
    kind, source, stamp = message.type, message.text("src"), message.text("ts")
    if not kind or not source or not stamp:
        return "missing-field"
    name = node_name_from_text(source)
    if len(name) > NODE_NAME_BYTES_MAX or not name or len(kind) > TYPE_BYTES_MAX:
        return "malformed"
    sequence = _optional_hex(message.text("seq"))
    generation = _optional_hex(message.text("hg") or "0")
    if sequence == 0 or generation is None or hex_from_text(stamp) is None:
        return "malformed"
    is_numbered = not kind.startswith(UNNUMBERED_PREFIX)
    if is_numbered and sequence is None:
        return "malformed" if message.text("seq") else "missing-field"
    destination = message.text("dest")
    return Envelope(
        type=kind,
        source=name,
        source_uuid=_uuid(message.binary("srcuuid")),
        sequence=sequence if is_numbered else None,
        generation=generation,
        destination=node_name_from_text(destination) if destination else None,
        destination_uuid=_uuid(message.binary("destuuid")),
        ttl=min(decimal_from_text(message.text("ttl")) or 0, TTL_MAX),
    )


def stamped(
    payload: Message, stamp: Stamp, *, sequence: int | None, destination_uuid: bytes = b""
) -> Message:
    """Return the payload with all header fields, in the order 3.0.6 writes them."""
    fields = list(payload.without(*STAMPED_FIELDS).fields)
    if destination_uuid:
        fields.append(Field(FieldType.BINARY, "destuuid", destination_uuid))
    fields.append(Field(FieldType.STRING, "src", stamp.own))
    fields.append(Field(FieldType.BINARY, "srcuuid", stamp.uuid))
    if sequence is not None:
        fields.append(Field(FieldType.STRING, "seq", f"{sequence:x}"))
    fields.append(Field(FieldType.STRING, "hg", f"{stamp.generation:x}"))
    fields.append(Field(FieldType.STRING, "ts", f"{stamp.wall_s:x}"))
    if sequence is not None:
        fields.append(Field(FieldType.STRING, "ld", stamp.load))
    fields.append(Field(FieldType.STRING, "ttl", str(stamp.ttl)))
    return Message(fields)


def with_ttl(message: Message, ttl: int) -> Message:
    """Return the message with another ttl, every field in its place."""
    return Message(
        Field(field.type, field.name, str(ttl)) if field.name == "ttl" else field
        for field in message.fields
    )


def hex_from_text(text: str | None) -> int | None:
    """Return a hexadecimal number of at most 64 bits, or None."""
    return int(text, 16) if text and _HEX.fullmatch(text) else None


def decimal_from_text(text: str | None) -> int | None:
    """Return a decimal number of at most 18 digits, or None."""
    return int(text) if text and _DECIMAL.fullmatch(text) else None


def _optional_hex(text: str | None) -> int | None:
    return hex_from_text(text)


def _uuid(value: bytes | None) -> bytes:
    return value if value and len(value) == UUID_BYTES and value != NULL_UUID else b""
