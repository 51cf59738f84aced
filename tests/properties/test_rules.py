"""Laws of the calendar and of rules."""

from __future__ import annotations

import datetime as dt

from hypothesis import given
from hypothesis import strategies as st

from everbeat.cib.tree import Element
from everbeat.rules.calendar import (
    Duration,
    Moment,
    add_duration,
    add_months,
    civil_from_days,
    days_from_civil,
    days_from_week,
    fields_of,
    render_moment,
    week_from_days,
)
from everbeat.rules.evaluate import RuleFacts, evaluate
from everbeat.rules.iso8601 import (
    TextFault,
    duration_from_text,
    milliseconds_from_text,
    moment_from_text,
)
from everbeat.rules.reading import read_rule

DAYS = st.integers(-700_000, 2_900_000)
OFFSETS = st.integers(-14 * 60, 14 * 60).map(lambda minutes: minutes * 60)
MOMENTS = st.builds(Moment, st.integers(-62_000_000_000, 250_000_000_000), OFFSETS)
NOW_S = 1_568_993_000


@given(DAYS)
def test_days_and_dates_are_the_same_thing_twice(days: int) -> None:
    assert days_from_civil(*civil_from_days(days)) == days
    assert days_from_week(*week_from_days(days)) == days


@given(st.dates())
def test_the_calendar_is_the_gregorian_one(date: dt.date) -> None:
    days = date.toordinal() - dt.date(1970, 1, 1).toordinal()
    assert civil_from_days(days) == (date.year, date.month, date.day)
    assert week_from_days(days) == tuple(date.isocalendar())


@given(MOMENTS)
def test_a_moment_that_was_written_is_read_again(moment: Moment) -> None:
    assert moment_from_text(render_moment(moment), Moment(0)) == moment


@given(MOMENTS, st.integers(-100_000, 100_000))
def test_months_never_leave_the_month_they_aim_at(moment: Moment, months: int) -> None:
    before, after = fields_of(moment), fields_of(add_months(moment, months))
    assert (after.year - before.year) * 12 + after.month - before.month == months
    assert after.monthday <= before.monthday
    assert (after.hour, after.minute, after.second) == (before.hour, before.minute, before.second)


@given(MOMENTS, st.integers(-9999, 9999), st.integers(-99_999, 99_999))
def test_days_and_seconds_are_undone_by_their_opposite(
    moment: Moment, days: int, seconds: int
) -> None:
    there = add_duration(moment, Duration(days=days, seconds=seconds))
    assert add_duration(there, Duration(days=-days, seconds=-seconds)) == moment


@given(st.text(max_size=30) | st.text("PTYMWDHS0123456789:-+./Z nowepch", max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    for result in (
        moment_from_text(text, Moment(NOW_S)),
        duration_from_text(text),
        milliseconds_from_text(text),
    ):
        if isinstance(result, TextFault):
            assert result.text == text


def dated(operation: str, **attributes: str) -> Element:
    return Element("date_expression", {"operation": operation, **attributes}, [])


NEAR = st.integers(-50, 50).map(lambda shift: render_moment(Moment(NOW_S + shift)))
CONDITIONS = st.one_of(
    NEAR.map(lambda start: dated("gt", start=start)),
    NEAR.map(lambda end: dated("lt", end=end)),
    st.tuples(NEAR, NEAR).map(lambda ends: dated("in_range", start=ends[0], end=ends[1])),
)
RULES = st.recursive(
    CONDITIONS,
    lambda inner: st.builds(
        lambda word, children: Element("rule", {"boolean-op": word}, children),
        st.sampled_from(["and", "or"]),
        st.lists(inner, max_size=3),
    ),
    max_leaves=8,
).map(lambda inner: Element("rule", {}, [inner]))


@given(RULES)
def test_a_verdict_stands_until_its_next_change(element: Element) -> None:
    rule = read_rule(element).rule
    first = evaluate(rule, RuleFacts(), Moment(NOW_S))
    last_s = NOW_S + 60 if first.next_change_s is None else first.next_change_s - 1
    for second in range(NOW_S, last_s + 1):
        assert evaluate(rule, RuleFacts(), Moment(second)).is_satisfied == first.is_satisfied
    assert first.next_change_s is None or first.next_change_s > NOW_S
