"""The shape of a directive: one row of a table, read by `ha_cf`.

options: scalar directives, recorded as parameters     (table in `options`)
media, members, programs: lines that add something     (tables beside their functions)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from everbeat.config.draft import Draft
from everbeat.config.files import Line, values_of, words_of

if TYPE_CHECKING:
    from everbeat.config.options import ValueKind


@dataclass(frozen=True, slots=True)
class Statement:
    """One line of ha.cf taken apart: directive, and everything after it without the comment."""

    line: Line
    directive: str
    rest: str

    @property
    def values(self) -> tuple[str, ...]:
        """Return the values, separated by blanks and commas."""
        return values_of(self.rest)

    @property
    def words(self) -> tuple[str, ...]:
        """Return the words, separated by blanks alone."""
        return words_of(self.rest)


Apply: TypeAlias = Callable[[Draft, Statement], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Directive:
    """One directive. An option has a `kind`; a statement has an `apply`."""

    name: str
    shape: str  # its arguments, as shown in remedies: "IFACE HOST"
    meaning: str
    default: str = ""  # recorded when ha.cf is silent, exactly as 3.0.6 shows it
    kind: ValueKind | None = None
    apply: Apply | None = None
    is_value_needed: bool = True  # without a value the line is ignored with a warning
    is_once: bool = False  # a second line is an error
