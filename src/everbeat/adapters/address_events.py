"""Hear from the kernel that an address was removed, or that the link of its interface changed.

A netlink socket of its own that only listens (RTNLGRP_LINK, IPV4_IFADDR, IPV6_IFADDR). When the
kernel had to drop news, every observed address gets a cause. Source: rtnetlink(7), measured.
"""

from __future__ import annotations

import contextlib
import errno
import socket
import struct
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from everbeat.adapters.interfaces import is_running
from everbeat.adapters.netlink import attributes, messages
from everbeat.agents.address import AddressError, address_from_arguments
from everbeat.agents.agent import AddressAgent

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from everbeat.agents.agent import Agent

_GROUPS: Final = 0x1 | 0x10 | 0x100  # link, IPv4 address, IPv6 address
_LINK_HEADER: Final = struct.Struct("=BxHiII")  # struct ifinfomsg
_ADDRESS_HEADER_BYTES: Final = 8  # struct ifaddrmsg
_NEW_LINK: Final = 16
_DELETED_LINK: Final = 17
_DELETED_ADDRESS: Final = 21
_IFA_ADDRESS: Final = 1
_IFA_LOCAL: Final = 2
_IFLA_NAME: Final = 3
_IFF_RUNNING: Final = 0x40
_READ_BYTES: Final = 65_536
_READS_MAX: Final = 50  # of one wake-up; the rest waits for the next one


@dataclass(slots=True)
class AddressEvents:
    """Addresses under observation. Both callbacks are called in the loop.

    `on_link(interface, is_up)` tells of interfaces whose link has changed since they were first
    heard of.
    """

    loop: asyncio.AbstractEventLoop
    on_cause: Callable[[int, str], None]
    on_link: Callable[[str, bool], None]
    _observed: dict[int, str] = field(default_factory=dict)  # watch -> address
    _links: dict[str, bool] = field(default_factory=dict)
    _socket: socket.socket | None = None

    def open(self) -> None:
        """Begin to listen. Raise OSError."""
        ear = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC)
        ear.setblocking(False)  # noqa: FBT003 - its name in socket
        ear.bind((0, _GROUPS))
        self._links = {name: is_running(name) for _, name in socket.if_nameindex()}
        self._socket = ear
        self.loop.add_reader(ear.fileno(), self._on_readable)

    def close(self) -> None:
        """Listen no more."""
        if self._socket is not None:
            self.loop.remove_reader(self._socket.fileno())
            self._socket.close()
            self._socket = None

    def observe(self, watch: int, agent: Agent) -> None:
        """Give cause when the address of a built-in agent is removed."""
        if isinstance(agent, AddressAgent):
            with contextlib.suppress(AddressError):  # its start has failed already
                self._observed[watch] = str(address_from_arguments(agent.arguments).address)

    def unobserve(self, watch: int) -> None:
        """Let go."""
        self._observed.pop(watch, None)

    def _on_readable(self) -> None:
        assert self._socket is not None
        for _ in range(_READS_MAX):
            try:
                data = self._socket.recv(_READ_BYTES)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                self._give_cause("", "the kernel dropped news of addresses")
                continue
            for kind, _, body in messages(data):
                self._take(kind, body)

    def _take(self, kind: int, body: bytes) -> None:
        if kind == _DELETED_ADDRESS:
            found = dict(attributes(body[_ADDRESS_HEADER_BYTES:]))
            raw = found.get(_IFA_LOCAL) or found.get(_IFA_ADDRESS) or b""
            if len(raw) in {4, 16}:
                address = str(ip_address(raw))
                self._give_cause(address, f"address {address} removed")
        elif kind in {_NEW_LINK, _DELETED_LINK} and len(body) >= _LINK_HEADER.size:
            flags = _LINK_HEADER.unpack_from(body)[3]
            name = dict(attributes(body[_LINK_HEADER.size :])).get(_IFLA_NAME, b"")
            is_up = kind == _NEW_LINK and bool(flags & _IFF_RUNNING)
            self._note_link(name.rstrip(b"\0").decode("utf-8", "replace"), is_up=is_up)

    def _note_link(self, name: str, *, is_up: bool) -> None:
        if self._links.get(name, is_up) != is_up and self._observed:
            self.on_link(name, is_up)
        self._links[name] = is_up

    def _give_cause(self, address: str, text: str) -> None:
        for watch, observed in tuple(self._observed.items()):
            if address in {"", observed}:
                self.on_cause(watch, text)
