"""A machine described by values: for tests and simulated worlds.

A set that is None means "everything of this kind exists".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from everbeat.ports.host import Interface, StonithParameters


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFacts:
    """Answers HostLookup from what it was given; literal addresses always resolve."""

    node: str
    interface_list: tuple[Interface, ...] = ()
    hosts: Mapping[str, str] = field(default_factory=dict)
    hosts6: Mapping[str, str] = field(default_factory=dict)
    known_nodes: frozenset[str] | None = None
    users: frozenset[str] | None = None
    groups: frozenset[str] | None = None
    executables: frozenset[str] | None = None
    files: frozenset[str] | None = None
    modes: Mapping[str, int] = field(default_factory=dict)
    directories: frozenset[str] | None = None
    devices: frozenset[str] | None = None
    scripts: frozenset[str] | None = None
    scripts_without_status: frozenset[str] = frozenset()
    units: frozenset[str] = frozenset()
    stonith_types: frozenset[str] | None = None
    agents: Mapping[str, StonithParameters] = field(default_factory=dict)
    first_lines: Mapping[str, str] = field(default_factory=dict)
    service_ports: Mapping[str, int] = field(default_factory=dict)

    def node_name(self) -> str:
        """Return the given name."""
        return self.node

    def interfaces(self) -> tuple[Interface, ...]:
        """Return the given interfaces."""
        return self.interface_list

    def resolve(self, host: str) -> str | None:
        """Return a literal IPv4 address itself, else the entry of `hosts`."""
        return host if is_ipv4(host) else self.hosts.get(host)

    def resolve6(self, host: str) -> str | None:
        """Return a literal IPv6 address itself, else the entry of `hosts6`."""
        return host if is_ipv6(host) else self.hosts6.get(host)

    def knows_node(self, name: str) -> bool:
        """Whether an address is given, or no node names at all are."""
        return self.known_nodes is None or name in self.known_nodes

    def node_addresses(self, name: str) -> tuple[str, ...]:
        """Return the entries of `hosts` and `hosts6`."""
        return tuple(a for a in (self.hosts.get(name), self.hosts6.get(name)) if a)

    def has_address(self, address: str) -> bool:
        """Whether one of the given interfaces has it."""
        return any(address in interface.addresses for interface in self.interface_list)

    def has_user(self, name: str) -> bool:
        """Whether the user is given."""
        return self.users is None or name in self.users

    def has_group(self, name: str) -> bool:
        """Whether the group is given."""
        return self.groups is None or name in self.groups

    def is_executable(self, path: str) -> bool:
        """Whether the executable is given."""
        return self.executables is None or path in self.executables

    def is_file(self, path: str) -> bool:
        """Whether the file is given."""
        return self.files is None or path in self.files

    def mode_of(self, path: str) -> int:
        """Return the given bits; for its owner alone if none are."""
        return self.modes.get(path, 0o600)

    def is_directory(self, path: str) -> bool:
        """Whether the directory is given."""
        return self.directories is None or path in self.directories

    def is_device(self, path: str) -> bool:
        """Whether the device is given."""
        return self.devices is None or path in self.devices

    def script_path(self, name: str) -> str | None:
        """Return a path for a given script."""
        exists = self.scripts is None or name in self.scripts
        return f"/etc/ha.d/resource.d/{name}" if exists else None

    def knows_status(self, path: str) -> bool:
        """Whether the script is none of those that do not."""
        return path.rpartition("/")[2] not in self.scripts_without_status

    def service_names(self) -> tuple[str, ...]:
        """Return the given scripts and units."""
        return tuple(sorted({*(self.scripts or ()), *self.units}))

    def first_line(self, path: str) -> str:
        """Return the given line."""
        return self.first_lines.get(path, "")

    def has_unit(self, name: str) -> bool:
        """Whether the unit is given."""
        return name in self.units

    def has_stonith_type(self, name: str) -> bool:
        """Whether the plug-in is given."""
        return self.stonith_types is None or name in self.stonith_types

    def stonith_parameters(self, name: str) -> StonithParameters | None:
        """Return the given parameters."""
        return self.agents.get(name)

    def service_port(self, name: str) -> int | None:
        """Return the given port."""
        return self.service_ports.get(name)

    def service_of_port(self, port: int) -> str | None:
        """Return the first given service with this port."""
        return next((name for name, known in self.service_ports.items() if known == port), None)


def is_ipv4(text: str) -> bool:
    """Whether the text is a literal IPv4 address."""
    try:
        IPv4Address(text)
    except ValueError:
        return False
    return True


def is_ipv6(text: str) -> bool:
    """Whether the text is a literal IPv6 address (a zone after % is allowed)."""
    try:
        IPv6Address(text)
    except ValueError:
        return False
    return True
