"""RUN/operations: which programs of ours are under way, for the executor that follows a killed one.

    launch ── note(pid) ──► RUN/operations/BOOT.PID.STARTED ◄── forget(pid) ── ended

A start script that goes on unknown to everybody may start what another node holds by then. So the
next executor ends what it finds noted before it takes orders; core asks again for all of it. The
time a process was started, and the boot, keep us from killing one that has the number now.

Between the start of a program and its note are some 50 us that a kill can hit.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path
from typing import Final

from everbeat.adapters.own_files import is_ours, open_own, own_folder
from everbeat.adapters.process_table import process

FOLDER: Final = "operations"
GONE_S: Final = 2.0
LOOK_S: Final = 0.01
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


class OperationRecord:
    """The notes of one executor. Making one raises OSError."""

    def __init__(self, run: Path) -> None:
        self._folder = run / FOLDER
        own_folder(self._folder)
        self._boot = _BOOT_ID.read_text(encoding="ascii").partition("-")[0]
        self._noted: dict[int, Path] = {}

    def note(self, pid: int) -> None:
        """Note a program that has just been started, the leader of its group. Raise OSError."""
        started = _started(pid)
        if started:
            path = self._folder / f"{self._boot}.{pid}.{started}"
            os.close(open_own(path, os.O_WRONLY))
            self._noted[pid] = path

    def forget(self, pid: int) -> None:
        """Take it that a program has ended."""
        path = self._noted.pop(pid, None)
        if path is not None:
            with contextlib.suppress(OSError):
                path.unlink()

    def end_leftovers(self) -> list[int]:
        """Kill the groups of what an earlier executor has left under way; return their leaders.

        Waits GONE_S at most until they are gone: nothing is to run beside them.
        """
        ended: list[int] = []
        ends_at = time.monotonic() + GONE_S
        for path in tuple(self._folder.iterdir()):
            boot, _, rest = path.name.partition(".")
            pid, _, started = rest.partition(".")
            is_note = boot == self._boot and pid.isdecimal() and is_ours(path.lstat())
            if is_note and started == _started(int(pid)):
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(int(pid), signal.SIGKILL)
                    ended.append(int(pid))
            path.unlink(missing_ok=True)
        while any(map(_is_alive, ended)) and time.monotonic() < ends_at:
            time.sleep(LOOK_S)
        return ended


def _is_alive(pid: int) -> bool:
    found = process(pid)
    return found is not None and found.state != "Z"


def _started(pid: int) -> str:
    """Return when a process was started, in ticks since the boot; "" if there is none."""
    found = process(pid)
    return str(found.started_ticks) if found is not None else ""
