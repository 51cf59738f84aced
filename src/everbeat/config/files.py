"""The three files as texts, and how a text falls into lines and words.

Bytes become text as UTF-8 with `surrogateescape`, so that every byte survives both ways.
Lines end at newline alone and words at C's blanks: Unicode separators are part of a word.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from everbeat.model.reports import Place

SHOWN_CHARACTERS_MAX: Final = 200
"""Of a longer line a report quotes the beginning only."""

QUOTES: Final = frozenset(map(chr, (*range(0x2018, 0x2020), 0xAB, 0xBB, 0x2033)))
"""Quotation marks of typography: word processors and web pages put them where none was meant."""

QUOTED: Final = "typographic quotes stand in this line; nothing here is quoted"

_BLANKS: Final = re.compile(r"[ \t\r\v\f]+")
_LONE_CR: Final = re.compile(r"\r(?=[ \t\r\v\f]*[^ \t\r\v\f\n])")
_DELIMITERS: Final = re.compile(r"[ \t\r\v\f,]+")


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """One file: name shown in reports, text (None: it does not exist), permission bits."""

    name: str
    text: str | None
    mode: int = 0o600


@dataclass(frozen=True, slots=True)
class ConfigFiles:
    """The files of one node."""

    ha_cf: ConfigFile
    authkeys: ConfigFile
    haresources: ConfigFile


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a file, counted from 1, with its text as written."""

    file: str
    number: int
    text: str

    @property
    def place(self) -> Place:
        """Return where a report on this line points to."""
        return Place(self.file, self.number, shortened(self.text.strip()))


def shortened(text: str) -> str:
    """Return the text, cut to what a report shows."""
    return text if len(text) <= SHOWN_CHARACTERS_MAX else text[: SHOWN_CHARACTERS_MAX - 1] + "…"


def text_from_bytes(data: bytes) -> str:
    """Return the text of a file's bytes; `bytes_from_text` gives the same bytes back."""
    return data.decode("utf-8", "surrogateescape")


def bytes_from_text(text: str) -> bytes:
    """Return the bytes that stood in the file."""
    return text.encode("utf-8", "surrogateescape")


def lines_of(file: ConfigFile) -> list[Line]:
    """Split a file's text at newlines (also DOS's, CR LF); a missing file has no lines."""
    if not file.text:
        return []
    lines = file.text.split("\n")
    if lines[-1] == "":
        lines.pop()
    return [
        Line(file.name, number, text.removesuffix("\r")) for number, text in enumerate(lines, 1)
    ]


def has_dos_line_ends(file: ConfigFile) -> bool:
    """Whether a line of the file ends with CR LF."""
    text = file.text or ""
    return "\r\n" in text or (text.endswith("\r") and not has_lone_cr(text))


def has_lone_cr(text: str) -> bool:
    """Whether a CR stands between words, where no line ends: the line end of old Macs."""
    return _LONE_CR.search(text) is not None


def split_at_lone_cr(text: str, count_max: int = 0) -> list[str]:
    """Split a text at such CRs, at `count_max` of them at most (0: all)."""
    return _LONE_CR.split(text, count_max)


def without_quotes(text: str) -> str:
    """Return the text without typographic quotes."""
    return text if QUOTES.isdisjoint(text) else "".join(c for c in text if c not in QUOTES)


def without_comment(text: str) -> str:
    """Return the text before the first `#`, stripped of blanks at both ends."""
    return text.split("#", 1)[0].strip(" \t\r\v\f")


def words_of(text: str) -> tuple[str, ...]:
    """Split at blanks."""
    return tuple(word for word in _BLANKS.split(text) if word)


def values_of(text: str) -> tuple[str, ...]:
    """Split at blanks and commas, as ha.cf does with the values of a directive."""
    return tuple(word for word in _DELIMITERS.split(text) if word)


def first_word_and_rest(text: str) -> tuple[str, str]:
    """Split off the first word at blanks; the rest keeps its inner spacing."""
    parts = _BLANKS.split(text.strip(" \t\r\v\f"), maxsplit=1)
    return parts[0], parts[1] if len(parts) > 1 else ""
