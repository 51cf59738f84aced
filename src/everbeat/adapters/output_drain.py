"""Read on, for as long as anybody writes, what programs left by an action say on its output.

    start ──► guard: sh, waits ── we let go, or die in whatever way ──► cat >/dev/null ─ EOF ─► ends
    other action that left something ─────────────────────────────────► cat >/dev/null ─ EOF ─► ends

A program that is started in the background mostly keeps the pipe of the script that started it.
Nobody may refuse what it writes there (EAGAIN), end it (SIGPIPE) or let it wait for ever. So each
such pipe has a process of its own that outlives us and holds nothing but the reading end: no
memory, no disk, no other service depends on it. It ends with the last writer. The guard of a
start is there from the beginning, since we may be killed at any moment of it. ADR 0017.
"""

from __future__ import annotations

import contextlib
import os
import select
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from everbeat.ports.host import PROGRAM_PATH

if TYPE_CHECKING:
    import asyncio

_WAITING: Final = 3
_READ_ON: Final = f"exec cat {_WAITING}<&-"


@dataclass(slots=True)
class OutputDrains:
    """Starts the readers, and reaps those that end before us."""

    loop: asyncio.AbstractEventLoop

    def guard(self, reading: int, name: str) -> int | None:
        """Have a pipe read as soon as the returned descriptor is closed; None: it cannot be."""
        waiting, letting_go = os.pipe2(os.O_CLOEXEC)
        try:
            self._start(reading, f"read -r _ <&{_WAITING}; {_READ_ON}", name, waiting)
        except OSError:
            os.close(letting_go)
            return None
        finally:
            os.close(waiting)
        return letting_go

    def take(self, reading: int, name: str) -> None:
        """Have a pipe read from now on, if anybody can still write to it."""
        if has_writers(reading):
            with contextlib.suppress(OSError):  # no processes left: it keeps what fits the pipe
                self._start(reading, _READ_ON, name)

    def _start(self, reading: int, script: str, name: str, waiting: int | None = None) -> None:
        own = os.open(f"/proc/self/fd/{reading}", os.O_RDONLY | os.O_CLOEXEC)  # ours does not block
        set_up: list[tuple[int, int, int] | tuple[int, int, str, int, int]] = [
            (os.POSIX_SPAWN_DUP2, own, 0),
            (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
            (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
        ]
        if waiting is not None:
            set_up.append((os.POSIX_SPAWN_DUP2, waiting, _WAITING))
        try:
            words = ["/bin/sh", "-c", f"cd /; {script}", f"output of {name}"]
            environment = {"PATH": PROGRAM_PATH}
            reader = os.posix_spawn(words[0], words, environment, file_actions=set_up, setsid=True)
        finally:
            os.close(own)
        self.loop.add_reader(pidfd := os.pidfd_open(reader), self._reap, pidfd, reader)

    def _reap(self, pidfd: int, reader: int) -> None:
        self.loop.remove_reader(pidfd)
        os.close(pidfd)
        os.waitpid(reader, 0)


def has_writers(reading: int) -> bool:
    """Whether anybody holds the writing end of a pipe."""
    poll = select.poll()
    poll.register(reading, select.POLLIN)
    return not any(event & select.POLLHUP for _, event in poll.poll(0))
