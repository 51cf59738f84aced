"""The nearest known word, as a hint what to write."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

LIKENESS_MIN: Final = 0.6
WORD_CHARACTERS_MAX: Final = 64
KNOWN_MAX: Final = 2000
"""Longer words and longer lists are not compared: matching costs their product."""
LISTED_MAX: Final = 12


def hint(word: str, known: Iterable[str]) -> str:
    """Return the known word most like this one, else the known words if they are few."""
    words = sorted(known)
    if len(word) <= WORD_CHARACTERS_MAX and len(words) <= KNOWN_MAX:
        matches = get_close_matches(word, words, n=1, cutoff=LIKENESS_MIN)
        if matches:
            return matches[0]
    return " | ".join(words) if len(words) <= LISTED_MAX else ""


def near(word: str, known: Iterable[str]) -> str | None:
    """Return the known word most like this one if it is very much like it."""
    if len(word) > WORD_CHARACTERS_MAX:
        return None
    matches = get_close_matches(word, sorted(known), n=1, cutoff=0.8)
    return matches[0] if matches else None
