"""Which agents and hooks are installed on this machine."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Final

from everbeat.adapters.host_facts import RealHost

SYSTEMD_RUNS: Final = Path("/run/systemd/system")
OCF_AGENTS: Final = Path("/usr/lib/ocf")
AGENTS_SCRATCH: Final = Path("/run/resource-agents")
AGENTS_SCRATCH_MODE: Final = 0o1755
HOOK_BYTES_MAX: Final = 65_536
"""Bytes of a hook looked at to tell whose it is."""


class InstalledFiles:
    """Looks scripts and units up in the file system, anew for each question."""

    def __init__(self, etc: Path) -> None:
        self._etc = etc
        self._host = RealHost(etc)

    def script_path(self, name: str) -> str | None:
        """Return the first regular, executable file ETC/resource.d/NAME, /etc/init.d/NAME."""
        return self._host.script_path(name)

    def has_unit(self, name: str) -> bool:
        """Whether systemd runs here and has a unit of this full name."""
        return SYSTEMD_RUNS.is_dir() and self._host.has_unit(name)

    def knows_status(self, path: str) -> bool:
        """Whether a script knows the word `status`."""
        return self._host.knows_status(path)

    def hook(self, name: str) -> tuple[str, str] | None:
        """Return path and text of the executable ETC/rc.d/NAME, or None."""
        path = self._etc / "rc.d" / name
        if not self._host.is_executable(str(path)):
            return None
        try:
            with path.open("rb") as script:
                text = script.read(HOOK_BYTES_MAX).decode("latin-1")
        except OSError:
            return None
        return str(path), text


def make_agents_scratch() -> None:
    """Make the folder where OCF agents keep their state, as Heartbeat's init script does.

    systemd makes it as well; without either, IPaddr and others fail to start.
    """
    if not OCF_AGENTS.is_dir():
        return
    with contextlib.suppress(OSError):  # the agent that misses it says so
        AGENTS_SCRATCH.mkdir(exist_ok=True)
        AGENTS_SCRATCH.chmod(AGENTS_SCRATCH_MODE)
