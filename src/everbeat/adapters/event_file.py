"""STATE/events.jsonl: events that outlive the process, one JSON object a line, newest last.

Written by a thread of its own: a stuck disk delays no decision. When the file has grown past
FILE_BYTES_MAX the older half is dropped.
"""

from __future__ import annotations

import contextlib
import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

import msgspec

from everbeat.adapters.json_text import bytes_from_value, value_from_bytes
from everbeat.adapters.own_files import open_own, read_own, replace_own
from everbeat.model.journal import ClusterEvent

if TYPE_CHECKING:
    from pathlib import Path

FILE_BYTES_MAX: Final = 4 * 1024 * 1024
WAITING_MAX: Final = 1_000
_NAME: Final = "events.jsonl"
_MODE: Final = 0o644


class EventFile:
    """Appends finished events and remembers the last ones of earlier lives."""

    def __init__(self, state: Path) -> None:
        self._path = state / _NAME
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="events")
        self._writer.submit(lambda: None)  # the thread is there before priorities are given
        self._waiting = 0
        self.dropped = 0
        """Events that were not written because the disk did not answer."""

    def read(self) -> tuple[ClusterEvent, ...]:
        """Return the events on disk, oldest first; lines that cannot be read are left out."""
        events = []
        with contextlib.suppress(OSError):
            for line in read_own(self._path).splitlines():
                with contextlib.suppress(msgspec.MsgspecError):
                    events.append(value_from_bytes(line, ClusterEvent))
        return tuple(events)

    def append_nowait(self, event: ClusterEvent) -> None:
        """Write an event soon."""
        if self._waiting >= WAITING_MAX:
            self.dropped += 1
            return
        self._waiting += 1
        self._writer.submit(self._append, bytes_from_value(event) + b"\n")

    def wait_written(self) -> None:
        """Wait until what waits is written; for ever where the disk hangs."""
        self._writer.submit(lambda: None).result()

    def close(self) -> None:
        """Write what waits."""
        self._writer.shutdown(wait=True)

    def _append(self, line: bytes) -> None:
        self._waiting -= 1
        with contextlib.suppress(OSError):
            descriptor = open_own(self._path, os.O_WRONLY | os.O_APPEND, _MODE)
            with os.fdopen(descriptor, "ab") as file:
                file.write(line)
                size = file.tell()
            if size > FILE_BYTES_MAX:
                kept = read_own(self._path)[-FILE_BYTES_MAX // 2 :].partition(b"\n")[2]
                replace_own(self._path, kept, _MODE)
