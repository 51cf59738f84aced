"""The socket of the client API, RUN/register: bytes of many clients in, messages out.

Mode 0777 as 3.0.6 (who may do what is decided at signon); open it only when communication is up,
as tools take its existence for that. A client that sends garbage or does not read its answers is
hung up on. Source: measured on 3.0.6; Heartbeat: heartbeat/hb_api.c.

    read ──► paused ── a turn of the loop each: one message of one client ──► all taken: read on

Every local user may connect, so what one of them can make core do is bounded by the turn: whatever
arrives, a turn of the loop decodes one message of one client, in the order they asked, and all
else of core has its turn in between. A client's first message is short; it signs on or ends the
connection. The kernel's word for who is there is numbers, and numbers they stay: a name service
would be asked from here while the network is dying.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import stat
import struct
from collections import deque
from typing import TYPE_CHECKING, Final, Protocol

from everbeat.adapters.own_files import make_way, set_mode
from everbeat.adapters.peer import credentials_of as kernel_word
from everbeat.clients.authorization import Credentials
from everbeat.clients.orders import Disconnect, Reply
from everbeat.wire.client_frame import FrameSplitter, encode_frame
from everbeat.wire.errors import WireError
from everbeat.wire.limits import CLIENT_PARTS_MAX, DATAGRAM_BYTES_MAX, FIRST_FRAME_BYTES_MAX

if TYPE_CHECKING:
    from pathlib import Path

    from everbeat.model.message import Message

QUEUE_BYTES_MAX: Final = 1_048_576  # unread answers; beyond: the client is hung up on
LINGER_S: Final = 2.0
LINGERING_MAX: Final = 16
"""So many that are hung up on may still read what is queued, each for so long; beyond: the one that
was hung up on first is cut off."""
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
        self._lingering: dict[_Connection, asyncio.TimerHandle] = {}  # hung up on, but not read out
        self._waiting: deque[tuple[int, _Connection]] = deque()  # each client once, until all taken
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
        listening = self._bound()
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(
            lambda: _Connection(self), sock=listening, backlog=BACKLOG
        )

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
        """Hang up after what is queued, or soon; on_client_gone does not follow.

        Its session and its name are free at once: were it waited for, whoever reads nothing could
        have any number of connections.
        """
        connection = self._connections.pop(client, None)
        if connection is None or not connection.close():
            return
        loop = asyncio.get_running_loop()
        self._lingering[connection] = loop.call_later(LINGER_S, connection.cut_off)
        if len(self._lingering) > LINGERING_MAX:
            next(iter(self._lingering)).cut_off()

    def _add(self, connection: _Connection, credentials: Credentials) -> int:
        self._last_client += 1
        self._connections[self._last_client] = connection
        self._host.on_client_connected(self._last_client, credentials)
        return self._last_client

    def _received(self, client: int, connection: _Connection) -> None:
        """Queue a client whose bytes are to be looked at."""
        self._waiting.append((client, connection))
        if len(self._waiting) == 1:
            asyncio.get_running_loop().call_soon(self._take_turn)

    def _take_turn(self) -> None:
        """Take one message of one client; the rest comes in turns of its own."""
        client, connection = self._waiting[0]
        message = connection.next_message() if client in self._connections else None
        if message is not None:
            self._host.on_client_message(client, message)
            self._waiting.rotate(-1)
        else:
            self._waiting.popleft()
            connection.read_on()
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._take_turn)

    def _ended(self, connection: _Connection) -> None:
        """Take that a connection is closed, read out or not."""
        timer = self._lingering.pop(connection, None)
        if timer is not None:
            timer.cancel()

    def _lost(self, client: int, reason: str) -> None:
        if self._connections.pop(client, None) is not None:
            self._host.on_client_gone(client, reason)

    def _bound(self) -> socket.socket:
        """Return the socket, bound; what lies in its place and is no socket of ours is kept."""
        make_way(self._path)
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            listening.bind(str(self._path))
            set_mode(self._path, _MODE)  # of the socket, whatever the name leads to by now
        except OSError:
            listening.close()
            raise
        return listening

    def _unlink(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            if stat.S_ISSOCK(self._path.lstat().st_mode):
                self._path.unlink()


class _Connection(asyncio.Protocol):
    """One client's bytes."""

    def __init__(self, owner: ClientSocket) -> None:
        self._owner = owner
        self._splitter = FrameSplitter(FIRST_FRAME_BYTES_MAX, CLIENT_PARTS_MAX)
        self._transport: asyncio.Transport | None = None
        self._client = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        connected: socket.socket = transport.get_extra_info("socket")
        self._client = self._owner._add(self, credentials_of(connected))  # noqa: SLF001 - one class in two

    def data_received(self, data: bytes) -> None:
        assert self._transport is not None
        self._transport.pause_reading()  # so no more than one read of it is ever kept
        self._splitter.add(data)
        self._owner._received(self._client, self)  # noqa: SLF001 - one class in two

    def next_message(self) -> Message | None:
        """Return the next message among what was read; None: there is none, or only garbage."""
        try:
            message = self._splitter.next_message()
        except WireError as error:
            self._abort(error.reason)
            return None
        if message is not None:
            self._splitter.limit = DATAGRAM_BYTES_MAX
        return message

    def read_on(self) -> None:
        """Read again, unless this connection has ended."""
        assert self._transport is not None
        self._transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self._owner._ended(self)  # noqa: SLF001 - one class in two
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

    def close(self) -> bool:
        """Hang up after what is queued; return whether anything is."""
        assert self._transport is not None
        self._transport.close()
        return self._transport.get_write_buffer_size() > 0

    def cut_off(self) -> None:
        """Hang up at once, whatever was not read."""
        assert self._transport is not None
        self._owner._ended(self)  # noqa: SLF001 - one class in two
        self._transport.abort()

    def _abort(self, reason: str) -> None:
        assert self._transport is not None
        self._owner._lost(self._client, reason)  # noqa: SLF001 - one class in two
        self._transport.abort()


def credentials_of(connected: socket.socket) -> Credentials:
    """Return what the kernel knows of the process at the other end: numbers, no names."""
    pid, uid, gid = kernel_word(connected)
    groups = tuple(dict.fromkeys((gid, *_groups_of(connected))))
    return Credentials(pid=pid, uid=uid, gid=gid, groups=groups)


def _groups_of(connected: socket.socket) -> tuple[int, ...]:
    try:
        raw = connected.getsockopt(socket.SOL_SOCKET, _PEER_GROUPS, 4 * _GROUPS_MAX)
    except OSError:  # an old kernel, or more groups than we look at: the main group decides
        return ()
    return struct.unpack(f"{len(raw) // 4}I", raw)
