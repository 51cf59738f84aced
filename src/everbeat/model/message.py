"""A Heartbeat message: an ordered list of typed, named fields. Immutable.

Source: measured on Heartbeat 3.0.6 (docs/protocol). The wire package turns it into bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, TypeAlias, final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class FieldType(IntEnum):
    """The six field types, numbered as on the wire."""

    STRING = 0
    BINARY = 1
    STRUCT = 2
    LIST = 3
    COMPRESSED = 4
    UNCOMPRESSED = 5


FieldValue: TypeAlias = "str | bytes | Message | tuple[str, ...]"


@dataclass(frozen=True, slots=True)
class Field:
    """One field. STRING: str; BINARY and COMPRESSED: bytes; structs: Message; LIST: tuple of str.

    Strings hold one character per wire byte (latin-1), so that every byte survives.
    """

    type: FieldType
    name: str
    value: FieldValue


@final
class Message:
    """An ordered list of fields; a name may occur more than once, the first one counts."""

    __slots__ = ("fields",)

    def __init__(self, fields: Iterable[Field]) -> None:
        self.fields: tuple[Field, ...] = tuple(fields)

    def text(self, name: str) -> str | None:
        """Return the first STRING field of this name, or None."""
        for field in self.fields:
            if field.name == name and isinstance(field.value, str):
                return field.value
        return None

    def binary(self, name: str) -> bytes | None:
        """Return the first BINARY field of this name, or None."""
        for field in self.fields:
            if field.name == name and isinstance(field.value, bytes):
                return field.value
        return None

    @property
    def type(self) -> str:
        """Return the message type (field `t`), or an empty string."""
        return self.text("t") or ""

    @property
    def order(self) -> tuple[int, int]:
        """Return its place in its sender's history: generation and sequence number.

        0 stands for one that is missing or no number.
        """
        return _number(self.text("hg")), _number(self.text("seq"))

    def with_fields(self, *fields: Field) -> Message:
        """Return a message with these fields appended."""
        return Message((*self.fields, *fields))

    def without(self, *names: str) -> Message:
        """Return a message that lacks every field of these names."""
        return Message(field for field in self.fields if field.name not in names)

    def strings(self) -> Iterator[tuple[str, str]]:
        """Yield name and value of each STRING field, in order."""
        for field in self.fields:
            if field.type is FieldType.STRING and isinstance(field.value, str):
                yield field.name, field.value

    def __eq__(self, other: object) -> bool:
        """Messages are equal when their fields are, in the same order."""
        return isinstance(other, Message) and self.fields == other.fields

    def __hash__(self) -> int:
        """Hash by content."""
        return hash(self.fields)

    def __repr__(self) -> str:
        """Show the fields as `name=value`."""
        return "Message(" + " ".join(f"{f.name}={f.value!r}" for f in self.fields) + ")"


def _number(text: str | None) -> int:
    try:
        return int(text or "0", 16)
    except ValueError:
        return 0


def message_of(**strings: str) -> Message:
    """Build a message of STRING fields in the order given."""
    return Message(Field(FieldType.STRING, name, value) for name, value in strings.items())
