from __future__ import annotations

import os
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from everbeat.adapters.operation_record import FOLDER, OperationRecord

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def script() -> subprocess.Popen[bytes]:
    return subprocess.Popen(["/bin/sleep", "60"], start_new_session=True)


def test_what_a_killed_executor_left_is_ended_by_the_next(
    tmp_path: Path, script: subprocess.Popen[bytes]
) -> None:
    OperationRecord(tmp_path).note(script.pid)
    assert OperationRecord(tmp_path).end_leftovers() == [script.pid]
    assert script.wait(5) == -signal.SIGKILL
    assert not list((tmp_path / FOLDER).iterdir())


def test_what_has_ended_is_forgotten(tmp_path: Path, script: subprocess.Popen[bytes]) -> None:
    record = OperationRecord(tmp_path)
    record.note(script.pid)
    record.forget(script.pid)
    assert OperationRecord(tmp_path).end_leftovers() == []
    assert script.poll() is None
    os.killpg(script.pid, signal.SIGKILL)
    script.wait(5)


@pytest.mark.parametrize("part", [0, 2], ids=["another boot", "another process"])
def test_a_process_that_only_has_the_number_is_left_alone(
    tmp_path: Path, script: subprocess.Popen[bytes], part: int
) -> None:
    OperationRecord(tmp_path).note(script.pid)
    [path] = (tmp_path / FOLDER).iterdir()
    words = path.name.split(".")
    words[part] = "1"
    path.rename(path.with_name(".".join(words)))
    assert OperationRecord(tmp_path).end_leftovers() == []
    assert script.poll() is None
    os.killpg(script.pid, signal.SIGKILL)
    script.wait(5)


def test_names_that_are_none_of_ours_are_removed(tmp_path: Path) -> None:
    record = OperationRecord(tmp_path)
    (tmp_path / FOLDER / "nonsense").touch()
    (tmp_path / FOLDER / "a.b.c.d").touch()
    assert record.end_leftovers() == []
    assert not list((tmp_path / FOLDER).iterdir())
