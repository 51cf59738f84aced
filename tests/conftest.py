"""The gate for tests that run real peers: skipped where they cannot run, failed under CI=true.

EVERBEAT_COMPILED=DIR runs the tests on what `packaging/compile_policy.py DIR` has made there.
"""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if "EVERBEAT_COMPILED" in os.environ:  # before the first import of everbeat, the next line
    sys.path.insert(0, os.environ["EVERBEAT_COMPILED"])
from everbeat.adapters.namespaces import can_make_spaces
from lab.laboratory import ends_of_logs, forget_logs
from lab.slowness import machine

if TYPE_CHECKING:
    from collections.abc import Generator

# No test asserts speed: a busy machine is no reason to fail.
settings.register_profile("everbeat", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("everbeat")

HEARTBEAT_PROGRAM = "/usr/libexec/heartbeat/heartbeat"


def require_real(*programs: str) -> None:
    """Skip, saying why, what this machine cannot run; under CI=true fail instead."""
    reason = "needs root" if os.geteuid() != 0 else can_make_spaces()
    missing = [program for program in programs if shutil.which(program) is None]
    if not reason and missing:
        reason = f"programs not found: {' '.join(missing)}"
    if not reason:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(f"under CI=true nothing may be skipped: {reason}")
    pytest.skip(reason)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Gate tests marked `real`; `real(programs=[...])` names what they run besides."""
    marker = item.get_closest_marker("real")
    if marker is not None:
        require_real(*marker.kwargs.get("programs", ()))
        forget_logs()
        machine()  # measures from here on how busy this machine is


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the logs of nodes of a failed test; fail a `real` one that skipped itself in CI."""
    report = yield
    if report.failed and (logs := ends_of_logs()):
        report.sections.append((f"logs of the nodes ({call.when})", logs))
    is_real = item.get_closest_marker("real") is not None
    if os.environ.get("CI") == "true" and is_real and report.skipped:
        why = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"under CI=true nothing may be skipped: {why}"
    return report


@pytest.fixture
def with_heartbeat() -> None:
    """The test runs Heartbeat 3.0.6 of the Debian package."""
    require_real(HEARTBEAT_PROGRAM, "cl_status")
