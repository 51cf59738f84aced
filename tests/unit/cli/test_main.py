"""What becomes of output that cannot be written: told, and never a traceback."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

EVERBEAT = f"{sys.executable} -P -c 'from everbeat.cli.main import main; raise SystemExit(main())'"
FILES = {
    "nodeinfo": "alpha\n",
    "ha.cf": "node alpha beta\nucast lo 127.0.0.2\nauto_failback on\n",
    "authkeys": "auth 1\n1 sha1 TopSecretKey\n",
    "haresources": "alpha 192.0.2.50/24/lo no-such-script\n",
}


def ran(etc: Path, words: str, redirections: str, **environment: str) -> tuple[int, str, str]:
    """Run everbeat by a shell; return exit code, stdout and stderr."""
    for name, text in FILES.items():
        (etc / name).write_text(text)
        (etc / name).chmod(0o600)
    command = f"{{ {EVERBEAT} --etc {etc} --run {etc}/run {words}; }} {redirections}"
    done = subprocess.run(
        ["/bin/sh", "-c", command], env=environment, capture_output=True, check=False
    )
    return done.returncode, done.stdout.decode("latin-1"), done.stderr.decode("latin-1")


@pytest.mark.parametrize("words", ["check", "check --json", "--help", "add vip --help"])
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a full disk")
def test_a_full_disk_is_told(tmp_path: Path, words: str) -> None:
    code, _, told = ran(tmp_path, words, ">/dev/full")
    assert code == 1
    assert told.endswith(": the output cannot be written: No space left on device\n")
    assert told.count("\n") == 1


@pytest.mark.parametrize("redirections", [">&-", "<&-", "2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("words", ["check", "status", "standby", "add vip 192.0.2.51/24/lo"])
def test_a_closed_stream_is_none_that_is_missed(
    tmp_path: Path, words: str, redirections: str
) -> None:
    code, _, told = ran(tmp_path, words, redirections)
    assert code == 1
    assert "Traceback" not in told


@pytest.mark.parametrize("charset", ["ascii", "latin-1"])
@pytest.mark.parametrize("words", ["check", "standby", "--help", "keys rotate"])
def test_a_terminal_of_another_character_set_gets_what_it_has(
    tmp_path: Path, words: str, charset: str
) -> None:
    code, said, told = ran(tmp_path, words, "", PYTHONIOENCODING=charset)
    assert code == (0 if words == "--help" else 1)
    assert said
    assert "Traceback" not in told


@pytest.mark.parametrize("words", ["check", "add vip 192.0.2.51/24/lo --yes", "standby"])
def test_whoever_is_hung_up_on_says_nothing_and_not_that_all_is_done(
    tmp_path: Path, words: str
) -> None:
    code, _, told = ran(tmp_path, f"{words}; echo $? >{tmp_path}/code", "| :")
    assert code == 0, "of the reader"
    assert "Exception ignored" not in told
    assert "Traceback" not in told
    assert (tmp_path / "code").read_text() != "0\n"
