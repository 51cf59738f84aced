"""The kinds of agents: who can start, stop and show one resource, and by which command line.

    ScriptAgent    ETC/resource.d/NAME or /etc/init.d/NAME    script arg1 arg2 start|stop|status
    AddressAgent   built in: IPaddr, IPaddr2                  no program at all
    SystemdAgent   NAME.service, NAME.mount, …                systemctl start|stop|show

Scripts of both folders are called and read alike, as Heartbeat 3.0.6 does; it finds the folders'
difference only when looking for them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from everbeat.agents.unit import PROPERTIES
from everbeat.model.operations import Action


@dataclass(frozen=True, slots=True)
class ScriptAgent:
    """A script that takes its arguments first and the action last."""

    path: str
    arguments: tuple[str, ...] = ()

    @property
    def served_by(self) -> str:
        """Return the path, as reports show it."""
        return self.path

    def command(self, action: Action) -> tuple[str, ...]:
        """Return the command line. Empty arguments (`a::::b`) vanish, as with 3.0.6's shell."""
        return (self.path, *(word for word in self.arguments if word), action.value)


@dataclass(frozen=True, slots=True)
class AddressAgent:
    """An address on an interface, done without any program. `name`: as written."""

    name: str
    arguments: tuple[str, ...] = ()

    @property
    def served_by(self) -> str:
        """Return e.g. `builtin:IPaddr`."""
        return f"builtin:{self.name}"


@dataclass(frozen=True, slots=True)
class SystemdAgent:
    """A systemd unit; arguments of the resource have no meaning for it."""

    unit: str

    @property
    def served_by(self) -> str:
        """Return e.g. `systemd:nginx.service`."""
        return f"systemd:{self.unit}"

    def command(self, action: Action) -> tuple[str, ...]:
        """Return the systemctl command line; start and stop wait until the job is done."""
        match action:
            case Action.START:
                return ("systemctl", "start", self.unit)
            case Action.STOP:
                return ("systemctl", "stop", self.unit)
            case Action.STATUS:
                return ("systemctl", "show", f"--property={','.join(PROPERTIES)}", self.unit)


Agent: TypeAlias = ScriptAgent | AddressAgent | SystemdAgent
