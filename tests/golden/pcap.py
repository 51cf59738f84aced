"""A small pcap reader: UDP datagrams and ICMP echo payloads, IPv4 fragments put together.

Reads classic pcap files of Ethernet frames, either byte order, IPv4 and IPv6 (no extension
headers but the fragment header). Anything else in a file is passed over.
"""

from __future__ import annotations

import ipaddress
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_FILE_HEADER: Final = 24
_ETHERNET_HEADER: Final = 14
_IPV4, _IPV6 = 0x0800, 0x86DD
_ICMP, _UDP, _FRAGMENT, _ICMP6 = 1, 17, 44, 58
_ECHOES: Final = {_ICMP: (0, 8), _ICMP6: (128, 129)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Datagram:
    """One payload as its receiver saw it. Ports are 0 for ICMP."""

    at_s: float
    source: str
    source_port: int
    destination: str
    destination_port: int
    payload: bytes

    @property
    def is_echo(self) -> bool:
        return self.source_port == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Packet:
    source: bytes
    destination: bytes
    protocol: int
    identification: bytes
    offset: int
    is_more: bool
    body: bytes


def read_datagrams(path: Path) -> Iterator[Datagram]:
    fragments: dict[tuple[bytes, bytes, bytes], dict[int, _Packet]] = {}
    for at_s, frame in _frames(path.read_bytes()):
        packet = _packet(frame)
        if packet is None:
            continue
        if packet.is_more or packet.offset:
            key = (packet.source, packet.destination, packet.identification)
            parts = fragments.setdefault(key, {})
            parts[packet.offset] = packet
            body = _joined(parts)
            if body is None:
                continue
            del fragments[key]
        else:
            body = packet.body
        if (datagram := _datagram(at_s, packet, body)) is not None:
            yield datagram


def _frames(content: bytes) -> Iterator[tuple[float, bytes]]:
    order = "<" if content[:4] == b"\xd4\xc3\xb2\xa1" else ">"
    (link_type,) = struct.unpack_from(order + "I", content, 20)
    assert link_type == 1, "not Ethernet"
    record = struct.Struct(order + "IIII")
    position = _FILE_HEADER
    while position + record.size <= len(content):
        seconds, micros, length, _ = record.unpack_from(content, position)
        position += record.size
        yield seconds + micros / 1e6, content[position : position + length]
        position += length


def _packet(frame: bytes) -> _Packet | None:
    (kind,) = struct.unpack_from("!H", frame, 12)
    packet = frame[_ETHERNET_HEADER:]
    if kind == _IPV4:
        return _ipv4(packet)
    if kind == _IPV6:
        return _ipv6(packet)
    return None


def _ipv4(packet: bytes) -> _Packet:
    total, identification, flags = struct.unpack_from("!HHH", packet, 2)
    header = (packet[0] & 15) * 4
    return _Packet(
        source=packet[12:16],
        destination=packet[16:20],
        protocol=packet[9],
        identification=identification.to_bytes(2, "big"),
        offset=(flags & 0x1FFF) * 8,
        is_more=bool(flags & 0x2000),
        body=packet[header:total],
    )


def _ipv6(packet: bytes) -> _Packet:
    length, protocol = struct.unpack_from("!HB", packet, 4)
    body, identification, offset, is_more = packet[40 : 40 + length], b"", 0, False
    if protocol == _FRAGMENT:
        protocol, place, identification = body[0], int.from_bytes(body[2:4], "big"), body[4:8]
        offset, is_more, body = place & ~7, bool(place & 1), body[8:]
    return _Packet(
        source=packet[8:24],
        destination=packet[24:40],
        protocol=protocol,
        identification=identification,
        offset=offset,
        is_more=is_more,
        body=body,
    )


def _joined(parts: dict[int, _Packet]) -> bytes | None:
    body = b""
    for offset in sorted(parts):
        if offset != len(body):
            return None
        body += parts[offset].body
    return None if parts[max(parts)].is_more else body


def _datagram(at_s: float, packet: _Packet, body: bytes) -> Datagram | None:
    ports = (0, 0)
    if packet.protocol == _UDP:
        source_port, destination_port, length = struct.unpack_from("!HHH", body)
        ports, payload = (source_port, destination_port), body[8:length]
    elif body and body[0] in _ECHOES.get(packet.protocol, ()):
        payload = body[8:]
    else:
        return None
    return Datagram(
        at_s=at_s,
        source=str(ipaddress.ip_address(packet.source)),
        source_port=ports[0],
        destination=str(ipaddress.ip_address(packet.destination)),
        destination_port=ports[1],
        payload=payload,
    )
