"""What /proc tells of processes without waiting for any of them.

cmdline and environ are never read: they wait for a process's memory lock, which one that hangs in
a page fault holds.
"""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")
_STAT_BYTES_MAX: Final = 4_096


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """One process. `started_ticks`: since boot, in clock ticks; with the pid it is unique."""

    pid: int
    name: str
    state: str  # R S D Z T …
    parent: int
    session: int
    started_ticks: int


def process(pid: int) -> Process | None:
    """Return a process, or None if there is none of this number."""
    try:
        with open(f"/proc/{pid}/stat", "rb", buffering=0) as file:  # noqa: PTH123 - twice as fast
            text = file.read(_STAT_BYTES_MAX).decode("latin-1")
    except OSError:
        return None
    name, _, rest = text.partition("(")[2].rpartition(")")
    fields = rest.split()
    if len(fields) < 20:
        return None
    return Process(
        pid=pid,
        name=name,
        state=fields[0],
        parent=int(fields[1]),
        session=int(fields[3]),
        started_ticks=int(fields[19]),
    )


def processes() -> tuple[Process, ...]:
    """Return all processes, by number."""
    pids = sorted(int(entry.name) for entry in _PROC.iterdir() if entry.name.isdecimal())
    return tuple(found for pid in pids if (found := process(pid)) is not None)


def user_of(pid: int) -> int | None:
    """Return the effective user of a process, or None if there is none of this number."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        text = (_PROC / str(pid) / "status").read_bytes().decode("latin-1")
        return int(text.partition("\nUid:")[2].split()[1])
    return None


def started_at(one: Process) -> float:
    """Return when a process began, in seconds of the wall clock."""
    since_boot_s = one.started_ticks / os.sysconf("SC_CLK_TCK")
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + since_boot_s


def line_of(name: str) -> str:
    """Return the text of a file below /proc, stripped; empty if it cannot be read."""
    with contextlib.suppress(OSError):
        return (_PROC / name).read_text(errors="replace").strip()
    return ""
