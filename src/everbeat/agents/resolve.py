"""Find who serves a resource: script, then built-in, then systemd unit.

A script of the site comes first, so that what worked under Heartbeat 3.0.6 runs unchanged; the
built-in addresses serve machines without the resource-agents package; units come last because
3.0.6 does not know them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from everbeat.agents.agent import AddressAgent, Agent, ScriptAgent, SystemdAgent
from everbeat.model.names import is_script_name
from everbeat.model.units import unit_from_word

if TYPE_CHECKING:
    from everbeat.model.groups import ResourceSpec

ADDRESS_NAMES: Final = frozenset({"IPaddr", "IPaddr2"})


class Installed(Protocol):
    """What of agents is installed here. Asked anew for each operation; never raises."""

    def script_path(self, name: str) -> str | None:
        """Return the first regular, executable file ETC/resource.d/NAME, /etc/init.d/NAME."""
        ...

    def has_unit(self, name: str) -> bool:
        """Whether systemd runs here and has a unit of this full name."""
        ...

    def knows_status(self, path: str) -> bool:
        """Whether a script knows the word `status`; yes where it is not plain that it does not."""
        ...


def may_be_asked(agent: Agent, installed: Installed) -> bool:
    """Whether an agent may be asked for a status: a script that does not know the word may not."""
    return not isinstance(agent, ScriptAgent) or installed.knows_status(agent.path)


def resolve(resource: ResourceSpec, installed: Installed) -> Agent | None:
    """Return the agent of a resource, or None if nothing here serves it."""
    name = resource.script
    if not is_script_name(name):
        return None
    if (path := installed.script_path(name)) is not None:
        return ScriptAgent(path, resource.arguments)
    if name in ADDRESS_NAMES:
        return AddressAgent(name, resource.arguments)
    unit = unit_from_word(name)
    return SystemdAgent(unit) if installed.has_unit(unit) else None
