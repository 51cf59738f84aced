"""Reports as text for people, as JSON for programs, and the table of codes for the manual.

ha.cf:3: error: 'keepalve' is no directive [directive-unknown]
    keepalve 2
    write: keepalive 2
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from everbeat.cib.schema.codes import SECTIONS as CIB_SECTIONS
from everbeat.model.reports import Severity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from everbeat.model.reports import Report

_COLORS: Final = {Severity.ERROR: "31;1", Severity.WARNING: "33;1", Severity.INFO: "36;1"}
_REMEDY_COLOR: Final = "32"
_PLACE_COLOR: Final = "1"


def render_reports(reports: Sequence[Report], directory: str, *, color: bool) -> str:
    """Render all reports and the line that counts them."""
    lines = [line for report in reports for line in _report_lines(report, color=color)]
    return "\n".join((*lines, summary_line(reports, directory))) + "\n"


def _report_lines(report: Report, *, color: bool) -> list[str]:
    place, severity = report.place, report.severity
    where = f"{place.file}:{place.line}:" if place.line else f"{place.file}:"
    word = _colored(f"{severity.name.lower()}:", _COLORS[severity], color=color)
    where = _colored(printable(where), _PLACE_COLOR, color=color)
    lines = [f"{where} {word} {printable(report.summary)} [{report.code}]"]
    if place.text:
        lines.append(f"    {printable(place.text)}")
    if report.remedy:
        write = _colored("write:", _REMEDY_COLOR, color=color)
        lines.append(f"    {write} {printable(report.remedy)}")
    return lines


def summary_line(reports: Sequence[Report], directory: str) -> str:
    """Render e.g. `2 errors, 1 warning`; hints do not count as problems."""
    counts = dict.fromkeys(Severity, 0)
    for report in reports:
        counts[report.severity] += 1
    words = [
        f"{count} {word}{'s' if count != 1 else ''}"
        for word, count in (
            ("error", counts[Severity.ERROR]),
            ("warning", counts[Severity.WARNING]),
        )
        if count
    ]
    return ", ".join(words) if words else f"{printable(directory)}: no problems found"


def render_reports_json(reports: Sequence[Report]) -> str:
    """Render `{"reports": […], "errors": n, "warnings": n}`."""
    import json  # noqa: PLC0415 - most commands print text, and start faster without it

    document = {
        "reports": [
            {
                "code": report.code,
                "severity": report.severity.name.lower(),
                "file": printable(report.place.file),
                "line": report.place.line,
                "text": printable(report.place.text),
                "summary": printable(report.summary),
                "remedy": printable(report.remedy),
            }
            for report in reports
        ],
        "errors": sum(report.severity is Severity.ERROR for report in reports),
        "warnings": sum(report.severity is Severity.WARNING for report in reports),
    }
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"


def render_codes_page() -> str:
    """Render docs/operate/reports.md: what every code means."""
    from everbeat.config.codes import SECTIONS  # noqa: PLC0415 - for this page alone

    lines = [
        "# Reports of `everbeat check`",
        "",
        "Generated from `everbeat.config.codes` and `everbeat.cib.schema.codes`; a test keeps",
        "it fresh. Codes are stable: scripts may compare them. An error keeps the node from",
        "starting, or a CIB from being used; a warning and an info do not.",
        "Exit status: 0 nothing or infos, 1 warnings, 6 errors.",
    ]
    for title, codes in (*SECTIONS, *CIB_SECTIONS):
        lines += ["", f"## {title}", "", "| code | severity | meaning |", "|---|---|---|"]
        lines += [
            f"| `{code.name}` | {code.severity.name.lower()} | {code.meaning} |" for code in codes
        ]
    return "\n".join(lines) + "\n"


def printable(text: str) -> str:
    """Return the text with control characters and stray bytes as escapes, fit for a terminal."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


def _colored(text: str, codes: str, *, color: bool) -> str:
    return f"\x1b[{codes}m{text}\x1b[0m" if color else text
