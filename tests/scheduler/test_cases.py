"""Every regression and random case against its expected files; failures are listed, and only fewer.

`EVERBEAT_WRITE_GAPS=1 pytest tests/scheduler/test_cases.py` writes the list anew (no new gaps);
with EVERBEAT_COMPILED, so that all random clusters are run.
"""

import os
from pathlib import Path

import pytest

from scheduler.case_files import case_names, failed_tiers

GAPS_FILE = Path(__file__).parent / "known_gaps.txt"


def _known_gaps() -> dict[str, set[str]]:
    gaps: dict[str, set[str]] = {}
    if GAPS_FILE.exists():
        for line in GAPS_FILE.read_text().splitlines():
            name, *tiers = line.split()
            gaps[name] = set(tiers)
    return gaps


KNOWN = _known_gaps()
FAILED: dict[str, list[str]] = {}


@pytest.mark.parametrize("name", case_names())
def test_case_gives_what_is_expected_or_is_a_known_gap(name: str) -> None:
    failed = failed_tiers(name)
    FAILED[name] = failed
    if os.environ.get("EVERBEAT_WRITE_GAPS"):
        return
    known = KNOWN.get(name, set())
    assert set(failed) - known == set(), "tiers that passed before fail now"
    assert known - set(failed) == set(), "listed gaps pass now: take them out of known_gaps.txt"


def test_the_list_of_gaps_is_written_when_asked_for() -> None:
    if not os.environ.get("EVERBEAT_WRITE_GAPS"):
        return
    lines = [f"{name} {' '.join(tiers)}\n" for name, tiers in sorted(FAILED.items()) if tiers]
    GAPS_FILE.write_text("".join(lines))
