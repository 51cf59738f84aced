"""Start a daemon of this machine, and wait until it answers.

systemd runs here and has the unit ─► systemctl enable --now UNIT
otherwise                          ─► a process of its own; what it prints goes to STATE/NAME.out
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from everbeat.adapters.own_files import open_own
from everbeat.commands.places import ETC_DEFAULT

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TextIO

    from everbeat.commands.places import Places

FIND_S: Final = 10.0
POLL_S: Final = 0.1
OUTPUT_MODE: Final = 0o644
_SYSTEMD_RUNS: Final = Path("/run/systemd/system")


class StartError(Exception):
    """The daemon cannot be started; the text says why, and where to read more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Daemon:
    """A daemon and the two ways to start it.

    `systemd_s`: how long systemd may take until it says that the unit is up. `words`: of the
    command line of `module`.
    """

    unit: str
    systemd_s: float
    command: str  # as a person would say it
    module: str
    words: tuple[str, ...]
    output: str  # the name of a file in STATE


def start(places: Places, daemon: Daemon, out: TextIO) -> subprocess.Popen[bytes] | None:
    """Start it and say how; return its process, None if it is systemd's. Raises StartError."""
    try:
        if not _has_unit(places, daemon.unit):
            return _start_process(places, daemon, out)
        _start_unit(daemon, out)
    except subprocess.TimeoutExpired as error:
        text = f"systemctl gave no answer within {error.timeout:.0f} s"
        raise StartError(f"{text}: systemctl status {daemon.unit}") from error
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise StartError(f"{where}{error.strerror or error}") from error
    return None


def folder_words(places: Places, state: Path | None = None) -> tuple[str, ...]:
    """Return the options that say where a daemon's files are; `state`: if not that of `places`.

    Absolute: a daemon has no working directory of a person.
    """
    folders = {"--etc": places.etc, "--state": state or places.state, "--run": places.run}
    return tuple(w for option, folder in folders.items() for w in (option, str(folder.absolute())))


def is_up_in_time(is_up: Callable[[], bool], limit_s: float) -> bool:
    """Ask again and again until it is up; return whether it was within the limit."""
    end_s = time.monotonic() + limit_s
    while time.monotonic() < end_s:
        if is_up():
            return True
        time.sleep(POLL_S)
    return False


def _has_unit(places: Places, unit: str) -> bool:
    """Whether systemd runs here, has this unit, and we may start it."""
    if str(places.etc) != ETC_DEFAULT or not _SYSTEMD_RUNS.is_dir():
        return False
    program = shutil.which("systemctl")
    if program is None or os.geteuid() != 0:
        return False
    found = subprocess.run((program, "cat", unit), capture_output=True, check=False, timeout=FIND_S)
    return found.returncode == 0


def _start_unit(daemon: Daemon, out: TextIO) -> None:
    words = ("systemctl", "enable", "--now", daemon.unit)
    done = subprocess.run(
        words, capture_output=True, text=True, timeout=daemon.systemd_s, check=False
    )
    if done.returncode:
        raise StartError(f"{' '.join(words)}: {done.stderr.strip()}")
    print(f"started: {' '.join(words)}", file=out, flush=True)


def _start_process(places: Places, daemon: Daemon, out: TextIO) -> subprocess.Popen[bytes]:
    places.state.mkdir(mode=0o755, parents=True, exist_ok=True)
    log = places.state / daemon.output
    descriptor = open_own(log, os.O_WRONLY | os.O_APPEND, OUTPUT_MODE)
    try:
        process = subprocess.Popen(
            (sys.executable, "-P", "-m", daemon.module, *daemon.words),
            stdin=subprocess.DEVNULL,
            stdout=descriptor,
            stderr=descriptor,
            start_new_session=True,
            cwd="/",
        )
    finally:
        os.close(descriptor)
    print(f"started: {daemon.command}, in the background; what it prints is in {log}", file=out)
    print(f"{_why_no_unit(daemon.unit)}: start it at boot yourself", file=out, flush=True)
    return process


def _why_no_unit(unit: str) -> str:
    if not _SYSTEMD_RUNS.is_dir():
        return "there is no systemd here"
    return f"systemd has no {unit}.service (packaging/systemd has it: see install.md)"
