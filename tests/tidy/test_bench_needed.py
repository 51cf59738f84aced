"""A benchmark says what it misses before it starts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

BENCH = Path(__file__).parents[2] / "bench"
ASK = "import needed; needed.PLACES['keepalived'] = ('/nowhere/keepalived',); "


def test_a_missing_package_is_named_with_the_command_that_installs_it() -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"{ASK}needed.need_products(['keepalived'])"],
        cwd=BENCH,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "keepalived is not installed: no /nowhere/keepalived" in done.stderr
    line = next(line for line in done.stderr.splitlines() if "apt-get install" in line)
    assert "keepalived" in line.split()
    assert "Traceback" not in done.stderr
