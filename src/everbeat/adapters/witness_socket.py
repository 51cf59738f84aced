"""The sockets of a witness: UDP, answering from the address that was asked, and its status.

A machine with several addresses must answer from the one the node asked, or firewalls on the way
drop the answer: the address is taken from the question's IP_PKTINFO and given back.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import socket
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from everbeat.adapters.own_files import make_way
from everbeat.model.cluster import WITNESS_PORT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RECEIVE_BATCH_MAX: Final = 100
"""Datagrams taken before status and signals have their turn."""

DATAGRAM_BYTES_MAX: Final = 2_048
STATUS_BACKLOG: Final = 8
STATUS_BUFFER_BYTES: Final = 4 * 1024 * 1024

_IP_PKTINFO: Final = 8  # linux/in.h; socket has no name for it before Python 3.14
_ANCILLARY_BYTES: Final = 256


@dataclass(frozen=True, slots=True)
class Listening:
    """An address and port; `address` "" is every address of both families."""

    address: str
    port: int = WITNESS_PORT


@dataclass(frozen=True, slots=True)
class Arrived:
    """A datagram and what is needed to answer it."""

    data: bytes
    source: Any  # Any: the socket module's address of either family
    ancillary: list[tuple[int, int, bytes]]

    @property
    def source_text(self) -> str:
        """Return the sender's address for people."""
        return str(self.source[0]).removeprefix("::ffff:")


def listening_from_word(word: str) -> Listening | None:
    """Read ADDRESS, ADDRESS:PORT, [ADDRESS]:PORT or :PORT; None for any other word."""
    address, port = word, str(WITNESS_PORT)
    if word.startswith("["):
        address, closed, rest = word[1:].partition("]")
        if not closed or (rest and not rest.startswith(":")):
            return None
        port = rest[1:] or port
    elif word.count(":") == 1:
        address, _, port = word.partition(":")
    if not port.isdecimal() or not 0 < int(port) < 65_536:
        return None
    try:
        if address:
            ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return None
    return Listening(address, int(port))


class WitnessSocket:
    """One UDP socket of the witness; nothing here blocks."""

    def __init__(self, listening: Listening) -> None:
        self._socket = _opened(listening)

    def fileno(self) -> int:
        """Return the descriptor to wait on."""
        return self._socket.fileno()

    def receive(self) -> Iterator[Arrived]:
        """Yield what has arrived, RECEIVE_BATCH_MAX at most."""
        for _ in range(RECEIVE_BATCH_MAX):
            try:
                data, ancillary, _, source = self._socket.recvmsg(
                    DATAGRAM_BYTES_MAX, _ANCILLARY_BYTES
                )
            except BlockingIOError:
                return
            except OSError:
                continue  # an answer of ours could not be delivered; says nothing to us
            yield Arrived(data, source, ancillary)

    def answer(self, question: Arrived, data: bytes) -> None:
        """Send an answer; one that the kernel does not take is lost, and the node asks again."""
        ancillary = [a for a in map(_own_address, question.ancillary) if a is not None]
        with contextlib.suppress(OSError):
            self._socket.sendmsg([data], ancillary, 0, question.source)

    def close(self) -> None:
        """Close it."""
        self._socket.close()


class StatusSocket:
    """RUN/witness.sock: whoever connects (root only) reads one text to its end."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        make_way(path)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        os.fchmod(self._socket.fileno(), 0o600)  # Linux gives the file the socket's mode
        self._socket.bind(str(path))
        self._socket.listen(STATUS_BACKLOG)

    def fileno(self) -> int:
        """Return the descriptor to wait on."""
        return self._socket.fileno()

    def tell(self, text: str) -> None:
        """Give the next reader the text; one that does not read loses what the buffer lacks."""
        try:
            reader, _ = self._socket.accept()
        except OSError:
            return
        with reader, contextlib.suppress(OSError):
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, STATUS_BUFFER_BYTES)
            reader.setblocking(False)  # noqa: FBT003 - positional only in socket
            reader.sendall(text.encode())

    def close(self) -> None:
        """Close it and remove its name."""
        self._socket.close()
        with contextlib.suppress(OSError):
            make_way(self._path)


def _opened(listening: Listening) -> socket.socket:
    """Open a socket; for every address one of IPv6 that takes IPv4 as well, or IPv4 alone."""
    if listening.address:
        family = socket.AF_INET6 if ":" in listening.address else socket.AF_INET
        return _bound(family, listening.address, listening.port)
    try:
        return _bound(socket.AF_INET6, "::", listening.port)
    except OSError:
        return _bound(socket.AF_INET, "0.0.0.0", listening.port)  # noqa: S104 - as documented


def _bound(family: socket.AddressFamily, address: str, port: int) -> socket.socket:
    kind = socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
    found = socket.getaddrinfo(address, port, family, socket.SOCK_DGRAM)[0][4]
    opened = socket.socket(family, kind)
    try:
        if family == socket.AF_INET6:
            is_one = address != "::"
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(is_one))
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        else:
            opened.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
        opened.bind(found)
    except OSError:
        opened.close()
        raise
    return opened


def _own_address(ancillary: tuple[int, int, bytes]) -> tuple[int, int, bytes] | None:
    """Return the note that makes an answer leave from the address the question came to.

    The interface is left to the routes (index 0): the way back may be another one.
    """
    level, kind, data = ancillary
    if (level, kind) == (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO) and len(data) == 20:
        is_link_local = data[:2] == b"\xfe\x80"
        return (level, kind, data if is_link_local else data[:16] + bytes(4))
    if (level, kind) == (socket.IPPROTO_IP, _IP_PKTINFO) and len(data) == 12:
        _, own, _ = struct.unpack("=i4s4s", data)
        return (level, kind, struct.pack("=i4s4s", 0, own, bytes(4)))
    return None
