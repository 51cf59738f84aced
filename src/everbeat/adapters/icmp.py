"""Ping media: ICMP and ICMPv6 echo. The payload of a reply is what we once sent.

A ping node "speaks" by echoing: the request carries a whole signed message of its, and the reply
feeds it back. A reply counts only with our echo id and from a host we asked.
"""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING, Final

from everbeat.adapters.udp import DATAGRAM_BYTES_MAX, RECEIVE_BATCH_MAX
from everbeat.model.cluster import Medium, MediumKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ECHO_HEADER: Final = struct.Struct("!BBHHH")  # type, code, checksum, id, sequence
_ICMP_ECHO: Final = 8
_ICMP_ECHO_REPLY: Final = 0
_ICMPV6_ECHO: Final = 128
_ICMPV6_ECHO_REPLY: Final = 129
_SOL_RAW: Final = 255
_ICMP_FILTER: Final = 1
_ICMPV6_FILTER: Final = 1
_RECEIVE_BUFFER_BYTES: Final = 256 * 1024


class PingPort:
    """An open ping medium: one raw socket, one or several hosts."""

    is_sending = True

    def __init__(self, opened: socket.socket, hosts: tuple[str, ...], echo_id: int) -> None:
        self._socket = opened
        self._hosts = hosts
        self._echo_id = echo_id
        self._sequence = 0
        self._is_ipv6 = opened.family == socket.AF_INET6

    def fileno(self) -> int:
        """Return the descriptor to wait on."""
        return self._socket.fileno()

    def send(self, data: bytes) -> None:
        """Send an echo request to every host. Raise the last OSError if none could be asked."""
        self._sequence = (self._sequence + 1) & 0xFFFF
        request = echo_request(self._echo_id, self._sequence, data, is_ipv6=self._is_ipv6)
        failure: OSError | None = None
        asked_count = 0
        for host in self._hosts:
            try:
                self._socket.sendto(request, (host, 0))
                asked_count += 1
            except OSError as error:
                failure = error
        if failure is not None and not asked_count:
            raise failure

    def receive(self) -> Iterator[tuple[bytes, str]]:
        """Yield the payloads of replies to us, with the host that answered.

        RECEIVE_BATCH_MAX reads at most: this socket hears whatever anybody sends as a reply.
        """
        for _ in range(RECEIVE_BATCH_MAX):
            try:
                data, source = self._socket.recvfrom(DATAGRAM_BYTES_MAX)
            except BlockingIOError:
                return
            packet = data if self._is_ipv6 else _without_ip_header(data)
            payload = echo_reply_payload(self._echo_id, packet, is_ipv6=self._is_ipv6)
            if payload is not None and source[0].partition("%")[0] in self._hosts:
                yield payload, source[0]

    def check(self) -> None:
        """Do nothing: routes come and go without the socket."""

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


def open_ping(medium: Medium, resolved: Mapping[str, str], echo_id: int) -> PingPort:
    """Open a ping, ping6 or ping_group medium. Raise OSError."""
    is_ipv6 = medium.kind is MediumKind.PING6
    family = socket.AF_INET6 if is_ipv6 else socket.AF_INET
    protocol = socket.IPPROTO_ICMPV6 if is_ipv6 else socket.IPPROTO_ICMP
    opened = socket.socket(family, socket.SOCK_RAW | socket.SOCK_NONBLOCK, protocol)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
    _take_replies_only(opened)
    return PingPort(opened, tuple(resolved[host] for host in medium.hosts), echo_id)


def _take_replies_only(opened: socket.socket) -> None:
    """Have the kernel drop every other ICMP packet; a set bit blocks its type."""
    if opened.family == socket.AF_INET6:
        blocked = [0xFFFF_FFFF] * 8
        blocked[_ICMPV6_ECHO_REPLY >> 5] &= ~(1 << (_ICMPV6_ECHO_REPLY & 31))
        opened.setsockopt(socket.IPPROTO_ICMPV6, _ICMPV6_FILTER, struct.pack("=8I", *blocked))
    else:
        mask = struct.pack("=I", 0xFFFF_FFFF & ~(1 << _ICMP_ECHO_REPLY))
        opened.setsockopt(_SOL_RAW, _ICMP_FILTER, mask)


def echo_request(echo_id: int, sequence: int, payload: bytes, *, is_ipv6: bool = False) -> bytes:
    """Return an echo request; for ICMPv6 the kernel fills the checksum in."""
    kind = _ICMPV6_ECHO if is_ipv6 else _ICMP_ECHO
    packet = ECHO_HEADER.pack(kind, 0, 0, echo_id, sequence) + payload
    if is_ipv6:
        return packet
    return packet[:2] + internet_checksum(packet).to_bytes(2, "big") + packet[4:]


def echo_reply_payload(echo_id: int, packet: bytes, *, is_ipv6: bool = False) -> bytes | None:
    """Return the payload of an echo reply with this id, or None for any other packet."""
    if len(packet) < ECHO_HEADER.size:
        return None
    kind, _, _, got_id, _ = ECHO_HEADER.unpack_from(packet)
    expected = _ICMPV6_ECHO_REPLY if is_ipv6 else _ICMP_ECHO_REPLY
    if kind != expected or got_id != echo_id:
        return None
    return packet[ECHO_HEADER.size :]


def _without_ip_header(packet: bytes) -> bytes:
    """Raw IPv4 sockets hand the IP header over; its length is in the first byte."""
    return packet[(packet[0] & 0x0F) * 4 :] if packet else b""


def internet_checksum(data: bytes) -> int:
    """Return the checksum of RFC 1071: the complement of the one's complement sum."""
    padded = data + b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
