"""STATE/lives: what is broken in it costs the line, not the file."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everbeat.adapters.known_lives import (
    BYTES_MAX,
    LIVES_FILE,
    LIVES_MAX,
    KeptLives,
    keep_lives,
    read_lives,
)
from everbeat.membership.identity import KnownLife
from everbeat.model.names import NodeName

ALPHA = KnownLife(NodeName("alpha"), 1_700_000_001, 1_700_000_001)
BETA = KnownLife(NodeName("beta"), 7)


def read(folder: Path, data: bytes) -> KeptLives:
    """Return what is read of a file with this content."""
    (folder / LIVES_FILE).write_bytes(data)
    return read_lives(folder)


def test_lives_come_back_as_they_were_kept(tmp_path: Path) -> None:
    assert read_lives(tmp_path) == KeptLives()
    keep_lives(tmp_path, (ALPHA, BETA))
    assert read_lives(tmp_path) == KeptLives((ALPHA, BETA))


@pytest.mark.parametrize(
    "bad",
    [
        b"gamma soon -1",
        b"gamma 7",
        b"gamma 7 7 7",
        b"gamma 7 8",
        b"gamma -7 -1",
        b"gamma 7 -2",
        b"gamma 9999999999999999 -1",
        b"gamma " + b"9" * 5_000 + b" -1",
        b"g\xff 7 -1",
        "gamma \u0667 -1".encode(),
        b"../x 7 -1",
        b"x" * 200 + b" 7 -1",
        b"\0\0\0\0",
    ],
)
def test_a_broken_line_is_left_out_alone_and_told_of(tmp_path: Path, bad: bytes) -> None:
    kept = read(tmp_path, b"alpha 1700000001 1700000001\n" + bad + b"\nbeta 7 -1\n")
    assert kept.known == (ALPHA, BETA)
    assert kept.trouble == (
        f"{tmp_path / LIVES_FILE}: line 2 cannot be used (NODE GENERATION PROVED); all others are"
    )


def test_of_many_broken_lines_the_first_is_named(tmp_path: Path) -> None:
    kept = read(tmp_path, b"\n?\nbeta 7 -1\n?\n?")
    assert kept.known == (BETA,)
    assert ": 3 lines, the first is 2, cannot be used" in kept.trouble


def test_of_two_lines_of_one_node_the_higher_numbers_count(tmp_path: Path) -> None:
    kept = read(tmp_path, b"beta 7 -1\nbeta 5 5\n")
    assert kept == KeptLives((KnownLife(NodeName("beta"), 7, 5),))


def test_what_is_too_long_is_cut_at_a_line(tmp_path: Path) -> None:
    line = b"beta 7 -1\n"
    kept = read(tmp_path, line * (BYTES_MAX // len(line) + 1) + b"alpha 7 -1\n")
    assert kept.known == (BETA,)
    assert "cannot be used" in kept.trouble


def test_no_more_nodes_are_kept_than_the_limit(tmp_path: Path) -> None:
    kept = read(tmp_path, b"".join(b"n%d 7 -1\n" % number for number in range(LIVES_MAX + 2)))
    assert len(kept.known) == LIVES_MAX
    assert f": 2 lines, the first is {LIVES_MAX + 1}, cannot be used" in kept.trouble


def test_a_file_that_is_not_ours_alone_is_not_believed(tmp_path: Path) -> None:
    keep_lives(tmp_path, (ALPHA,))
    (tmp_path / LIVES_FILE).chmod(0o666)
    kept = read_lives(tmp_path)
    assert kept.known == ()
    assert "cannot be read: it is not ours alone" in kept.trouble


@given(st.binary(max_size=200))
def test_no_content_harms_the_start(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        good = read(Path(folder), b"alpha 1700000001 1700000001\n" + data + b"\nzeta 7 -1\n")
    assert {life.node for life in good.known} >= {"alpha", "zeta"}
