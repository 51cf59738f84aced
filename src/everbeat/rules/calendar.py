"""The calendar: moments, their fields, and adding years, months, days and seconds.

A moment is a point in time and the zone it is looked at from. Arithmetic happens in that zone:

    years    keep the day of the year; day 366 of a common year is day 365
    months   keep the day of the month; a day that a month lacks becomes the month's last
    days     and everything below: plain seconds, there is no summer time and no leap second

Years are the proleptic Gregorian calendar's; there is no bound but the reader's of texts.

Source: behaviour of Pacemaker's `iso8601`. Years counted by the day of the year are its habit
(2004-03-01 and a year is 2005-03-02), and rules with durations depend on it.
"""

from __future__ import annotations

from typing import Final, final

SECONDS_PER_DAY: Final = 86_400
DAYS_PER_WEEK: Final = 7
MONTHS_PER_YEAR: Final = 12
_DAYS_PER_400_YEARS: Final = 146_097
_DAYS_TO_MARCH_OF_YEAR_0: Final = 719_468  # from 0000-03-01 to 1970-01-01
_MONTH_LENGTHS: Final = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


@final
class Moment:
    """A point in time (seconds since 1970 in UTC) seen from a zone (seconds east of UTC)."""

    def __init__(self, epoch_s: int, offset_s: int = 0) -> None:
        self.epoch_s: Final = epoch_s
        self.offset_s: Final = offset_s

    def __eq__(self, other: object) -> bool:
        """Compare all parts."""
        return (
            isinstance(other, Moment)
            and self.epoch_s == other.epoch_s
            and self.offset_s == other.offset_s
        )

    def __hash__(self) -> int:
        """Agree with __eq__."""
        return hash((self.epoch_s, self.offset_s))

    def __repr__(self) -> str:
        """Show the parts, for tests and logs."""
        return f"Moment({render_moment(self)})"


@final
class CalendarFields:
    """A moment as people write it, in the moment's own zone. Weekdays: Monday is 1."""

    def __init__(self, local_s: int) -> None:
        days = local_s // SECONDS_PER_DAY
        second_of_day = local_s % SECONDS_PER_DAY
        year, month, monthday = civil_from_days(days)
        weekyear, week, weekday = week_from_days(days)
        self.year: Final = year
        self.month: Final = month
        self.monthday: Final = monthday
        self.yearday: Final = days - days_from_civil(year, 1, 1) + 1
        self.weekyear: Final = weekyear
        self.week: Final = week
        self.weekday: Final = weekday
        self.hour: Final = second_of_day // 3600
        self.minute: Final = second_of_day // 60 % 60
        self.second: Final = second_of_day % 60


@final
class Duration:
    """A span of the calendar. Months and years have no fixed length; parts may be negative."""

    def __init__(self, years: int = 0, months: int = 0, days: int = 0, seconds: int = 0) -> None:
        self.years: Final = years
        self.months: Final = months
        self.days: Final = days
        self.seconds: Final = seconds

    def __eq__(self, other: object) -> bool:
        """Compare all parts."""
        return isinstance(other, Duration) and self._parts() == other._parts()

    def __hash__(self) -> int:
        """Agree with __eq__."""
        return hash(self._parts())

    def __repr__(self) -> str:
        """Show the parts, for tests and logs."""
        return f"Duration{self._parts()}"

    def _parts(self) -> tuple[int, int, int, int]:
        return (self.years, self.months, self.days, self.seconds)


# ------------------------------------------------------------------------- fields


def fields_of(moment: Moment) -> CalendarFields:
    """Return the moment's fields in its own zone."""
    return CalendarFields(moment.epoch_s + moment.offset_s)


def is_leap(year: int) -> bool:
    """Tell whether the year has a 29th of February."""
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def days_in_year(year: int) -> int:
    """Return 365 or 366."""
    return 366 if is_leap(year) else 365


def days_in_month(year: int, month: int) -> int:
    """Return the length of the month (1-12)."""
    if month == 2 and is_leap(year):
        return 29
    return _MONTH_LENGTHS[month - 1]


def days_from_civil(year: int, month: int, monthday: int) -> int:
    """Return the days from 1970-01-01 to the date, which must exist.

    Counts in years that begin in March, so that the leap day comes last.
    """
    march_year = year - 1 if month <= 2 else year
    march_month = (month + 9) % MONTHS_PER_YEAR
    day_of_march_year = (153 * march_month + 2) // 5 + monthday - 1
    leap_days = march_year // 4 - march_year // 100 + march_year // 400
    return march_year * 365 + leap_days + day_of_march_year - _DAYS_TO_MARCH_OF_YEAR_0


def civil_from_days(days: int) -> tuple[int, int, int]:
    """Return year, month and day of the month; the inverse of days_from_civil."""
    since_march = days + _DAYS_TO_MARCH_OF_YEAR_0
    cycle = since_march // _DAYS_PER_400_YEARS
    day = since_march % _DAYS_PER_400_YEARS
    year_of_cycle = (day - day // 1460 + day // 36_524 - day // 146_096) // 365
    day_of_year = day - (365 * year_of_cycle + year_of_cycle // 4 - year_of_cycle // 100)
    march_month = (5 * day_of_year + 2) // 153
    monthday = day_of_year - (153 * march_month + 2) // 5 + 1
    month = march_month + 3 if march_month < 10 else march_month - 9
    year = cycle * 400 + year_of_cycle + (1 if month <= 2 else 0)
    return year, month, monthday


def week_from_days(days: int) -> tuple[int, int, int]:
    """Return ISO year of the week, week (1-53) and weekday (Monday is 1)."""
    weekday = (days + 3) % DAYS_PER_WEEK + 1  # 1970-01-01 was a Thursday
    thursday = days - weekday + 4
    weekyear = civil_from_days(thursday)[0]
    week = (thursday - days_from_civil(weekyear, 1, 1)) // DAYS_PER_WEEK + 1
    return weekyear, week, weekday


def days_from_week(weekyear: int, week: int, weekday: int) -> int:
    """Return the days from 1970-01-01 to the day of an ISO week."""
    fourth_of_january = days_from_civil(weekyear, 1, 4)
    monday_of_week_1 = fourth_of_january - (fourth_of_january + 3) % DAYS_PER_WEEK
    return monday_of_week_1 + (week - 1) * DAYS_PER_WEEK + weekday - 1


def weeks_in_year(weekyear: int) -> int:
    """Return 52 or 53."""
    return week_from_days(days_from_civil(weekyear, 12, 28))[1]


# --------------------------------------------------------------------- arithmetic


def add_years(moment: Moment, years: int) -> Moment:
    """Move by years and keep the day of the year."""
    fields = fields_of(moment)
    year = fields.year + years
    yearday = min(fields.yearday, days_in_year(year))
    return _with_days(moment, days_from_civil(year, 1, 1) + yearday - 1)


def add_months(moment: Moment, months: int) -> Moment:
    """Move by months and keep the day of the month, or take the month's last."""
    fields = fields_of(moment)
    months_since_0 = fields.year * MONTHS_PER_YEAR + fields.month - 1 + months
    year = months_since_0 // MONTHS_PER_YEAR
    month = months_since_0 % MONTHS_PER_YEAR + 1
    monthday = min(fields.monthday, days_in_month(year, month))
    return _with_days(moment, days_from_civil(year, month, monthday))


def add_duration(moment: Moment, duration: Duration) -> Moment:
    """Move forward: years first, then months, days and seconds."""
    later = moment
    if duration.years != 0:
        later = add_years(later, duration.years)
    if duration.months != 0:
        later = add_months(later, duration.months)
    seconds = duration.days * SECONDS_PER_DAY + duration.seconds
    return Moment(later.epoch_s + seconds, later.offset_s)


def seconds_of(duration: Duration) -> int:
    """Return the length with years of 365 and months of 30 days."""
    days = duration.years * 365 + duration.months * 30 + duration.days
    return days * SECONDS_PER_DAY + duration.seconds


def render_moment(moment: Moment) -> str:
    """Return `YYYY-MM-DD HH:MM:SS` with `Z` or ` +HH:MM`, in the moment's own zone."""
    fields = fields_of(moment)
    date = f"{fields.year:04d}-{fields.month:02d}-{fields.monthday:02d}"
    clock = f"{fields.hour:02d}:{fields.minute:02d}:{fields.second:02d}"
    if moment.offset_s == 0:
        return f"{date} {clock}Z"
    minutes_east = abs(moment.offset_s) // 60
    sign = "-" if moment.offset_s < 0 else "+"
    return f"{date} {clock} {sign}{minutes_east // 60:02d}:{minutes_east % 60:02d}"


def _with_days(moment: Moment, days: int) -> Moment:
    """Return the same time of the day on another day of the moment's zone."""
    second_of_day = (moment.epoch_s + moment.offset_s) % SECONDS_PER_DAY
    return Moment(days * SECONDS_PER_DAY + second_of_day - moment.offset_s, moment.offset_s)
