"""The built-in IPaddr, IPaddr2, IPv6addr: addresses on interfaces by netlink, and announced.

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
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Final, ParamSpec, TypeVar

from everbeat.adapters.announce import Announced
from everbeat.adapters.netlink import (
    IFA_F_DADFAILED,
    IFA_F_NODAD,
    IFF_LOOPBACK,
    IFF_UP,
    HeldAddress,
    Netlink,
)
from everbeat.agents.address import Route, place_address
from everbeat.executor.effects import Ending
from everbeat.model.operations import Action
from everbeat.model.service_address import AddressError, AddressSpec, address_from_arguments

if TYPE_CHECKING:
    from collections.abc import Callable

    from everbeat.adapters.announce import Announcer
    from everbeat.agents.address import Placement
    from everbeat.model.service_address import Address

_P = ParamSpec("_P")
_T = TypeVar("_T")

NOT_HELD_EXIT: Final = 3
WRONG_ARGUMENT_EXIT: Final = 2
FAILED_EXIT: Final = 1

_MAIN_TABLE: Final = 254
_SYSCTL: Final = Path("/proc/sys/net")


@dataclass(frozen=True, slots=True)
class _Held:
    """An occurrence of an address."""

    where: HeldAddress
    interface: str

    @property
    def is_usable(self) -> bool:
        return not self.where.flags & IFA_F_DADFAILED


@dataclass(frozen=True, slots=True)
class _Link:
    index: int
    mac: bytes
    is_up: bool


@dataclass(frozen=True, slots=True)
class Near:
    """How an address on a network of this machine is reached: it is here, or a neighbour's."""

    interface: str
    mac: bytes  # of the interface
    is_here: bool = False
    cached: bytes = b""  # the neighbour's MAC as the kernel believes it; empty: it knows none


class Addresses:
    """Performs the actions of built-in addresses. One instance per process; close it."""

    def __init__(self, announcer: Announcer) -> None:
        self._announcer = announcer
        self._thread = ThreadPoolExecutor(1, "netlink")
        self._netlink = Netlink()

    async def open(self) -> None:
        """Start the thread."""
        await self._in_thread(self._netlink.addresses, socket.AF_INET)

    async def close(self) -> None:
        """Close the netlink socket; addresses stay."""
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
        except OSError as error:
            return Ending(exit_code=FAILED_EXIT, output=f"{action.value} {arguments}: {error}")

    async def announce_again(self, arguments: tuple[str, ...], *, is_repeated: bool) -> None:
        """Tell the neighbours where an address is, if it is here. Never raises."""
        with contextlib.suppress(AddressError, OSError):
            spec = address_from_arguments(arguments)
            announced = await self._in_thread(self._found, spec)
            if announced is not None:
                self._announcer.announce(announced, is_repeated=is_repeated)

    async def repeat(self, address: str) -> None:
        """Tell the neighbours once more where an address is, if it is here. Never raises."""
        with contextlib.suppress(AddressError, OSError):
            announced = await self._in_thread(self._found, AddressSpec(address=ip_address(address)))
            if announced is not None:
                self._announcer.repeat(announced)

    async def near(self, address: Address) -> Near | None:
        """Return how this machine reaches an address without a router; None if it does not."""
        with contextlib.suppress(AddressError, OSError):
            return await self._in_thread(self._near, address)
        return None

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

    async def _in_thread(
        self, function: Callable[_P, _T], *arguments: _P.args, **_: _P.kwargs
    ) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *arguments)

    def _add(self, spec: AddressSpec) -> Announced:
        for held in self._find(spec):
            if held.is_usable:
                return _announced(spec.address, held.interface, self._link(held.interface))
            self._delete(held)
        is_complete = spec.interface and spec.prefix is not None
        placed = place_address(spec, () if is_complete else self._routes(spec.address))
        link = self._link(placed.interface)
        if not link.is_up:
            self._netlink.set_up(link.index)
        if placed.address.version == 4:
            _promote_secondaries(placed.interface)
        self._add_placed(placed, link.index)
        return _announced(spec.address, placed.interface, link)

    def _found(self, spec: AddressSpec) -> Announced | None:
        held = next(iter(self._find(spec)), None)
        if held is None:
            return None
        return _announced(spec.address, held.interface, self._link(held.interface))

    def _near(self, address: Address) -> Near | None:
        held = next(iter(self._find(AddressSpec(address=address))), None)
        if held is not None:
            return Near(held.interface, self._link(held.interface).mac, is_here=True)
        index = self._netlink.network_of(address)
        if index is None:
            return None
        interface = _interface_name(index)
        cached = self._netlink.neighbour(address, index)
        return Near(interface, self._link(interface).mac, cached=cached)

    def _add_placed(self, placed: Placement, index: int) -> None:
        flags = IFA_F_NODAD if placed.address.version == 6 else 0
        held = HeldAddress(index, placed.address, placed.prefix, flags)
        with contextlib.suppress(FileExistsError):
            self._netlink.add_address(held, broadcast=placed.broadcast, label=placed.label)

    def _remove(self, spec: AddressSpec) -> str:
        holders = self._find(spec)
        for held in holders:
            self._delete(held)
        return " ".join(held.interface for held in holders)

    def _delete(self, held: _Held) -> None:
        try:
            self._netlink.delete_address(held.where)
        except OSError as error:
            if error.errno not in {errno.EADDRNOTAVAIL, errno.ENODEV}:
                raise

    def _find(self, spec: AddressSpec) -> list[_Held]:
        found = []
        for where in self._netlink.addresses(_family(spec.address)):
            if where.address != spec.address:
                continue
            interface = _interface_name(where.index)
            if interface and (interface != "lo" or spec.interface == "lo"):
                found.append(_Held(where, interface))
        return found

    def _routes(self, address: Address) -> tuple[Route, ...]:
        """Return the usable routes of the main table for the address's family."""
        return tuple(
            Route(ip_network((route.start, route.prefix), strict=False), interface, route.metric)
            for route in self._netlink.routes(_family(address), _MAIN_TABLE)
            if (interface := _interface_name(route.index))
        )

    def _link(self, interface: str) -> _Link:
        try:
            index = socket.if_nametoindex(interface)
        except OSError as error:
            raise AddressError(f"there is no interface {interface}") from error
        link = self._netlink.link(index)
        mac = b"" if link.flags & IFF_LOOPBACK else link.mac
        return _Link(index, mac, is_up=bool(link.flags & IFF_UP))


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
