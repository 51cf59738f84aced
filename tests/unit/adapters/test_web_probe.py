"""Which gaps between answers are outages."""

from __future__ import annotations

from everbeat.adapters.web_probe import Sample, outages


def good(sent_ms: float, body: str = "alpha", took_ms: float = 2) -> Sample:
    return Sample(sent_ms, sent_ms + took_ms, is_good=True, body=body)


def bad(sent_ms: float, took_ms: float = 1_000) -> Sample:
    return Sample(sent_ms, sent_ms + took_ms, is_good=False, body="TimeoutError")


def test_an_outage_says_who_answered_before_and_after_and_how_many_questions_failed() -> None:
    samples = [good(0), good(10), bad(20), bad(30, took_ms=1), good(500, "beta"), good(510, "beta")]
    [outage] = outages(samples)
    assert (outage.before, outage.after, outage.failed) == ("alpha", "beta", 2)
    assert outage.length_ms == 490


def test_answers_that_only_came_late_are_a_gap_in_which_nothing_failed() -> None:
    [gap] = outages([good(0), good(10, took_ms=180), good(20, took_ms=170)])
    assert gap.failed == 0


def test_a_stall_in_which_a_few_gave_up_is_told_from_an_outage() -> None:
    waiting = [good(at, took_ms=600 - at) for at in range(10, 600, 10)]
    [stall] = outages([good(0), bad(20), *waiting])
    assert (stall.failed, stall.late) == (1, 59)


def test_failures_of_another_time_do_not_count() -> None:
    samples = [good(0), bad(10), good(20), good(40), good(200, took_ms=1), bad(210), good(220)]
    assert [gap.failed for gap in outages(samples, 100)] == [0]
