from __future__ import annotations

from dataclasses import dataclass, field

from everbeat.agents.agent import AddressAgent, ScriptAgent, SystemdAgent
from everbeat.agents.resolve import resolve
from everbeat.model.groups import ResourceSpec
from everbeat.model.operations import Action


@dataclass
class Machine:
    scripts: dict[str, str] = field(default_factory=dict)
    units: set[str] = field(default_factory=set)

    def script_path(self, name: str) -> str | None:
        return self.scripts.get(name)

    def knows_status(self, path: str) -> bool:  # noqa: ARG002 - all of them do
        return True

    def has_unit(self, name: str) -> bool:
        return name in self.units


def word(text: str) -> ResourceSpec:
    script, *arguments = text.split("::")
    return ResourceSpec(text, script, tuple(arguments))


def test_a_script_of_the_site_beats_built_in_and_unit() -> None:
    machine = Machine({"IPaddr": "/etc/ha.d/resource.d/IPaddr"}, {"IPaddr"})
    agent = resolve(word("IPaddr::10.0.0.1/24"), machine)
    assert agent == ScriptAgent("/etc/ha.d/resource.d/IPaddr", ("10.0.0.1/24",))


def test_a_bare_machine_serves_addresses_itself() -> None:
    assert resolve(word("IPaddr::10.0.0.1"), Machine()) == AddressAgent("IPaddr", ("10.0.0.1",))
    assert resolve(word("IPaddr2::10.0.0.1"), Machine()) == AddressAgent("IPaddr2", ("10.0.0.1",))


def test_a_unit_serves_what_no_script_does() -> None:
    machine = Machine(units={"nginx.service", "srv-data.mount"})
    assert resolve(word("srv-data.mount"), machine) == SystemdAgent("srv-data.mount")
    assert resolve(word("nginx"), machine) == SystemdAgent("nginx.service")
    assert resolve(word("nginx.service"), machine) == SystemdAgent("nginx.service")
    machine.scripts["nginx"] = "/etc/init.d/nginx"
    assert resolve(word("nginx"), machine) == ScriptAgent("/etc/init.d/nginx")


def test_what_nothing_serves_is_none() -> None:
    assert resolve(word("Nowhere::x"), Machine()) is None


def test_a_script_gets_its_arguments_first_and_empty_ones_vanish() -> None:
    agent = ScriptAgent("/r/Filesystem", ("/dev/sda1", "", "/data"))
    assert agent.command(Action.START) == ("/r/Filesystem", "/dev/sda1", "/data", "start")
    assert agent.served_by == "/r/Filesystem"


def test_a_unit_is_asked_by_show() -> None:
    agent = SystemdAgent("nginx.service")
    commands = [agent.command(action)[1] for action in (Action.START, Action.STOP, Action.STATUS)]
    assert commands == ["start", "stop", "show"]
    assert agent.served_by == "systemd:nginx.service"
