"""Requests to the real kernel that change nothing, and bytes that are no messages."""

from __future__ import annotations

import contextlib
import errno
import socket
import struct
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everbeat.adapters.netlink import IFF_LOOPBACK, Netlink, attributes, messages

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


def test_values_are_taken_apart_at_their_padding() -> None:
    one, two = struct.pack("=HH3sx", 7, 1, b"abc"), struct.pack("=HHI", 8, 2, 5)
    assert list(attributes(one + two)) == [(1, b"abc"), (2, struct.pack("=I", 5))]


@given(st.binary(max_size=200))
def test_nonsense_ends_the_reading_and_raises_nothing(data: bytes) -> None:
    assert sum(len(body) for *_, body in messages(data)) <= len(data)
    assert sum(len(value) for _, value in attributes(data)) <= len(data)
