"""Options and the one gate for tests that run real peers."""

from __future__ import annotations

import os
import shutil

import pytest

from everbeat.adapters.namespaces import can_make_spaces

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


@pytest.fixture
def with_heartbeat() -> None:
    """The test runs Heartbeat 3.0.6 of the Debian package."""
    require_real(HEARTBEAT_PROGRAM, "cl_status")
