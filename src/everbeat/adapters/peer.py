"""Who is at the other end of a unix socket, by the kernel's word.

A name in a folder leads to whoever has put a socket there. Tools that root runs, and our processes
among themselves, speak to root alone; a user without rights speaks to root or to itself, as in a
user namespace of its own: what it could do to itself it can do anyway.
"""

from __future__ import annotations

import os
import socket
import struct
from typing import Final

_CREDENTIALS: Final = struct.Struct("iII")


class StrangerError(OSError):
    """Another user listens there; the text says who."""


def credentials_of(connected: socket.socket) -> tuple[int, int, int]:
    """Return pid, uid and gid of who connected, or of who listened when we did."""
    raw = connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, gid = _CREDENTIALS.unpack(raw)
    return pid, uid, gid


def check_listener(connected: socket.socket) -> None:
    """Raise StrangerError unless root or we ourselves listen at the other end."""
    _, uid, _ = credentials_of(connected)
    if uid not in {0, os.geteuid()}:
        raise StrangerError(f"user {uid} listens there, not root: nothing was said to it")
