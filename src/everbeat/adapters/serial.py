"""Serial media: a tty in raw mode that carries string-form messages back to back."""

from __future__ import annotations

import asyncio
import errno
import os
import termios
from typing import TYPE_CHECKING, Final

from everbeat.adapters.udp import RECEIVE_BATCH_MAX
from everbeat.wire.stream import StreamSplitter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from everbeat.model.cluster import Medium

BACKLOG_BYTES_MAX: Final = 4096
"""Unsent bytes kept, two seconds at 19200 baud; a message that does not fit is dropped."""

_READ_BYTES: Final = 4096
_CC: Final = 6  # where tcgetattr keeps the control characters


class SerialPort:
    """An open tty. Each message leaves whole or not at all."""

    is_sending = True

    def __init__(self, descriptor: int, device: str) -> None:
        self._descriptor = descriptor
        self._device = device
        self._splitter = StreamSplitter()
        self._backlog = bytearray()
        self._loop = asyncio.get_running_loop()
        self._failure: OSError | None = None

    def fileno(self) -> int:
        """Return the descriptor to wait on."""
        return self._descriptor

    def send(self, data: bytes) -> None:
        """Write a message, the rest of it later. Raise BlockingIOError if the line is behind."""
        self.check()
        if self._backlog:
            if len(self._backlog) + len(data) > BACKLOG_BYTES_MAX:
                raise BlockingIOError(errno.EAGAIN, "the serial line is behind")
            self._backlog += data
            return
        written = os.write(self._descriptor, data)
        if written < len(data):
            self._backlog += data[written:]
            self._loop.add_writer(self._descriptor, self._flush)

    def receive(self) -> Iterator[tuple[bytes, str]]:
        """Yield the messages that have arrived, of RECEIVE_BATCH_MAX reads at most.

        Raise OSError (EIO) when the line hangs up.
        """
        for _ in range(RECEIVE_BATCH_MAX):
            try:
                data = os.read(self._descriptor, _READ_BYTES)
            except BlockingIOError:
                return
            if not data:
                raise OSError(errno.EIO, "the serial line hung up")
            for message in self._splitter.feed(data):
                yield message, self._device

    def check(self) -> None:
        """Raise the OSError of a write that failed later."""
        if self._failure is not None:
            raise self._failure

    def close(self) -> None:
        """Close the tty; what was not written is lost."""
        if self._backlog:
            self._loop.remove_writer(self._descriptor)
            self._backlog.clear()
        os.close(self._descriptor)

    def _flush(self) -> None:
        try:
            written = os.write(self._descriptor, self._backlog)
        except BlockingIOError:
            return
        except OSError as error:
            self._failure = error
            written = len(self._backlog)
        del self._backlog[:written]
        if not self._backlog:
            self._loop.remove_writer(self._descriptor)


def open_serial(medium: Medium) -> SerialPort:
    """Open a tty raw at the medium's baud rate. Raise OSError."""
    flags = os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(medium.device, flags)
    try:
        _make_raw(descriptor, medium.baud)
    except (termios.error, AttributeError) as error:
        os.close(descriptor)
        raise OSError(errno.ENOTTY, f"cannot be used as a serial line: {error}") from error
    return SerialPort(descriptor, medium.device)


def _make_raw(descriptor: int, baud: int) -> None:
    """8 bits, no parity, no flow control, no echo; a read returns what there is."""
    speed = getattr(termios, f"B{baud}")
    control_characters = termios.tcgetattr(descriptor)[_CC]
    control_characters[termios.VMIN] = 1
    control_characters[termios.VTIME] = 0
    control = termios.CS8 | termios.CREAD | termios.CLOCAL
    attributes = [termios.IGNPAR, 0, control, 0, speed, speed, control_characters]
    termios.tcsetattr(descriptor, termios.TCSANOW, attributes)
    termios.tcflush(descriptor, termios.TCIOFLUSH)
