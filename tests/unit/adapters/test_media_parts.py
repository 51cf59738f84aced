"""Pieces of the media adapters that need no second machine."""

from __future__ import annotations

import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.media_lab import Node
from everbeat.adapters.icmp import (
    ECHO_HEADER,
    PingPort,
    echo_reply_payload,
    echo_request,
    internet_checksum,
)
from everbeat.adapters.interfaces import interface_now
from everbeat.adapters.notify import notify
from everbeat.adapters.udp import RECEIVE_BATCH_MAX, enlarge_receive_buffer, is_own_address
from everbeat.model.cluster import Medium, MediumKind
from everbeat.model.names import LinkName
from lab import wait_until

if TYPE_CHECKING:
    from pathlib import Path


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.bind(("127.0.0.1", 0))
        port: int = asking.getsockname()[1]
    return port


def loopback(port: int) -> Medium:
    kind = MediumKind.UCAST
    return Medium(kind=kind, link=LinkName("lo"), interface="lo", address="127.0.0.1", port=port)


def send(port: int, count: int, data: bytes = b"hello") -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sending:
        for _ in range(count):
            sending.sendto(data, ("127.0.0.1", port))


@pytest.mark.parametrize("is_ours", [True, False])
def test_replies_that_nobody_asked_for_keep_no_medium_from_its_turn(is_ours: bool) -> None:  # noqa: FBT001 - a parameter of pytest
    count = RECEIVE_BATCH_MAX + 100
    reply = ECHO_HEADER.pack(0, 0, 0, 7 if is_ours else 8, 1) + b"payload"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as flooded:
        enlarge_receive_buffer(flooded)
        flooded.bind(("127.0.0.1", 0))
        send(flooded.getsockname()[1], count, bytes([0x45]).ljust(20, b"\0") + reply)
        port = PingPort(flooded, ("127.0.0.1",), 7)
        assert len(list(port.receive())) == (RECEIVE_BATCH_MAX if is_ours else 0)
        assert len(list(port.receive())) == (100 if is_ours else 0)
        send(flooded.getsockname()[1], count, bytes([0x45]).ljust(20, b"\0") + reply)
        list(port.receive())
        assert flooded.recv(100), "the rest waits for the next turn"


def test_a_burst_that_came_while_nobody_looked_is_read_completely() -> None:
    port = free_port()
    with Node([loopback(port)]) as node:
        send(port, 3000)
        for _ in range(3000):
            assert node.wait_for(b"hello")[0] == 0
        assert node.media.statistics()[0].received_count == 3000


def test_a_datagram_that_is_too_large_is_dropped_and_counted() -> None:
    other = Medium(
        kind=MediumKind.MCAST, link=LinkName("lo"), interface="lo", address="239.9.9.9", port=9
    )
    with Node([other]) as node:
        node.transmit(bytes(70_000))
        wait_until(lambda: node.media.statistics()[0].dropped_count > 0, "it is dropped", 10)
        assert node.media.statistics()[0].dropped_count == 1
        assert node.changes.empty()


def test_a_missing_interface_and_an_unresolvable_host_are_reported_with_their_cause() -> None:
    media = [
        Medium(kind=MediumKind.BCAST, link=LinkName("nope0"), interface="nope0"),
        Medium(kind=MediumKind.UCAST, link=LinkName("lo"), interface="lo", address="a..b.invalid"),
    ]
    with Node(media) as node:
        errors = dict(node.wait_change(lambda _, error: bool(error)) for _ in media)
    assert errors[0] == "No such device"
    assert "a..b.invalid: cannot be resolved" in errors[1]


def test_broadcasts_on_the_loopback_interface_reach_their_sender() -> None:
    lo = Medium(kind=MediumKind.BCAST, link=LinkName("lo"), interface="lo", port=free_port())
    with Node([lo]) as node:
        node.transmit(b"hello")
        assert node.wait_for(b"hello")[0] == 0


def test_own_addresses_are_known() -> None:
    assert is_own_address("127.0.0.1", socket.AF_INET)
    assert not is_own_address("192.0.2.77", socket.AF_INET)
    assert interface_now("lo").index == socket.if_nametoindex("lo")


@given(st.binary(max_size=100))
def test_the_checksum_of_a_packet_with_its_checksum_is_zero(payload: bytes) -> None:
    assert internet_checksum(echo_request(77, 1, payload)) == 0


def test_only_replies_with_our_id_count() -> None:
    reply = b"\x00\x00\x00\x00\x00\x4d\x00\x01payload"
    assert echo_reply_payload(77, reply) == b"payload"
    assert echo_reply_payload(78, reply) is None
    assert echo_reply_payload(77, b"\x08" + reply[1:]) is None, "a request"
    assert echo_reply_payload(77, b"\x81" + reply[1:], is_ipv6=True) == b"payload"
    assert echo_reply_payload(77, reply[:7]) is None


def test_realtime_is_granted_or_refused_in_words_and_children_do_not_inherit_it() -> None:
    program = (
        "import os\n"
        "from everbeat.adapters.realtime import become_realtime, freeze_heap\n"
        "refused = become_realtime(1); freeze_heap()\n"
        "policy = os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK\n"
        "assert refused or policy == os.SCHED_RR\n"
        "assert all(isinstance(text, str) and text for text in refused)\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    os._exit(os.sched_getscheduler(0))\n"
        "assert os.waitpid(child, 0)[1] >> 8 == os.SCHED_OTHER\n"
        "print('fine', refused)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert result.stdout.startswith("fine"), result.stderr


def test_systemd_hears_us(tmp_path: Path) -> None:
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(address)
        assert notify("READY=1", address)
        assert listening.recv(100) == b"READY=1"
    assert not notify("WATCHDOG=1", address), "nobody listens any more"
    assert not notify("READY=1", ""), "not run by systemd"
