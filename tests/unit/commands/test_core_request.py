"""Commands that ask the core: what a person reads, and the exit code."""

from __future__ import annotations

import contextlib
import io
import json
import socket
import threading
from typing import TYPE_CHECKING, Protocol

import pytest

from everbeat.commands.core_request import ask_core
from everbeat.commands.failures import clean_up
from everbeat.commands.pausing import pause, resume
from everbeat.commands.places import Places
from everbeat.ipc.codec import Codec, Hello, IpcError
from everbeat.ipc.frames import FrameSplitter, frame
from everbeat.ipc.messages import (
    CORE_TYPES,
    Answer,
    GetStatus,
    InUse,
    RequestCleanup,
    RequestPause,
    RequestResume,
    StatusReply,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import TextIO

CODEC = Codec(CORE_TYPES)


class Command(Protocol):
    """One of the commands, with its own words given."""

    def __call__(self, at: Places, out: TextIO, err: TextIO, *, is_json: bool) -> int: ...


ASKED: list[tuple[str, object, Command]] = [
    (
        "pause",
        RequestPause("web", 60_000),
        lambda at, out, err, *, is_json: pause(at, "web", 60_000, out, err, is_json=is_json),
    ),
    (
        "resume",
        RequestResume("web"),
        lambda at, out, err, *, is_json: resume(at, "web", out, err, is_json=is_json),
    ),
    (
        "cleanup",
        RequestCleanup("web", "beta"),
        lambda at, out, err, *, is_json: clean_up(at, "web", "beta", out, err, is_json=is_json),
    ),
]


@contextlib.contextmanager
def core(run: Path, reply: object) -> Iterator[list[object]]:
    """Have a core answer one request with this; yield what it has been told."""
    told: list[object] = []

    def serve() -> None:
        calling, _ = listening.accept()
        splitter = FrameSplitter()
        with calling:
            calling.settimeout(10)
            calling.sendall(frame(CODEC.encode(Hello("core"))))
            while len(told) < 2 and (data := calling.recv(65_536)):
                told.extend(CODEC.decode(payload) for payload in splitter.feed(data))
            calling.sendall(frame(CODEC.encode(reply)))

    with socket.socket(socket.AF_UNIX) as listening:
        listening.settimeout(10)
        listening.bind(str(run / "core.sock"))
        listening.listen()
        serving = threading.Thread(target=serve)
        serving.start()
        try:
            yield told
        finally:
            serving.join(10)


def places(run: Path) -> Places:
    return Places(run / "etc", run, run)


@pytest.mark.parametrize(("command", "request_", "ask"), ASKED)
def test_an_answer_is_told_and_decides_the_exit_code(
    tmp_path: Path,
    command: str,
    request_: object,
    ask: Command,
) -> None:
    for answer, code, out_text, err_text in (
        (Answer(is_accepted=True, text="taken"), 0, "taken\n", ""),
        (Answer(is_accepted=False, text="not now"), 1, "", f"everbeat {command}: not now\n"),
    ):
        out, err = io.StringIO(), io.StringIO()
        with core(tmp_path, answer) as told:
            assert ask(places(tmp_path), out, err, is_json=False) == code
        assert told[1] == request_
        assert (out.getvalue(), err.getvalue()) == (out_text, err_text)
        (tmp_path / "core.sock").unlink()
        out = io.StringIO()
        with core(tmp_path, answer):
            assert ask(places(tmp_path), out, io.StringIO(), is_json=True) == code
        told_json = {"is_accepted": answer.is_accepted, "text": answer.text}
        assert json.loads(out.getvalue()) == told_json
        (tmp_path / "core.sock").unlink()
    err = io.StringIO()
    assert ask(places(tmp_path), io.StringIO(), err, is_json=False) == 1
    assert err.getvalue().startswith(f"everbeat {command}: everbeat is not running here")


def test_a_reply_that_is_none_to_the_request_is_an_error_and_no_crash(tmp_path: Path) -> None:
    with (
        core(tmp_path, InUse(None, None)),
        pytest.raises(IpcError, match=r"unexpected answer.*InUse"),
    ):
        ask_core(places(tmp_path), GetStatus(), StatusReply)
