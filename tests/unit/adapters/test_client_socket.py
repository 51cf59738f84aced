"""The client API over a real socket, asked by our own client."""

from __future__ import annotations

import os
import socket
import stat
import time
from typing import TYPE_CHECKING

import pytest

from api_daemon import ApiDaemon
from everbeat.adapters.api_client import ApiClient, ApiError
from everbeat.model.cluster import ApiAuthorization
from everbeat.model.message import message_of
from everbeat.wire.client_frame import FrameSplitter, encode_frame

if TYPE_CHECKING:
    from pathlib import Path


def wait_until(condition: object) -> None:
    deadline = time.monotonic() + 10
    while not condition():  # type: ignore[operator] # a callable; pytest code stays short
        assert time.monotonic() < deadline
        time.sleep(0.005)


def signed_on(path: Path, name: str) -> socket.socket:
    made = socket.socket(socket.AF_UNIX)
    made.settimeout(10)
    made.connect(str(path))
    request = message_of(
        t="hbapi-req",
        reqtype="signon",
        pid=str(os.getpid()),
        from_id=name,
        uid=str(os.getuid()),
        gid=str(os.getegid()),
    )
    made.sendall(encode_frame(request))
    assert b"result=OK" in made.recv(65_536)
    return made


def test_a_casual_client_asks_and_is_answered(tmp_path: Path) -> None:
    path = tmp_path / "register"
    with ApiDaemon(path, ApiAuthorization("anon", users=("root",))):
        assert stat.S_IMODE(path.stat().st_mode) == 0o777
        with ApiClient(path, "alpha") as client:
            assert client.signon.text("node") == "alpha"
            nodes = client.request("nodelist").messages
            assert [node.text("node") for node in nodes] == ["alpha", "beta", "10.77.0.100"]
            assert client.request("nodestatus", node="nosuch").info == "EINVAL"
            assert client.client_status("alpha", "nobody", 1_000) == "offline"
            assert client.client_status("beta", "nobody", 1) is None
    assert not path.exists()


def test_nobody_listening_is_an_error_in_the_words_of_heartbeat(tmp_path: Path) -> None:
    with (
        pytest.raises(ApiError, match="Can't initiate connection to heartbeat"),
        ApiClient(tmp_path / "register", "alpha"),
    ):
        pass


def test_a_refused_signon_tells_why(tmp_path: Path) -> None:
    path = tmp_path / "register"
    with (
        ApiDaemon(path, ApiAuthorization("anon", users=("nobody",))),
        pytest.raises(ApiError, match="client failed authorization"),
        ApiClient(path, "alpha"),
    ):
        pass


def test_garbage_ends_the_connection_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "register"
    with ApiDaemon(path) as daemon:
        for garbage in (
            b"garbage" * 10,
            b"\xff\xff\xff\x7f\xcd\xab\0\0",
            b"\4\0\0\0\xcd\xab\0\0>>>\n",
        ):
            with socket.socket(socket.AF_UNIX) as hostile:
                hostile.settimeout(10)
                hostile.connect(str(path))
                hostile.sendall(garbage)
                assert hostile.recv(10) == b""
        wait_until(lambda: len(daemon.gone) == 3)
        with ApiClient(path, "alpha") as client:
            assert client.request("numnodes").text("numnodes") == "2"


def test_a_client_that_never_reads_is_hung_up_on(tmp_path: Path) -> None:
    path = tmp_path / "register"
    with ApiDaemon(path, ApiAuthorization("mon", users=("root",))) as daemon:
        lazy = signed_on(path, "mon")
        request = encode_frame(message_of(t="hbapi-req", reqtype="nodelist"))
        try:
            for _ in range(200):
                lazy.sendall(request * 500)
        except OSError:
            pass
        wait_until(lambda: "too-slow" in daemon.gone)
        lazy.close()


def test_messages_of_a_named_client_reach_the_cluster(tmp_path: Path) -> None:
    path = tmp_path / "register"
    with ApiDaemon(path, ApiAuthorization("mon", users=("root",))) as daemon:
        mon = signed_on(path, "mon")
        mon.sendall(encode_frame(message_of(t="num_ping_nodes", n="2")))
        wait_until(lambda: len(daemon.broadcasts) == 2)
        assert [b.message.type for b in daemon.broadcasts] == ["hbapi-clstat", "num_ping_nodes"]
        mon.close()
        wait_until(lambda: len(daemon.broadcasts) == 3)
        assert daemon.broadcasts[-1].message.text("st") == "leave"


def test_a_socket_left_by_a_dead_process_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "register"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with ApiDaemon(path), ApiClient(path, "alpha") as client:
        assert client.signon.is_ok


def test_a_farewell_arrives_before_the_hang_up(tmp_path: Path) -> None:
    path = tmp_path / "register"
    with ApiDaemon(path, ApiAuthorization("mon", users=("root",))):
        mon = signed_on(path, "mon")
        mon.sendall(encode_frame(message_of(t="hbapi-req", reqtype="signoff")))
        data = b""
        while piece := mon.recv(65_536):
            data += piece
        (farewell,) = FrameSplitter().feed(data)
        assert (farewell.type, farewell.text("st")) == ("hbapi-clstat", "leave")
        mon.close()
