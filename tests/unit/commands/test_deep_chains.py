"""Long chains of calls find room, and longer ones end in a report."""

from __future__ import annotations

import sys

import pytest

from everbeat.commands.deep_chains import CALLS_MAX, with_room
from everbeat.model.reports import Report


def depth(calls: int) -> int:
    return 1 if calls <= 1 else 1 + depth(calls - 1)


def test_a_chain_far_beyond_the_usual_limit_is_followed() -> None:
    usual = sys.getrecursionlimit()
    assert with_room("x.xml", lambda: depth(CALLS_MAX // 2)) == CALLS_MAX // 2
    assert sys.getrecursionlimit() == usual


def test_a_chain_beyond_all_room_is_a_report() -> None:
    report = with_room("x.xml", lambda: depth(CALLS_MAX * 2))
    assert isinstance(report, Report)
    assert report.code == "chain-too-long"


def test_other_errors_come_out_as_they_are() -> None:
    def fail() -> int:
        raise KeyError("x")

    with pytest.raises(KeyError):
        with_room("x.xml", fail)
