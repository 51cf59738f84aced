"""What is new in the reports on a changed file, and what of it a person must hear first."""

from __future__ import annotations

from everbeat.config.codes import CODES
from everbeat.config.doubts import DOUBTED, doubts, news
from everbeat.model.reports import Place, Report, Severity


def warning(code: str, summary: str, line: int = 1) -> Report:
    return Report(code, Severity.WARNING, summary, "", Place("haresources", line))


MISSING = warning("script-missing", "no script is called ngnix")
TWICE = warning("address-twice", "the address 10.0.0.1 stands in line 3 already", 7)
WRONG = Report("haresources-node-unknown", Severity.ERROR, "'gamma' is no node")
HINT = Report("haresources-none", Severity.INFO, "no group")


def test_a_warning_that_was_there_before_is_no_news_wherever_its_line_is_now() -> None:
    moved = warning("address-twice", "the address 10.0.0.1 stands in line 4 already", 9)
    assert news([TWICE, MISSING], [moved, MISSING._replace(place=Place("haresources", 8))]) == ()


def test_a_second_one_of_the_same_kind_is_news() -> None:
    assert news([MISSING], [MISSING, MISSING]) == (MISSING,)


def test_every_error_is_news_and_no_hint_is() -> None:
    assert news([WRONG, HINT], [WRONG, HINT]) == (WRONG,)


def test_what_takes_a_service_away_is_doubted_and_a_choice_is_not() -> None:
    choice = warning("quorum-none", "nothing decides a split")
    assert doubts([MISSING, choice, WRONG]) == (MISSING,)


def test_every_doubted_code_is_a_warning_of_the_table() -> None:
    assert {CODES[name].severity for name in DOUBTED} == {Severity.WARNING}
