"""Who is at the other end of a unix socket, by the kernel's word.

A name in a folder leads to whoever has put a socket there. Tools that root runs, and our processes
among themselves, speak to root alone; a user without rights speaks to root or to itself, as in a
user namespace of its own: what it could do to itself it can do anyway.

Before root signals whoever listens, more must hold. The kernel notes who called listen: that
process may have ended, its number be another's, and the socket live on in a third. And a link in
place of the socket leads to any service of root's.
"""

from __future__ import annotations

import os
import signal
import socket
import struct
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from everbeat.adapters.process_table import user_of

if TYPE_CHECKING:
    from collections.abc import Iterator

CONNECT_S: Final = 5.0

_CREDENTIALS: Final = struct.Struct("iII")
_ACCEPTS: Final = 0x10000  # __SO_ACCEPTCON of linux/net.h: it listens
_UNIX_COLUMNS: Final = 8


class StrangerError(OSError):
    """Another user, or a service of another name, listens there; the text says who."""


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


def signal_listener(path: Path, number: signal.Signals) -> bool:
    """Signal the process that listens on this socket; return False if nobody does.

    Raise StrangerError, and signal nobody, unless that process is root's or ours and has bound this
    very name. Raise OSError for what else may go wrong.
    """
    with socket.socket(socket.AF_UNIX) as asking:
        asking.settimeout(CONNECT_S)
        try:
            asking.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        check_listener(asking)
        pid, _, _ = credentials_of(asking)
    try:
        listener = os.pidfd_open(pid)  # from here on the number cannot become another's unnoticed
    except OSError as error:
        raise StrangerError(f"who listens there has ended, or is out of sight ({pid})") from error
    try:
        if user_of(pid) not in {0, os.geteuid()} or not _has_bound(pid, path):
            raise StrangerError(f"process {pid} has not made this socket: it was not signalled")
        signal.pidfd_send_signal(listener, number)
    finally:
        os.close(listener)
    return True


def _has_bound(pid: int, path: Path) -> bool:
    """Whether a process holds a listening socket that it has bound to this name in this folder."""
    with suppress(OSError):
        folder = path.parent.stat()
        return any(
            bound.name == path.name and os.path.samestat(bound.parent.stat(), folder)
            for bound in _names_listened_on(Path("/proc") / str(pid))
        )
    return False


def _names_listened_on(process: Path) -> Iterator[Path]:
    """Yield the names of unix sockets a process listens on, as paths that we can follow."""
    held = {_target(entry) for entry in (process / "fd").iterdir()}
    for line in (process / "net/unix").read_bytes().splitlines()[1:]:
        columns = line.split(maxsplit=_UNIX_COLUMNS - 1)
        if len(columns) < _UNIX_COLUMNS or not int(columns[3], 16) & _ACCEPTS:
            continue
        inode, name = columns[6].decode(), os.fsdecode(columns[-1])
        if f"socket:[{inode}]" in held and not name.startswith("@"):  # that is in no folder
            yield process / (f"root{name}" if name.startswith("/") else f"cwd/{name}")


def _target(link: Path) -> str:
    with suppress(OSError):
        return os.readlink(link)  # noqa: PTH115 - no path: socket:[number]
    return ""
