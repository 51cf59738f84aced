"""RUN/unfinished: whether what an earlier life has started may still run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from everbeat.adapters.unfinished_life import (
    UNFINISHED_FILE,
    begin_life,
    end_life,
    is_unfinished,
)

if TYPE_CHECKING:
    from pathlib import Path


def test_a_life_is_unfinished_until_it_has_given_up_everything(tmp_path: Path) -> None:
    assert not is_unfinished(tmp_path)
    begin_life(tmp_path)
    assert is_unfinished(tmp_path)
    end_life(tmp_path)
    assert not is_unfinished(tmp_path)
    end_life(tmp_path)


def test_a_life_of_another_boot_has_left_nothing(tmp_path: Path) -> None:
    (tmp_path / UNFINISHED_FILE).write_text("another boot\n")
    assert not is_unfinished(tmp_path)
