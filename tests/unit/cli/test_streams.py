"""Streams that are closed, or full: a sentence and a status, never a traceback."""

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = "import sys; from everbeat.cli.main import main; sys.exit(main())"
CIB = '<cib validate-with="none"><configuration/></cib>'
COMMANDS = (("crm_simulate", "-S", "-x"), ("simulate",), ("check",))


def run(words: tuple[str, ...], streams: str) -> subprocess.CompletedProcess[str]:
    """Run everbeat with what a shell does to its streams."""
    command = ["sh", "-c", f'exec "$@" {streams}', "sh", sys.executable, "-c", PROGRAM, *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("words", COMMANDS)
def test_a_full_disk_is_a_sentence(words: tuple[str, ...], tmp_path: Path) -> None:
    file = tmp_path / "cib.xml"
    file.write_text(CIB)
    done = run((*words, str(file)), ">/dev/full")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith("cannot be written: No space left on device")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("words", COMMANDS)
def test_closed_streams_are_empty_ones(words: tuple[str, ...], tmp_path: Path) -> None:
    unread = run((*words, "-"), "<&-")
    assert "not XML that we read: no element found" in unread.stdout + unread.stderr
    file = tmp_path / "cib.xml"
    file.write_text(CIB)
    unwritten = run((*words, str(file)), ">&-")
    assert "Traceback" not in unwritten.stderr
    assert run((*words, str(file)), "").returncode == unwritten.returncode
