"""Tools and processes of ours say nothing to a listener of another user."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from everbeat.adapters.api_client import ApiClient, ApiError
from everbeat.adapters.peer import StrangerError, check_listener, credentials_of, signal_listener
from everbeat.commands.pair import PairError
from everbeat.commands.places import Places
from everbeat.commands.witness import WitnessNotRunning, fetch_witness_status
from everbeat.commands.witness_setup import serve_here
from everbeat.ipc.channel import connect
from everbeat.ipc.client import CoreClient
from everbeat.ipc.codec import Codec, IpcError
from everbeat.ipc.messages import CORE_TYPES, GetStatus

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STRANGER = 65_534
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="listens as another user")


def strange_listener(path: Path) -> socket.socket:
    """Return a socket on which another user listens: the kernel notes who called listen."""
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(path))
    path.chmod(0o777)
    os.seteuid(STRANGER)
    try:
        listening.listen()
    finally:
        os.seteuid(0)
    listening.setblocking(False)  # noqa: FBT003 - positional only in socket
    return listening


def heard(listening: socket.socket) -> bytes:
    """Return what the one caller said before it hung up."""
    caller, _ = listening.accept()
    with caller:
        caller.settimeout(10)
        return caller.recv(100)


def test_a_listener_is_root_or_ourselves(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening, socket.socket(socket.AF_UNIX) as calling:
        listening.bind(str(tmp_path / "own"))
        listening.listen()
        calling.connect(str(tmp_path / "own"))
        check_listener(calling)
        assert credentials_of(calling) == (os.getpid(), os.getuid(), os.getgid())
    with (
        strange_listener(tmp_path / "strange"),
        socket.socket(socket.AF_UNIX) as calling,
    ):
        calling.connect(str(tmp_path / "strange"))
        with pytest.raises(StrangerError, match="user 65534 listens there, not root"):
            check_listener(calling)


def test_no_tool_says_a_word_to_a_stranger(tmp_path: Path) -> None:
    with strange_listener(tmp_path / "core.sock") as listening:
        with CoreClient(tmp_path) as core, pytest.raises(IpcError, match="user 65534 listens"):
            core.request(GetStatus())
        assert heard(listening) == b""
        with pytest.raises(IpcError, match="user 65534 listens"):
            asyncio.run(connect(tmp_path / "core.sock", Codec(CORE_TYPES)))
        assert heard(listening) == b""
    with strange_listener(tmp_path / "register") as listening:
        with (
            pytest.raises(ApiError, match="user 65534 listens"),
            ApiClient(tmp_path / "register", "alpha"),
        ):
            pass
        assert heard(listening) == b""
    with strange_listener(tmp_path / "witness.sock") as listening:
        with pytest.raises(WitnessNotRunning, match="user 65534 listens"):
            fetch_witness_status(tmp_path)
        assert heard(listening) == b""


SERVICE = """
import os, signal, socket, sys
signal.signal(signal.SIGHUP, lambda *_: print("hup", flush=True))
listening = socket.socket(fileno=int(sys.argv[2])) if len(sys.argv) > 2 else None
if listening is None:
    os.chdir(os.path.dirname(sys.argv[1]))
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(os.path.basename(sys.argv[1]))
listening.listen()
print("listens", flush=True)
word = sys.stdin.readline()
if word == "close\\n":
    listening.close()
    print("closed", flush=True)
    sys.stdin.readline()
"""
"""Listens at this name, or on the socket of this number; tells each SIGHUP; ends with its input."""


@contextlib.contextmanager
def service(path: Path, listening: socket.socket | None = None) -> Iterator[subprocess.Popen[str]]:
    """Run a service of ours; it ends here."""
    numbers = () if listening is None else (listening.fileno(),)
    with subprocess.Popen(
        (sys.executable, "-c", SERVICE, str(path), *map(str, numbers)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        pass_fds=numbers,
    ) as process:
        assert said(process) == "listens"
        yield process


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def tell(process: subprocess.Popen[str], word: str) -> None:
    assert process.stdin is not None
    process.stdin.write(f"{word}\n")
    process.stdin.flush()


def rest(process: subprocess.Popen[str]) -> str:
    """Let a service end; return what else it has said."""
    return process.communicate(timeout=20)[0]


def test_a_service_is_signalled_through_the_name_it_has_bound(tmp_path: Path) -> None:
    path = tmp_path / "witness.sock"
    assert not signal_listener(path, signal.SIGHUP), "nothing is there"
    with service(path) as process:
        assert signal_listener(path, signal.SIGHUP)
        assert said(process) == "hup"
        (tmp_path / "other").symlink_to(tmp_path)
        assert signal_listener(tmp_path / "other" / path.name, signal.SIGHUP), "the same folder"
        assert said(process) == "hup"
        tell(process, "end")
    assert not signal_listener(path, signal.SIGHUP), "a name that is left over"


def test_no_other_service_of_root_is_signalled_by_a_link_to_its_socket(tmp_path: Path) -> None:
    run = tmp_path / "run"
    (tmp_path / "there").mkdir()
    run.mkdir()
    for name in ("other.sock", "there/witness.sock"):
        path = run / "witness.sock"
        with service(tmp_path / name) as process:
            path.symlink_to(tmp_path / name)
            with pytest.raises(StrangerError, match="has not made this socket"):
                signal_listener(path, signal.SIGHUP)
            path.unlink()
            path.hardlink_to(tmp_path / name)
            with pytest.raises(StrangerError, match="has not made this socket"):
                signal_listener(path, signal.SIGHUP)
            path.unlink()
            assert rest(process) == ""


def test_who_listened_once_is_not_signalled_when_another_has_the_socket(tmp_path: Path) -> None:
    path = tmp_path / "witness.sock"
    with socket.socket(socket.AF_UNIX) as kept:
        kept.bind(str(path))
        with service(path, kept) as process:
            tell(process, "close")
            assert said(process) == "closed"
            with pytest.raises(StrangerError, match="has not made this socket"):
                signal_listener(path, signal.SIGHUP)
            assert rest(process) == ""
        with pytest.raises(StrangerError, match="has ended"):
            signal_listener(path, signal.SIGHUP)


def test_a_witness_of_a_stranger_gets_no_signal_and_is_told_to_a_person(tmp_path: Path) -> None:
    places = Places(tmp_path / "etc", tmp_path / "state", tmp_path)
    out = io.StringIO()
    with (
        strange_listener(tmp_path / "witness.sock"),
        pytest.raises(PairError, match=r"witness\.sock: user 65534 listens there, not root"),
    ):
        serve_here(places, out)
    assert out.getvalue() == ""
    assert not (tmp_path / "state").exists(), "none was started"
