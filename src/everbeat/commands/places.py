"""Where everbeat and Heartbeat keep their files on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ETC_DEFAULT = "/etc/ha.d"
STATE_DEFAULT = "/var/lib/heartbeat"
RUN_DEFAULT = "/run/heartbeat"


@dataclass(frozen=True, slots=True)
class Places:
    """The three directories every command takes as --etc, --state and --run."""

    etc: Path = Path(ETC_DEFAULT)
    state: Path = Path(STATE_DEFAULT)
    run: Path = Path(RUN_DEFAULT)

    @property
    def register(self) -> Path:
        """The socket of the client API."""
        return self.run / "register"

    @property
    def core_socket(self) -> Path:
        """The socket on which everbeat's tools ask the core daemon."""
        return self.run / "core.sock"

    @property
    def fifo(self) -> Path:
        """Where scripts write messages to the cluster."""
        return self.state / "fifo"
