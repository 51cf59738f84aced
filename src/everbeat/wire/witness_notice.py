"""A witness's notice to a stranger that it does not know his key: a hint for people, no more.

    question of an unknown key ─► notice: its magic, kind 3, its key id, SHA-256 of the question

As long as the question, so nobody is flooded by it; nothing in it is secret or signed. Only who saw
the question can make one, and all it can do is to have the asker try another of its keys, and say
so. Layout: docs/protocol/witness.md.
"""

from __future__ import annotations

import hashlib
from typing import Final

from everbeat.wire.witness import WITNESS_BYTES

_KIND: Final = b"\x03\0\0\0"
_KEY_ID: Final = slice(8, 16)


def notice_of(question: bytes) -> bytes:
    """Return the notice to a question whose key is not known."""
    head = question[:4] + _KIND + question[_KEY_ID]
    return (head + hashlib.sha256(question).digest()).ljust(WITNESS_BYTES, b"\0")
