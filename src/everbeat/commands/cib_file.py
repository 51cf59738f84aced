"""A CIB from a file, a compressed file or standard input: read within limits, and upgraded.

What cannot be read is a `Report` that names the file and, where there is one, the line.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final, NamedTuple

from everbeat.cib.schema.document import refusals
from everbeat.cib.schema.places import Sheet
from everbeat.cib.tree import Element, TreeError, tree_from_text
from everbeat.cib.upgrade import Upgraded, upgrade_cib
from everbeat.model.reports import Place, Report, Severity

if TYPE_CHECKING:
    from typing import BinaryIO

CIB_BYTES_MAX: Final = 64 * 1024 * 1024
"""More is refused, also when a small compressed file would become so much."""
STDIN: Final = "-"


class CibFile(NamedTuple):
    """A document: as bytes, as written, and in the form the policy engine reads."""

    name: str
    text: bytes
    written: Element
    upgraded: Upgraded

    @property
    def cib(self) -> Element:
        """The document in the form the policy engine reads."""
        return self.upgraded.root

    def refusals(self) -> list[Report]:
        """Return what keeps the document from being decided on; nothing if it can be."""
        sheet = Sheet(self.name, self.text, self.written)
        return refusals(sheet, self.written, self.upgraded)


def read_cib(source: str, stdin: BinaryIO | None = None) -> CibFile | Report:
    """Read a CIB from a path (`.bz2`: compressed) or, for `-`, from standard input."""
    name = "stdin" if source == STDIN else source
    try:
        text = _bytes_of(source, stdin or sys.stdin.buffer)
    except (OSError, EOFError, ValueError) as error:
        # ValueError: a path with a NUL byte; EOFError: a compressed file that ends too soon.
        reason = getattr(error, "strerror", None) or str(error)
        return _report("file-missing", name, 0, f"cannot be read: {reason}", "a CIB as XML")
    if len(text) > CIB_BYTES_MAX:
        megabytes = CIB_BYTES_MAX // 1024 // 1024
        return _report("cib-too-large", name, 0, f"more than {megabytes} MiB: no CIB is that large")
    return cib_from_text(name, text)


def cib_from_text(name: str, text: bytes) -> CibFile | Report:
    """Parse and upgrade a document."""
    try:
        written = tree_from_text(text)
    except TreeError as error:
        lines = text.decode(errors="replace").splitlines()
        shown = lines[error.line - 1].strip()[:200] if 0 < error.line <= len(lines) else ""
        place = Place(name, error.line, shown)
        return Report(
            code="xml-malformed",
            severity=Severity.ERROR,
            summary=f"not XML that we read: {error.message}",
            place=place,
        )
    if written.tag != "cib":
        summary = f"the document is <{written.tag}>, not <cib>"
        return _report("cib-missing", name, 1, summary, "<cib> with <configuration> and <status>")
    return CibFile(name=name, text=text, written=written, upgraded=upgrade_cib(written))


def _bytes_of(source: str, stdin: BinaryIO) -> bytes:
    """Read one byte more than allowed, so that too much is seen."""
    if source == STDIN:
        return stdin.read(CIB_BYTES_MAX + 1)
    if source.endswith(".bz2"):
        import bz2  # noqa: PLC0415 - few documents are compressed

        with bz2.open(source, "rb") as packed:
            return packed.read(CIB_BYTES_MAX + 1)
    with open(source, "rb") as file:  # noqa: PTH123 - pathlib takes longer to load than a file
        return file.read(CIB_BYTES_MAX + 1)


def _report(code: str, name: str, line: int, summary: str, remedy: str = "") -> Report:
    return Report(
        code=code,
        severity=Severity.ERROR,
        summary=summary,
        remedy=remedy,
        place=Place(name, line),
    )
