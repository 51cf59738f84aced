"""Tell the neighbours who has an address now: gratuitous ARP, unsolicited neighbour advertisement.

    announce ─► at once, then at AT_MS ─► done          give_up ─► nothing more is sent
    repeat   ─► once

One packet socket stays open for the life of the process: closing one waits for a grace period of
the kernel, 20 ms and more. Source: RFC 5227 and 5944 (ARP), RFC 4861 7.2.6 (neighbours).
"""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from everbeat.model.service_address import Address

AT_MS: Final = (0, 100, 500, 1_000, 2_000, 3_000, 4_000, 6_000, 8_000, 10_000)
"""When an announcement is repeated, from its start."""

MAC_BYTES: Final = 6

_BROADCAST: Final = b"\xff" * MAC_BYTES
_NO_MAC: Final = b"\0" * MAC_BYTES
_ALL_NODES_MAC: Final = bytes.fromhex("333300000001")
_ALL_NODES: Final = IPv6Address("ff02::1").packed
_ETHERTYPE_ARP: Final = 0x0806
_ETHERTYPE_IPV6: Final = 0x86DD
_ICMPV6: Final = 58
_ADVERTISEMENT: Final = 136
_FLAG_ROUTER: Final = 0x8000_0000
_FLAG_OVERRIDE: Final = 0x2000_0000


@dataclass(frozen=True, slots=True)
class Announced:
    """Where an address is: `mac` is the interface's. `is_router`: it forwards (IPv6 says so)."""

    address: Address
    interface: str
    mac: bytes
    is_router: bool = False


class Announcer:
    """Announcements in progress, one per address.

    `on_error` hears why a packet was not sent, `on_announced` of each announcement that has begun.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        on_error: Callable[[str], None],
        on_announced: Callable[[Announced], None],
    ) -> None:
        self._loop = loop
        self._on_error = on_error
        self._on_announced = on_announced
        self._timers: dict[Address, list[asyncio.TimerHandle]] = {}
        self._socket = socket.socket(
            socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, 0
        )

    def announce(self, announced: Announced, *, is_repeated: bool = True) -> None:
        """Send now and repeat in the background; an earlier announcement is replaced."""
        self.give_up(announced.address)
        if not _has_neighbours(announced):
            return
        frames = frames_of(announced)
        self._send(announced.interface, frames)
        self._timers[announced.address] = [
            self._loop.call_later(at_ms / 1000, self._send, announced.interface, frames)
            for at_ms in (AT_MS[1:] if is_repeated else ())
        ]
        self._on_announced(announced)

    def repeat(self, announced: Announced) -> None:
        """Send once more; what is under way goes on."""
        if _has_neighbours(announced):
            self._send(announced.interface, frames_of(announced))

    def give_up(self, address: Address) -> None:
        """Send nothing more for this address."""
        for timer in self._timers.pop(address, []):
            timer.cancel()

    def close(self) -> None:
        """Stop all announcements."""
        for address in tuple(self._timers):
            self.give_up(address)
        self._socket.close()

    def _send(self, interface: str, frames: tuple[bytes, ...]) -> None:
        for frame in frames:
            try:
                self._socket.sendto(frame, (interface, 0))
            except OSError as error:
                self._on_error(f"announcement on {interface}: {error.strerror or error}")


def _has_neighbours(announced: Announced) -> bool:
    """Whether there is anybody to tell: not on loopback, not on tunnels."""
    return len(announced.mac) == MAC_BYTES and any(announced.mac)


def frames_of(announced: Announced) -> tuple[bytes, ...]:
    """Return the Ethernet frames of one announcement: both forms of ARP, or one advertisement."""
    match announced.address:
        case IPv4Address() as address:
            request = gratuitous_arp(address, announced.mac, is_reply=False)
            return (request, gratuitous_arp(address, announced.mac, is_reply=True))
        case IPv6Address() as address:
            return (unsolicited_advertisement(address, announced.mac, announced.is_router),)


def gratuitous_arp(address: IPv4Address, mac: bytes, *, is_reply: bool) -> bytes:
    """Return a broadcast ARP packet that asks for, or answers with, our own address."""
    target = _BROADCAST if is_reply else _NO_MAC
    header = struct.pack("!6s6sH", _BROADCAST, mac, _ETHERTYPE_ARP)
    kind = struct.pack("!HHBBH", 1, 0x0800, MAC_BYTES, 4, 2 if is_reply else 1)
    return header + kind + mac + address.packed + target + address.packed


def unsolicited_advertisement(address: IPv6Address, mac: bytes, is_router: bool) -> bytes:  # noqa: FBT001 - positional like the packet's fields
    """Return a neighbour advertisement to all nodes with the override flag."""
    flags = _FLAG_OVERRIDE | (_FLAG_ROUTER if is_router else 0)
    body = struct.pack("!I16sBB6s", flags, address.packed, 2, 1, mac)
    length = 4 + len(body)
    pseudo = struct.pack("!16s16sII", address.packed, _ALL_NODES, length, _ICMPV6)
    checksum = _checksum(pseudo + struct.pack("!BBH", _ADVERTISEMENT, 0, 0) + body)
    icmp = struct.pack("!BBH", _ADVERTISEMENT, 0, checksum) + body
    header = struct.pack("!6s6sH", _ALL_NODES_MAC, mac, _ETHERTYPE_IPV6)
    ip = struct.pack("!IHBB16s16s", 6 << 28, length, _ICMPV6, 255, address.packed, _ALL_NODES)
    return header + ip + icmp


def _checksum(data: bytes) -> int:
    """Return the Internet checksum of an even number of bytes (RFC 1071)."""
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
