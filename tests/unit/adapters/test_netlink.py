"""Requests to the real kernel that change nothing, and bytes that are no messages."""

from __future__ import annotations

import contextlib
import errno
import socket
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everbeat.adapters.netlink import (
    IFF_LOOPBACK,
    AddressRemoved,
    LinkChanged,
    Netlink,
    News,
)

NO_INTERFACE = 2**30


def test_the_loopback_is_found_with_its_address() -> None:
    with contextlib.closing(Netlink()) as netlink:
        link = netlink.link(socket.if_nametoindex("lo"))
        held = netlink.addresses(socket.AF_INET)
    assert link.flags & IFF_LOOPBACK
    assert (link.index, ip_address("127.0.0.1"), 8) in {
        (h.index, h.address, h.prefix) for h in held
    }


def test_a_refusal_is_an_error_with_the_kernels_number() -> None:
    with contextlib.closing(Netlink()) as netlink:
        with pytest.raises(OSError, match="No such device") as refused:
            netlink.link(NO_INTERFACE)
        assert refused.value.errno == errno.ENODEV
        assert netlink.addresses(socket.AF_INET)  # and it goes on


def test_a_socket_that_has_answered_often_is_replaced_by_another() -> None:
    with contextlib.closing(Netlink(requests_max=3)) as netlink:
        answers = [netlink.addresses(socket.AF_INET) for _ in range(10)]
    assert all(answer == answers[0] for answer in answers)


@given(st.binary(max_size=200))
def test_nonsense_is_no_news_and_raises_nothing(data: bytes) -> None:
    for news in News().read(data):
        assert isinstance(news, AddressRemoved | LinkChanged)
