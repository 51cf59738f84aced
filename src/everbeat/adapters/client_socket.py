"""The socket of the client API, RUN/register: bytes of many clients in, messages out.

Mode 0777 as 3.0.6 (who may do what is decided at signon); open it only when communication is up,
as tools take its existence for that. A client that sends garbage or does not read its answers is
hung up on. Source: measured on 3.0.6; Heartbeat: heartbeat/hb_api.c.
"""

from __future__ import annotations

import asyncio
import contextlib
import grp
import pwd
import socket
import stat
import struct
from typing import TYPE_CHECKING, Final, Protocol

from everbeat.clients.authorization import Credentials
from everbeat.clients.orders import Disconnect, Reply
from everbeat.wire.client_frame import FrameSplitter, encode_frame
from everbeat.wire.errors import WireError

if TYPE_CHECKING:
    from pathlib import Path

    from everbeat.model.message import Message

QUEUE_BYTES_MAX: Final = 1_048_576  # unread answers; beyond: the client is hung up on
BACKLOG: Final = 64
_PEER_GROUPS: Final = 59  # SO_PEERGROUPS, asm-generic/socket.h; not in the socket module
_GROUPS_MAX: Final = 256
_MODE: Final = 0o777


class ClientHost(Protocol):
    """What happens on the socket. Called from the event loop; must not block."""

    def on_client_connected(self, client: int, credentials: Credentials) -> None:
        """Take a new connection; numbers are never used again."""

    def on_client_message(self, client: int, message: Message) -> None:
        """Take a message of a client."""

    def on_client_gone(self, client: int, reason: str) -> None:
        """Take that a client hung up, sent garbage or was too slow; never after `disconnect`."""


class ClientSocket:
    """All connections to RUN/register."""

    def __init__(self, path: Path, host: ClientHost) -> None:
        self._path = path
        self._host = host
        self._server: asyncio.Server | None = None
        self._connections: dict[int, _Connection] = {}
        self._last_client = 0

    @property
    def is_open(self) -> bool:
        """Whether clients can connect."""
        return self._server is not None

    async def open(self) -> None:
        """Begin to listen, in place of a socket left over by a dead process."""
        if self._server is not None:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._unlink()
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(
            lambda: _Connection(self), str(self._path), backlog=BACKLOG
        )
        self._path.chmod(_MODE)

    async def close(self) -> None:
        """Stop listening, hang up on everybody and remove the socket."""
        if self._server is None:
            return
        self._server.close()
        self._server = None
        for client in tuple(self._connections):
            self.disconnect(client)
        self._unlink()

    def carry_out(self, order: Reply | Disconnect) -> None:
        """Carry out an order of the client API."""
        match order:
            case Reply(client, message):
                self.send_nowait(client, message)
            case Disconnect(client):
                self.disconnect(client)

    def send_nowait(self, client: int, message: Message) -> None:
        """Queue a message to a client; one that has gone is ignored."""
        connection = self._connections.get(client)
        if connection is not None:
            connection.send_nowait(message)

    def disconnect(self, client: int) -> None:
        """Hang up after what is queued; on_client_gone does not follow."""
        connection = self._connections.pop(client, None)
        if connection is not None:
            connection.close()

    def _add(self, connection: _Connection, credentials: Credentials) -> int:
        self._last_client += 1
        self._connections[self._last_client] = connection
        self._host.on_client_connected(self._last_client, credentials)
        return self._last_client

    def _received(self, client: int, message: Message) -> None:
        if client in self._connections:
            self._host.on_client_message(client, message)

    def _lost(self, client: int, reason: str) -> None:
        if self._connections.pop(client, None) is not None:
            self._host.on_client_gone(client, reason)

    def _unlink(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            if stat.S_ISSOCK(self._path.lstat().st_mode):
                self._path.unlink()


class _Connection(asyncio.Protocol):
    """One client's bytes."""

    def __init__(self, owner: ClientSocket) -> None:
        self._owner = owner
        self._splitter = FrameSplitter()
        self._transport: asyncio.Transport | None = None
        self._client = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        connected: socket.socket = transport.get_extra_info("socket")
        self._client = self._owner._add(self, credentials_of(connected))  # noqa: SLF001 - one class in two

    def data_received(self, data: bytes) -> None:
        try:
            messages = self._splitter.feed(data)
        except WireError as error:
            self._abort(error.reason)
            return
        for message in messages:
            self._owner._received(self._client, message)  # noqa: SLF001 - one class in two

    def connection_lost(self, exc: Exception | None) -> None:
        self._owner._lost(self._client, "hung-up" if exc is None else "connection-lost")  # noqa: SLF001 - one class in two

    def send_nowait(self, message: Message) -> None:
        assert self._transport is not None
        if self._transport.is_closing():
            return
        if self._transport.get_write_buffer_size() > QUEUE_BYTES_MAX:
            self._abort("too-slow")
            return
        try:
            frame = encode_frame(message)
        except WireError:
            return  # a message the string form cannot carry (3.0.6 drops it as well)
        self._transport.write(frame)

    def close(self) -> None:
        assert self._transport is not None
        self._transport.close()

    def _abort(self, reason: str) -> None:
        assert self._transport is not None
        self._owner._lost(self._client, reason)  # noqa: SLF001 - one class in two
        self._transport.abort()


def credentials_of(connected: socket.socket) -> Credentials:
    """Return what the kernel knows of the process at the other end."""
    word = struct.Struct("3i")
    raw = connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, word.size)
    pid, uid, gid = word.unpack(raw)
    return Credentials(
        pid=pid,
        uid=uid,
        gid=gid,
        user=_user_name(uid),
        groups=tuple(dict.fromkeys(_group_name(g) for g in (gid, *_groups_of(connected)))),
    )


def _groups_of(connected: socket.socket) -> tuple[int, ...]:
    try:
        raw = connected.getsockopt(socket.SOL_SOCKET, _PEER_GROUPS, 4 * _GROUPS_MAX)
    except OSError:  # an old kernel, or more groups than we look at: the main group decides
        return ()
    return struct.unpack(f"{len(raw) // 4}i", raw)


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"#{uid}"


def _group_name(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return f"#{gid}"
