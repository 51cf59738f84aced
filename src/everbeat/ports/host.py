"""What the checker of configuration files must know of the machine. Real in `adapters`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

PROGRAM_PATH: Final = (
    "/usr/libexec/heartbeat:/usr/lib/heartbeat:/usr/sbin:/usr/share/heartbeat:"
    "/usr/local/sbin:/usr/local/bin:/usr/bin:/sbin:/bin"
)
"""Where scripts and agents, and we for them, look for programs."""


@dataclass(frozen=True, slots=True)
class Interface:
    """A network interface: name, IPv4 broadcast address ("" if none), addresses, network."""

    name: str
    broadcast: str = ""
    addresses: tuple[str, ...] = ()  # IPv4 and IPv6, without prefix length
    network: str = ""  # of the first IPv4 address, 192.0.2.0/24


@dataclass(frozen=True, slots=True)
class StonithParameters:
    """The parameters of a fencing agent.

    `required`: each is a group of names of one parameter, newest first; one of them must be given.
    """

    names: tuple[str, ...]
    required: tuple[tuple[str, ...], ...]


class HostLookup(Protocol):
    """Questions about this machine. None of them raises: what cannot be found out is "no"."""

    def node_name(self) -> str:
        """Return the name in ETC/nodeinfo, else `uname -n`, as written."""
        ...

    def interfaces(self) -> tuple[Interface, ...]:
        """Return all network interfaces, sorted by name."""
        ...

    def resolve(self, host: str) -> str | None:
        """Return the IPv4 address of a name or literal address, or None."""
        ...

    def resolve6(self, host: str) -> str | None:
        """Return the IPv6 address of a name or literal address, or None."""
        ...

    def knows_node(self, name: str) -> bool:
        """Whether a node's name has an address; true as well if nobody wants to wait for that."""
        ...

    def node_addresses(self, name: str) -> tuple[str, ...]:
        """Return IPv4 and IPv6 of a node's name; none as well if nobody wants to wait for them."""
        ...

    def has_address(self, address: str) -> bool:
        """Whether an address, IPv4 or IPv6, is this machine's."""
        ...

    def has_user(self, name: str) -> bool:
        """Whether a user of this name exists."""
        ...

    def has_group(self, name: str) -> bool:
        """Whether a group of this name exists."""
        ...

    def is_executable(self, path: str) -> bool:
        """Whether a regular file stands there that may be executed."""
        ...

    def is_file(self, path: str) -> bool:
        """Whether a regular file stands there."""
        ...

    def mode_of(self, path: str) -> int:
        """Return the permission bits of a file; 0 if it cannot be looked at."""
        ...

    def is_directory(self, path: str) -> bool:
        """Whether a directory stands there."""
        ...

    def is_device(self, path: str) -> bool:
        """Whether a character device stands there."""
        ...

    def script_path(self, name: str) -> str | None:
        """Return the resource script of this name in ETC/resource.d or /etc/init.d, or None."""
        ...

    def knows_status(self, path: str) -> bool:
        """Whether a script knows the word `status`; yes where it is not plain that it does not."""
        ...

    def service_names(self) -> tuple[str, ...]:
        """Return the names of all resource scripts and service units, for one misspelt."""
        ...

    def first_line(self, path: str) -> str:
        """Return the first line of a file with its end, or the beginning of it; "": unreadable."""
        ...

    def has_unit(self, name: str) -> bool:
        """Whether systemd has a unit of this name; a service if the name has no unit's suffix."""
        ...

    def has_stonith_type(self, name: str) -> bool:
        """Whether there is a STONITH plug-in or fence agent (`fence_…`, or its path) so named."""
        ...

    def stonith_parameters(self, name: str) -> StonithParameters | None:
        """Return what an agent takes; None if nobody wants to wait for it or it does not tell."""
        ...

    def service_port(self, name: str) -> int | None:
        """Return the UDP port of a service (/etc/services), or None."""
        ...

    def service_of_port(self, port: int) -> str | None:
        """Return the name of the UDP service that owns a port, or None."""
        ...
