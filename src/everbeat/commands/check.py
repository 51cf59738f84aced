"""`everbeat check`: all problems of ha.cf, authkeys and haresources, or of a CIB, at once.

Exit status: 0 nothing or infos only, 1 warnings, 6 errors (LSB: not configured, as Heartbeat has).
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from everbeat.adapters.config_files import load_configuration
from everbeat.adapters.host_facts import RealHost
from everbeat.commands.render_reports import render_reports, render_reports_json
from everbeat.model.reports import Severity, worst_severity

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO, TextIO

    from everbeat.ports.host import HostLookup

EXIT_STATUS: Final = {Severity.INFO: 0, Severity.WARNING: 1, Severity.ERROR: 6}


def check(
    etc: Path,
    *,
    as_json: bool,
    color: bool,
    host: HostLookup | None = None,
    out: TextIO | None = None,
) -> int:
    """Check the files in `etc`, print what was found, return the exit status."""
    parsed = load_configuration(etc, host or RealHost(etc, is_thorough=True))
    if as_json:
        text = render_reports_json(parsed.reports)
    else:
        text = render_reports(parsed.reports, str(etc), color=color)
    (out or sys.stdout).write(text)
    return EXIT_STATUS[worst_severity(list(parsed.reports))]


def check_cib_file(
    source: str,
    *,
    as_json: bool,
    color: bool,
    stdin: BinaryIO | None = None,
    out: TextIO | None = None,
) -> int:
    """Check a CIB, print what was found, return the exit status. `-` is standard input."""
    from everbeat.cib.schema.places import Sheet  # noqa: PLC0415 - not for ha.cf
    from everbeat.commands.cib_file import CibFile, read_cib  # noqa: PLC0415 - not for ha.cf
    from everbeat.policy.verify.sense import check_cib  # noqa: PLC0415 - not for ha.cf

    read = read_cib(source, stdin)
    if isinstance(read, CibFile):
        sheet = Sheet(read.name, read.text, read.written)
        reports = check_cib(sheet, read.written, read.upgraded)
    else:
        reports = [read]
    render = render_reports_json(reports) if as_json else None
    (out or sys.stdout).write(render or render_reports(reports, source, color=color))
    return EXIT_STATUS[worst_severity(reports)]
