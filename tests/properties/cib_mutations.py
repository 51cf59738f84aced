"""Broken CIBs: a document changed at random places, as text and as elements. Not a test itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from everbeat.cib.tree import Element, render_tree, tree_from_text

if TYPE_CHECKING:
    import random

VALUES = (
    "",
    "0",
    "1",
    "-1",
    "true",
    "INFINITY",
    "-INFINITY",
    "+",
    "99999999999999999999999",
    "Stopped",
    "Promoted",
    "start",
    "promote",
    "monitor",
    "10s",
    "P",
    "#uname",
    "a b",
    "../x",
    "\u00e4",
    "%s",
    "\u00b2",
    "9" * 5000,
    "(a+)+$",
    "node2",
    "x" * 300,
    "node1",
    "1:1:0:x",
    "0:0;1:1:0:x",
)


@dataclass
class _Part:
    tag: str
    attributes: dict[str, str]
    children: list[_Part] = field(default_factory=list)


def _part(element: Element) -> _Part:
    return _Part(element.tag, dict(element.attributes), [_part(c) for c in element.children])


def _element(part: _Part) -> Element:
    return Element(part.tag, part.attributes, [_element(child) for child in part.children])


def _walk(part: _Part) -> list[_Part]:
    return [part, *(below for child in part.children for below in _walk(child))]


def mutated(text: bytes, chance: random.Random, steps: int) -> bytes:
    """Change a document `steps` times: attributes, elements, and seldom the text itself."""
    root = _part(tree_from_text(text))
    for _ in range(steps):
        _mutate(root, chance)
    broken = render_tree(_element(root)).encode()
    if chance.random() < 0.1:
        at = chance.randrange(len(broken))
        broken = broken[:at] + chance.choice([b"", b"<", b"&", b"\x00", b"\xff"]) + broken[at + 1 :]
    return broken if chance.random() > 0.05 else broken[: chance.randrange(len(broken))]


def _mutate(root: _Part, chance: random.Random) -> None:
    parts = _walk(root)
    part, other = chance.choice(parts), chance.choice(parts)
    match chance.randrange(7):
        case 0 if part.attributes:
            part.attributes.pop(chance.choice(list(part.attributes)))
        case 1 | 2 if part.attributes:
            part.attributes[chance.choice(list(part.attributes))] = chance.choice(VALUES)
        case 3 if part.attributes and other.attributes:
            value = chance.choice(list(other.attributes.values()))
            part.attributes[chance.choice(list(part.attributes))] = value
        case 4 if part.children:
            part.children.pop(chance.randrange(len(part.children)))
        case 5 if part.children:
            part.children.append(_part(_element(chance.choice(part.children))))
        case 6 if other not in _walk(part) and part is not root:
            other.children.append(_part(_element(part)))
        case _:
            part.attributes[chance.choice(("id", "role", "node", "score"))] = chance.choice(VALUES)
