"""UDP media: bcast, ucast, mcast, ucast6 and mcast6.

One socket per medium, bound to its interface and port; sending and receiving are never blocking.
Heartbeat's own peers send from a random port, so a sender's port means nothing.
"""

from __future__ import annotations

import contextlib
import errno
import socket
import struct
from typing import TYPE_CHECKING, Final

from everbeat.adapters.interfaces import Interface, interface_now
from everbeat.model.cluster import Medium, MediumKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

DATAGRAM_BYTES_MAX: Final = 65_535
RECEIVE_BATCH_MAX: Final = 1000
"""Reads of one medium before others have their turn, whatever becomes of what was read."""
RECEIVE_BUFFER_BYTES: Final = 4 * 1024 * 1024
"""So that a process held up for a while still finds every heartbeat that came meanwhile."""

_SO_RCVBUFFORCE: Final = 33
_IP_MULTICAST_ALL: Final = 49
_IPTOS_LOWDELAY: Final = 0x10
_PRIORITY_INTERACTIVE: Final = 6
_IPV6_KINDS: Final = frozenset({MediumKind.UCAST6, MediumKind.MCAST6})


class UdpPort:
    """An open UDP medium. `destination` None: receive only (a ucast line with our own address)."""

    def __init__(
        self, opened: socket.socket, medium: Medium, interface: Interface, destination: str | None
    ) -> None:
        self._socket = opened
        self._medium = medium
        self._interface = interface
        self._destination: tuple[str, int] | tuple[str, int, int, int] | None = None
        if destination is not None:
            self._destination = _endpoint(medium, destination, interface)

    @property
    def is_sending(self) -> bool:
        """Whether anything is ever sent here."""
        return self._destination is not None

    def fileno(self) -> int:
        """Return the descriptor to wait on."""
        return self._socket.fileno()

    def send(self, data: bytes) -> None:
        """Send one datagram. Raise OSError, BlockingIOError among them."""
        if self._destination is not None:
            self._socket.sendto(data, self._destination)

    def receive(self) -> Iterator[tuple[bytes, str]]:
        """Yield what has arrived, with the sender's address, RECEIVE_BATCH_MAX reads at most."""
        for _ in range(RECEIVE_BATCH_MAX):
            try:
                data, source = self._socket.recvfrom(DATAGRAM_BYTES_MAX)
            except BlockingIOError:
                return
            yield data, source[0]

    def check(self) -> None:
        """Raise OSError if the interface went, went down, or is another one under this name."""
        if _interface_of(self._medium) != self._interface:
            raise OSError(errno.ENODEV, "the interface has changed")

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


def open_udp(medium: Medium, resolved: Mapping[str, str]) -> UdpPort:
    """Open a UDP medium; `resolved` maps its address to a numeric one. Raise OSError."""
    interface = _interface_of(medium)
    family = socket.AF_INET6 if medium.kind in _IPV6_KINDS else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        _set_common_options(opened, interface)
        destination = _OPENERS[medium.kind](opened, medium, interface, resolved)
    except OSError:
        opened.close()
        raise
    return UdpPort(opened, medium, interface, destination)


def enlarge_receive_buffer(opened: socket.socket) -> None:
    """Give the socket RECEIVE_BUFFER_BYTES, or as much as this user may."""
    try:
        opened.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, RECEIVE_BUFFER_BYTES)
    except PermissionError:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)


def is_own_address(address: str, family: socket.AddressFamily) -> bool:
    """Whether an address is this machine's: the kernel then routes to it from itself.

    Not by trying to bind: net.ipv4.ip_nonlocal_bind, usual where addresses move, lies about that.
    """
    with socket.socket(family, socket.SOCK_DGRAM) as asking:
        try:
            asking.connect((address, 9))
        except OSError:
            return False
        own: str = asking.getsockname()[0]
    return own == address


def _interface_of(medium: Medium) -> Interface:
    return interface_now(medium.interface, needs_broadcast=medium.kind is MediumKind.BCAST)


def _set_common_options(opened: socket.socket, interface: Interface) -> None:
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.name.encode() + b"\0")
    enlarge_receive_buffer(opened)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_PRIORITY, _PRIORITY_INTERACTIVE)
    if opened.family == socket.AF_INET:
        opened.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, _IPTOS_LOWDELAY)
    else:
        opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)


def _prepare_bcast(
    opened: socket.socket, medium: Medium, interface: Interface, _: Mapping[str, str]
) -> str:
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    opened.bind(("", medium.port))
    return interface.broadcast


def _prepare_ucast(
    opened: socket.socket, medium: Medium, _: Interface, resolved: Mapping[str, str]
) -> str | None:
    opened.bind(("", medium.port))
    peer = resolved[medium.address]
    return None if is_own_address(peer, opened.family) else peer


def _prepare_mcast(
    opened: socket.socket, medium: Medium, interface: Interface, resolved: Mapping[str, str]
) -> str:
    group = resolved[medium.address]
    ip_mreqn = struct.pack("=4s4si", socket.inet_aton(group), bytes(4), interface.index)
    opened.bind((group, medium.port))
    opened.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, ip_mreqn)
    opened.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, medium.ttl)
    opened.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, int(medium.is_looped))
    with contextlib.suppress(OSError):  # older kernels: other groups' datagrams fail to verify
        opened.setsockopt(socket.IPPROTO_IP, _IP_MULTICAST_ALL, 0)
    opened.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, ip_mreqn)
    return group


def _prepare_mcast6(
    opened: socket.socket, medium: Medium, interface: Interface, resolved: Mapping[str, str]
) -> str:
    group = resolved[medium.address]
    ipv6_mreq = struct.pack("=16si", socket.inet_pton(socket.AF_INET6, group), interface.index)
    opened.bind((group, medium.port, 0, interface.index))
    opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, interface.index)
    opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, medium.ttl)
    opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP, int(medium.is_looped))
    opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, ipv6_mreq)
    return group


_OPENERS: Final = {
    MediumKind.BCAST: _prepare_bcast,
    MediumKind.UCAST: _prepare_ucast,
    MediumKind.UCAST6: _prepare_ucast,
    MediumKind.MCAST: _prepare_mcast,
    MediumKind.MCAST6: _prepare_mcast6,
}


def _endpoint(
    medium: Medium, address: str, interface: Interface
) -> tuple[str, int] | tuple[str, int, int, int]:
    if medium.kind in _IPV6_KINDS:
        return (address, medium.port, 0, interface.index)
    return (address, medium.port)
