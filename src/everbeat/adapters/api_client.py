"""A client of the client API: asks a running daemon, everbeat or Heartbeat, over RUN/register.

Blocking, and light to import: it serves cl_status. Signs on under its pid (a casual client).
"""

from __future__ import annotations

import os
import socket
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from everbeat.adapters.peer import StrangerError, check_listener
from everbeat.model.message import Message, message_of
from everbeat.wire.client_frame import FrameSplitter, encode_frame
from everbeat.wire.errors import WireError

if TYPE_CHECKING:
    from pathlib import Path

ANSWER_SECONDS_MAX: Final = 10.0
ANSWERS_MAX: Final = 10_000  # messages looked at for one answer
_RECEIVE_BYTES: Final = 65_536
_CANNOT_CONNECT: Final = "hb_api_signon: Can't initiate connection to heartbeat"


class ApiError(Exception):
    """The daemon cannot be asked. `reason` is worded as 3.0.6 words it, for cl_status."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class ApiAnswer:
    """The answer to one request: one message, or several for a list; `info` why it failed."""

    messages: tuple[Message, ...]
    is_ok: bool
    info: str = ""

    def text(self, name: str) -> str | None:
        """Return a field of the first message, or None."""
        return self.messages[0].text(name) if self.messages else None


class ApiClient:
    """One connection. A context manager: signs on when entered, off when left."""

    def __init__(self, path: Path, node: str, timeout_s: float = ANSWER_SECONDS_MAX) -> None:
        self._path = path
        self._node = node
        self._timeout_s = timeout_s
        self._splitter = FrameSplitter()
        self._received: deque[Message] = deque()
        self._socket: socket.socket | None = None
        self.signon = ApiAnswer((), is_ok=False)
        """The daemon's answer to signon: deadtime, keepalive, node, hbversion, pacemaker."""

    def __enter__(self) -> Self:
        """Sign on. Raises ApiError."""
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(self._timeout_s)
        try:
            self._socket.connect(str(self._path))
            check_listener(self._socket)
        except StrangerError as error:
            self._socket.close()
            raise ApiError(f"{self._path}: {error}") from error
        except OSError as error:
            self._socket.close()
            raise ApiError(_CANNOT_CONNECT) from error
        try:
            self.signon = self.request("signon", uid=str(os.getuid()), gid=str(os.getegid()))
        except ApiError:
            self._socket.close()
            raise
        if not self.signon.is_ok:
            self._socket.close()
            raise ApiError(self.signon.info or "signon refused")
        return self

    def __exit__(self, *exception: object) -> None:
        """Sign off and hang up."""
        assert self._socket is not None
        try:
            self._send("signoff", {})
        except ApiError:
            pass  # it hung up first: we are signed off
        finally:
            self._socket.close()

    def request(self, kind: str, **fields: str) -> ApiAnswer:
        """Return the answer, all parts of a list together. Raises ApiError."""
        self._send(kind, fields)
        parts: list[Message] = []
        deadline = time.monotonic() + self._timeout_s
        for _ in range(ANSWERS_MAX):
            message = self._next(deadline)
            if message is None:
                break
            if message.type != "hbapi-resp" or message.text("reqtype") != kind:
                continue
            result = message.text("result") or ""
            if result.lower() == "ok/more":
                parts.append(message)
                continue
            if result.upper() == "OK":
                return ApiAnswer((*parts, message), is_ok=True)
            return ApiAnswer((), is_ok=False, info=message.text("info") or "")
        raise ApiError(f"no answer to {kind}")

    def client_status(self, node: str, client: str, timeout_ms: int) -> str | None:
        """Return `online` or `offline`, or None if the node did not answer in time."""
        self._send("clientstatus", {"node": node, "cn": client})
        deadline = time.monotonic() + timeout_ms / 1_000
        for _ in range(ANSWERS_MAX):
            message = self._next(deadline)
            if message is None:
                return None
            kind = message.text("subt") or message.type
            if kind == "respond-cstatus" and message.text("cn") in {None, client}:
                return message.text("cs")
        return None

    def _send(self, kind: str, fields: dict[str, str]) -> None:
        assert self._socket is not None
        pid = str(os.getpid())
        request = message_of(
            t="hbapi-req", reqtype=kind, dest=self._node, pid=pid, from_id=pid, **fields
        )
        try:
            self._socket.settimeout(self._timeout_s)
            self._socket.sendall(encode_frame(request))
        except (OSError, WireError) as error:
            raise ApiError(str(error)) from error

    def _next(self, deadline: float) -> Message | None:
        """Return the next message, or None when the time is over."""
        assert self._socket is not None
        while not self._received:
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            self._socket.settimeout(left)
            try:
                data = self._socket.recv(_RECEIVE_BYTES)
                self._received.extend(self._splitter.feed(data))
            except TimeoutError:
                return None
            except (OSError, WireError) as error:
                raise ApiError(str(error)) from error
            if not data:
                raise ApiError("the daemon hung up")
        return self._received.popleft()
