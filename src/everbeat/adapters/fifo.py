"""The FIFO STATE/fifo (0600): scripts of Heartbeat speak to the cluster by writing messages to it.

Messages are in string form. Several writers may mix their lines (3.0.6 has the same hole); what
makes no message is dropped and counted. We hold a writing end ourselves, so that the last writer's
close is no end of file.
"""

from __future__ import annotations

import contextlib
import os
import stat
from typing import TYPE_CHECKING, Final

from everbeat.wire.errors import WireError
from everbeat.wire.stream import StreamSplitter
from everbeat.wire.string_form import decode_string

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from pathlib import Path

    from everbeat.model.message import Message

MESSAGE_BYTES_MAX: Final = 65_536
_READ_BYTES: Final = 65_536
_MODE: Final = 0o600


class Fifo:
    """Reads messages and hands them to `on_message` from the loop."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, path: Path, on_message: Callable[[Message], None]
    ) -> None:
        self._loop = loop
        self._path = path
        self._on_message = on_message
        self._splitter = StreamSplitter(MESSAGE_BYTES_MAX)
        self._descriptor: int | None = None
        self.rejected = 0
        """Messages that were complete but malformed."""

    @property
    def dropped_bytes(self) -> int:
        """Bytes between messages."""
        return self._splitter.dropped_bytes

    def open(self) -> None:
        """Make the FIFO if need be and begin to read. Raises OSError."""
        if self._descriptor is not None:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._make()
        flags = os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW
        self._descriptor = os.open(self._path, flags)
        self._loop.add_reader(self._descriptor, self._read)

    def close(self) -> None:
        """Stop reading; the FIFO stays, as 3.0.6's does."""
        if self._descriptor is None:
            return
        self._loop.remove_reader(self._descriptor)
        os.close(self._descriptor)
        self._descriptor = None

    def _make(self) -> None:
        """Replace whatever is no FIFO of ours alone, so that nobody else holds an end of it."""
        with contextlib.suppress(FileNotFoundError):
            found = self._path.lstat()
            is_ours = stat.S_ISFIFO(found.st_mode) and found.st_uid == os.geteuid()
            if is_ours and stat.S_IMODE(found.st_mode) == _MODE:
                return
            self._path.unlink()
        os.mkfifo(self._path, _MODE)

    def _read(self) -> None:
        assert self._descriptor is not None
        try:
            data = os.read(self._descriptor, _READ_BYTES)
        except BlockingIOError:
            return
        for text in self._splitter.feed(data):
            try:
                message = decode_string(text)
            except WireError:
                self.rejected += 1
                continue
            self._on_message(message)


def write_fifo(path: Path, data: bytes) -> None:
    """Write one message to the FIFO of a running Heartbeat in one piece.

    Raises FileNotFoundError, PermissionError, or OSError ENXIO when nobody reads it.
    """
    assert len(data) <= 4_096  # PIPE_BUF: longer writes may mix with those of others
    flags = os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(path, flags)
    try:
        if not stat.S_ISFIFO(os.fstat(descriptor).st_mode):
            raise FileNotFoundError(f"{path} is no FIFO")
        os.write(descriptor, data)
    finally:
        os.close(descriptor)
