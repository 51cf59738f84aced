"""Lines of text with a hint of colour: made by the commands, painted at the edge.

A line is a tuple of spans; `plain` joins them, `show` adds terminal colours with rich, which is
imported only then. Names and texts come from other machines and from scripts: whatever is shown is
made printable here, in a pipe as on a terminal.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

from everbeat.config.secrets import masked

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import TextIO


class Tone(StrEnum):
    """What a span says; the value is rich's style."""

    PLAIN = ""
    TITLE = "bold"
    GOOD = "green"
    CARE = "yellow"
    BAD = "bold red"
    FAINT = "dim"


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of a line."""

    text: str
    tone: Tone = Tone.PLAIN


Line: TypeAlias = tuple[Span, ...]


def line(text: str = "", tone: Tone = Tone.PLAIN) -> Line:
    """Return a line of one span."""
    return (Span(text, tone),)


def plain(lines: Iterable[Line]) -> str:
    """Return the text without colours, each line ended, with nothing that moves a cursor."""
    return "".join(printable("".join(span.text for span in row)).rstrip() + "\n" for row in lines)


def show(lines: Iterable[Line], out: TextIO) -> None:
    """Print lines, with colours if `out` is a terminal."""
    if not out.isatty():
        out.write(plain(lines))
        return
    from rich.console import Console  # noqa: PLC0415 - slow to import, only for terminals
    from rich.text import Text  # noqa: PLC0415 - slow to import, only for terminals

    console = Console(file=out, highlight=False, soft_wrap=True)
    for row in lines:
        console.print(Text.assemble(*((printable(s.text), s.tone.value) for s in row)))


def printable(text: str) -> str:
    """Return text that cannot move the cursor, and no password: names come from other machines."""
    return "".join(c if c.isprintable() or c == "\t" else "?" for c in masked(text))


def duration(ms: int) -> str:
    """Return a span of time for people: `250 ms`, `12.3 s`, `4 min`, `3 h 5 min`, `2 d 4 h`."""
    if ms < 1_000:
        return f"{max(ms, 0)} ms"
    seconds = ms / 1_000
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes = int(seconds // 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h"
