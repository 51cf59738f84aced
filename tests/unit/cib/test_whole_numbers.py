"""A number is read as far as it goes, and no further than digits that cost nothing."""

from __future__ import annotations

import pytest

from everbeat.cib.whole_numbers import integer_prefix


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("10", 10),
        ("-1", -1),
        ("+5", 5),
        (" 7", 7),
        ("10s", 10),
        ("3.16.1", 3),
        ("", None),
        ("x1", None),
        ("- 1", None),
        ("٣", None),
        ("9" * 18, 10**18 - 1),
        ("9" * 19, 10**19 - 1),
        ("1" + "0" * 5000, 10**299),
    ],
)
def test_the_number_at_the_beginning_counts(text: str, number: int | None) -> None:
    assert integer_prefix(text) == number
