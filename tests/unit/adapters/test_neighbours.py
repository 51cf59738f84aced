from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Address

from hypothesis import given
from hypothesis import strategies as st

from everbeat.adapters.neighbours import (
    answer_from_arp,
    arp_probe,
    mac_from_advertisement,
    solicitation,
    solicited_node,
)

MAC = bytes.fromhex("020000000001")
VIP = IPv4Address("10.0.0.50")
VIP6 = IPv6Address("fd77::1:50")


def test_a_probe_asks_everybody_and_names_no_address_of_ours() -> None:
    head = "ffffffffffff" + "020000000001" + "0806" + "00010800" + "0604" + "0001"
    assert arp_probe(VIP, MAC).hex() == head + "020000000001" + "00000000" + "0" * 12 + "0a000032"


def test_the_sender_of_an_answer_has_the_address() -> None:
    answer = struct.pack("!6s6sH", MAC, MAC, 0x0806) + struct.pack(
        "!HHBBH6s4s6s4s", 1, 0x0800, 6, 4, 2, MAC, VIP.packed, MAC, bytes(4)
    )
    assert answer_from_arp(answer) == (VIP.packed, "02:00:00:00:00:01")
    assert answer_from_arp(arp_probe(VIP, MAC)) is None
    assert answer_from_arp(answer[:41]) is None


def test_a_solicitation_goes_to_the_group_of_the_address_with_our_mac() -> None:
    assert solicited_node(VIP6) == IPv6Address("ff02::1:ff01:50")
    body = solicitation(VIP6, MAC)
    assert body[:8] == b"\x87" + bytes(7)
    assert body[8:24] == VIP6.packed
    assert body[24:] == b"\x01\x01" + MAC


def advertisement(options: bytes, address: IPv6Address = VIP6) -> bytes:
    return struct.pack("!BBHI16s", 136, 0, 0, 0x6000_0000, address.packed) + options


def test_an_advertisement_gives_the_mac_of_its_target() -> None:
    target = b"\x02\x01" + MAC
    other = b"\x0e\x02" + bytes(14)
    assert mac_from_advertisement(advertisement(other + target), VIP6) == "02:00:00:00:00:01"
    assert mac_from_advertisement(advertisement(target, IPv6Address("fd77::51")), VIP6) == ""
    assert mac_from_advertisement(advertisement(b""), VIP6) == ""
    assert mac_from_advertisement(advertisement(bytes(8) + target), VIP6) == ""


@given(st.binary(max_size=80))
def test_no_packet_does_harm(data: bytes) -> None:
    answer_from_arp(bytes(12) + data)
    mac_from_advertisement(advertisement(data), VIP6)
    mac_from_advertisement(data, VIP6)
