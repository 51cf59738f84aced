"""An XML document as plain values: text in, `Element`s out, text again.

Enters: the bytes of a document. Leaves: one immutable tree. Invariant: attributes and children keep
the order of the document; text between elements is dropped, since the CIB carries none that means
anything. Built straight by expat: node proxies of a general library cost more than the whole parse.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, final
from xml.parsers import expat

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_SPECIAL: Final = re.compile(r'[&<>"\t\n\r]')
_ESCAPES: Final = str.maketrans(
    {
        "&": "&amp;",
        "<": "&lt;",
        ">": "&gt;",
        '"': "&quot;",
        "\t": "&#9;",
        "\n": "&#10;",
        "\r": "&#13;",
    }
)


DEPTH_MAX: Final = 256
"""Elements inside each other; a CIB needs about a dozen. Beyond it the document is refused."""


class TreeError(Exception):
    """The text is not well-formed XML, or more than we take; `line` counts from 1."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(f"line {line}: {message}")
        self.message: Final = message
        self.line: Final = line


@final
class Element:
    """One element: its tag, its attributes and its child elements, in document order."""

    def __init__(
        self, tag: str, attributes: Mapping[str, str], children: Sequence[Element]
    ) -> None:
        self.tag: Final = tag
        self.attributes: Final = attributes
        self.children: Final = children

    def get(self, name: str) -> str | None:
        """Return the attribute's text, or None where it is not written."""
        return self.attributes.get(name)

    def text(self, name: str, default: str = "") -> str:
        """Return the attribute's text, or the default where it is not written."""
        return self.attributes.get(name, default)

    @property
    def id(self) -> str:
        """The attribute `id`, or the empty string."""
        return self.attributes.get("id", "")

    def first(self, tag: str) -> Element | None:
        """Return the first child with this tag."""
        for child in self.children:
            if child.tag == tag:
                return child
        return None

    def all(self, tag: str) -> list[Element]:
        """Return every child with this tag, in document order."""
        return [child for child in self.children if child.tag == tag]

    def with_children(self, children: Sequence[Element]) -> Element:
        """Return a copy that has other children."""
        return Element(self.tag, self.attributes, children)

    def with_attributes(self, changes: Mapping[str, str]) -> Element:
        """Return a copy with these attributes set; new ones come last."""
        return Element(self.tag, {**self.attributes, **changes}, self.children)


class _Refused(Exception):  # noqa: N818 - leaves expat's handlers, never this module
    """Well-formed so far, but nothing we take."""


def _refuse_doctype(*_: object) -> None:
    """Refuse a document type: a CIB has none, and entities can grow without bound."""
    raise _Refused("a document type declaration (<!DOCTYPE ...>) is not allowed in a CIB")


@final
class _Builder:
    """Receives expat's events; `root` is the finished tree."""

    def __init__(self) -> None:
        self.root: Element | None = None
        self._open: list[list[Element]] = []
        self._heads: list[tuple[str, dict[str, str]]] = []

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if len(self._heads) >= DEPTH_MAX:
            raise _Refused(f"elements lie more than {DEPTH_MAX} deep in each other")
        self._heads.append((tag, attributes))
        self._open.append([])

    def end(self, _tag: str) -> None:
        tag, attributes = self._heads.pop()
        element = Element(tag, attributes, self._open.pop())
        if self._open:
            self._open[-1].append(element)
        else:
            self.root = element


def tree_from_text(text: bytes | str) -> Element:
    """Parse a document, or raise TreeError naming the line."""
    builder = _Builder()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.StartDoctypeDeclHandler = _refuse_doctype
    try:
        parser.Parse(text, True)  # noqa: FBT003 - expat's own signature: this is the last piece
    except expat.ExpatError as error:
        raise TreeError(expat.ErrorString(error.code), error.lineno) from error
    except (_Refused, LookupError, ValueError) as error:  # the two last: expat's own, of encodings
        raise TreeError(str(error), parser.CurrentLineNumber) from error
    assert builder.root is not None
    return builder.root


def render_attribute(text: str) -> str:
    """Return attribute text with the characters that may not stand there written as references."""
    return text if _SPECIAL.search(text) is None else text.translate(_ESCAPES)


def render_tree(element: Element, depth: int = 0) -> str:
    """Write the tree as text, two blanks of indentation for each level."""
    lines: list[str] = []
    _render_into(lines, element, depth)
    return "\n".join(lines) + "\n"


def _render_into(lines: list[str], element: Element, depth: int) -> None:
    indent = "  " * depth
    head = "".join(f' {k}="{render_attribute(v)}"' for k, v in element.attributes.items())
    if not element.children:
        lines.append(f"{indent}<{element.tag}{head}/>")
        return
    lines.append(f"{indent}<{element.tag}{head}>")
    for child in element.children:
        _render_into(lines, child, depth + 1)
    lines.append(f"{indent}</{element.tag}>")
