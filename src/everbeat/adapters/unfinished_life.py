"""RUN/unfinished: the resource manager has begun, and has not given up everything since.

Found at a start of the whole node it says that all our processes were killed while this machine
went on: what they had started may still run. It holds the boot's id, for a RUN that outlives one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from everbeat.adapters.own_files import read_own, replace_own

UNFINISHED_FILE: Final = "unfinished"
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


def begin_life(run: Path) -> None:
    """Note that resources may run here from now on. Raise OSError."""
    replace_own(run / UNFINISHED_FILE, _BOOT_ID.read_bytes())


def end_life(run: Path) -> None:
    """Note that nothing runs here any more. Raise OSError."""
    (run / UNFINISHED_FILE).unlink(missing_ok=True)


def is_unfinished(run: Path) -> bool:
    """Say whether an earlier life in this boot has left resources behind, as far as is known."""
    try:
        return read_own(run / UNFINISHED_FILE) == _BOOT_ID.read_bytes()
    except OSError:
        return False
