"""Scores: integers between minus and plus infinity, where minus infinity always wins."""

from __future__ import annotations

from typing import Final

from everbeat.cib.whole_numbers import integer_prefix

INFINITY: Final = 1_000_000
ABSENT: Final = -(1 << 60)
"""Stands in a score row where a node is not in a resource's table at all."""
UNUSABLE_FOR_NOW: Final = -100 * INFINITY
"""Marks a node, while wishes of dependents are summed, that must not fall below zero."""


def add_scores(a: int, b: int) -> int:
    """Add two scores within the limits; minus infinity beats plus infinity."""
    if a <= -INFINITY or b <= -INFINITY:
        return -INFINITY
    if a >= INFINITY or b >= INFINITY:
        return INFINITY
    return max(-INFINITY, min(INFINITY, a + b))


def score_from_text(text: str | None, default: int = 0) -> int:
    """Read a score as written in the configuration; garbage gives the default."""
    if text is None:
        return default
    if text in ("INFINITY", "+INFINITY"):
        return INFINITY
    if text == "-INFINITY":
        return -INFINITY
    if text.lower() in ("red", "yellow", "green"):
        return 0
    value = integer_prefix(text)
    if value is None:
        return default
    return max(-INFINITY, min(INFINITY, value))


def render_score(score: int) -> str:
    """Write a score the way users write it."""
    if score >= INFINITY:
        return "INFINITY"
    if score <= -INFINITY:
        return "-INFINITY"
    return str(score)
