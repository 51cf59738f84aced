"""RUN/right: until when a link process that died might have gone on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from everbeat.adapters.right_record import RIGHT_FILE, RightRecord, read_right

if TYPE_CHECKING:
    from pathlib import Path


def test_the_right_of_a_generation_is_read_by_the_next_process(tmp_path: Path) -> None:
    assert read_right(tmp_path, 7) is None
    record = RightRecord(tmp_path)
    assert read_right(tmp_path, 7) is None
    record.write(7, 90_000)
    record.write(7, 91_000)
    assert read_right(tmp_path, 7) == 91_000
    assert read_right(tmp_path, 8) is None
    record.close()
    successor = RightRecord(tmp_path)
    assert read_right(tmp_path, 7) == 91_000
    successor.write(7, None)
    assert read_right(tmp_path, 7) is None
    successor.close()


def test_nonsense_is_no_right(tmp_path: Path) -> None:
    (tmp_path / RIGHT_FILE).write_text("nonsense")
    assert read_right(tmp_path, 7) is None


def test_a_record_that_cannot_be_kept_says_so_and_harms_nobody(tmp_path: Path) -> None:
    record = RightRecord(tmp_path / "missing")
    assert "missing" in record.error
    record.write(7, 90_000)
    record.close()
