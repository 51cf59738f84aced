"""A misspelt word is answered with the word that was probably meant."""

from __future__ import annotations

from everbeat.cib.schema.words import KNOWN_MAX, LISTED_MAX, WORD_CHARACTERS_MAX, hint, near

KNOWN = ("primitive", "group", "clone", "bundle", "template")


def test_the_most_likely_word_is_named_else_all_if_they_are_few() -> None:
    assert hint("primitve", KNOWN) == "primitive"
    assert hint("x", KNOWN) == "bundle | clone | group | primitive | template"
    assert hint("x", [f"word{number}" for number in range(LISTED_MAX + 1)]) == ""


def test_where_any_word_may_stand_only_a_very_likely_one_is_named() -> None:
    assert near("primitve", KNOWN) == "primitive"
    assert near("prime", KNOWN) is None


def test_long_words_and_long_lists_are_not_compared() -> None:
    long = "p" * (WORD_CHARACTERS_MAX + 1)
    assert near(long, [long]) is None
    assert hint("words1", [f"word{number}" for number in range(KNOWN_MAX + 1)]) == ""
