"""Every medium carries datagrams both ways between two machines (network namespaces)."""

from __future__ import annotations

import os
import shutil
import time
from typing import TYPE_CHECKING

import pytest

from cluster.media_lab import WAIT_S, Net, Node, ip
from everbeat.model.cluster import Medium, MediumKind
from everbeat.model.names import LinkName
from lab import wait_until
from lab.slowness import is_over

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(
        os.geteuid() != 0 or not shutil.which("ip"), reason="needs root and iproute2"
    ),
]

ETH0 = LinkName("eth0")
PORT = 6940


@pytest.fixture(scope="module")
def net() -> Iterator[Net]:
    with Net() as made:
        yield made


def medium(kind: MediumKind, peer: int) -> Medium:
    """The medium of one node; `peer` is the number of the other one."""
    address = {
        MediumKind.UCAST: f"10.98.0.{peer}",
        MediumKind.UCAST6: f"fd98::{peer}",
        MediumKind.MCAST: "239.0.0.43",
        MediumKind.MCAST6: "ff12::43",
    }.get(kind, "")
    return Medium(kind=kind, link=ETH0, interface="eth0", address=address, port=PORT)


@pytest.mark.parametrize("kind", ["bcast", "ucast", "mcast", "ucast6", "mcast6"])
def test_a_udp_medium_carries_both_ways(net: Net, kind: str) -> None:
    one, two = (medium(MediumKind(kind), peer) for peer in (2, 1))
    big = b"large" * 6000  # fragmented on the way
    with Node([one], net.name(1)) as first, Node([two], net.name(2)) as second:
        first.transmit(b"to second")
        second.transmit(b"to first")
        index, source = second.wait_for(b"to second")
        assert index == 0
        assert source == "10.98.0.1" or (
            kind.endswith("6") and source.startswith(("fd98:", "fe80:"))
        )
        first.wait_for(b"to first")
        first.transmit(big)
        second.wait_for(big)
        assert first.changes.empty()


def test_multicast_is_not_handed_back_to_its_sender(net: Net) -> None:
    kinds = [MediumKind.MCAST, MediumKind.MCAST6]
    with (
        Node([medium(kind, 2) for kind in kinds], net.name(1)) as first,
        Node([medium(kind, 1) for kind in kinds], net.name(2)) as second,
    ):
        first.transmit(b"hello")
        assert {second.wait_for(b"hello")[0], second.wait_for(b"hello")[0]} == {0, 1}
        assert first.received.empty()


def test_a_ucast_line_with_our_own_address_receives_and_sends_nothing(net: Net) -> None:
    lines = [medium(MediumKind.UCAST, 1), medium(MediumKind.UCAST, 2)]
    with Node(lines, net.name(1)) as first, Node(lines, net.name(2)) as second:
        first.transmit(b"hello")
        second.wait_for(b"hello")
        assert first.received.empty()
        wait_until(lambda: first.media.statistics()[1].sent_count == 1, "it is counted as sent", 5)


def test_ping_media_hear_their_own_payload_from_the_host(net: Net) -> None:
    def ping(kind: str, *hosts: str) -> Medium:
        return Medium(kind=MediumKind(kind), link=LinkName(hosts[0]), hosts=hosts)

    media = [
        ping("ping", "10.98.0.2"),
        ping("ping6", "fd98::2"),
        ping("ping_group", "10.98.0.77", "10.98.0.2", "10.98.0.1"),
    ]
    with Node(media, net.name(1)) as first:
        for index, source in ((0, "10.98.0.2"), (1, "fd98::2")):
            payload = f"###\nmedium {index}\n%%%\n".encode() * 9
            first.transmit(payload, index)
            assert first.wait_for(payload) == (index, source)
        first.transmit(b"group", 2)
        answered = {first.wait_for(b"group")[1] for _ in range(2)}
        assert answered == {"10.98.0.2", "10.98.0.1"}
        first.transmit(b"to all that carry messages")
        time.sleep(0.1)
        assert first.received.empty()


def test_a_removed_interface_is_reported_and_works_again_when_it_is_back(net: Net) -> None:
    kinds = [MediumKind.BCAST, MediumKind.MCAST, MediumKind.UCAST, MediumKind.MCAST6]
    stays = Medium(kind=MediumKind.UCAST, link=LinkName("lo"), interface="lo", address="127.0.0.1")
    with (
        Node([*(medium(k, 2) for k in kinds), stays], net.name(1)) as first,
        Node([medium(k, 1) for k in kinds], net.name(2)) as second,
    ):
        net.unplug(1)
        failed = {first.wait_change(lambda _, error: bool(error))[0] for _ in kinds}
        assert failed == {0, 1, 2, 3}, "each fails once, and the loopback medium does not"
        net.plug(1)
        recovered: set[int] = set()
        began = time.monotonic()
        while recovered != failed and not is_over(began, WAIT_S):
            first.transmit(b"are you there")
            time.sleep(0.1)
            while not first.changes.empty():
                index, error = first.changes.get()
                recovered |= set() if error else {index}
        assert recovered == failed
        first.transmit(b"back again")
        wait_on_all(second, b"back again", failed)
        second.transmit(b"welcome")
        wait_on_all(first, b"welcome", failed)


def wait_on_all(node: Node, data: bytes, indexes: set[int]) -> None:
    """A broadcast reaches the ucast socket of the same port as well: count media, not copies."""
    missing = set(indexes)
    while missing:
        missing.discard(node.wait_for(data)[0])


def test_an_interface_that_is_down_is_reported_once(net: Net) -> None:
    with Node([medium(MediumKind.BCAST, 2)], net.name(1)) as first:
        ip("-n", net.name(1), "link", "set", "eth0", "down")
        assert first.wait_change(lambda _, error: bool(error)) == (0, "Network is down")
        for _ in range(15):
            first.transmit(b"hello")
            time.sleep(0.1)
        assert first.changes.empty()
        ip("-n", net.name(1), "link", "set", "eth0", "up")
        began = time.monotonic()
        while first.changes.empty() and not is_over(began, WAIT_S):
            first.transmit(b"hello")
            time.sleep(0.1)
        assert first.wait_change(lambda _, error: not error) == (0, "")
        ip("-n", net.name(1), "-6", "addr", "replace", "fd98::1/64", "dev", "eth0", "nodad")


def test_a_medium_that_cannot_be_opened_at_start_joins_later(net: Net) -> None:
    net.unplug(2)
    with Node([medium(MediumKind.BCAST, 1)], net.name(2)) as second:
        assert second.wait_change(lambda _, error: bool(error))[0] == 0
        net.plug(2)
        with Node([medium(MediumKind.BCAST, 2)], net.name(1)) as first:
            began = time.monotonic()
            while second.received.empty() and not is_over(began, WAIT_S):
                first.transmit(b"hello")
                time.sleep(0.1)
            second.wait_for(b"hello")
