"""Loops among names tied by arrows: one for each knot, however many ways lead around in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def find_loops(edges: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """Return a shortest loop of each knot (a set in which everyone reaches everyone).

    A loop begins with its smallest name; loops come in the order of their first names.
    """
    loops = [_shortest(edges, knot) for knot in _knots(edges) if len(knot) > 1]
    return sorted(loops)


def _knots(edges: Mapping[str, Sequence[str]]) -> list[set[str]]:
    """Return the strongly connected sets: backwards, from the one left last forwards."""
    reverse: dict[str, list[str]] = {}
    for first, thens in edges.items():
        for then in thens:
            reverse.setdefault(then, []).append(first)
    finished = _finishing_order(edges)
    knots: list[set[str]] = []
    seen: set[str] = set()
    for name in reversed(finished):
        if name not in seen:
            knot = _reached(name, reverse, seen)
            seen |= knot
            knots.append(knot)
    return knots


def _finishing_order(edges: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the names in the order in which a walk in depth is done with them."""
    finished: list[str] = []
    seen: set[str] = set()
    for start in edges:
        if start in seen:
            continue
        seen.add(start)
        stack = [(start, iter(edges[start]))]
        while stack:
            name, rest = stack[-1]
            fresh = next((then for then in rest if then not in seen), None)
            if fresh is None:
                finished.append(name)
                stack.pop()
            else:
                seen.add(fresh)
                stack.append((fresh, iter(edges.get(fresh, ()))))
    return finished


def _reached(start: str, edges: Mapping[str, Sequence[str]], without: set[str]) -> set[str]:
    found = {start}
    stack = [start]
    while stack:
        for then in edges.get(stack.pop(), ()):
            if then not in found and then not in without:
                found.add(then)
                stack.append(then)
    return found


def _shortest(edges: Mapping[str, Sequence[str]], knot: set[str]) -> list[str]:
    """Return a shortest loop through the smallest name of a knot."""
    start = min(knot)
    came_from: dict[str, str] = {}
    queue = [start]
    while queue:
        following: list[str] = []
        for name in queue:
            for then in edges.get(name, ()):
                if then == start:
                    return _path(start, name, came_from)
                if then in knot and then not in came_from:
                    came_from[then] = name
                    following.append(then)
        queue = following
    raise AssertionError(f"{start} lies in a knot and on no loop")


def _path(start: str, end: str, came_from: Mapping[str, str]) -> list[str]:
    path = [end]
    while path[-1] != start:
        path.append(came_from[path[-1]])
    return path[::-1]
