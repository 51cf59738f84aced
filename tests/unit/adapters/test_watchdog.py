"""The watchdog device: a plain file stands in for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from everbeat.adapters.lease import LeaseReport, LeaseSigns, signs_from_bytes
from everbeat.adapters.watchdog import Watchdog, WatchdogError

if TYPE_CHECKING:
    from pathlib import Path


def test_only_a_graceful_end_writes_the_magic_character(tmp_path: Path) -> None:
    device = tmp_path / "watchdog"
    device.touch()
    watchdog = Watchdog(str(device), 2_500)
    watchdog.feed()
    assert device.read_bytes() == b"."
    watchdog.disarm()
    assert device.read_bytes() == b".V"


def test_a_missing_device_is_said_by_name(tmp_path: Path) -> None:
    with pytest.raises(WatchdogError, match="nowatch: No such file"):
        Watchdog(str(tmp_path / "nowatch"), 1_000)


def test_a_report_comes_before_the_first_sign_of_life() -> None:
    data = b'{"deadtime_ms": 500, "watchdog": "/dev/watchdog"}\nR.'
    report = LeaseReport(deadtime_ms=500, watchdog="/dev/watchdog")
    assert signs_from_bytes(data) == LeaseSigns(is_ready=True, is_alive=True, report=report)
    with pytest.raises(ValueError, match="not a report"):
        signs_from_bytes(b'{"unknown": 1}\nR')
