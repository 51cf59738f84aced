"""The client API over a real socket, asked by our own client."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from api_daemon import ApiDaemon
from everbeat.adapters.api_client import ApiClient, ApiError
from everbeat.adapters.client_socket import LINGERING_MAX, ClientSocket
from everbeat.model.cluster import ApiAuthorization
from everbeat.model.message import Field, FieldType, Message, message_of
from everbeat.wire.client_frame import FrameSplitter, encode_frame
from everbeat.wire.limits import CLIENT_PARTS_MAX, FIRST_FRAME_BYTES_MAX
from lab.slowness import is_over

if TYPE_CHECKING:
    from everbeat.clients.authorization import Credentials


def wait_until(condition: object) -> None:
    began = time.monotonic()
    while not condition():  # type: ignore[operator] # a callable; pytest code stays short
        assert not is_over(began, 10)
        time.sleep(0.005)


def open_files() -> int:
    """Return how many there are in this process, which is client and daemon."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


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


def test_who_signs_off_and_reads_nothing_keeps_no_connection(tmp_path: Path) -> None:
    path = tmp_path / "register"
    requests = encode_frame(message_of(t="hbapi-req", reqtype="nodelist")) * 1_500
    farewell = encode_frame(message_of(t="hbapi-req", reqtype="signoff"))
    with ApiDaemon(path, ApiAuthorization("default", users=("root",))) as daemon:
        before = open_files()
        lazy = []
        for number in range(2 * LINGERING_MAX):
            lazy.append(signed_on(path, f"mon{number}"))
            lazy[-1].sendall(requests + farewell)
            wait_until(lambda left=2 * (number + 1): len(daemon.broadcasts) == left)
            assert open_files() <= before + len(lazy) + LINGERING_MAX + 1
        wait_until(lambda: open_files() == before + len(lazy))  # LINGER_S later
        for each in lazy:
            each.close()


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


def test_the_first_message_of_a_client_is_short(tmp_path: Path) -> None:
    path = tmp_path / "register"
    long = message_of(t="hbapi-req", reqtype="signon", filling="x" * FIRST_FRAME_BYTES_MAX)
    with ApiDaemon(path, ApiAuthorization("mon", users=("root",))) as daemon:
        with socket.socket(socket.AF_UNIX) as hostile:
            hostile.settimeout(10)
            hostile.connect(str(path))
            hostile.sendall(encode_frame(long)[:8])  # the header is enough
            assert hostile.recv(10) == b""
        assert daemon.gone == ["too-large"]
        mon = signed_on(path, "mon")
        mon.sendall(encode_frame(message_of(t="foo", filling="x" * 100_000)))
        wait_until(lambda: len(daemon.broadcasts) == 2)
        mon.close()


def test_a_message_of_too_many_parts_ends_the_connection(tmp_path: Path) -> None:
    path = tmp_path / "register"
    many = Message(Field(FieldType.STRING, f"f{n}", "") for n in range(CLIENT_PARTS_MAX + 1))
    with ApiDaemon(path, ApiAuthorization("mon", users=("root",))) as daemon:
        mon = signed_on(path, "mon")
        mon.sendall(encode_frame(many))
        wait_until(lambda: daemon.gone == ["too-many-parts"])
        mon.close()


class _Turns:
    """Notes which client's message came in which turn of the loop."""

    def __init__(self) -> None:
        self.turn = 0
        self.callers = 0
        self.heard: list[tuple[int, int]] = []

    def on_client_connected(self, client: int, credentials: Credentials) -> None:
        self.callers = client
        assert credentials.uid == os.getuid()
        assert os.getegid() in credentials.groups

    def on_client_message(self, client: int, message: Message) -> None:
        assert message.type == "hbapi-req"
        self.heard.append((self.turn, client))

    def on_client_gone(self, client: int, reason: str) -> None:
        pass


async def _turns_of(path: Path, clients: int, messages: int) -> list[tuple[int, int]]:
    host = _Turns()
    serving = ClientSocket(path, host)
    await serving.open()
    frame = encode_frame(message_of(t="hbapi-req"))
    callers = [socket.socket(socket.AF_UNIX) for _ in range(clients)]
    for caller in callers:
        caller.connect(str(path))
        caller.sendall(frame * messages)
    while len(host.heard) < clients * messages:
        host.turn += 1
        assert host.turn < 100_000
        await asyncio.sleep(0)
    for caller in callers:
        caller.close()
    await serving.close()
    await asyncio.sleep(0)
    return host.heard


def test_a_turn_of_the_loop_takes_one_message_of_one_client_in_turn(tmp_path: Path) -> None:
    heard = asyncio.run(_turns_of(tmp_path / "register", 5, 40))
    turns = [turn for turn, _ in heard]
    assert len(set(turns)) == len(turns), "two messages in one turn"
    assert {client for _, client in heard[-10:]} == {1, 2, 3, 4, 5}, "who sends much waits"
