"""RUN/safe-nodes: which silent nodes hold nothing, for a core process that replaces a dead one.

RUN does not outlive the machine's boot, and only an adopting core reads it: after a restart of the
whole node nobody knows what the others did meanwhile.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

import msgspec

from everbeat.adapters.json_text import bytes_from_value, value_from_bytes
from everbeat.adapters.own_files import read_own, replace_own
from everbeat.model.fencing import SafeNode

if TYPE_CHECKING:
    from pathlib import Path

_NAME: Final = "safe-nodes"


class SafeNodesFile:
    """Written when it changes: a few bytes in memory, for RUN is a tmpfs."""

    def __init__(self, run: Path) -> None:
        self._path = run / _NAME
        self._written: tuple[SafeNode, ...] | None = None

    def read(self) -> tuple[SafeNode, ...]:
        """Return what was written last; nothing if it cannot be read: then nodes are fenced."""
        with contextlib.suppress(OSError, msgspec.MsgspecError):
            return value_from_bytes(read_own(self._path), tuple[SafeNode, ...])
        return ()

    def write(self, nodes: tuple[SafeNode, ...]) -> None:
        """Write what is known now, if it is news."""
        if nodes == self._written:
            return
        with contextlib.suppress(OSError):  # then the next core fences more than it must
            replace_own(self._path, bytes_from_value(nodes))
            self._written = nodes
