"""Ask the kernel for addresses, links and routes, and change them: pyroute2, as few typed requests.

A request blocks for as long as the kernel needs to look into its own tables; nothing waits for a
network. Refusals are raised as OSError with the kernel's errno. Source: netlink(7), rtnetlink(7).
"""

from __future__ import annotations

import contextlib
import errno
import gc
import os
import socket
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Final

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError
from pyroute2.netlink.rtnl.marshal import MarshalRtnl

if TYPE_CHECKING:
    from collections.abc import Iterator
    from ipaddress import IPv4Address, IPv6Address

IFF_UP: Final = 0x1
IFF_LOOPBACK: Final = 0x8
IFF_RUNNING: Final = 0x40
IFA_F_NODAD: Final = 0x2
IFA_F_DADFAILED: Final = 0x8

REQUESTS_MAX: Final = 500
"""After so many the socket is made anew: pyroute2 0.9.7 keeps 0.5 kB of each answer (measured)."""

_UNICAST: Final = 1
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


@dataclass(frozen=True, slots=True)
class AddressRemoved:
    """News: an address is on its interface no more."""

    address: str


@dataclass(frozen=True, slots=True)
class LinkChanged:
    """News: an interface came, went, or changed; `is_up`: it is there and has a carrier."""

    name: str
    is_up: bool


class Netlink:
    """One socket for requests, one at a time, all from one thread without an event loop.

    It is opened by the first request. Every method may raise OSError.
    """

    def __init__(self, requests_max: int = REQUESTS_MAX) -> None:
        self._route: Any = None  # IPRoute; pyroute2 is untyped
        self._requests_max = requests_max
        self._asked_count = 0

    def close(self) -> None:
        """Close the socket."""
        if self._route is not None:
            self._route.close()
            self._route = None

    @contextlib.contextmanager
    def _asking(self) -> Iterator[Any]:
        """Lend the socket for one request; turn the kernel's refusal into an OSError."""
        if self._asked_count >= self._requests_max:
            self.close()
            gc.collect()  # its parts refer to one another
        if self._route is None:
            self._route, self._asked_count = IPRoute(), 0
        self._asked_count += 1
        try:
            yield self._route
        except NetlinkError as error:
            raise OSError(error.code, os.strerror(error.code)) from error

    def addresses(self, family: int) -> list[HeldAddress]:
        """Return all addresses of a family (AF_INET, AF_INET6)."""
        found = []
        with self._asking() as route:
            for message in route.get_addr(family=family):
                local = message.get_attr("IFA_LOCAL") or message.get_attr("IFA_ADDRESS")
                if local:
                    flags = message.get_attr("IFA_FLAGS") or message["flags"]
                    prefix = message["prefixlen"]
                    found.append(HeldAddress(message["index"], ip_address(local), prefix, flags))
        return found

    def add_address(
        self,
        held: HeldAddress,
        *,
        broadcast: IPv4Address | IPv6Address | None = None,
        label: str = "",
    ) -> None:
        """Add an address; FileExistsError if it is there."""
        given: dict[str, object] = {"IFA_FLAGS": held.flags} if held.flags else {}
        if broadcast is not None:
            given["broadcast"] = str(broadcast)
        if label:
            given["label"] = label
        with self._asking() as route:
            route.addr("add", **_words_of(held), **given)

    def delete_address(self, held: HeldAddress) -> None:
        """Remove an address."""
        with self._asking() as route:
            route.addr("del", **_words_of(held))

    def link(self, index: int) -> Link:
        """Return an interface."""
        with self._asking() as route:
            message = route.link("get", index=index)[0]
        return Link(index, message["flags"], _mac(message.get_attr("IFLA_ADDRESS")))

    def set_up(self, index: int) -> None:
        """Switch an interface on."""
        with self._asking() as route:
            route.link("set", index=index, state="up")

    def routes(self, family: int, table: int) -> list[KernelRoute]:
        """Return the unicast routes of a table that lead through one interface."""
        anywhere = "0.0.0.0" if family == socket.AF_INET else "::"  # noqa: S104 - a route, no bind
        found = []
        with self._asking() as route:
            for message in route.get_routes(family=family, table=table):
                index = message.get_attr("RTA_OIF")
                if message["type"] != _UNICAST or not index:
                    continue
                start = ip_address(message.get_attr("RTA_DST") or anywhere)
                metric = message.get_attr("RTA_PRIORITY") or 0
                found.append(KernelRoute(start, message["dst_len"], index, metric))
        return found

    def network_of(self, address: IPv4Address | IPv6Address) -> int | None:
        """Return the index of the interface on whose network an address is.

        None: it is ours, behind a router, or nowhere.
        """
        try:
            with self._asking() as route:
                [message] = route.route("get", dst=str(address), family=_family(address))
        except OSError as error:
            if error.errno in {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EACCES, errno.EINVAL}:
                return None  # no route, or one that refuses
            raise
        ways = (message.get_attr("RTA_GATEWAY"), message.get_attr("RTA_VIA"))
        is_near = message["type"] == _UNICAST and ways == (None, None)
        return message.get_attr("RTA_OIF") or None if is_near else None

    def neighbour(self, address: IPv4Address | IPv6Address, index: int) -> bytes:
        """Return the MAC to which the kernel sends what is for a neighbour, or nothing."""
        asked = {"dst": str(address), "ifindex": index, "family": _family(address)}
        try:
            with self._asking() as route:
                [message] = route.neigh("get", **asked)
        except FileNotFoundError:
            return b""
        is_known = bool(message["state"] & _NUD_KNOWN)
        return _mac(message.get_attr("NDA_LLADDR")) if is_known else b""


class News:
    """Reads what the kernel tells those who only listen."""

    def __init__(self) -> None:
        self._marshal: Any = MarshalRtnl()  # pyroute2 is untyped

    def read(self, data: bytes) -> Iterator[AddressRemoved | LinkChanged]:
        """Yield what one read from a listening socket returned, without what we do not watch."""
        for message in self._marshal.parse(data):
            event = message["event"]
            if event == "RTM_DELADDR":
                address = message.get_attr("IFA_LOCAL") or message.get_attr("IFA_ADDRESS")
                if address:
                    yield AddressRemoved(address)
            elif event in {"RTM_NEWLINK", "RTM_DELLINK"}:
                is_up = event == "RTM_NEWLINK" and bool(message["flags"] & IFF_RUNNING)
                yield LinkChanged(message.get_attr("IFLA_IFNAME") or "", is_up)


def _words_of(held: HeldAddress) -> dict[str, object]:
    return {
        "index": held.index,
        "address": str(held.address),
        "prefixlen": held.prefix,
        "family": _family(held.address),
    }


def _mac(text: str | None) -> bytes:
    return bytes.fromhex((text or "").replace(":", ""))


def _family(address: IPv4Address | IPv6Address) -> int:
    return socket.AF_INET if address.version == 4 else socket.AF_INET6
