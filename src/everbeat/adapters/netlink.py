"""Ask the kernel for addresses, links and routes, and change them: rtnetlink in fifty microseconds.

    Netlink ── request, then dump or acknowledgement ──► kernel
    messages, attributes: take received bytes apart, for whoever only listens

A request blocks for as long as the kernel needs to look into its own tables; nothing waits for a
network. Refusals are raised as OSError with the kernel's errno. Source: netlink(7), rtnetlink(7).
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from ipaddress import IPv4Address, IPv6Address

IFF_UP: Final = 0x1
IFF_LOOPBACK: Final = 0x8
IFA_F_NODAD: Final = 0x2
IFA_F_DADFAILED: Final = 0x8

_READ_BYTES: Final = 65_536
_ANSWER_S: Final = 5.0
"""A kernel that has not answered by then never will."""

_HEADER: Final = struct.Struct("=LHHLL")  # struct nlmsghdr
_ATTRIBUTE: Final = struct.Struct("=HH")  # struct rtattr
_ADDRESS: Final = struct.Struct("=BBBBi")  # struct ifaddrmsg
_LINK: Final = struct.Struct("=BxHiII")  # struct ifinfomsg
_ROUTE: Final = struct.Struct("=BBBBBBBBI")  # struct rtmsg
_NEIGHBOUR: Final = struct.Struct("=BxHiHBB")  # struct ndmsg

_ERROR, _DONE = 2, 3
_SET_LINK, _GET_LINK = 16, 18
_NEW_ADDRESS, _DELETE_ADDRESS, _GET_ADDRESS = 20, 21, 22
_GET_ROUTE, _GET_NEIGHBOUR = 26, 30
_REQUEST, _ACKNOWLEDGE, _DUMP = 0x1, 0x4, 0x300
_CREATE_ONLY: Final = 0x600  # NLM_F_CREATE and NLM_F_EXCL

_IFA_ADDRESS, _IFA_LOCAL, _IFA_LABEL, _IFA_BROADCAST, _IFA_FLAGS = 1, 2, 3, 4, 8
_IFLA_MAC: Final = 1
_RTA_DESTINATION, _RTA_DEVICE, _RTA_METRIC, _RTA_TABLE = 1, 4, 6, 15
_RTA_GATEWAY, _RTA_VIA = 5, 18
_UNICAST: Final = 1
_NDA_ADDRESS, _NDA_MAC = 1, 2
_NUD_KNOWN: Final = 0x9E  # reachable, stale, delay, probe, permanent


@dataclass(frozen=True, slots=True)
class HeldAddress:
    """An address of an interface, with its IFA_F_ flags."""

    index: int
    address: IPv4Address | IPv6Address
    prefix: int
    flags: int


@dataclass(frozen=True, slots=True)
class Link:
    """An interface with its IFF_ flags; `mac` is empty where there is none."""

    index: int
    flags: int
    mac: bytes


@dataclass(frozen=True, slots=True)
class KernelRoute:
    """A unicast route: `start`/`prefix` through the interface `index`."""

    start: IPv4Address | IPv6Address
    prefix: int
    index: int
    metric: int


class Netlink:
    """One socket for requests, one at a time. Every method may raise OSError."""

    def __init__(self) -> None:
        kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC
        self._socket = socket.socket(socket.AF_NETLINK, kind, socket.NETLINK_ROUTE)
        self._socket.settimeout(_ANSWER_S)
        self._socket.bind((0, 0))
        self._sequence = 0

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def addresses(self, family: int) -> list[HeldAddress]:
        """Return all addresses of a family (AF_INET, AF_INET6)."""
        asked = _ADDRESS.pack(family, 0, 0, 0, 0)
        found = []
        for body in self._ask(_GET_ADDRESS, _DUMP, asked):
            _, prefix, short_flags, _, index = _ADDRESS.unpack_from(body)
            given = dict(attributes(body[_ADDRESS.size :]))
            raw = given.get(_IFA_LOCAL) or given.get(_IFA_ADDRESS)
            flags = _number(given.get(_IFA_FLAGS), short_flags)
            if raw:
                found.append(HeldAddress(index, ip_address(raw), prefix, flags))
        return found

    def add_address(
        self,
        held: HeldAddress,
        *,
        broadcast: IPv4Address | IPv6Address | None = None,
        label: str = "",
    ) -> None:
        """Add an address; FileExistsError if it is there."""
        extra = _IFA_FLAGS, struct.pack("=I", held.flags)
        given = [*_local(held), *([extra] if held.flags else [])]
        if broadcast is not None:
            given.append((_IFA_BROADCAST, broadcast.packed))
        if label:
            given.append((_IFA_LABEL, label.encode() + b"\0"))
        self._ask(_NEW_ADDRESS, _ACKNOWLEDGE | _CREATE_ONLY, _address_message(held, given))

    def delete_address(self, held: HeldAddress) -> None:
        """Remove an address."""
        self._ask(_DELETE_ADDRESS, _ACKNOWLEDGE, _address_message(held, _local(held)))

    def link(self, index: int) -> Link:
        """Return an interface."""
        [body] = self._ask(_GET_LINK, 0, _LINK.pack(socket.AF_UNSPEC, 0, index, 0, 0))
        flags = _LINK.unpack_from(body)[3]
        return Link(index, flags, dict(attributes(body[_LINK.size :])).get(_IFLA_MAC, b""))

    def set_up(self, index: int) -> None:
        """Switch an interface on."""
        asked = _LINK.pack(socket.AF_UNSPEC, 0, index, IFF_UP, IFF_UP)
        self._ask(_SET_LINK, _ACKNOWLEDGE, asked)

    def routes(self, family: int, table: int) -> list[KernelRoute]:
        """Return the unicast routes of a table that lead through one interface."""
        anywhere = bytes(4 if family == socket.AF_INET else 16)
        found = []
        for body in self._ask(_GET_ROUTE, _DUMP, _ROUTE.pack(family, *[0] * 8)):
            _, prefix, _, _, short_table, _, _, kind, _ = _ROUTE.unpack_from(body)
            given = dict(attributes(body[_ROUTE.size :]))
            index = _number(given.get(_RTA_DEVICE), 0)
            if (
                kind != _UNICAST
                or not index
                or _number(given.get(_RTA_TABLE), short_table) != table
            ):
                continue
            start = ip_address(given.get(_RTA_DESTINATION, anywhere))
            metric = _number(given.get(_RTA_METRIC), 0)
            found.append(KernelRoute(start, prefix, index, metric))
        return found

    def network_of(self, address: IPv4Address | IPv6Address) -> int | None:
        """Return the index of the interface on whose network an address is.

        None: it is ours, behind a router, or nowhere.
        """
        packed = address.packed
        asked = _ROUTE.pack(_family(address), len(packed) * 8, *[0] * 7)
        try:
            [body] = self._ask(_GET_ROUTE, 0, asked + _attribute(_RTA_DESTINATION, packed))
        except OSError as error:
            if error.errno in {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EACCES, errno.EINVAL}:
                return None  # no route, or one that refuses
            raise
        kind = _ROUTE.unpack_from(body)[7]
        given = dict(attributes(body[_ROUTE.size :]))
        is_near = kind == _UNICAST and _RTA_GATEWAY not in given and _RTA_VIA not in given
        return _number(given.get(_RTA_DEVICE), 0) or None if is_near else None

    def neighbour(self, address: IPv4Address | IPv6Address, index: int) -> bytes:
        """Return the MAC to which the kernel sends what is for a neighbour, or nothing."""
        asked = _NEIGHBOUR.pack(_family(address), 0, index, 0, 0, 0)
        try:
            [body] = self._ask(_GET_NEIGHBOUR, 0, asked + _attribute(_NDA_ADDRESS, address.packed))
        except FileNotFoundError:
            return b""
        given = dict(attributes(body[_NEIGHBOUR.size :]))
        is_known = bool(_NEIGHBOUR.unpack_from(body)[3] & _NUD_KNOWN)
        return given.get(_NDA_MAC, b"") if is_known else b""

    def _ask(self, kind: int, flags: int, body: bytes) -> list[bytes]:
        """Send a request; return the bodies of the answer, which acknowledgements do not have."""
        self._sequence += 1
        length = _HEADER.size + len(body)
        header = _HEADER.pack(length, kind, flags | _REQUEST, self._sequence, 0)
        self._socket.send(header + body)
        bodies: list[bytes] = []
        while True:
            for kind_got, sequence, got in messages(self._socket.recv(_READ_BYTES)):
                if sequence != self._sequence:
                    continue  # the rest of an answer nobody waited for
                if kind_got == _DONE:
                    return bodies
                if kind_got == _ERROR:
                    _raise_if_refused(got)
                    return bodies
                bodies.append(got)
                if not flags & _DUMP:
                    return bodies


def messages(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield kind, sequence number and body of each message in what one read returned."""
    while len(data) >= _HEADER.size:
        length, kind, _, sequence, _ = _HEADER.unpack_from(data)
        if not _HEADER.size <= length <= len(data):
            return
        yield kind, sequence, data[_HEADER.size : length]
        data = data[(length + 3) & ~3 :]


def attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield kind and value of each attribute behind a message's fixed part."""
    while len(data) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(data)
        if not _ATTRIBUTE.size <= length <= len(data):
            return
        yield kind & 0x3FFF, data[_ATTRIBUTE.size : length]
        data = data[(length + 3) & ~3 :]


def _raise_if_refused(body: bytes) -> None:
    number = -struct.unpack_from("=i", body)[0]
    if number:
        raise OSError(number, os.strerror(number))


def _local(held: HeldAddress) -> list[tuple[int, bytes]]:
    packed = held.address.packed
    return [(_IFA_LOCAL, packed), (_IFA_ADDRESS, packed)]


def _address_message(held: HeldAddress, given: list[tuple[int, bytes]]) -> bytes:
    fixed = _ADDRESS.pack(_family(held.address), held.prefix, held.flags & 0xFF, 0, held.index)
    return fixed + b"".join(_attribute(kind, value) for kind, value in given)


def _family(address: IPv4Address | IPv6Address) -> int:
    return socket.AF_INET if address.version == 4 else socket.AF_INET6


def _attribute(kind: int, value: bytes) -> bytes:
    length = _ATTRIBUTE.size + len(value)
    return _ATTRIBUTE.pack(length, kind) + value + bytes(-length % 4)


def _number(raw: bytes | None, otherwise: int) -> int:
    return otherwise if raw is None else int(struct.unpack("=I", raw)[0])
