"""Values between two of our processes over a unix stream socket, for asyncio.

    listen(path) ──accept── Channel ⇄ Channel ──connect(path)
    first frame in both directions: Hello with the protocol version

Sending never waits: what the kernel does not take is kept up to BACKLOG_BYTES_MAX; a peer that
reads more slowly than that is dropped, with the reason in `closed_reason` and given to
`on_dropped`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import stat
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from everbeat.adapters.own_files import set_aside, set_mode
from everbeat.adapters.peer import check_listener, credentials_of
from everbeat.ipc.codec import Codec, Hello, IpcError, NotRunning, check_hello
from everbeat.ipc.frames import HEADER_BYTES, FrameError, frame, payload_size

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection

BACKLOG_BYTES_MAX: Final = 8 * 1024 * 1024
"""Unsent bytes kept for a slow peer; above that it is dropped."""

HELLO_TIMEOUT_S: Final = 5.0
CLOSE_TIMEOUT_S: Final = 1.0
_SO_PEERGROUPS: Final = 59  # asm-generic/socket.h; the socket module does not name it
_PEER_GROUPS_MAX: Final = 4096


@dataclass(frozen=True, slots=True)
class Peer:
    """The process at the other end, as the kernel knows it. `groups`: its supplementary ones."""

    pid: int
    uid: int
    gid: int
    groups: frozenset[int] = frozenset()


class Channel:
    """One connection. Iterate to receive; the iteration ends when the peer or we close.

    Iterating raises IpcError when the peer sends what the codec does not know.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        codec: Codec,
        *,
        backlog_bytes_max: int = BACKLOG_BYTES_MAX,
    ) -> None:
        self.peer: Final = peer_of(writer.get_extra_info("socket"))
        self.hello: Hello | None = None
        self.closed_reason = ""
        self.on_dropped: Callable[[str], None] | None = None
        self._reader = reader
        self._writer = writer
        self._codec = codec
        self._backlog_bytes_max = backlog_bytes_max

    @property
    def is_open(self) -> bool:
        """Whether values can still be sent."""
        return not self.closed_reason and not self._writer.is_closing()

    def send_nowait(self, value: object) -> bool:
        """Send or queue a value; False if the channel is closed, also by this call."""
        if not self.is_open:
            return False
        self._writer.write(frame(self._codec.encode(value)))
        waiting = self._writer.transport.get_write_buffer_size()
        if waiting > self._backlog_bytes_max:
            self.drop(f"reads too slowly: {waiting} bytes are waiting")
            return False
        return True

    def drop(self, reason: str) -> None:
        """Cut the connection at once; what was not sent is lost."""
        if self.closed_reason:
            return
        self.closed_reason = reason
        self._writer.transport.abort()
        if self.on_dropped is not None:
            self.on_dropped(reason)

    async def drain(self) -> None:
        """Wait until the kernel has taken nearly everything; return at once when closed."""
        with contextlib.suppress(ConnectionError):
            await self._writer.drain()

    async def close(self) -> None:
        """Send what is queued within CLOSE_TIMEOUT_S, then close."""
        if self.closed_reason:
            return
        self.closed_reason = "closed by us"
        self._writer.close()
        try:
            await asyncio.wait_for(self._writer.wait_closed(), CLOSE_TIMEOUT_S)
        except (TimeoutError, ConnectionError):
            self._writer.transport.abort()

    async def receive(self) -> object | None:
        """Return the next value, None at the end. Raise IpcError for what cannot be decoded."""
        try:
            header = await self._reader.readexactly(HEADER_BYTES)
            payload = await self._reader.readexactly(payload_size(header))
        except (asyncio.IncompleteReadError, ConnectionError):
            self.closed_reason = self.closed_reason or "closed by the peer"
            self._writer.close()
            return None
        except FrameError as error:
            self.drop(str(error))
            raise IpcError(str(error)) from error
        return self._codec.decode(payload)

    def __aiter__(self) -> Channel:
        """Iterate over the values received."""
        return self

    async def __anext__(self) -> object:
        """Return the next value."""
        value = await self.receive()
        if value is None:
            raise StopAsyncIteration
        return value

    async def greet(self, program: str) -> Hello:
        """Exchange Hellos. Raise IpcError for another version, or none in HELLO_TIMEOUT_S."""
        self.send_nowait(Hello(program))
        try:
            value = await asyncio.wait_for(self.receive(), HELLO_TIMEOUT_S)
            self.hello = check_hello(value)
        except TimeoutError as error:
            self.drop("no Hello")
            raise IpcError(f"no Hello within {HELLO_TIMEOUT_S:.0f} s") from error
        except IpcError as error:
            await self.close()  # our Hello still goes out, so that the peer can tell its user
            raise IpcError(str(error)) from error
        return self.hello


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Who may connect besides what the file mode says; None: no further check."""

    uids: Collection[int] | None = None
    gids: Collection[int] | None = None

    def allows(self, peer: Peer) -> bool:
        """Whether the peer's uid or one of its groups is listed."""
        if self.uids is None and self.gids is None:
            return True
        if peer.uid in (self.uids or ()):
            return True
        return any(gid in {peer.gid, *peer.groups} for gid in self.gids or ())


class Listener:
    """A listening socket with the channels it accepted; `close` ends them all."""

    def __init__(
        self,
        codec: Codec,
        on_channel: Callable[[Channel], Awaitable[None]],
        access: Access,
        program: str,
    ) -> None:
        self._codec = codec
        self._on_channel = on_channel
        self._access = access
        self._program = program
        self._channels: set[Channel] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.rejected_count = 0  # peers without permission or of another version

    async def start(self, listening: socket.socket) -> None:
        """Accept connections from now on; owns the socket."""
        self._server = await asyncio.start_unix_server(self._accept, sock=listening)

    async def close(self) -> None:
        """Stop listening, close every channel and cancel their callbacks."""
        if self._server is not None:
            self._server.close()
        for channel in tuple(self._channels):
            await channel.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def abort(self) -> None:
        """Stop listening and cut every channel, at once."""
        if self._server is not None:
            self._server.close()
        for channel in tuple(self._channels):
            channel.drop("we end")
        for task in tuple(self._tasks):
            task.cancel()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        channel = Channel(reader, writer, self._codec)
        if not self._access.allows(channel.peer):
            self.rejected_count += 1
            channel.drop(f"uid {channel.peer.uid} may not connect")
            return
        task = asyncio.current_task()
        assert task is not None
        self._channels.add(channel)
        self._tasks.add(task)
        try:
            await self._serve(channel)
        finally:
            self._channels.discard(channel)
            self._tasks.discard(task)
            channel.drop("served")

    async def _serve(self, channel: Channel) -> None:
        try:
            await channel.greet(self._program)
        except IpcError:
            self.rejected_count += 1
            return
        with contextlib.suppress(IpcError):  # a peer that talks nonsense is simply let go
            await self._on_channel(channel)
        await channel.close()


async def listen(
    path: Path,
    codec: Codec,
    on_channel: Callable[[Channel], Awaitable[None]],
    *,
    mode: int = 0o600,
    group: int | None = None,
    allowed_uids: Collection[int] | None = None,
    allowed_gids: Collection[int] | None = None,
    program: str = "everbeat",
) -> Listener:
    """Listen on a unix socket; a left-over socket file is removed.

    `on_channel` runs as one task per peer, which is let go when it returns. Raise IpcError if
    another process listens there.
    """
    listening = bound_socket(path, mode, group)
    access = Access(uids=allowed_uids, gids=allowed_gids)
    listener = Listener(codec, on_channel, access, program)
    await listener.start(listening)
    return listener


async def connect(path: Path, codec: Codec, *, program: str = "everbeat") -> Channel:
    """Connect and exchange Hellos. Raise NotRunning if nobody listens, IpcError otherwise.

    Nothing is said to a listener that is neither root nor of our own user.
    """
    try:
        reader, writer = await asyncio.open_unix_connection(path)
    except (FileNotFoundError, ConnectionRefusedError) as error:
        raise NotRunning(f"nobody listens on {path}") from error
    except OSError as error:
        raise IpcError(f"{path}: {error.strerror}") from error
    try:
        check_listener(writer.get_extra_info("socket"))
    except OSError as error:
        writer.close()
        raise IpcError(f"{path}: {error}") from error
    channel = Channel(reader, writer, codec)
    await channel.greet(program)
    return channel


def bound_socket(path: Path, mode: int, group: int | None = None) -> socket.socket:
    """Return a listening unix socket whose file never had wider permissions than `mode`."""
    try:
        _remove_stale(path)
    except OSError as error:
        raise IpcError(f"{path}: {error.strerror}") from error
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        os.fchmod(listening.fileno(), mode & 0o700)  # Linux gives the file the socket's mode
        listening.bind(str(path))
        set_mode(path, mode, group)
        listening.listen()
    except OSError as error:
        listening.close()
        raise IpcError(f"{path}: {error.strerror}") from error
    return listening


def peer_of(connected: socket.socket) -> Peer:
    """Return the credentials of the process at the other end of a unix socket."""
    pid, uid, gid = credentials_of(connected)
    try:
        raw = connected.getsockopt(socket.SOL_SOCKET, _SO_PEERGROUPS, _PEER_GROUPS_MAX)
    except OSError:
        raw = b""
    groups = frozenset(struct.unpack(f"{len(raw) // 4}I", raw))
    return Peer(pid, uid, gid, groups)


def _remove_stale(path: Path) -> None:
    """Make room for a socket: one of a dead process goes, what is not ours is set aside."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode) or found.st_uid != os.geteuid():
        set_aside(path)
        return
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
        except OSError:
            return
        else:
            raise IpcError(f"{path}: another process listens there")
