"""Which agents and hooks are installed on this machine."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

INIT_SCRIPTS: Final = Path("/etc/init.d")
SYSTEMD_RUNS: Final = Path("/run/systemd/system")
UNIT_FOLDERS: Final = (
    Path("/etc/systemd/system"),
    Path("/run/systemd/system"),
    Path("/run/systemd/generator"),
    Path("/usr/local/lib/systemd/system"),
    Path("/usr/lib/systemd/system"),
    Path("/lib/systemd/system"),
)
HOOK_BYTES_MAX: Final = 65_536
"""Bytes of a hook looked at to tell whose it is."""


class InstalledFiles:
    """Looks scripts and units up in the file system, anew for each question."""

    def __init__(self, etc: Path) -> None:
        self._etc = etc

    def script_path(self, name: str) -> str | None:
        """Return the first regular, executable file ETC/resource.d/NAME, /etc/init.d/NAME."""
        for folder in (self._etc / "resource.d", INIT_SCRIPTS):
            if _is_executable(folder / name):
                return str(folder / name)
        return None

    def has_unit(self, name: str) -> bool:
        """Whether systemd runs here and has NAME.service, or the template NAME@.service."""
        if not SYSTEMD_RUNS.is_dir():
            return False
        template, at, _ = name.partition("@")
        files = [f"{name}.service", *([f"{template}@.service"] if at else [])]
        return any((folder / file).is_file() for folder in UNIT_FOLDERS for file in files)

    def hook(self, name: str) -> tuple[str, str] | None:
        """Return path and text of the executable ETC/rc.d/NAME, or None."""
        path = self._etc / "rc.d" / name
        if not _is_executable(path):
            return None
        try:
            with path.open("rb") as script:
                text = script.read(HOOK_BYTES_MAX).decode("latin-1")
        except OSError:
            return None
        return str(path), text


def _is_executable(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.stat().st_mode) and os.access(path, os.X_OK)
    except (OSError, ValueError):  # ValueError: a NUL in the name
        return False
