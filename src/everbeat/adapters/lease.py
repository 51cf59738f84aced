"""The lease of a daemon: signs of life to the keeper, through a pipe it left us.

`R` once when ready, then `.` regularly, written from the loop whose life they are to prove.
"""

from __future__ import annotations

import contextlib
import os
from typing import Final

LEASE_FD: Final = "EVERBEAT_LEASE_FD"
LEASE_MS: Final = "EVERBEAT_LEASE_MS"
LEASE_MS_DEFAULT: Final = 100


class Lease:
    """Writes signs of life; does nothing without a keeper. Never blocks."""

    def __init__(self, descriptor: int | None, every_ms: int = LEASE_MS_DEFAULT) -> None:
        self._descriptor = descriptor
        self.every_ms = every_ms
        if descriptor is not None:
            os.set_blocking(descriptor, False)
            os.set_inheritable(descriptor, False)  # noqa: FBT003 - positional only in os

    def ready(self) -> None:
        """Say that the daemon has started and does its work."""
        self._write(b"R")

    def renew(self) -> None:
        """Say that the daemon lives."""
        self._write(b".")

    def _write(self, sign: bytes) -> None:
        if self._descriptor is None:
            return
        # A full pipe: the keeper has enough to read. A broken one: there is no keeper any more.
        with contextlib.suppress(BlockingIOError, BrokenPipeError):
            os.write(self._descriptor, sign)


def lease_from_environment() -> Lease:
    """Return the lease named by EVERBEAT_LEASE_FD and EVERBEAT_LEASE_MS."""
    descriptor = os.environ.get(LEASE_FD, "")
    every_ms = os.environ.get(LEASE_MS, "")
    return Lease(
        int(descriptor) if descriptor.isdigit() else None,
        int(every_ms) if every_ms.isdigit() and int(every_ms) else LEASE_MS_DEFAULT,
    )
