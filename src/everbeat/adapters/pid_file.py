"""Pid files of services: files in folders that often belong to the service's user.

What root does with the number, to signal a process or to take its end for a failure, must not be
chosen by that user. So a file that is root's alone may name any process, and one of another user a
process of that user only; systemd holds it alike. What is no plain file is not opened to its end: a
FIFO would hold up its reader, a link to /dev/zero fill its memory.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from everbeat.adapters.own_files import is_ours
from everbeat.adapters.process_table import process, started_at, user_of
from everbeat.agents.main_process import pid_from_text

if TYPE_CHECKING:
    from everbeat.adapters.process_table import Process

CLOCK_SLACK_S: Final = 5.0
"""A pid file may seem so much older than its process: clock ticks, a clock that was set."""

_BYTES_MAX: Final = 64
_FLAGS: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


def process_named_by(path: str) -> Process | None:
    """Return the process that a pid file names, if it lives and the file may name it.

    A file older than its process is a leftover whose number another process has got.
    """
    with suppress(OSError):
        pid, found = _read(path)
        named = process(pid) if pid is not None else None
        if named is None or found.st_mtime + CLOCK_SLACK_S <= started_at(named):
            return None
        if is_ours(found) or (not found.st_mode & stat.S_IWOTH and _is_its_user(found, named)):
            return named
    return None


def is_named_none(path: str) -> bool:
    """Whether a pid file names no process that lives; an empty path: nobody knows."""
    if not path:
        return False
    try:
        pid, _ = _read(path)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    named = process(pid) if pid is not None else None
    return named is None or named.state == "Z"


def _is_its_user(found: os.stat_result, named: Process) -> bool:
    """Whether a file of another user is of the one whose process it names."""
    return found.st_uid not in {0, os.geteuid()} and found.st_uid == user_of(named.pid)


def _read(path: str) -> tuple[int | None, os.stat_result]:
    """Return the number in a file, and whose file it is. Raise OSError."""
    descriptor = os.open(path, _FLAGS)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            return None, found
        text = os.read(descriptor, _BYTES_MAX).decode("latin-1")
        return pid_from_text(text), found
    finally:
        os.close(descriptor)
