"""A machine on the segment without a key: it records what it hears, and sends it again.

with Attacker(lab) as attacker:
    with attacker.hearing_questions_of(alpha): ...    # at a mirror port, as it were
    rows = attacker.said(alpha, since_ms, until_ms)
    with attacker.saying(rows, beta): ...          # in a loop
    with attacker.playing(rows, EVERYBODY): ...    # at its own pace, once
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from everbeat.adapters.namespaces import Space, SpaceConfig
from lab.laboratory import NETWORKS
from lab.watch import now_ms, socket_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from lab.laboratory import Lab
    from lab.node import Node

HEARTBEAT_PORT: Final = 694
WITNESS_PORT: Final = 6940
EVERYBODY: Final = f"{NETWORKS[0]}.255"
AGAIN_S: Final = 0.02
_ADDRESS: Final = 222
_ETH_P_ALL: Final = 0x0003
_UDP: Final = 17
_IP_BYTES: Final = 20  # no options are in what we send
_UDP_HEADER: Final = struct.Struct("!HHHH")


@dataclass(frozen=True, slots=True)
class Heard:
    """A datagram, by its source and the moment (CLOCK_MONOTONIC ms)."""

    at_ms: float
    source: str
    data: bytes


class Attacker:
    """The machine, with one ear on the first bridge."""

    def __init__(self, lab: Lab) -> None:
        self._space = Space(SpaceConfig(host="attacker"))
        for bridge, network in enumerate(NETWORKS):
            lab.switch.plug(
                self._space,
                f"eth{bridge}",
                f"{network}.{_ADDRESS}/24",
                port=f"attacker{bridge}",
                bridge=bridge,
            )
        self.heard: list[Heard] = []
        self.asked: list[Heard] = []
        self._mouth = socket_in(self._space, _mouth)
        self._is_over = threading.Event()
        ear = socket_in(self._space, _ear)
        self._thread = threading.Thread(
            target=_hear, args=(ear, self._take_beat, self._is_over), daemon=True
        )
        self._thread.start()

    @contextlib.contextmanager
    def hearing_questions_of(self, node: Node) -> Iterator[None]:
        """Record meanwhile what a node that is on asks the witness."""
        is_over = threading.Event()
        packets = socket_in(node.on, _packets)
        with self._doing(lambda: _hear(packets, self._take_packet, is_over), is_over):
            yield

    def said(self, node: Node, since_ms: float, until_ms: float | None = None) -> list[Heard]:
        """Return what a node broadcast between two moments."""
        source, end_ms = f"{NETWORKS[0]}.{node.number}", until_ms or now_ms()
        rows = list(self.heard)
        return [row for row in rows if row.source == source and since_ms <= row.at_ms <= end_ms]

    @contextlib.contextmanager
    def saying(self, rows: Sequence[Heard], to: Node | str) -> Iterator[None]:
        """Send all of these again and again meanwhile."""
        assert rows
        is_over = threading.Event()

        def say() -> None:
            while not is_over.wait(AGAIN_S):
                for row in rows:
                    self._send(row, _address_of(to), HEARTBEAT_PORT)

        with self._doing(say, is_over):
            yield

    @contextlib.contextmanager
    def playing(
        self, rows: Sequence[Heard], to: Node | str, port: int = HEARTBEAT_PORT, gap_s: float = 0
    ) -> Iterator[None]:
        """Send these once meanwhile, at their own pace or with a gap."""
        assert rows
        is_over = threading.Event()
        began_s = time.monotonic()

        def play() -> None:
            for number, row in enumerate(rows):
                after_s = number * gap_s if gap_s else (row.at_ms - rows[0].at_ms) / 1_000
                if is_over.wait(max(0.0, began_s + after_s - time.monotonic())):
                    return
                self._send(row, _address_of(to), port)

        with self._doing(play, is_over):
            yield

    @contextlib.contextmanager
    def _doing(self, work: Callable[[], None], is_over: threading.Event) -> Iterator[None]:
        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        try:
            yield
        finally:
            is_over.set()
            thread.join()

    def _send(self, row: Heard, address: str, port: int) -> None:
        with contextlib.suppress(OSError):  # nobody is there
            self._mouth.sendto(row.data, (address, port))

    def _take_beat(self, data: bytes, source: str) -> None:
        self.heard.append(Heard(now_ms(), source, data))

    def _take_packet(self, packet: bytes, _interface: str) -> None:
        if len(packet) < _IP_BYTES + _UDP_HEADER.size or packet[9] != _UDP:
            return
        _, port, length, _ = _UDP_HEADER.unpack_from(packet, _IP_BYTES)
        if port == WITNESS_PORT:
            data = packet[_IP_BYTES + _UDP_HEADER.size : _IP_BYTES + length]
            self.asked.append(Heard(now_ms(), socket.inet_ntoa(packet[12:16]), data))

    def close(self) -> None:
        """Remove the machine."""
        self._is_over.set()
        self._thread.join()
        self._mouth.close()
        self._space.kill()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _address_of(to: Node | str) -> str:
    return to if isinstance(to, str) else f"{NETWORKS[0]}.{to.number}"


def _hear(ear: socket.socket, take: Callable[[bytes, str], None], is_over: threading.Event) -> None:
    with ear:
        while not is_over.is_set():
            with contextlib.suppress(OSError):  # nothing came in time, or the machine went off
                data, source = ear.recvfrom(65_536)
                take(data, source[0])


def _ear() -> socket.socket:
    ear = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    ear.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    ear.bind(("", HEARTBEAT_PORT))
    ear.settimeout(0.2)
    return ear


def _mouth() -> socket.socket:
    mouth = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    mouth.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    return mouth


def _packets() -> socket.socket:
    packets = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ETH_P_ALL))
    packets.settimeout(0.2)
    return packets
