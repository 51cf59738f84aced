"""What people may write for dates, durations, periods and intervals."""

from __future__ import annotations

import pytest

from everbeat.rules.calendar import Duration, Moment, add_duration, fields_of, render_moment
from everbeat.rules.iso8601 import (
    INTERVAL_MAX_MS,
    TextFault,
    duration_from_text,
    milliseconds_from_text,
    moment_from_text,
    simple_milliseconds_from_text,
)

NOW = Moment(1_568_993_000)  # 2019-09-20 15:23:20Z
IN_BERLIN = Moment(NOW.epoch_s, 7200)


def read(text: str, now: Moment = NOW) -> str:
    moment = moment_from_text(text, now)
    return "fault" if isinstance(moment, TextFault) else render_moment(moment)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2005-020", "2005-01-20 00:00:00Z"),
        ("2005020", "2005-01-20 00:00:00Z"),
        ("20050120T12:30", "2005-01-20 12:30:00Z"),
        ("2004-W53-7", "2005-01-02 00:00:00Z"),
        ("2009-W01-1", "2008-12-29 00:00:00Z"),
        ("2005-01-20T24:00", "2005-01-21 00:00:00Z"),
        ("2005-01-20T12:30:45.5Z", "2005-01-20 12:30:45Z"),
        ("2005-01-20 12:30:45+02:00", "2005-01-20 12:30:45 +02:00"),
        ("2005-01-20T12:30:45 -0330", "2005-01-20 12:30:45 -03:30"),
        ("12:30", "2019-09-20 12:30:00Z"),
        ("T1230", "2019-09-20 12:30:00Z"),
        ("epoch", "1970-01-01 00:00:00Z"),
        ("now", "2019-09-20 15:23:20Z"),
        ("2000-02-29", "2000-02-29 00:00:00Z"),
    ],
)
def test_dates_may_be_written_in_many_ways(text: str, expected: str) -> None:
    assert read(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        *["", "12", "2005", "2005-02-30", "2005-366", "2005-W53-7", "2005-13-01", "2005-01-20foo"],
        *["2005-01-20T24:00:01", "2005-01-20T23:60", "2005-01-20T:30", "0000-01-01", "1900-02-29"],
        *["2005-01-20T12:30+25:00", "2005-W00-1", "9" * 300, "²005-01-20"],
    ],
)
def test_what_is_no_date_is_a_fault_with_the_text_in_it(text: str) -> None:
    assert moment_from_text(text, NOW) == TextFault("date", text)


def test_a_date_without_a_zone_is_in_the_zone_of_now() -> None:
    assert read("2019-09-20 01:00", IN_BERLIN) == "2019-09-20 01:00:00 +02:00"
    assert read("00:30", Moment(NOW.epoch_s, 12 * 3600)) == "2019-09-21 00:30:00 +12:00"


@pytest.mark.parametrize(
    ("start", "text", "end"),
    [
        ("2005-01-31", "P1M", "2005-02-28 00:00:00Z"),
        ("2004-02-29", "P12M", "2005-02-28 00:00:00Z"),
        ("2004-03-01", "P1Y", "2005-03-02 00:00:00Z"),
        ("2003-12-31", "P1Y", "2004-12-30 00:00:00Z"),
        ("2004-12-31", "P1Y", "2005-12-31 00:00:00Z"),
        ("2005-01-31", "P1M1D", "2005-03-01 00:00:00Z"),
        ("2005-01-01", "P1W2DT3H4M5S", "2005-01-10 03:04:05Z"),
        ("2005-01-01", "P-1D", "2004-12-31 00:00:00Z"),
    ],
)
def test_years_keep_the_day_of_the_year_and_months_that_of_the_month(
    start: str, text: str, end: str
) -> None:
    duration = duration_from_text(text)
    moment = moment_from_text(start, NOW)
    assert isinstance(duration, Duration)
    assert isinstance(moment, Moment)
    assert render_moment(add_duration(moment, duration)) == end


@pytest.mark.parametrize("text", ["P", "P1", "1D", "P1.5D", "PX", "p1d", "P1DX", "P99999999999D"])
def test_what_is_no_duration_is_a_fault(text: str) -> None:
    assert duration_from_text(text) == TextFault("duration", text)


def test_intervals_have_units_and_an_upper_bound() -> None:
    assert milliseconds_from_text("1min") == 60_000
    assert milliseconds_from_text("1500us") == 1
    assert milliseconds_from_text("1.9") == 1000
    assert milliseconds_from_text("PT36H") == 129_600_000
    assert milliseconds_from_text("P1D") == 86_400_000
    assert milliseconds_from_text("99999999999") == INTERVAL_MAX_MS
    assert milliseconds_from_text("P-1D") == 0
    assert simple_milliseconds_from_text("99999999999") == 99_999_999_999_000
    for text in ("", "-5", "10x", "abc", "P", "1,5s", "0x10", "9" * 300):
        assert milliseconds_from_text(text) == TextFault("interval", text)
    assert isinstance(simple_milliseconds_from_text("PT1M"), TextFault)


def test_fields_are_those_of_the_moments_own_zone() -> None:
    fields = fields_of(Moment(1_104_534_000, 7200))  # 2004-12-31 23:00Z
    assert (fields.year, fields.yearday, fields.hour) == (2005, 1, 1)
    assert (fields.weekyear, fields.week, fields.weekday) == (2004, 53, 6)
