"""Hear from the kernel that an address was removed, or that the link of its interface changed.

A netlink socket of its own that only listens (RTNLGRP_LINK, IPV4_IFADDR, IPV6_IFADDR). When the
kernel had to drop news, every observed address gets a cause. Source: rtnetlink(7), measured.
"""

from __future__ import annotations

import contextlib
import errno
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from everbeat.adapters.interfaces import is_running
from everbeat.adapters.netlink import AddressRemoved, LinkChanged, News
from everbeat.agents.agent import AddressAgent
from everbeat.model.service_address import AddressError, address_from_arguments

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from everbeat.agents.agent import Agent

_GROUPS: Final = 0x1 | 0x10 | 0x100  # link, IPv4 address, IPv6 address
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
    _news: News = field(default_factory=News)

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
            for news in self._news.read(data):
                match news:
                    case AddressRemoved(address):
                        self._give_cause(address, f"address {address} removed")
                    case LinkChanged(name, is_up):
                        self._note_link(name, is_up=is_up)

    def _note_link(self, name: str, *, is_up: bool) -> None:
        if self._links.get(name, is_up) != is_up and self._observed:
            self.on_link(name, is_up)
        self._links[name] = is_up

    def _give_cause(self, address: str, text: str) -> None:
        for watch, observed in tuple(self._observed.items()):
            if address in {"", observed}:
                self.on_cause(watch, text)
