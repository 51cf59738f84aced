"""What lies in the folder where root happens to be is not imported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from everbeat.daemons.keeper import KeeperOptions

EVERBEAT = (sys.executable, "-P", "-c", "from everbeat.cli.main import main; main()")
SOURCE = Path(__file__).parents[3] / "src"


@pytest.mark.parametrize("words", [("run", "--", "--help"), ("witness", "--help")])
def test_a_daemon_imports_nothing_of_the_folder_it_is_started_in(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    for name in ("argparse.py", "selectors.py", "everbeat.py"):
        (tmp_path / name).write_text("raise SystemExit(99)\n")
    done = subprocess.run((*EVERBEAT, *words), cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def test_nor_do_its_children_and_no_other_process_of_ours() -> None:
    assert KeeperOptions().command[1:3] == ("-P", "-m")
    for path in SOURCE.rglob("*.py"):
        text = " ".join(path.read_text().split())
        assert 'sys.executable, "-m"' not in text, f"{path}: -P, or the present folder comes first"
