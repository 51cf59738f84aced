"""Find who serves a resource: script, then built-in, then systemd unit.

A script of the site comes first, so that what worked under Heartbeat 3.0.6 runs unchanged; the
built-in addresses serve machines without the resource-agents package; units come last because
3.0.6 does not know them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from everbeat.agents.agent import AddressAgent, Agent, ScriptAgent, SystemdAgent
from everbeat.model.names import is_script_name
from everbeat.model.service_address import ADDRESS_NAMES, faults_of, read_address, word_of
from everbeat.model.units import unit_from_word

if TYPE_CHECKING:
    from everbeat.model.groups import ResourceSpec


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
        return ScriptAgent(path, _script_arguments(resource))
    if name in ADDRESS_NAMES:
        return AddressAgent(name, resource.arguments)
    unit = unit_from_word(name)
    return SystemdAgent(unit) if installed.has_unit(unit) else None


def _script_arguments(resource: ResourceSpec) -> tuple[str, ...]:
    """Give an IPv6 address that the grammar has cut at `::` back in one piece, written out."""
    if resource.script not in ADDRESS_NAMES or len(resource.arguments) == 1:
        return resource.arguments
    if faults_of(read_address(resource.arguments)[1]):
        return resource.arguments
    return (word_of("::".join(resource.arguments)).removeprefix("IPv6addr::"),)
