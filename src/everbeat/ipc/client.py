"""Talk to the core daemon without asyncio: for tools that ask and print.

CoreClient connects on first use. NotRunning says that everbeat is not up on this machine.
"""

from __future__ import annotations

import socket
from collections import deque
from typing import TYPE_CHECKING, Final, Self

from everbeat.adapters.peer import check_listener
from everbeat.ipc.codec import Codec, Hello, IpcError, NotRunning, check_hello
from everbeat.ipc.frames import FrameError, FrameSplitter, frame
from everbeat.ipc.messages import CORE_TYPES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from everbeat.ipc.messages import CoreReply, CoreRequest, GetEvents

REPLY_TIMEOUT_S: Final = 10.0
_RECEIVE_BYTES: Final = 65_536


class CoreClient:
    """A blocking connection to RUN/core.sock. A context manager; one request at a time."""

    def __init__(self, run: Path, *, program: str = "everbeat") -> None:
        self._path = run / "core.sock"
        self._program = program
        self._codec = Codec(CORE_TYPES)
        self._splitter = FrameSplitter()
        self._received: deque[object] = deque()
        self._socket: socket.socket | None = None

    def request(self, message: CoreRequest, timeout_s: float = REPLY_TIMEOUT_S) -> CoreReply:
        """Return the reply. Raise NotRunning, or IpcError when none comes in time."""
        self._send(message, timeout_s)
        reply = self._receive(timeout_s)
        if reply is None:
            raise IpcError("everbeat closed the connection without an answer")
        return reply  # type: ignore[return-value] # CORE_TYPES holds requests and replies only

    def stream(self, message: GetEvents) -> Iterator[CoreReply]:
        """Yield replies until everbeat goes away; without a time limit if events are followed."""
        self._send(message, REPLY_TIMEOUT_S)
        timeout_s = None if message.is_followed else REPLY_TIMEOUT_S
        while (reply := self._receive(timeout_s)) is not None:
            yield reply  # type: ignore[misc] # CORE_TYPES holds requests and replies only
            if not message.is_followed:
                return

    def close(self) -> None:
        """Hang up."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def __enter__(self) -> Self:
        """Return the client; it connects on first use."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Hang up."""
        self.close()

    def _send(self, value: object, timeout_s: float) -> None:
        if self._socket is None:
            self._connect(timeout_s)
        assert self._socket is not None
        self._socket.settimeout(timeout_s)
        try:
            self._socket.sendall(frame(self._codec.encode(value)))
        except OSError as error:
            self.close()
            raise IpcError(f"{self._path}: {error.strerror or error}") from error

    def _connect(self, timeout_s: float) -> None:
        connecting = socket.socket(socket.AF_UNIX)
        connecting.settimeout(timeout_s)
        try:
            connecting.connect(str(self._path))
            check_listener(connecting)
        except (FileNotFoundError, ConnectionRefusedError) as error:
            connecting.close()
            raise NotRunning(f"everbeat is not running here: nobody listens on {self._path}") from (
                error
            )
        except OSError as error:
            connecting.close()
            raise IpcError(f"{self._path}: {error.strerror or error}") from error
        self._socket = connecting
        self._splitter = FrameSplitter()
        self._received.clear()
        self._send(Hello(self._program), timeout_s)
        hello = self._receive(timeout_s)
        if hello is None:
            raise IpcError(f"{self._path}: this user may not talk to everbeat")
        try:
            check_hello(hello)
        except IpcError:
            self.close()
            raise

    def _receive(self, timeout_s: float | None) -> object | None:
        assert self._socket is not None
        self._socket.settimeout(timeout_s)
        while not self._received:
            try:
                data = self._socket.recv(_RECEIVE_BYTES)
            except TimeoutError as error:
                self.close()
                raise IpcError(f"{self._path}: no answer within {timeout_s} s") from error
            except OSError as error:
                self.close()
                raise IpcError(f"{self._path}: {error.strerror or error}") from error
            if not data:
                self.close()
                return None
            self._take(data)
        return self._received.popleft()

    def _take(self, data: bytes) -> None:
        try:
            payloads = self._splitter.feed(data)
        except FrameError as error:
            self.close()
            raise IpcError(str(error)) from error
        self._received.extend(self._codec.decode(payload) for payload in payloads)
