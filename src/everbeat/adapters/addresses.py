"""The built-in IPaddr and IPaddr2: addresses on interfaces by netlink, announced to neighbours.

A start adds the address (and brings its interface up), a stop removes it from every interface, a
status asks whether it is on any. All are idempotent. lo counts only if the resource names it:
real servers behind a load balancer have the address there for good.

Netlink runs in one thread with one persistent socket, so that the event loop never waits for the
kernel's configuration lock.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pyroute2 import IPRoute, NetlinkError

from everbeat.adapters.announce import Announced
from everbeat.agents.address import (
    AddressError,
    AddressSpec,
    Route,
    address_from_arguments,
    place_address,
)
from everbeat.executor.effects import Ending
from everbeat.model.operations import Action

if TYPE_CHECKING:
    from everbeat.adapters.announce import Announcer
    from everbeat.agents.address import Address, Placement

NOT_HELD_EXIT: Final = 3
WRONG_ARGUMENT_EXIT: Final = 2
FAILED_EXIT: Final = 1

_MAIN_TABLE: Final = 254
_UNICAST: Final = 1
_IFF_UP: Final = 1
_IFF_LOOPBACK: Final = 8
_IFA_F_NODAD: Final = 2
_IFA_F_DADFAILED: Final = 8
_SYSCTL: Final = Path("/proc/sys/net")


@dataclass(frozen=True, slots=True)
class _Held:
    """An occurrence of an address."""

    index: int
    interface: str
    prefix: int
    is_usable: bool


@dataclass(frozen=True, slots=True)
class _Link:
    index: int
    mac: bytes
    is_up: bool


class Addresses:
    """Performs the actions of built-in addresses. One instance per process; close it."""

    def __init__(self, announcer: Announcer) -> None:
        self._announcer = announcer
        self._thread = ThreadPoolExecutor(1, "netlink")
        self._netlink: Any = None  # pyroute2 is untyped

    async def open(self) -> None:
        """Open the netlink socket."""
        self._netlink = await self._in_thread(IPRoute)

    async def close(self) -> None:
        """Close the netlink socket; addresses stay."""
        if self._netlink is not None:
            await self._in_thread(self._netlink.close)
        self._thread.shutdown(wait=False)

    async def perform(self, action: Action, arguments: tuple[str, ...]) -> Ending:
        """Start, stop or check an address. Never raises: what fails is an exit code and a text."""
        try:
            spec = address_from_arguments(arguments)
            match action:
                case Action.START:
                    return await self._start(spec)
                case Action.STOP:
                    return await self._stop(spec)
                case Action.STATUS:
                    return await self._status(spec)
        except AddressError as error:
            return Ending(exit_code=WRONG_ARGUMENT_EXIT, output=str(error))
        except NetlinkError as error:
            text = f"{action.value} {arguments}: {error.args[-1]}"
            return Ending(exit_code=FAILED_EXIT, output=text)
        except OSError as error:
            return Ending(exit_code=FAILED_EXIT, output=f"{action.value} {arguments}: {error}")

    async def announce_again(self, arguments: tuple[str, ...], *, is_repeated: bool) -> None:
        """Tell the neighbours where an address is, if it is here. Never raises."""
        with contextlib.suppress(AddressError, NetlinkError, OSError):
            spec = address_from_arguments(arguments)
            announced = await self._in_thread(self._found, spec)
            if announced is not None:
                self._announcer.announce(announced, is_repeated=is_repeated)

    async def _start(self, spec: AddressSpec) -> Ending:
        announced = await self._in_thread(self._add, spec)
        self._announcer.announce(announced)
        return Ending(exit_code=0, output=f"{spec.address} on {announced.interface}")

    async def _stop(self, spec: AddressSpec) -> Ending:
        self._announcer.give_up(spec.address)
        interfaces = await self._in_thread(self._remove, spec)
        self._announcer.give_up(spec.address)  # what was announced again meanwhile
        return Ending(exit_code=0, output=f"{spec.address} removed from {interfaces or 'nowhere'}")

    async def _status(self, spec: AddressSpec) -> Ending:
        held = await self._in_thread(self._find, spec)
        if not held:
            return Ending(exit_code=NOT_HELD_EXIT, output=f"{spec.address} is stopped")
        return Ending(exit_code=0, output=f"{spec.address} is running on {held[0].interface}")

    async def _in_thread(self, function: Any, *arguments: Any) -> Any:  # of any signature
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *arguments)

    def _add(self, spec: AddressSpec) -> Announced:
        for held in self._find(spec):
            if held.is_usable:
                return _announced(spec.address, held.interface, self._link(held.interface))
            self._delete(spec.address, held)
        is_complete = spec.interface and spec.prefix is not None
        placed = place_address(spec, () if is_complete else self._routes(spec.address))
        link = self._link(placed.interface)
        if not link.is_up:
            self._netlink.link("set", index=link.index, state="up")
        if placed.address.version == 4:
            _promote_secondaries(placed.interface)
        self._add_placed(placed, link.index)
        return _announced(spec.address, placed.interface, link)

    def _found(self, spec: AddressSpec) -> Announced | None:
        held = next(iter(self._find(spec)), None)
        if held is None:
            return None
        return _announced(spec.address, held.interface, self._link(held.interface))

    def _add_placed(self, placed: Placement, index: int) -> None:
        options: dict[str, object] = {"family": _family(placed.address)}
        if placed.broadcast:
            options["broadcast"] = str(placed.broadcast)
        if placed.label:
            options["label"] = placed.label
        if placed.address.version == 6:
            options["IFA_FLAGS"] = _IFA_F_NODAD
        address, prefix = str(placed.address), placed.prefix
        try:
            self._netlink.addr("add", index=index, address=address, prefixlen=prefix, **options)
        except NetlinkError as error:
            if error.code != errno.EEXIST:
                raise

    def _remove(self, spec: AddressSpec) -> str:
        holders = self._find(spec)
        for held in holders:
            self._delete(spec.address, held)
        return " ".join(held.interface for held in holders)

    def _delete(self, address: Address, held: _Held) -> None:
        try:
            self._netlink.addr("del", index=held.index, address=str(address), prefixlen=held.prefix)
        except NetlinkError as error:
            if error.code not in {errno.EADDRNOTAVAIL, errno.ENODEV}:
                raise

    def _find(self, spec: AddressSpec) -> list[_Held]:
        wanted = str(spec.address)
        found = []
        for message in self._netlink.get_addr(family=_family(spec.address)):
            local = message.get_attr("IFA_LOCAL") or message.get_attr("IFA_ADDRESS")
            interface = _interface_name(message["index"])
            if local != wanted or not interface:
                continue
            if interface == "lo" and spec.interface != "lo":
                continue
            flags = message.get_attr("IFA_FLAGS") or message["flags"]
            is_usable = not flags & _IFA_F_DADFAILED
            found.append(_Held(message["index"], interface, message["prefixlen"], is_usable))
        return found

    def _routes(self, address: Address) -> tuple[Route, ...]:
        """Return the usable routes of the main table for the address's family."""
        routes = []
        for message in self._netlink.get_routes(family=_family(address), table=_MAIN_TABLE):
            index = message.get_attr("RTA_OIF")
            if index is None or message["type"] != _UNICAST or not _interface_name(index):
                continue
            anywhere = "0.0.0.0" if address.version == 4 else "::"  # noqa: S104 - a route, no bind
            start = message.get_attr("RTA_DST") or anywhere
            network = ip_network(f"{start}/{message['dst_len']}", strict=False)
            metric = message.get_attr("RTA_PRIORITY") or 0
            routes.append(Route(network, _interface_name(index), metric))
        return tuple(routes)

    def _link(self, interface: str) -> _Link:
        try:
            index = socket.if_nametoindex(interface)
        except OSError as error:
            raise AddressError(f"there is no interface {interface}") from error
        message = self._netlink.link("get", index=index)[0]
        mac = message.get_attr("IFLA_ADDRESS") or ""
        is_loopback = bool(message["flags"] & _IFF_LOOPBACK)
        raw = b"" if is_loopback else bytes.fromhex(mac.replace(":", ""))
        return _Link(index, raw, is_up=bool(message["flags"] & _IFF_UP))


def _announced(address: Address, interface: str, link: _Link) -> Announced:
    is_router = address.version == 6 and _read_flag(f"ipv6/conf/{interface}/forwarding")
    return Announced(address, interface, link.mac, is_router)


def _family(address: Address) -> int:
    return socket.AF_INET if address.version == 4 else socket.AF_INET6


def _interface_name(index: int) -> str:
    try:
        return socket.if_indextoname(index)
    except OSError:
        return ""


def _promote_secondaries(interface: str) -> None:
    """Keep the other addresses of a subnet when the first one of it is removed."""
    name = f"ipv4/conf/{interface}/promote_secondaries"
    if _read_flag(name):
        return
    try:
        (_SYSCTL / name).write_text("1")
    except OSError:
        return  # a container may not; then the kernel's default stays


def _read_flag(name: str) -> bool:
    try:
        return (_SYSCTL / name).read_text().strip() not in {"", "0"}
    except OSError:
        return False
