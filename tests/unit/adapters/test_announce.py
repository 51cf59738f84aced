from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Address

from everbeat.adapters.announce import Announced, frames_of

MAC = bytes.fromhex("020000000001")
VIP = IPv4Address("10.0.0.50")


def test_an_ipv4_address_is_announced_as_request_and_as_reply() -> None:
    request, reply = frames_of(Announced(VIP, "eth0", MAC))
    sender = "020000000001" + "0a000032"
    head = "ffffffffffff" + "020000000001" + "0806" + "00010800" + "0604"
    assert request.hex() == head + "0001" + sender + "000000000000" + "0a000032"
    assert reply.hex() == head + "0002" + sender + "ffffffffffff" + "0a000032"


def test_an_ipv6_address_is_advertised_to_all_nodes_with_a_valid_checksum() -> None:
    [frame] = frames_of(Announced(IPv6Address("fd77::50"), "eth0", MAC, is_router=True))
    ethernet, ip, icmp = frame[:14], frame[14:54], frame[54:]
    assert ethernet.hex() == "333300000001" + "020000000001" + "86dd"
    assert struct.unpack("!HBB", ip[4:8]) == (len(icmp), 58, 255)
    assert icmp[:2] == b"\x88\x00"
    assert icmp[4] == 0xA0  # router and override
    assert icmp[-6:] == MAC
    summed = ip[8:40] + struct.pack("!II", len(icmp), 58) + icmp
    total = sum(struct.unpack(f"!{len(summed) // 2}H", summed))
    assert total % 0xFFFF == 0
