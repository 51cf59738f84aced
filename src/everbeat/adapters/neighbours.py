"""Ask the network who has an address: ARP probes, neighbour solicitations.

    probe ─► where the kernel would send, and to whom ─► asked at AT_MS ─► Finding after WAIT_MS

An ARP probe names no sender's address (0.0.0.0, RFC 5227 2.1.1), so nobody's cache learns from it;
a solicitation comes from our link-local address (RFC 4861 7.2.2). All answers of WAIT_MS are
collected: a second machine may answer later than the first.

The packet socket for ARP is opened with the first question and kept: closing one waits for a grace
period of the kernel, 20 ms and more. Its filter lets answers to probes pass and nothing else.
"""

from __future__ import annotations

import asyncio
import ctypes
import socket
import struct
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING, Final

from everbeat.model.neighbours import Finding

if TYPE_CHECKING:
    from collections.abc import Callable

    from everbeat.adapters.addresses import Addresses, Near
    from everbeat.model.service_address import Address

AT_MS: Final = (0, 100)
"""When is asked: a packet may be lost."""

WAIT_MS: Final = 300
ANSWERS_MAX: Final = 8
"""MACs remembered of one address; what answers beyond is dropped."""

_MAC_BYTES: Final = 6
_BROADCAST: Final = b"\xff" * _MAC_BYTES
_ETHERTYPE_ARP: Final = 0x0806
_ARP: Final = struct.Struct("!HHBBH6s4s6s4s")
_ARP_REQUEST: Final = 1
_ARP_REPLY: Final = 2
_FRAME_BYTES: Final = 14 + _ARP.size
_READ_BYTES: Final = 2_048
_READS_MAX: Final = 50  # of one wake-up; the rest waits for the next one

_SO_ATTACH_FILTER: Final = 26
_PROBE_ANSWERS: Final = (  # classic BPF: offsets in the frame; code, if true, if false, operand
    (0x28, 0, 0, 20),  # load the operation
    (0x15, 0, 3, _ARP_REPLY),
    (0x20, 0, 0, 38),  # load whom it answers
    (0x15, 0, 1, 0),  # 0.0.0.0: a probe
    (0x06, 0, 0, 0xFFFF_FFFF),
    (0x06, 0, 0, 0),
)

_SOLICITATION: Final = 135
_ADVERTISEMENT: Final = 136
_SOURCE_MAC_OPTION: Final = 1
_TARGET_MAC_OPTION: Final = 2
_ICMP6_FILTER: Final = 1
_ONLY_ADVERTISEMENTS: Final = b"".join(
    struct.pack("=I", 0xFFFF_FFFF & ~(1 << _ADVERTISEMENT % 32 if word == 4 else 0))
    for word in range(8)
)
_HOPS: Final = 255  # of whoever is on the same network
_ADVERTISEMENT_BYTES: Final = 24


class Neighbours:
    """Questions under way. One instance per process; close it."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        addresses: Addresses,
        on_error: Callable[[str], None],
    ) -> None:
        self._loop = loop
        self._addresses = addresses
        self._on_error = on_error
        self._socket: socket.socket | None = None
        self._listening: list[tuple[bytes, list[str]]] = []  # address, MACs heard

    async def probe(self, addresses: tuple[str, ...]) -> tuple[Finding, ...]:
        """Return where each address is found, in this order. Never raises for what fails."""
        return tuple(await asyncio.gather(*(self._probe(ip_address(a)) for a in addresses)))

    def close(self) -> None:
        """Ask and hear no more."""
        if self._socket is not None:
            self._loop.remove_reader(self._socket.fileno())
            self._socket.close()
            self._socket = None

    async def _probe(self, address: Address) -> Finding:
        near = await self._addresses.near(address)
        if near is None or len(near.mac) != _MAC_BYTES:
            return Finding(address=str(address), is_near=False)
        held_at = mac_text(near.mac) if near.is_here else ""
        try:
            answers = await self._ask(address, near)
        except OSError as error:  # the interface is down, or has no link-local address
            self._on_error(f"question for {address} on {near.interface}: {error}")
            return Finding(address=str(address), is_near=False, held_at=held_at)
        return Finding(
            address=str(address),
            is_near=True,
            held_at=held_at,
            cached=mac_text(near.cached) if len(near.cached) == _MAC_BYTES else "",
            answers=tuple(answers),
        )

    async def _ask(self, address: Address, near: Near) -> list[str]:
        match address:
            case IPv4Address():
                return await self._ask_arp(address, near)
            case IPv6Address():
                return await self._ask_icmp6(address, near)

    async def _ask_arp(self, address: IPv4Address, near: Near) -> list[str]:
        asking = self._opened()
        frame = arp_probe(address, near.mac)
        heard: list[str] = []
        listening = (address.packed, heard)
        self._listening.append(listening)
        try:
            await _send_and_wait(lambda: asking.sendto(frame, (near.interface, 0)))
        finally:
            self._listening.remove(listening)
        return heard

    def _opened(self) -> socket.socket:
        if self._socket is None:
            kind = socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
            opened = socket.socket(socket.AF_PACKET, kind, socket.htons(_ETHERTYPE_ARP))
            _attach_filter(opened)
            self._loop.add_reader(opened.fileno(), self._on_readable, opened)
            self._socket = opened
        return self._socket

    def _on_readable(self, ear: socket.socket) -> None:
        for _ in range(_READS_MAX):
            try:
                frame = ear.recv(_READ_BYTES)
            except BlockingIOError:
                return
            except OSError:  # an interface went down
                continue
            answer = answer_from_arp(frame)
            for address, heard in self._listening if answer is not None else ():
                if answer is not None and address == answer[0]:
                    _add(heard, answer[1])

    async def _ask_icmp6(self, address: IPv6Address, near: Near) -> list[str]:
        kind = socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
        with socket.socket(socket.AF_INET6, kind, socket.IPPROTO_ICMPV6) as asking:
            asking.setsockopt(socket.IPPROTO_ICMPV6, _ICMP6_FILTER, _ONLY_ADVERTISEMENTS)
            asking.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, near.interface.encode())
            asking.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, _HOPS)
            asking.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT, 1)
            index = socket.if_nametoindex(near.interface)
            packet = solicitation(address, near.mac)
            target = (str(solicited_node(address)), 0, 0, index)
            heard: list[str] = []

            def hear() -> None:
                with suppress(OSError):
                    data, ancillary, *_ = asking.recvmsg(_READ_BYTES, 64)
                    if _hops_of(ancillary) == _HOPS:
                        _add(heard, mac_from_advertisement(data, address))

            self._loop.add_reader(asking.fileno(), hear)
            try:
                await _send_and_wait(lambda: asking.sendto(packet, target))
            finally:
                self._loop.remove_reader(asking.fileno())
            return heard


def arp_probe(address: IPv4Address, mac: bytes) -> bytes:
    """Return the frame that asks who has an address, and names no address of ours."""
    header = struct.pack("!6s6sH", _BROADCAST, mac, _ETHERTYPE_ARP)
    nobody = bytes(4)
    fields = (1, 0x0800, _MAC_BYTES, 4, _ARP_REQUEST)
    return header + _ARP.pack(*fields, mac, nobody, bytes(_MAC_BYTES), address.packed)


def answer_from_arp(frame: bytes) -> tuple[bytes, str] | None:
    """Return address and MAC of the sender of an answer to a probe; None for anything else."""
    if len(frame) < _FRAME_BYTES:
        return None
    kind, protocol, mac_bytes, _, operation, mac, address, *_ = _ARP.unpack_from(frame, 14)
    is_answer = (kind, protocol, mac_bytes, operation) == (1, 0x0800, _MAC_BYTES, _ARP_REPLY)
    return (address, mac_text(mac)) if is_answer else None


def solicited_node(address: IPv6Address) -> IPv6Address:
    """Return the multicast address on which an address is asked for (RFC 4291 2.7.1)."""
    return IPv6Address(IPv6Address("ff02::1:ff00:0").packed[:13] + address.packed[13:])


def solicitation(address: IPv6Address, mac: bytes) -> bytes:
    """Return the ICMPv6 body that asks who has an address; the kernel adds the checksum."""
    option = struct.pack("!BB6s", _SOURCE_MAC_OPTION, 1, mac)
    return struct.pack("!BBHI16s", _SOLICITATION, 0, 0, 0, address.packed) + option


def mac_from_advertisement(body: bytes, address: IPv6Address) -> str:
    """Return the MAC that an advertisement gives for this address, or nothing."""
    is_whole = len(body) >= _ADVERTISEMENT_BYTES
    if not is_whole or body[0] != _ADVERTISEMENT or body[8:24] != address.packed:
        return ""
    options = body[_ADVERTISEMENT_BYTES:]
    while len(options) >= 8:
        kind, length = options[0], options[1] * 8
        if kind == _TARGET_MAC_OPTION and length == 8:
            return mac_text(options[2:8])
        if length == 0:
            return ""
        options = options[length:]
    return ""


def mac_text(mac: bytes) -> str:
    """Return 02:00:00:00:00:01."""
    return mac.hex(":")


async def _send_and_wait(send: Callable[[], object]) -> None:
    passed_ms = 0
    for at_ms in AT_MS:
        await asyncio.sleep((at_ms - passed_ms) / 1000)
        passed_ms = at_ms
        send()
    await asyncio.sleep((WAIT_MS - passed_ms) / 1000)


def _add(heard: list[str], mac: str) -> None:
    if mac and mac not in heard and len(heard) < ANSWERS_MAX:
        heard.append(mac)


def _hops_of(ancillary: list[tuple[int, int, bytes]]) -> int:
    for level, kind, value in ancillary:
        if (level, kind) == (socket.IPPROTO_IPV6, socket.IPV6_HOPLIMIT):
            return int(struct.unpack("=i", value[:4])[0])
    return 0


def _attach_filter(ear: socket.socket) -> None:
    code = b"".join(struct.pack("=HBBI", *instruction) for instruction in _PROBE_ANSWERS)
    program = ctypes.create_string_buffer(code, len(code))
    described = struct.pack("@HP", len(_PROBE_ANSWERS), ctypes.addressof(program))
    ear.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, described)
