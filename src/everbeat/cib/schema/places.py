"""Where an element stands in the text: the line, also for what an upgrade has moved or made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final
from xml.parsers import expat

from everbeat.cib.schema.codes import CODES
from everbeat.model.reports import Place, Report

if TYPE_CHECKING:
    from everbeat.cib.tree import Element

TEXT_MAX: Final = 160  # characters of a line that are shown


@final
class Sheet:
    """Collects the reports of one document, each with its line. Belongs to one check."""

    def __init__(self, name: str, text: bytes, written: Element) -> None:
        self.name: Final = name
        self.reports: Final[list[Report]] = []
        self._text: Final = text
        self._written: Final = written
        self._lines: list[str] | None = None
        self._by_element: Final[dict[int, int]] = {}
        self._by_name: Final[dict[tuple[str, str], int]] = {}
        self._by_id: Final[dict[str, int]] = {}
        self._by_tag: Final[dict[str, int]] = {}

    def _index(self) -> list[str]:
        """Find all elements in the text, the first time there is something to report."""
        if self._lines is not None:
            return self._lines
        self._lines = self._text.decode(errors="replace").splitlines()
        numbers = iter(_start_lines(self._text))
        stack = [self._written]
        while stack:
            element = stack.pop()
            number = next(numbers)
            self._by_element[id(element)] = number
            if element.id:
                self._by_name.setdefault((element.tag, element.id), number)
                self._by_id.setdefault(element.id, number)
            self._by_tag.setdefault(element.tag, number)
            stack.extend(reversed(element.children))
        return self._lines

    def line_of(self, *elements: Element) -> int:
        """Return the line of the first element that has one; 0 for none."""
        self._index()
        for element in elements:
            found = self._by_element.get(id(element))
            if found is None and element.id:
                found = self._by_name.get((element.tag, element.id), self._by_id.get(element.id))
            if found is not None:
                return found
        return self._by_tag.get(elements[-1].tag, 0) if elements else 0

    def report(self, code: str, summary: str, remedy: str, *elements: Element) -> None:
        """Enter a problem; `elements`: where it stands, then what lies around it."""
        line = self.line_of(*elements)
        lines = self._index()
        shown = lines[line - 1].strip()[:TEXT_MAX] if 0 < line <= len(lines) else ""
        self.reports.append(
            Report(
                code=code,
                severity=CODES[code].severity,
                summary=summary[:500],
                remedy=remedy[:500],
                place=Place(self.name, line, shown),
            )
        )


def walk(element: Element) -> list[Element]:
    """Return an element and all below it, in document order."""
    found: list[Element] = []
    stack = [element]
    while stack:
        top = stack.pop()
        found.append(top)
        stack.extend(reversed(top.children))
    return found


def _start_lines(text: bytes) -> list[int]:
    """Return the line of every start tag, in the order of the document."""
    lines: list[int] = []
    parser = expat.ParserCreate()

    def start(_tag: str, _attributes: dict[str, str]) -> None:
        lines.append(parser.CurrentLineNumber)

    parser.StartElementHandler = start
    parser.Parse(text, True)  # noqa: FBT003 - expat's own signature: this is the last piece
    return lines
