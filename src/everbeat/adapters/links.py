"""All heartbeat media of this node: opened, read, written, and opened again when they fail.

    closed ──open──> open ──hard error, interface gone──> closed      (tried again each second)
                     open ──send refused──> open, failed ──send done──> open

`on_datagram(index, data, source)`: something arrived. `on_medium(index, error)`: a medium failed
(`error` says why) or works again (empty). A failing medium never holds up the others. Nothing here
blocks: what the kernel does not take now is dropped and counted; the protocol repeats itself.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from everbeat.adapters.icmp import open_ping
from everbeat.adapters.serial import open_serial
from everbeat.adapters.udp import open_udp
from everbeat.model.cluster import Medium, MediumKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

REOPEN_S: Final = 1.0
"""How often a medium is looked after: closed ones are tried, open ones are checked."""

RESOLVE_TIMEOUT_S: Final = 5.0

_DROPPED: Final = frozenset({errno.EAGAIN, errno.ENOBUFS, errno.ENOMEM, errno.EMSGSIZE})
_HARD: Final = frozenset({errno.ENODEV, errno.ENXIO, errno.EBADF, errno.EIO, errno.ENETDOWN})
_IPV6_KINDS: Final = frozenset({MediumKind.UCAST6, MediumKind.MCAST6, MediumKind.PING6})


class Port(Protocol):
    """An open medium."""

    @property
    def is_sending(self) -> bool:
        """Whether anything is ever sent here."""
        ...

    def fileno(self) -> int:
        """Return the descriptor to wait on."""
        ...

    def send(self, data: bytes) -> None:
        """Send without blocking. Raise OSError."""
        ...

    def receive(self) -> Iterator[tuple[bytes, str]]:
        """Yield what RECEIVE_BATCH_MAX reads bring at most, with its source. Raise OSError."""
        ...

    def check(self) -> None:
        """Raise OSError if the medium should be opened anew."""
        ...

    def close(self) -> None:
        """Close it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class MediumStatistics:
    """What one medium did since the start."""

    sent_count: int
    received_count: int
    dropped_count: int  # the kernel's buffers were full, or the datagram too large
    failure_count: int
    error: str  # why it does not work now; empty: it works


@dataclass(slots=True)
class _Counts:
    sent: int = 0
    received: int = 0
    dropped: int = 0
    failures: int = 0


class Media:
    """Owns the open media. `open()` once, then `keep_open()` as a task; `close()` at the end."""

    def __init__(
        self,
        media: Sequence[Medium],
        *,
        on_datagram: Callable[[int, bytes, str], None],
        on_medium: Callable[[int, str], None],
    ) -> None:
        self._loop: asyncio.AbstractEventLoop
        self._media = tuple(media)
        self._on_datagram = on_datagram
        self._on_medium = on_medium
        self._ports: dict[int, Port] = {}
        self._errors: dict[int, str] = {}
        self._counts = [_Counts() for _ in self._media]
        self._messaging = tuple(i for i, medium in enumerate(media) if not medium.kind.is_ping)

    async def open(self) -> None:
        """Try every medium once; those that cannot be opened are reported."""
        self._loop = asyncio.get_running_loop()
        await asyncio.gather(*(self._open(index) for index in range(len(self._media))))

    async def keep_open(self) -> None:
        """Check open media and reopen closed ones, each second, until cancelled."""
        async with asyncio.TaskGroup() as group:
            for index in range(len(self._media)):
                group.create_task(self._keep_open(index))

    def transmit(self, indexes: tuple[int, ...], data: bytes) -> None:
        """Send on these media; an empty tuple means all that carry messages (no ping media)."""
        for index in indexes or self._messaging:
            port = self._ports.get(index)
            if port is not None:
                self._send(index, port, data)

    def drain(self) -> None:
        """Take everything that has arrived, so that time does not overtake it."""
        for index in tuple(self._ports):
            self._receive(index)

    def close(self) -> None:
        """Close all media."""
        for index in tuple(self._ports):
            self._shut(index)

    def statistics(self) -> tuple[MediumStatistics, ...]:
        """Return the counts of each medium, in the order of the configuration."""
        return tuple(
            MediumStatistics(
                sent_count=counts.sent,
                received_count=counts.received,
                dropped_count=counts.dropped,
                failure_count=counts.failures,
                error=self._errors.get(index, ""),
            )
            for index, counts in enumerate(self._counts)
        )

    async def _keep_open(self, index: int) -> None:
        while True:
            await asyncio.sleep(REOPEN_S)
            port = self._ports.get(index)
            if port is None:
                await self._open(index)
                continue
            try:
                port.check()
            except OSError as error:
                self._fail(index, error, is_hard=True)
                await self._open(index)

    async def _open(self, index: int) -> None:
        medium = self._media[index]
        try:
            resolved = await resolve_addresses(medium)
            port = _open_port(medium, resolved, (os.getpid() + index) & 0xFFFF)
        except OSError as error:
            self._fail(index, error, is_hard=False)
            return
        self._ports[index] = port
        self._loop.add_reader(port.fileno(), self._receive, index)
        if not port.is_sending:
            self._recover(index)

    def _send(self, index: int, port: Port, data: bytes) -> None:
        try:
            port.send(data)
        except OSError as error:
            if error.errno in _DROPPED:
                self._counts[index].dropped += 1
            else:
                self._fail(index, error, is_hard=error.errno in _HARD)
            return
        self._counts[index].sent += 1
        self._recover(index)

    def _receive(self, index: int) -> None:
        port = self._ports.get(index)
        if port is None:
            return
        try:
            for data, source in port.receive():
                self._counts[index].received += 1
                self._on_datagram(index, data, source)
                if self._ports.get(index) is not port:
                    return  # an answer to this datagram found the medium failed
        except OSError as error:
            self._fail(index, error, is_hard=True)

    def _fail(self, index: int, error: OSError, *, is_hard: bool) -> None:
        if is_hard:
            self._shut(index)
        text = error.strerror or str(error)
        if self._errors.get(index) == text:
            return
        self._errors[index] = text
        self._counts[index].failures += 1
        self._on_medium(index, text)

    def _recover(self, index: int) -> None:
        if self._errors.pop(index, ""):
            self._on_medium(index, "")

    def _shut(self, index: int) -> None:
        port = self._ports.pop(index, None)
        if port is not None:
            self._loop.remove_reader(port.fileno())
            port.close()


async def resolve_addresses(medium: Medium) -> dict[str, str]:
    """Return a numeric address for each host the medium names. Raise OSError.

    Names are resolved in a thread, so that a slow resolver holds up this medium only.
    """
    family = socket.AF_INET6 if medium.kind in _IPV6_KINDS else socket.AF_INET
    names = medium.hosts if medium.kind.is_ping else (medium.address,)
    return {name: await _numeric_address(name, family) for name in names if name}


async def _numeric_address(name: str, family: socket.AddressFamily) -> str:
    try:
        socket.inet_pton(family, name)
    except OSError:
        pass
    else:
        return name
    resolving = asyncio.get_running_loop().getaddrinfo(name, None, family=family)
    try:
        found = await asyncio.wait_for(resolving, RESOLVE_TIMEOUT_S)
    except TimeoutError as error:
        raise OSError(errno.ETIMEDOUT, f"{name}: no answer from the resolver") from error
    except (OSError, UnicodeError) as error:
        raise OSError(errno.EADDRNOTAVAIL, f"{name}: cannot be resolved: {error}") from error
    return str(found[0][4][0])


def _open_port(medium: Medium, resolved: Mapping[str, str], echo_id: int) -> Port:
    if medium.kind.is_ping:
        return open_ping(medium, resolved, echo_id)
    if medium.kind is MediumKind.SERIAL:
        return open_serial(medium)
    return open_udp(medium, resolved)
