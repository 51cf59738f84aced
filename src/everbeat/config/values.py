"""Words of ha.cf as values, read as Heartbeat 3.0.6 reads them.

`*_from_word` return None for what it refuses. Some numbers are read by their leading digits alone
(`80x` is 80, `abc` is 0): `leading_number` does so, and the caller warns.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

TIME_MS_MAX: Final = 10**15
"""Longer than 30 000 years; more digits than this are a mistake."""
NUMBER_CHARACTERS_MAX: Final = 18

TRUE_WORDS: Final = ("true", "on", "yes", "y", "1")
FALSE_WORDS: Final = ("false", "off", "no", "n", "0")
BOOLEAN_REMEDY: Final = "on or off"

_TIME: Final = re.compile(r"(-?)([0-9]*\.?[0-9]*)(ms|us)?(.*)", re.IGNORECASE | re.DOTALL)
_DURATION: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|)", re.IGNORECASE | re.ASCII)
_DURATION_UNITS_MS: Final = {"ms": 1, "s": 1_000, "": 1_000, "m": 60_000, "h": 3_600_000}
_LEADING: Final = re.compile(r"[+-]?[0-9]+", re.ASCII)
_UNITS_US: Final = {"": 1_000_000, "ms": 1_000, "us": 1}


def time_ms_from_word(word: str) -> int | None:
    """Return whole milliseconds of `2`, `1.5`, `500ms`, `500us`; text after a unit is ignored."""
    match = _TIME.fullmatch(word)
    if match is None:
        return None
    sign, digits, unit, rest = match.group(1), match.group(2), match.group(3) or "", match.group(4)
    if digits in {"", "."} or len(digits) > 2 * NUMBER_CHARACTERS_MAX or (rest and not unit):
        return None
    microseconds = int(Decimal(digits) * _UNITS_US[unit.lower()])
    milliseconds = (microseconds + 500) // 1_000
    if milliseconds > TIME_MS_MAX:
        return None
    return -milliseconds if sign else milliseconds


def duration_ms_from_word(word: str) -> int | None:
    """Return whole milliseconds of `10`, `1.5`, `10s`, `500ms`, `5m`, `1h`: of our directives."""
    match = _DURATION.fullmatch(word)
    if match is None or len(word) > NUMBER_CHARACTERS_MAX:
        return None
    return int(Decimal(match.group(1)) * _DURATION_UNITS_MS[match.group(2).lower()])


def is_sloppy_time(word: str) -> bool:
    """Whether a readable time has text after its unit (`5msec`)."""
    match = _TIME.fullmatch(word)
    return match is not None and bool(match.group(4))


def boolean_from_word(word: str) -> bool | None:
    """Return the truth value of a word, in any case of letters."""
    lowered = word.lower()
    if lowered in TRUE_WORDS:
        return True
    return False if lowered in FALSE_WORDS else None


def number_from_word(word: str) -> int | None:
    """Return a whole number, or None if the word is anything more or less."""
    if len(word) > NUMBER_CHARACTERS_MAX or _LEADING.fullmatch(word) is None:
        return None
    return int(word)


def leading_number(word: str) -> int:
    """Return the number at the beginning of a word, 0 if there is none."""
    match = _LEADING.match(word)
    return int(match.group(0)[:NUMBER_CHARACTERS_MAX]) if match else 0
