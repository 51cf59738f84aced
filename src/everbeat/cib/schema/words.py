"""The nearest known word, as a hint what to write."""

from __future__ import annotations

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
        match = _closest(word, words, LIKENESS_MIN)
        if match is not None:
            return match
    return " | ".join(words) if len(words) <= LISTED_MAX else ""


def near(word: str, known: Iterable[str]) -> str | None:
    """Return the known word most like this one if it is very much like it."""
    if len(word) > WORD_CHARACTERS_MAX:
        return None
    return _closest(word, sorted(known), 0.8)


def _closest(word: str, words: list[str], likeness: float) -> str | None:
    from difflib import get_close_matches  # noqa: PLC0415 - only a faulty document pays for it

    matches = get_close_matches(word, words, n=1, cutoff=likeness)
    return matches[0] if matches else None
