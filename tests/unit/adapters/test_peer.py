"""Tools and processes of ours say nothing to a listener of another user."""

from __future__ import annotations

import asyncio
import os
import socket
from typing import TYPE_CHECKING

import pytest

from everbeat.adapters.api_client import ApiClient, ApiError
from everbeat.adapters.peer import StrangerError, check_listener, credentials_of
from everbeat.commands.witness import WitnessNotRunning, fetch_witness_status
from everbeat.ipc.channel import connect
from everbeat.ipc.client import CoreClient
from everbeat.ipc.codec import Codec, IpcError
from everbeat.ipc.messages import CORE_TYPES, GetStatus

if TYPE_CHECKING:
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
