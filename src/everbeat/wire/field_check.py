"""What may be in a field. Checked when encoding and decoding, so both forms agree.

A name must survive the string form: not empty, no `=`, newline or NUL, no `(` in front.
A string and a list element hold no NUL: 3.0.6 keeps them as C strings.
"""

from __future__ import annotations

from typing import Final

from everbeat.model.message import FieldType
from everbeat.wire.errors import WireError

KIND_OF_DIGIT: Final = {ord(str(kind.value)): kind for kind in FieldType}
_FORBIDDEN_IN_NAME = frozenset(b"=\n\0")


def checked_name(name: bytes) -> bytes:
    """Return the name, or raise WireError bad-name."""
    if not name or name[0] == ord("(") or not _FORBIDDEN_IN_NAME.isdisjoint(name):
        raise WireError("bad-name", repr(name[:40]))
    return name


def checked_text(text: bytes) -> bytes:
    """Return the text, or raise WireError nul-in-string."""
    if b"\0" in text:
        raise WireError("nul-in-string")
    return text


def wire_text(text: str) -> bytes:
    """Return a string's bytes. Raises WireError not-latin-1 or nul-in-string."""
    try:
        return checked_text(text.encode("latin-1"))
    except UnicodeEncodeError as error:
        raise WireError("not-latin-1", repr(text[:40])) from error


def wire_name(name: str) -> bytes:
    """Return a field name's bytes. Raises WireError not-latin-1, nul-in-string or bad-name."""
    return checked_name(wire_text(name))
