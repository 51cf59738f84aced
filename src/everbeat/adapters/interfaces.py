"""What an opened medium must know of a network interface, by ioctl: no netlink in link."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import struct
from dataclasses import dataclass
from typing import Final

LOOPBACK_BROADCAST: Final = "127.255.255.255"
"""The kernel broadcasts on lo without having an address to tell."""

_SIOCGIFFLAGS: Final = 0x8913
_SIOCGIFBRDADDR: Final = 0x8919
_SIOCGIFHWADDR: Final = 0x8927
_IFF_UP: Final = 0x1
_IFF_RUNNING: Final = 0x40
_IFREQ_BYTES: Final = 40
_NAME_BYTES: Final = 16
_MAC: Final = slice(2, 8)  # of struct sockaddr


@dataclass(frozen=True, slots=True)
class Interface:
    """An interface that is up. `index` is a new one when it is removed and made again."""

    name: str
    index: int
    broadcast: str = ""  # IPv4; empty if not asked for


def interface_now(name: str, *, needs_broadcast: bool = False) -> Interface:
    """Look an interface up. Raise OSError if it is absent, down, or has no broadcast address."""
    try:
        index = socket.if_nametoindex(name)
    except OSError as error:
        raise OSError(errno.ENODEV, os.strerror(errno.ENODEV)) from error
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        (flags,) = struct.unpack_from("H", _ask(asking, _SIOCGIFFLAGS, name))
        if not flags & _IFF_UP:
            raise OSError(errno.ENETDOWN, os.strerror(errno.ENETDOWN))
        if not needs_broadcast:
            return Interface(name, index)
        if name == "lo":
            return Interface(name, index, LOOPBACK_BROADCAST)
        answer = _ask(asking, _SIOCGIFBRDADDR, name)
    broadcast = socket.inet_ntoa(answer[4:8])
    if broadcast == "0.0.0.0":  # noqa: S104 - compared, not bound
        raise OSError(errno.EADDRNOTAVAIL, "the interface has no broadcast address")
    return Interface(name, index, broadcast)


def is_running(name: str) -> bool:
    """Whether an interface is up and its link as well; False if there is none of this name."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        try:
            (flags,) = struct.unpack_from("H", _ask(asking, _SIOCGIFFLAGS, name))
        except OSError:
            return False
    return bool(flags & _IFF_RUNNING)


def hardware_addresses() -> tuple[bytes, ...]:
    """Return the MACs of all interfaces of this machine, each once, in order."""
    macs: set[bytes] = set()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        for _, name in socket.if_nameindex():
            with contextlib.suppress(OSError):  # removed meanwhile
                macs.add(_ask(asking, _SIOCGIFHWADDR, name)[_MAC])
    return tuple(sorted(mac for mac in macs if any(mac)))


def _ask(asking: socket.socket, request: int, name: str) -> bytes:
    """Return the union part of struct ifreq."""
    ifreq = name.encode()[: _NAME_BYTES - 1].ljust(_IFREQ_BYTES, b"\0")
    return fcntl.ioctl(asking.fileno(), request, ifreq)[_NAME_BYTES:]
