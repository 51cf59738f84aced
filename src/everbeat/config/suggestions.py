"""The nearest known word to a misspelt one."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

LIKENESS_MIN: Final = 0.6
WORD_CHARACTERS_MAX: Final = 64
"""Longer words are not compared: matching costs the square of the length."""


def nearest(word: str, known: Iterable[str], *, likeness: float = LIKENESS_MIN) -> str | None:
    """Return the known word most like this one, or None if none is near."""
    if len(word) > WORD_CHARACTERS_MAX:
        return None
    words = sorted(known)
    for candidate in words:
        if candidate.lower() == word.lower():
            return candidate
    matches = get_close_matches(word.lower(), words, n=1, cutoff=likeness)
    return matches[0] if matches else None
