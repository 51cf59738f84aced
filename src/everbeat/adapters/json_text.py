"""JSON of our own files, of values with any text in them.

A file of Heartbeat may hold bytes that are no UTF-8; in its text they are lone surrogates
(`config.files`), which msgspec neither writes nor reads, and the standard library does.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from typing import TypeVar

    T = TypeVar("T")


def bytes_from_value(value: object) -> bytes:
    """Return the JSON of a value, on one line."""
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        return json.dumps(msgspec.to_builtins(value), separators=(",", ":")).encode("ascii")


def value_from_bytes(data: bytes, kind: type[T]) -> T:
    """Return the value of this type. Raise msgspec.MsgspecError."""
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError as error:
        try:
            return msgspec.convert(json.loads(data), kind)
        except msgspec.ValidationError:
            raise
        except (ValueError, RecursionError):
            raise error from None
