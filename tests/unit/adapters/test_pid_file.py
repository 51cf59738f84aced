"""A pid file in a folder of a service's user neither holds root up nor chooses whom it signals."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from everbeat.adapters.main_processes import find_main
from everbeat.adapters.pid_file import is_named_none, process_named_by
from everbeat.agents.agent import ScriptAgent

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STRANGER = 65_534
is_root = pytest.mark.skipif(os.geteuid() != 0, reason="gives files to another user")


@pytest.fixture
def service() -> Iterator[int]:
    """Return a process of ours."""
    with subprocess.Popen(["sleep", "1000"]) as started:
        yield started.pid
        started.kill()


@pytest.fixture
def strangers() -> Iterator[int]:
    """Return a process of another user."""
    with subprocess.Popen(["sleep", "1000"], user=STRANGER) as started:
        yield started.pid
        started.kill()


def written(folder: Path, pid: int, mode: int = 0o644) -> str:
    path = folder / "svc.pid"
    path.write_text(f"{pid}\n")
    path.chmod(mode)
    return str(path)


@pytest.mark.parametrize("kind", ["fifo", "zero", "folder", "empty", "text", "long"])
def test_what_is_no_pid_file_names_nobody_and_is_not_waited_for(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "svc.pid"
    match kind:
        case "fifo":
            os.mkfifo(path)
        case "zero":
            path.symlink_to("/dev/zero")
        case "folder":
            path.mkdir()
        case "empty":
            path.touch()
        case "text":
            path.write_text("²\n")
        case _:
            path.write_bytes(b" " * 1_000_000 + b"1000")
    assert process_named_by(str(path)) is None
    is_named_none(str(path))
    script = tmp_path / "svc"
    script.write_text(f"#!/bin/sh\n# pidfile: {path}\n")
    assert find_main(ScriptAgent(str(script)), 0) is None


def test_a_file_of_root_alone_names_whom_it_will(tmp_path: Path, service: int) -> None:
    path = written(tmp_path, service)
    found = process_named_by(path)
    assert found is not None
    assert found.pid == service
    assert not is_named_none(path)
    os.utime(path, (1, 1))
    assert process_named_by(path) is None, "older than the process"
    assert is_named_none(written(tmp_path, 4_194_303 + 1))
    assert is_named_none(str(tmp_path / "none"))
    assert not is_named_none("")


def test_a_file_that_others_may_write_or_that_leads_elsewhere_names_nobody(
    tmp_path: Path, service: int
) -> None:
    path = written(tmp_path, service, 0o666)
    assert process_named_by(path) is None
    (tmp_path / "link").symlink_to(written(tmp_path, service))
    assert process_named_by(str(tmp_path / "link")) is None
    (tmp_path / "second").hardlink_to(path)
    assert process_named_by(str(tmp_path / "second")) is None


@is_root
def test_a_file_of_a_user_names_processes_of_that_user_alone(
    tmp_path: Path, service: int, strangers: int
) -> None:
    path = written(tmp_path, service)
    os.chown(path, STRANGER, STRANGER)
    assert process_named_by(path) is None
    written(tmp_path, strangers)
    found = process_named_by(path)
    assert found is not None
    assert found.pid == strangers
    os.chown(path, STRANGER - 1, -1)
    assert process_named_by(path) is None
