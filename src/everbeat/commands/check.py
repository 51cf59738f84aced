"""`everbeat check`: all problems of ha.cf, authkeys and haresources at once.

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
    from typing import TextIO

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
