"""The lease of a daemon: signs of life to the keeper, through a pipe it left us.

`R` once when ready, then `.` regularly, written from the loop whose life they are to prove; `!`
instead while something runs here that must not: then the keeper feeds no watchdog. link,
who reads ha.cf, tells the keeper before its `R` what that must know: a JSON object.
"""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import asdict, dataclass
from typing import Final

LEASE_FD: Final = "EVERBEAT_LEASE_FD"
LEASE_MS: Final = "EVERBEAT_LEASE_MS"
LEASE_MS_DEFAULT: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseReport:
    """What the keeper must know of ha.cf: it has no parser."""

    deadtime_ms: int
    watchdog: str = ""
    watchdog_ms: int = 0  # the timeout that it should have
    is_realtime: bool = False
    rtprio: int = 1
    node: str = ""
    logfile: str = ""
    debugfile: str = ""
    facility: str = ""


@dataclass(frozen=True, slots=True)
class LeaseSigns:
    """What a child wrote: whether it became ready, whether it lives, what it reported."""

    is_ready: bool
    is_alive: bool
    is_overdue: bool = False  # resources were to be stopped by now and are not
    report: LeaseReport | None = None


def signs_from_bytes(data: bytes) -> LeaseSigns:
    """Read what one read of the pipe gave; ValueError for a report that is none."""
    report = None
    if data.startswith(b"{"):
        text, _, data = data.partition(b"\n")
        try:
            report = LeaseReport(**json.loads(text))
        except TypeError as error:
            raise ValueError(f"not a report: {text!r}") from error
    return LeaseSigns(b"R" in data, bool(data), data.endswith(b"!"), report)


class Lease:
    """Writes signs of life; does nothing without a keeper. Never blocks."""

    def __init__(self, descriptor: int | None, every_ms: int = LEASE_MS_DEFAULT) -> None:
        self._descriptor = descriptor
        self.every_ms = every_ms
        if descriptor is not None:
            os.set_blocking(descriptor, False)
            os.set_inheritable(descriptor, False)  # noqa: FBT003 - positional only in os

    def ready(self, report: LeaseReport | None = None) -> None:
        """Say that the daemon has started and does its work, and what the keeper must know."""
        told = json.dumps(asdict(report)).encode() + b"\n" if report is not None else b""
        self._write(told + b"R")  # below PIPE_BUF: one piece

    def renew(self, *, is_overdue: bool = False) -> None:
        """Say that the daemon lives, and whether the watchdog had better bite."""
        self._write(b"!" if is_overdue else b".")

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
