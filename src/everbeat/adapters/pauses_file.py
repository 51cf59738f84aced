"""RUN/pauses: which groups are paused until when, for a core process that replaces another.

The times are monotonic, so the file is of one boot; RUN does not outlive it. A node that stops in
order takes its pauses with it.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec

from everbeat.adapters.json_text import bytes_from_value, value_from_bytes
from everbeat.adapters.own_files import read_own, replace_own
from everbeat.model.names import GroupKey

if TYPE_CHECKING:
    from pathlib import Path

Pauses: TypeAlias = tuple[tuple[GroupKey, int], ...]

_NAME: Final = "pauses"


class PausesFile:
    """Written when it changes: a few bytes in memory, for RUN is a tmpfs."""

    def __init__(self, run: Path) -> None:
        self._path = run / _NAME
        self._written: Pauses = ()

    def read(self) -> Pauses:
        """Return what was written last; nothing if it cannot be read."""
        with contextlib.suppress(OSError, msgspec.MsgspecError):
            pauses = value_from_bytes(read_own(self._path), tuple[tuple[str, int], ...])
            self._written = tuple((GroupKey(key), until_ms) for key, until_ms in pauses)
        return self._written

    def write(self, pauses: Pauses) -> None:
        """Write what is paused now, if it is news."""
        if pauses == self._written:
            return
        with contextlib.suppress(OSError):  # then the next core pauses nothing
            replace_own(self._path, bytes_from_value(pauses))
            self._written = pauses
