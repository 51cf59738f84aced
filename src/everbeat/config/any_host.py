"""A machine on which everything is there: to read the configuration of a machine that is not ours.

What the files say is checked as everywhere; whether the machine has it is not asked. Interfaces
are given by name: every word of ha.cf may be one.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from everbeat.ports.host import Interface

if TYPE_CHECKING:
    from everbeat.ports.host import StonithParameters

_SCRIPTS = "/etc/ha.d/resource.d"


@dataclass(frozen=True, slots=True)
class AnyHost:
    """Satisfies ports.host.HostLookup: a node of this name that lacks nothing."""

    name: str
    interface_names: tuple[str, ...]

    def node_name(self) -> str:
        """Return the name it was given."""
        return self.name

    def interfaces(self) -> tuple[Interface, ...]:
        """Return an interface for each name, with no address."""
        return tuple(Interface(name, "192.0.2.255") for name in sorted(set(self.interface_names)))

    def resolve(self, host: str) -> str | None:
        """Return an address itself; of a name one from the block for documentation."""
        return _of_version(host, 4) or f"192.0.2.{1 + sum(host.encode()) % 250}"

    def resolve6(self, host: str) -> str | None:
        """Return an address itself; of a name one from the block for documentation."""
        return _of_version(host, 6) or f"2001:db8::{sum(host.encode()):x}"

    def knows_node(self, name: str) -> bool:  # noqa: ARG002 - HostLookup's signature
        """Say yes."""
        return True

    def node_addresses(self, name: str) -> tuple[str, ...]:  # noqa: ARG002 - as above
        """Know none."""
        return ()

    def has_address(self, address: str) -> bool:  # noqa: ARG002 - HostLookup's signature
        """Have none."""
        return False

    def has_user(self, name: str) -> bool:  # noqa: ARG002 - HostLookup's signature
        """Say yes."""
        return True

    def has_group(self, name: str) -> bool:  # noqa: ARG002 - HostLookup's signature
        """Say yes."""
        return True

    def is_executable(self, path: str) -> bool:  # noqa: ARG002 - HostLookup's signature
        """Say yes."""
        return True

    def is_file(self, path: str) -> bool:  # noqa: ARG002 - HostLookup's signature
        """Say yes."""
        return True

    def mode_of(self, path: str) -> int:  # noqa: ARG002 - HostLookup's signature
        """Say that it is for its owner alone."""
        return 0o600

    def is_directory(self, path: str) -> bool:  # noqa: ARG002 - HostLookup's signature
        """Say yes."""
        return True

    def is_device(self, path: str) -> bool:  # noqa: ARG002 - HostLookup's signature
        """Say yes."""
        return True

    def script_path(self, name: str) -> str | None:
        """Return where a script of this name would stand."""
        return f"{_SCRIPTS}/{name}"

    def knows_status(self, path: str) -> bool:  # noqa: ARG002 - HostLookup's signature
        """Say yes."""
        return True

    def service_names(self) -> tuple[str, ...]:
        """Name none: nothing is missing."""
        return ()

    def first_line(self, path: str) -> str:  # noqa: ARG002 - HostLookup's signature
        """Show none."""
        return ""

    def has_unit(self, name: str) -> bool:  # noqa: ARG002 - HostLookup's signature
        """Say no: every word is served by a script."""
        return False

    def has_stonith_type(self, name: str) -> bool:  # noqa: ARG002 - HostLookup's signature
        """Say yes."""
        return True

    def stonith_parameters(self, name: str) -> StonithParameters | None:  # noqa: ARG002 - as above
        """Not ask."""
        return None

    def service_port(self, name: str) -> int | None:  # noqa: ARG002 - HostLookup's signature
        """Know no service."""
        return None

    def service_of_port(self, port: int) -> str | None:  # noqa: ARG002 - HostLookup's signature
        """Know no service."""
        return None


def _of_version(host: str, version: int) -> str | None:
    try:
        return host if ipaddress.ip_address(host).version == version else None
    except ValueError:
        return None
