"""Sees from outside who serves: addresses by netlink, web servers by asking them.

    AddressWatch   kernel events of every node's network namespace -> who had the address, when
    ServerWatch    asks the web server inside every node's namespace -> which process lived, when
    overlaps       two nodes at the same moment

Never a false alarm: an address is taken as gone before it is taken as come, as far as both were
told between two looks; a web server is known to live from its first answer until the last
question that it answered, and says which process it is.
"""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import os
import select
import socket
import struct
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self

from lab.node import WEB_ANSWERING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from everbeat.adapters.namespaces import Space

_CLONE_NEWNET: Final = 0x40000000
_RTMGRP_IPV4_IFADDR: Final = 0x10
_RTM_NEWADDR: Final = 20
_RTM_DELADDR: Final = 21
_IFA_LOCAL: Final = 2
_NLMSG_HEADER: Final = struct.Struct("=IHHII")  # length, type, flags, sequence, port
_IFADDRMSG_BYTES: Final = 8
_ATTRIBUTE: Final = struct.Struct("=HH")  # length, type
LOOK_S: Final = 0.2
ASK_S: Final = 0.02
ANSWER_S_MAX: Final = 0.3

SERVER: Final = (
    'import sys, time\nanswer = f"{sys.argv[1]}.{time.monotonic_ns()}\\n".encode()\n'
    + WEB_ANSWERING
)
"""webd.py of the nodes: says its node's name and which process it is."""


@dataclass(frozen=True, slots=True)
class Span:
    """Something of a node lasted from one moment to another (CLOCK_MONOTONIC ms)."""

    node: str
    began_ms: float
    ended_ms: float


@dataclass(frozen=True, slots=True)
class Overlap:
    """Two nodes at once."""

    first: Span
    second: Span

    @property
    def began_ms(self) -> float:
        """When there were two."""
        return max(self.first.began_ms, self.second.began_ms)

    @property
    def ended_ms(self) -> float:
        """When there was one again."""
        return min(self.first.ended_ms, self.second.ended_ms)


def overlaps(spans: Iterable[Span]) -> list[Overlap]:
    """Return all pairs of spans of different nodes that have a moment in common."""
    pairs = itertools.combinations(sorted(spans, key=lambda span: span.began_ms), 2)
    return [
        Overlap(one, two)
        for one, two in pairs
        if one.node != two.node and two.began_ms < one.ended_ms
    ]


class AddressWatch:
    """Who has an address, by events of the kernel. A machine that is off has none."""

    def __init__(self, address: str) -> None:
        self._address = socket.inet_aton(address)
        self._spans: list[Span] = []
        self._since_ms: dict[str, float] = {}
        self._machines: dict[int, tuple[str, socket.socket, int]] = {}  # by number of the socket
        self._lock = threading.Lock()
        self._is_over = False
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over = True
        self._thread.join()
        for number in list(self._machines):
            self._forget(number)

    def watch(self, node: str, space: Space) -> None:
        """Begin with a machine that was just switched on and has not the address yet."""
        events = _address_events(space)
        with self._lock:
            self._machines[events.fileno()] = (node, events, os.pidfd_open(space.pid))

    def holders(self) -> list[str]:
        """Return who has it now."""
        return sorted(self._since_ms)

    def spans(self) -> list[Span]:
        """Return since when until when each node had it, up to now."""
        running = [Span(node, at, now_ms()) for node, at in list(self._since_ms.items())]
        return [*self._spans, *running]

    def _run(self) -> None:
        while not self._is_over:
            with self._lock:
                machines = dict(self._machines)
            waited = [*machines, *(end for _, _, end in machines.values())]
            if select.select(waited, [], [], LOOK_S)[0]:
                self._look(machines)

    def _look(self, machines: dict[int, tuple[str, socket.socket, int]]) -> None:
        """Read all; after news of an address that came, again, for one that went before it."""
        told: dict[str, list[int]] = {node: [] for node, _, _ in machines.values()}
        dead: set[str] = set()
        has_come = True
        while has_come:
            has_come = False
            for number, (node, events, end) in machines.items():
                news = _changes(events, self._address) if number in self._machines else []
                told[node] += news
                has_come = has_come or _RTM_NEWADDR in news
                if number in self._machines and select.select([end], [], [], 0)[0]:
                    dead.add(node)
                    self._forget(number)
        self._note(
            [node for node, news in told.items() if node in dead or _RTM_DELADDR in news],
            [n for n, news in told.items() if n not in dead and news[-1:] == [_RTM_NEWADDR]],
        )

    def _note(self, gone: list[str], come: list[str]) -> None:
        at_ms = now_ms()
        for node in gone:
            if (since_ms := self._since_ms.pop(node, None)) is not None:
                self._spans.append(Span(node, since_ms, at_ms))
        for node in come:
            self._since_ms.setdefault(node, at_ms)

    def _forget(self, number: int) -> None:
        """Close what would keep a dead machine's network alive."""
        with self._lock:
            _, events, end = self._machines.pop(number)
        events.close()
        os.close(end)


@dataclass(slots=True)
class _Life:
    node: str
    first_ms: float  # the end of its first answer
    last_ms: float  # the beginning of the last question it answered


@dataclass(slots=True)
class ServerWatch:
    """Which web server processes live, asked inside each node's network."""

    _lives: dict[str, _Life] = field(default_factory=dict)
    _threads: list[threading.Thread] = field(default_factory=list)
    _is_over: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join()

    def watch(self, node: str, space: Space) -> None:
        """Begin with a machine that was just switched on; ends with it."""
        thread = threading.Thread(target=self._ask_all, args=(node, space), daemon=True)
        self._threads.append(thread)
        thread.start()

    def spans(self) -> list[Span]:
        """Return when which node's servers were surely alive."""
        lives = [life for life in list(self._lives.values()) if life.first_ms <= life.last_ms]
        return [Span(life.node, life.first_ms, life.last_ms) for life in lives]

    def _ask_all(self, node: str, space: Space) -> None:
        try:
            enter_network(space)
        except OSError:
            return  # it is off again
        while space.is_alive and not self._is_over.wait(ASK_S):
            asked_ms = now_ms()
            answer = _answer()
            if answer:
                life = self._lives.setdefault(answer, _Life(node, now_ms(), asked_ms))
                life.last_ms = asked_ms


def now_ms() -> float:
    """Return CLOCK_MONOTONIC."""
    return time.monotonic_ns() / 1e6


def enter_network(space: Space) -> None:
    """Take this thread, for the rest of its life, into a space's network."""
    libc = ctypes.CDLL(None, use_errno=True)
    namespace = os.open(f"/proc/{space.pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        if libc.setns(namespace, _CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")
    finally:
        os.close(namespace)


def _address_events(space: Space) -> socket.socket:
    """Return a socket that hears of addresses in a space's network."""

    def make() -> socket.socket:
        events = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        events.bind((0, _RTMGRP_IPV4_IFADDR))
        events.settimeout(0)
        return events

    return socket_in(space, make)


def socket_in(space: Space, make: Callable[[], socket.socket]) -> socket.socket:
    """Return a socket that is made in a space's network, and stays there whoever uses it."""
    made: list[socket.socket] = []

    def enter_and_make() -> None:
        enter_network(space)
        made.append(make())

    thread = threading.Thread(target=enter_and_make)
    thread.start()
    thread.join()
    return made[0]


def _changes(events: socket.socket, address: bytes) -> list[int]:
    """Return what has happened to this address, RTM_NEWADDR or RTM_DELADDR, oldest first."""
    found = []
    with contextlib.suppress(BlockingIOError):
        while data := events.recv(65_536):
            while len(data) >= _NLMSG_HEADER.size:
                length, kind, *_ = _NLMSG_HEADER.unpack_from(data)
                if _local_address(data[_NLMSG_HEADER.size + _IFADDRMSG_BYTES : length]) == address:
                    found.append(kind)
                data = data[(length + 3) & ~3 :]
    return found


def _local_address(attributes: bytes) -> bytes:
    while len(attributes) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(attributes)
        if kind == _IFA_LOCAL:
            return attributes[_ATTRIBUTE.size : length]
        attributes = attributes[(max(length, _ATTRIBUTE.size) + 3) & ~3 :]
    return b""


def _answer() -> str:
    """Ask the web server of this thread's network who it is; "" if nobody answers."""
    with (
        contextlib.suppress(OSError),
        socket.create_connection(("127.0.0.1", 80), ANSWER_S_MAX) as line,
    ):
        line.sendall(b"GET / HTTP/1.0\r\n\r\n")
        answer = b""
        while part := line.recv(4_096):
            answer += part
        return answer.rpartition(b"\n\r\n")[2].strip().decode()
    return ""
