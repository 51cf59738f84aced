"""A circle among resources is named once, with everything that lies in it."""

from __future__ import annotations

from everbeat.policy.verify.loops import find_loops


def test_a_loop_is_named_with_all_that_lie_in_it() -> None:
    edges = {"b": ["c"], "c": ["a", "d"], "a": ["b"], "d": [], "x": ["y"], "y": ["x"]}
    assert find_loops(edges) == [["a", "b", "c"], ["x", "y"]]
