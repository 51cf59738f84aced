"""The real machine's answers to the checker of configuration files.

Name look-ups go through the system's resolver and may take seconds: only commands and daemons that
start call this, never a loop.
"""

from __future__ import annotations

import fcntl
import grp
import os
import pwd
import socket
import stat
import struct
import subprocess
from functools import cache, lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_address
from pathlib import Path
from typing import Final

from everbeat.adapters.udp import is_own_address
from everbeat.config.fence_metadata import parameters_from_metadata, parameters_from_names
from everbeat.config.files import text_from_bytes
from everbeat.config.interpreters import FIRST_LINE_BYTES_MAX
from everbeat.config.script_words import knows_status
from everbeat.model.fencing import is_fence_agent
from everbeat.model.units import unit_from_word
from everbeat.ports.host import PROGRAM_PATH, Interface, StonithParameters

INIT_SCRIPTS: Final = Path("/etc/init.d")
UNIT_DIRECTORIES: Final = (
    *(Path(r, "systemd/system") for r in ("/etc", "/run", "/usr/local/lib", "/usr/lib", "/lib")),
    Path("/run/systemd/generator"),  # what stands in fstab
    Path("/run/systemd/generator.late"),
)
STONITH_PLUGINS: Final = Path("/usr/lib/stonith/plugins")
SCRIPT_BYTES_MAX: Final = 262_144
DESCRIBE_S: Final = 10.0
"""How long an agent may take to describe itself."""

_SIOCGIFADDR: Final = 0x8915
_SIOCGIFBRDADDR: Final = 0x8919
_SIOCGIFNETMASK: Final = 0x891B
_SIOCGIFFLAGS: Final = 0x8913
_IFF_BROADCAST: Final = 0x2


class RealHost:
    """HostLookup of this machine. `etc` holds nodeinfo and resource.d.

    `is_thorough`: also look up what is not needed to start, such as the addresses of node names.
    """

    def __init__(self, etc: Path, *, is_thorough: bool = False) -> None:
        self._etc = etc
        self._is_thorough = is_thorough
        self._interfaces: tuple[Interface, ...] | None = None

    def node_name(self) -> str:
        """Return the first word of ETC/nodeinfo, else `uname -n`."""
        try:
            words = (self._etc / "nodeinfo").read_text(errors="surrogateescape").split()
        except OSError:
            words = []
        return words[0] if words else os.uname().nodename

    def interfaces(self) -> tuple[Interface, ...]:
        """Return all interfaces, asked once."""
        if self._interfaces is None:
            self._interfaces = tuple(map(_interface, sorted(n for _, n in socket.if_nameindex())))
        return self._interfaces

    def resolve(self, host: str) -> str | None:
        """Return the first IPv4 address."""
        return _resolved(host, socket.AF_INET)

    def resolve6(self, host: str) -> str | None:
        """Return the first IPv6 address."""
        return _resolved(host, socket.AF_INET6)

    def knows_node(self, name: str) -> bool:
        """Look the name up, if thorough."""
        return not self._is_thorough or bool(self.resolve(name) or self.resolve6(name))

    def node_addresses(self, name: str) -> tuple[str, ...]:
        """Look the name up, if thorough; Debian's 127.0.1.1 for the own name is no answer."""
        found = (self.resolve(name), self.resolve6(name)) if self._is_thorough else ()
        return tuple(a for a in found if a and not ip_address(a).is_loopback)

    def has_address(self, address: str) -> bool:
        """Ask for all addresses of IPv6, and of IPv4 whether the kernel would route to itself."""
        if any(address in interface.addresses for interface in self.interfaces()):
            return True
        return ":" not in address and is_own_address(address, socket.AF_INET)

    def has_user(self, name: str) -> bool:
        """Ask the user database."""
        try:
            pwd.getpwnam(name)
        except (KeyError, ValueError):
            return False
        return True

    def has_group(self, name: str) -> bool:
        """Ask the group database."""
        try:
            grp.getgrnam(name)
        except (KeyError, ValueError):
            return False
        return True

    def is_executable(self, path: str) -> bool:
        """Look at type and mode."""
        mode = _mode(path)
        return stat.S_ISREG(mode) and bool(mode & 0o111)

    def is_file(self, path: str) -> bool:
        """Look at the type."""
        return stat.S_ISREG(_mode(path))

    def mode_of(self, path: str) -> int:
        """Look at it."""
        return stat.S_IMODE(_mode(path))

    def is_directory(self, path: str) -> bool:
        """Look at the type."""
        return stat.S_ISDIR(_mode(path))

    def is_device(self, path: str) -> bool:
        """Look at the type."""
        return stat.S_ISCHR(_mode(path))

    def script_path(self, name: str) -> str | None:
        """Look into ETC/resource.d, then /etc/init.d."""
        for directory in (self._etc / "resource.d", INIT_SCRIPTS):
            path = f"{directory}/{name}"
            if name and self.is_executable(path):
                return path
        return None

    def service_names(self) -> tuple[str, ...]:
        """List ETC/resource.d, /etc/init.d and systemd's directories."""
        names: set[str] = set()
        for directory in (self._etc / "resource.d", INIT_SCRIPTS):
            names |= {n for n in _listed(directory) if self.is_executable(f"{directory}/{n}")}
        for directory in UNIT_DIRECTORIES:
            units = (name for name in _listed(directory) if name.endswith(".service"))
            names |= {name.removesuffix(".service") for name in units}
        return tuple(sorted(names))

    def first_line(self, path: str) -> str:
        """Read it."""
        return first_line(path)

    def has_unit(self, name: str) -> bool:
        """Look into systemd's directories; `name@instance` is served by its template."""
        unit = unit_from_word(name)
        plain, _, suffix = unit.rpartition(".")
        template = f"{plain.partition('@')[0]}@.{suffix}" if "@" in plain else unit
        return bool(plain) and any(
            _mode(f"{directory}/{file}") != 0
            for directory in UNIT_DIRECTORIES
            for file in (unit, template)
        )

    def knows_status(self, path: str) -> bool:
        """Read the script, unless it is as it was when it was read last."""
        try:
            found = os.stat(path)  # noqa: PTH116 - paths may hold bytes pathlib would refuse
            seen = (path, found.st_mtime_ns, found.st_size, found.st_ino)
            return _knows_status(*seen)
        except (OSError, ValueError):
            return True

    def has_stonith_type(self, name: str) -> bool:
        """Look for cluster-glue's plug-ins, TYPE.so or external/NAME, and for fence agents."""
        if is_fence_agent(name):
            return self._fence_agent(name) is not None
        if name.startswith("external/"):
            return self.is_executable(f"{STONITH_PLUGINS}/{name}")
        return self.is_file(f"{STONITH_PLUGINS}/stonith2/{name}.so")

    def stonith_parameters(self, name: str) -> StonithParameters | None:
        """Run the agent for its metadata, if thorough; one that takes too long does not tell."""
        if not self._is_thorough:
            return None
        if is_fence_agent(name):
            path = self._fence_agent(name)
            return parameters_from_metadata(_told(path, "-o", "metadata")) if path else None
        return parameters_from_names(_told("stonith", "-t", name, "-n"))

    def _fence_agent(self, name: str) -> str | None:
        paths = (
            [name] if "/" in name else [f"{folder}/{name}" for folder in PROGRAM_PATH.split(":")]
        )
        return next((path for path in paths if self.is_executable(path)), None)

    def service_port(self, name: str) -> int | None:
        """Ask the services database."""
        try:
            return socket.getservbyname(name, "udp")
        except OSError:
            return None

    def service_of_port(self, port: int) -> str | None:
        """Ask the services database."""
        try:
            return socket.getservbyport(port, "udp")
        except (OSError, OverflowError):
            return None


def first_line(path: str) -> str:
    """Return the first line of a file with its end, as far as the kernel reads it."""
    try:
        with Path(path).open("rb") as file:
            return text_from_bytes(file.readline(FIRST_LINE_BYTES_MAX))
    except (OSError, ValueError):
        return ""


def _listed(directory: Path) -> list[str]:
    try:
        return os.listdir(directory)  # noqa: PTH208 - names alone, whatever their bytes
    except OSError:
        return []


def _told(*command: str) -> str:
    """Return what a program prints; "" if it fails or takes too long."""
    try:
        ended = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={"PATH": PROGRAM_PATH},
            timeout=DESCRIBE_S,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return ended.stdout.decode(errors="replace") if ended.returncode == 0 else ""


@lru_cache(maxsize=1_000)
def _knows_status(path: str, *_version: int) -> bool:
    """Read a script; a program and what is too large to be looked through know every word."""
    with Path(path).open("rb") as script:
        data = script.read(SCRIPT_BYTES_MAX + 1)
    is_script = b"\0" not in data and len(data) <= SCRIPT_BYTES_MAX
    return not is_script or knows_status(data.decode("latin-1"))


def _mode(path: str) -> int:
    """Return type and permissions, 0 if nothing can be seen there."""
    try:
        return os.stat(path).st_mode  # noqa: PTH116 - paths may hold bytes pathlib would refuse
    except (OSError, ValueError):
        return 0


@cache
def _resolved(host: str, family: socket.AddressFamily) -> str | None:
    literal = _literal(host, family)
    if literal is not None or ":" in host:
        return literal
    try:
        found = socket.getaddrinfo(host, None, family, socket.SOCK_DGRAM)
    except (OSError, UnicodeError):
        return None
    return str(found[0][4][0]) if found else None


def _literal(host: str, family: socket.AddressFamily) -> str | None:
    address = IPv4Address if family is socket.AF_INET else IPv6Address
    try:
        return str(address(host))
    except ValueError:
        return None


def _interface(name: str) -> Interface:
    """Ask the kernel by ioctl for IPv4, by /proc for IPv6."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
        address = _ipv4(channel, name, _SIOCGIFADDR)
        has_broadcast = bool(_flags(channel, name) & _IFF_BROADCAST)
        broadcast = _ipv4(channel, name, _SIOCGIFBRDADDR) if address and has_broadcast else ""
        netmask = _ipv4(channel, name, _SIOCGIFNETMASK) if address else ""
    ipv4 = (address,) if address else ()
    broadcast = "" if broadcast == "0.0.0.0" else broadcast  # noqa: S104 - compared, not bound
    network = str(IPv4Network(f"{address}/{netmask}", strict=False)) if netmask else ""
    return Interface(name, broadcast, (*ipv4, *_ipv6(name)), network)


def _request(name: str) -> bytes:
    return struct.pack("256s", name.encode()[:15])


def _ipv4(channel: socket.socket, name: str, request: int) -> str:
    try:
        answer = fcntl.ioctl(channel.fileno(), request, _request(name))
    except OSError:
        return ""
    return socket.inet_ntoa(answer[20:24])


def _flags(channel: socket.socket, name: str) -> int:
    try:
        answer = fcntl.ioctl(channel.fileno(), _SIOCGIFFLAGS, _request(name))
    except OSError:
        return 0
    return int.from_bytes(answer[16:18], "little")


def _ipv6(name: str) -> tuple[str, ...]:
    try:
        lines = Path("/proc/net/if_inet6").read_text().splitlines()
    except OSError:
        return ()
    rows = (line.split() for line in lines)
    return tuple(str(IPv6Address(int(row[0], 16))) for row in rows if row[-1] == name)
