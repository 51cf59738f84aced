"""RUN/right: until when the right to hold lasts, for the next link process should this one die.

It is written with every heartbeat that is answered, so into mapped memory: nothing is allocated
and nobody is waited for, however busy the machine or full the disk.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import struct
from typing import TYPE_CHECKING, Final

from everbeat.adapters.own_files import open_own, read_own

if TYPE_CHECKING:
    from pathlib import Path

RIGHT_FILE: Final = "right"
_FORM: Final = struct.Struct("=qq")  # generation, monotonic ms; 0: unknown, or without end


class RightRecord:
    """Where a link process notes the end of its right. `error`: why nobody will read it, or ""."""

    def __init__(self, run: Path) -> None:
        self.error = ""
        try:
            self._memory = _mapped(run / RIGHT_FILE)
        except OSError as error:
            self.error = f"{run / RIGHT_FILE}: {error.strerror}"
            self._memory = mmap.mmap(-1, _FORM.size)

    def write(self, generation: int, until_ms: int | None) -> None:
        """Note the end of the right of a generation."""
        _FORM.pack_into(self._memory, 0, generation, until_ms or 0)

    def close(self) -> None:
        """Let go of the memory; the file stays."""
        self._memory.close()


def read_right(run: Path, generation: int) -> int | None:
    """Return when the right of this generation ends; None if that is unknown."""
    with contextlib.suppress(OSError, struct.error):
        of_generation, until_ms = _FORM.unpack(read_own(run / RIGHT_FILE))
        return until_ms or None if of_generation == generation else None
    return None


def _mapped(path: Path) -> mmap.mmap:
    descriptor = open_own(path, os.O_RDWR)
    try:
        os.posix_fallocate(descriptor, 0, _FORM.size)  # else a full disk would kill us later
        os.ftruncate(descriptor, _FORM.size)
        return mmap.mmap(descriptor, _FORM.size)
    finally:
        os.close(descriptor)
