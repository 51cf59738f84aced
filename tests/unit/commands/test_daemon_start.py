"""A daemon that a command starts: where it prints, what it is told, how a failure reads."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from everbeat.commands.daemon_start import (
    Daemon,
    StartError,
    folder_words,
    is_up_in_time,
    start,
)
from everbeat.commands.places import Places

PRINTS = Daemon(
    unit="none-such",
    systemd_s=1,
    command="everbeat print",
    module="this",  # prints a text and ends
    words=(),
    output="print.out",
)


def printed(places: Places, out: io.StringIO) -> bytes:
    process = start(places, PRINTS, out)
    assert process is not None
    assert process.wait(30) == 0
    return (places.state / PRINTS.output).read_bytes()


def test_without_a_unit_it_is_a_process_whose_output_is_kept(tmp_path: Path) -> None:
    places = Places(tmp_path, tmp_path / "new" / "state", tmp_path)
    out = io.StringIO()
    assert b"Zen" in printed(places, out)
    log = places.state / "print.out"
    assert f"started: everbeat print, in the background; what it prints is in {log}" in (
        out.getvalue()
    )
    assert "start it at boot yourself" in out.getvalue()


def test_its_output_goes_to_no_file_that_somebody_else_has_chosen(tmp_path: Path) -> None:
    places = Places(tmp_path, tmp_path, tmp_path)
    victim = tmp_path / "victim"
    victim.write_bytes(b"kept")
    (tmp_path / "print.out").symlink_to(victim)
    assert b"Zen" in printed(places, io.StringIO())
    assert victim.read_bytes() == b"kept"
    assert (tmp_path / "print.out.foreign.1").readlink() == victim


def test_a_state_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    places = Places(tmp_path, tmp_path / "file" / "state", tmp_path)
    with pytest.raises(StartError, match="file/state: Not a directory"):
        start(places, PRINTS, io.StringIO())


def test_a_daemon_is_told_whole_paths() -> None:
    here = Path.cwd()
    assert folder_words(Places(Path("etc"), Path("state"), Path("/run/x")), Path("state/w")) == (
        "--etc",
        f"{here}/etc",
        "--state",
        f"{here}/state/w",
        "--run",
        "/run/x",
    )


def test_what_does_not_come_up_is_given_up() -> None:
    answers = iter((False, False, True))
    assert is_up_in_time(lambda: next(answers), 20)
    assert not is_up_in_time(lambda: False, 0.01)
