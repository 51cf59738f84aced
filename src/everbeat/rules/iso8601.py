"""Dates, durations and intervals as people write them in a CIB.

    date       2005-01-20  20050120  2005-020  2005020  2005-W03-4   (no time: midnight)
    time       T12:30:45  12:30  T1230  T12   after a date, or alone: today
    zone       Z  +02:00  -0330  +02, with or without a blank before it; none: local time
    duration   P1Y2M3W4DT5H6M7S; parts may be signed and in any order, a 0 counts
    interval   10  10s  1min  2h  100ms  1500us  PT1M

What cannot be read is a `TextFault`, a value. Text that still depends on the clock or the local
zone is a `WrittenDate`; `moment_of` makes it a moment.

Source: behaviour of Pacemaker's `iso8601` 2.1.5, held by tests beside it. On purpose different:
an offset directly behind the time counts (2.1.5 loses it), trailing rubbish is a fault, and a day
of an interval has 24 hours (2.1.5 counts `P1W` as six days).
"""

from __future__ import annotations

import re
from typing import Final, final

from everbeat.rules.calendar import (
    SECONDS_PER_DAY,
    Duration,
    Moment,
    days_from_civil,
    days_from_week,
    days_in_month,
    days_in_year,
    seconds_of,
    weeks_in_year,
)

INTERVAL_MAX_MS: Final = 0xFFFF_FFFF  # longer ones are cut to this
DURATION_PART_MAX: Final = 0x7FFF_FFFF
TEXT_LENGTH_MAX: Final = 200  # no date or duration is longer; what is, is not read

# Patterns as text: most documents hold no date, and `re` keeps what it has compiled once.
_CALENDAR: Final = r"([0-9]{1,6})-([0-9]{1,2})-([0-9]{1,2})|([0-9]{4})([0-9]{2})([0-9]{2})"
_WEEK: Final = r"([0-9]{1,6})-W([0-9]{1,2})-([0-9])"
_ORDINAL: Final = r"([0-9]{1,6})-([0-9]{1,4})|([0-9]{4})([0-9]{3})"
_CLOCK: Final = (
    r"([0-9]{1,2})(?::?([0-9]{1,2})(?::?([0-9]{1,2})(?:[.,][0-9]+)?)?)?"
    r"(?: *(?:(Z)|([+-])([0-9]{1,2})(?::?([0-9]{2}))?))?"
)
_DURATION_PART: Final = re.compile(r"([+-]?[0-9]{1,12})([YMWDHS])")
_INTERVAL: Final = re.compile(r"\s*([0-9]{1,20})(?:\.[0-9]*)?\s*([A-Za-z]*)\s*")
_UNIT_NAMES: Final = (
    ("ms", 1_000),
    ("us", 1),
    ("s", 1_000_000),
    ("m", 60_000_000),
    ("h", 3_600_000_000),
)


@final
class TextFault:
    """A text that is not what its place asks for: what was expected, and the text itself."""

    def __init__(self, expected: str, text: str) -> None:
        self.expected: Final = expected
        self.text: Final = text

    def __eq__(self, other: object) -> bool:
        """Compare all parts."""
        return (
            isinstance(other, TextFault)
            and self.expected == other.expected
            and self.text == other.text
        )

    def __hash__(self) -> int:
        """Agree with __eq__."""
        return hash((self.expected, self.text))

    def __repr__(self) -> str:
        """Show the parts, for tests and logs."""
        return f"TextFault({self.expected!r}, {self.text!r})"


@final
class WrittenDate:
    """A date as it stands in a text.

    `days` since 1970-01-01, None for today; `second_of_day` up to 86400; `offset_s` east of UTC,
    None for local time. `is_now`: the word `now`; the other attributes mean nothing then.
    """

    def __init__(
        self, days: int | None, second_of_day: int, offset_s: int | None, *, is_now: bool = False
    ) -> None:
        self.days: Final = days
        self.second_of_day: Final = second_of_day
        self.offset_s: Final = offset_s
        self.is_now: Final = is_now


@final
class _Clock:
    """The time of a day and its zone."""

    def __init__(self, second_of_day: int, offset_s: int | None) -> None:
        self.second_of_day: Final = second_of_day
        self.offset_s: Final = offset_s


# -------------------------------------------------------------------------- dates


def written_date_from_text(text: str) -> WrittenDate | TextFault:
    """Read a date, a date and a time, a time alone, `epoch` or `now`."""
    fault = TextFault("date", text)
    word = text.strip()
    if not word or len(word) > TEXT_LENGTH_MAX:
        return fault
    if word.lower() == "now":
        return WrittenDate(None, 0, None, is_now=True)
    if word.lower() == "epoch":
        return WrittenDate(0, 0, 0)
    date_text, clock_text = _split_at_time(word)
    days = _days_from_text(date_text) if date_text else None
    if date_text and days is None:
        return fault
    clock = _clock_from_text(clock_text) if clock_text else _Clock(0, None)
    if clock is None:
        return fault
    return WrittenDate(days, clock.second_of_day, clock.offset_s)


def moment_of(written: WrittenDate, now: Moment) -> Moment:
    """Fill in what the text left open: the zone from `now`, and the day too for a time alone."""
    if written.is_now:
        return now
    offset_s = now.offset_s if written.offset_s is None else written.offset_s
    days = written.days
    if days is None:
        days = (now.epoch_s + now.offset_s) // SECONDS_PER_DAY
    return Moment(days * SECONDS_PER_DAY + written.second_of_day - offset_s, offset_s)


def moment_from_text(text: str, now: Moment) -> Moment | TextFault:
    """Read a date in one step."""
    written = written_date_from_text(text)
    if isinstance(written, TextFault):
        return written
    return moment_of(written, now)


def _split_at_time(word: str) -> tuple[str, str]:
    """Return the date and the time of a word; either may be empty."""
    if word[0] == "T":
        return "", word[1:]
    if ":" in word[:3]:
        return "", word
    for index, character in enumerate(word):
        if character in "T ":
            return word[:index], word[index + 1 :].lstrip(" ")
    return word, ""


def _days_from_text(text: str) -> int | None:
    """Return the days from 1970-01-01, None for what is no date of the calendar."""
    match = re.fullmatch(_CALENDAR, text)
    if match is not None:
        first = 1 if match.group(1) is not None else 4
        year, month, monthday = (int(match.group(first + part)) for part in range(3))
        if year == 0 or not 1 <= month <= 12 or not 1 <= monthday <= days_in_month(year, month):
            return None
        return days_from_civil(year, month, monthday)
    match = re.fullmatch(_WEEK, text)
    if match is not None:
        weekyear, week, weekday = (int(match.group(part)) for part in (1, 2, 3))
        if weekyear == 0 or not 1 <= week <= weeks_in_year(weekyear) or not 1 <= weekday <= 7:
            return None
        return days_from_week(weekyear, week, weekday)
    match = re.fullmatch(_ORDINAL, text)
    if match is not None:
        first = 1 if match.group(1) is not None else 3
        year, yearday = int(match.group(first)), int(match.group(first + 1))
        if year == 0 or not 1 <= yearday <= days_in_year(year):
            return None
        return days_from_civil(year, 1, 1) + yearday - 1
    return None


def _clock_from_text(text: str) -> _Clock | None:
    """Return the time and its zone; 24:00 is the end of the day."""
    match = re.fullmatch(_CLOCK, text)
    if match is None:
        return None
    hour = int(match.group(1))
    minute = int(match.group(2) or 0)
    second = int(match.group(3) or 0)
    second_of_day = hour * 3600 + minute * 60 + second
    if minute > 59 or second > 59 or second_of_day > SECONDS_PER_DAY:
        return None
    if match.group(4) is not None:
        return _Clock(second_of_day, 0)
    if match.group(5) is None:
        return _Clock(second_of_day, None)
    offset_s = int(match.group(6)) * 3600 + int(match.group(7) or 0) * 60
    if offset_s > SECONDS_PER_DAY or int(match.group(7) or 0) > 59:
        return None
    return _Clock(second_of_day, -offset_s if match.group(5) == "-" else offset_s)


# ------------------------------------------------------------------ durations, periods


def duration_from_text(text: str) -> Duration | TextFault:
    """Read `P…`. `M` is months before the T, minutes behind it; a year or month twice: the last."""
    fault = TextFault("duration", text)
    word = text.rstrip()
    if len(word) < 2 or len(word) > TEXT_LENGTH_MAX or word[0] != "P":
        return fault
    years = months = days = seconds = 0
    is_time = False
    position = 1
    while position < len(word):
        if word[position] == "T":
            is_time = True
            position += 1
            continue
        match = _DURATION_PART.match(word, position)
        if match is None:
            return fault
        count, unit = int(match.group(1)), match.group(2)
        if abs(count) > DURATION_PART_MAX:
            return fault
        position = match.end()
        if unit == "Y":
            years = count
        elif unit == "M" and not is_time:
            months = count
        elif unit in "WD":
            days += count * (7 if unit == "W" else 1)
        else:
            seconds += count * {"H": 3600, "M": 60, "S": 1}[unit]
    return Duration(years, months, days, seconds)


# ---------------------------------------------------------------------- intervals


def simple_milliseconds_from_text(text: str) -> int | TextFault:
    """Read a number with a unit, seconds if none; a fraction is cut off; ms, never negative.

    The unit may be longer than its sign: `10sec`, `1minute`. Other units are a fault.
    """
    match = _INTERVAL.fullmatch(text) if len(text) <= TEXT_LENGTH_MAX else None
    if match is None:
        return TextFault("interval", text)
    count, unit = int(match.group(1)), match.group(2).lower()
    for name, microseconds in _UNIT_NAMES:
        if unit.startswith(name):
            return count * microseconds // 1000
    if unit:
        return TextFault("interval", text)
    return count * 1000


def milliseconds_from_text(text: str) -> int | TextFault:
    """Read an interval: a number with a unit, or an ISO 8601 duration; at most INTERVAL_MAX_MS."""
    if not text.startswith("P"):
        simple = simple_milliseconds_from_text(text)
        return simple if isinstance(simple, TextFault) else min(simple, INTERVAL_MAX_MS)
    duration = duration_from_text(text)
    if isinstance(duration, TextFault):
        return TextFault("interval", text)
    return max(0, min(seconds_of(duration) * 1000, INTERVAL_MAX_MS))
