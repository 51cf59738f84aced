"""The keeper's children as processes: started, kept in standby, signalled, reaped.

    lease pipe    child ──R . . .──> keeper            one per process
    go pipe       keeper ──words──> standby            the standby becomes the child
    orphan pipes  read by core, executor, link; held open by the keeper and by those of them that
                  are stopped earlier: end of file means that all these are gone

Only the names of inherited descriptors travel in the environment.
"""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from everbeat.adapters.lease import LEASE_FD, LEASE_MS
from everbeat.adapters.realtime import prefer_session

if TYPE_CHECKING:
    import signal
    from collections.abc import Mapping, Sequence

LEASE_BYTES_MAX: Final = 65_536
ORDER_OF_STOP: Final = ("core", "executor", "link")


@dataclass(slots=True)
class ChildProcess:
    """A running child. `lease` and `end` become readable: signs of life, and its end (pidfd)."""

    name: str
    process: subprocess.Popen[bytes]
    lease: int
    end: int
    go: int | None = None  # a standby's

    def read_lease(self) -> bytes:
        """Return what the child wrote since the last call, b"" if nothing."""
        with contextlib.suppress(BlockingIOError):
            return os.read(self.lease, LEASE_BYTES_MAX)
        return b""

    def send(self, number: signal.Signals) -> None:
        """Send a signal; a child that has just ended does not mind."""
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)

    def has_ended(self) -> bool:
        """Whether the process has ended; does not wait."""
        return bool(select.select([self.end], [], [], 0)[0])

    def close(self) -> int:
        """Reap the ended process and close its pipes; return its exit code (-signal)."""
        exit_code = self.process.wait()
        for descriptor in (self.lease, self.end, self.go):
            if descriptor is not None:
                os.close(descriptor)
        return exit_code


class ChildStarter:
    """Starts children. `command` is put before the child's name and words.

    `lease_ms`: how often each is to renew its lease, by name.
    `held` are descriptors every child keeps open for the keeper's sake: its lock.
    `is_prompt`: a child goes before other programs from its first instruction, for it is missed
    until its modules are imported. It lasts; real-time or not is the child's own affair.
    """

    def __init__(
        self, command: Sequence[str], lease_ms: Mapping[str, int], held: Sequence[int] = ()
    ) -> None:
        self._command = tuple(command)
        self._lease_ms = dict(lease_ms)
        self._held = tuple(held)
        self.is_prompt = True
        self._orphan_pipes = {name: os.pipe() for name in ORDER_OF_STOP}

    def start(self, name: str, words: Sequence[str]) -> ChildProcess:
        """Start a child with these words."""
        child = self._spawn(name, words, {}, ())
        if self.is_prompt:
            prefer_session(child.process.pid, is_preferred=True)
        return child

    def start_standby(self, name: str) -> ChildProcess:
        """Start a process that imports everything and waits to become the child."""
        their_go, our_go = os.pipe()
        standby = self._spawn(name, ("--standby",), {"EVERBEAT_GO_FD": str(their_go)}, (their_go,))
        os.close(their_go)
        standby.go = our_go
        return standby

    def wake(self, standby: ChildProcess, words: Sequence[str]) -> bool:
        """Have a standby become the child; False if it is no more."""
        assert standby.go is not None
        try:
            os.write(standby.go, "\0".join(words).encode() + b"\n")
        except BrokenPipeError:
            return False
        os.close(standby.go)
        standby.go = None
        return not standby.has_ended()

    def _spawn(
        self, name: str, words: Sequence[str], extra: Mapping[str, str], passed: tuple[int, ...]
    ) -> ChildProcess:
        ours, theirs = os.pipe()
        os.set_blocking(ours, False)
        place = ORDER_OF_STOP.index(name)
        read_end = self._orphan_pipes[name][0]
        held = (
            *self._held,
            *(self._orphan_pipes[later][1] for later in ORDER_OF_STOP[place + 1 :]),
        )
        environment = {
            **os.environ,
            LEASE_FD: str(theirs),
            LEASE_MS: str(self._lease_ms[name]),
            "EVERBEAT_ORPHAN_FD": str(read_end),
            "EVERBEAT_HELD_FDS": " ".join(map(str, held)),
            **extra,
        }
        environment.pop("NOTIFY_SOCKET", None)
        environment.pop("WATCHDOG_USEC", None)
        process = subprocess.Popen(
            [*self._command, name, *words],
            stdin=subprocess.DEVNULL,
            pass_fds=(theirs, read_end, *held, *passed),
            env=environment,
            start_new_session=True,  # Ctrl-C is the keeper's to handle
        )
        os.close(theirs)
        return ChildProcess(name, process, ours, os.pidfd_open(process.pid))
