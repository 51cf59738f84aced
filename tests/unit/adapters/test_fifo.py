"""The FIFO: whole messages in, rubbish out."""

from __future__ import annotations

import asyncio
import os
import stat
from typing import TYPE_CHECKING

import pytest

from everbeat.adapters.fifo import Fifo, write_fifo
from everbeat.model.message import Message, message_of
from everbeat.wire.string_form import encode_string

if TYPE_CHECKING:
    from pathlib import Path


async def read_while(path: Path, *writes: bytes, count: int) -> tuple[list[Message], Fifo]:
    got: list[Message] = []
    fifo = Fifo(asyncio.get_running_loop(), path, got.append)
    fifo.open()
    for data in writes:
        writer = os.open(path, os.O_WRONLY)
        os.write(writer, data)
        os.close(writer)
        await asyncio.sleep(0.01)
    async with asyncio.timeout(10):
        while len(got) < count:  # noqa: ASYNC110 - the reader under test has no event to wait for
            await asyncio.sleep(0.005)
    fifo.close()
    return got, fifo


def test_messages_are_read_from_writers_that_come_and_go(tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    first = message_of(t="ask_resources", rsc_hold="all", info="me")
    second = message_of(t="hb_takeover", rsc_hold="local")
    text = encode_string(second)
    got, _ = asyncio.run(read_while(path, encode_string(first), text[:9], text[9:], count=2))
    assert got == [first, second]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_mixed_lines_of_two_writers_are_dropped_and_counted(tmp_path: Path) -> None:
    good = message_of(t="foo")
    mixed = b">>>\nt=bar\nno equals sign\n<<<\n"
    got, fifo = asyncio.run(
        read_while(tmp_path / "fifo", b"rubbish\n" + mixed, encode_string(good), count=1)
    )
    assert got == [good]
    assert fifo.rejected == 1
    assert fifo.dropped_bytes >= len(b"rubbish\n")


def test_whatever_lies_in_the_fifos_place_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path, 0o666)
    path.chmod(0o666)
    asyncio.run(read_while(path, count=0))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_writing_without_a_reader_is_an_error_and_not_a_wait(tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    with pytest.raises(FileNotFoundError):
        write_fifo(path, b"x")
    os.mkfifo(path)
    with pytest.raises(OSError, match="No such device or address"):
        write_fifo(path, b"x")
