"""docs/operate/reports.md is what the table of codes says."""

from __future__ import annotations

import os
from pathlib import Path

from everbeat.commands.render_reports import render_codes_page

PAGE = Path(__file__).parents[2] / "docs" / "operate" / "reports.md"


def test_the_page_of_reports_is_fresh() -> None:
    if os.environ.get("EVERBEAT_ACCEPT"):
        PAGE.parent.mkdir(parents=True, exist_ok=True)
        PAGE.write_text(render_codes_page())
    assert PAGE.read_text() == render_codes_page()
