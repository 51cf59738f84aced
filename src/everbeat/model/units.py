"""The names of systemd's units."""

from __future__ import annotations

from typing import Final

UNIT_SUFFIXES: Final = (
    ".service",
    ".mount",
    ".automount",
    ".swap",
    ".socket",
    ".timer",
    ".path",
    ".target",
    ".slice",
)


def unit_from_word(word: str) -> str:
    """Return the full name of a unit; a service where the word has no suffix of a unit."""
    return word if word.endswith(UNIT_SUFFIXES) else f"{word}.service"
