"""The hardware (or softdog) watchdog: once open, not feeding it resets the machine.

Anything that can be opened for writing will do in its place for tests: only a real device is
asked for its timeout.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import struct
from typing import Final

_WDIOC_SETTIMEOUT: Final = 0xC0045706  # _IOWR('W', 6, int), linux/watchdog.h
_MAGIC_CLOSE: Final = b"V"


class WatchdogError(Exception):
    """The device cannot be opened or refuses the timeout; says which and why."""


class Watchdog:
    """An open watchdog. Never blocks for long: one byte a feed."""

    def __init__(self, path: str, timeout_ms: int) -> None:
        try:
            self._descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as error:
            raise WatchdogError(f"{path}: {error.strerror}") from error
        self.timeout_ms = timeout_ms
        if stat.S_ISCHR(os.fstat(self._descriptor).st_mode):
            self._set_timeout(path, -(-timeout_ms // 1000))

    def feed(self) -> None:
        """Put the reset off by one timeout."""
        with contextlib.suppress(BlockingIOError):  # a FIFO nobody reads
            os.write(self._descriptor, b".")

    def disarm(self) -> None:
        """Close so that nothing is reset (unless the driver was loaded with nowayout)."""
        with contextlib.suppress(BlockingIOError):
            os.write(self._descriptor, _MAGIC_CLOSE)
        os.close(self._descriptor)

    def _set_timeout(self, path: str, seconds: int) -> None:
        try:
            answer = fcntl.ioctl(self._descriptor, _WDIOC_SETTIMEOUT, struct.pack("i", seconds))
        except OSError as error:
            self.disarm()
            raise WatchdogError(f"{path}: timeout of {seconds} s: {error.strerror}") from error
        self.timeout_ms = struct.unpack("i", answer)[0] * 1000
