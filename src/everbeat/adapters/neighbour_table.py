"""Who answers for an address on a network of this machine: asked of the kernel's neighbour table.

A datagram to the discard port makes the kernel ask; nothing is sent by ourselves below IP.
"""

from __future__ import annotations

import socket
import struct
import time
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Address, IPv6Network
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ipaddress import IPv4Address

ASK_S: Final = 0.6
"""How long an answer may take; asked twice within it."""

_DISCARD_PORT: Final = 9
_COMPLETE: Final = 0x2


@dataclass(frozen=True, slots=True)
class ConnectedNetwork:
    """A network that an interface of this machine is on."""

    interface: str
    network: IPv4Network | IPv6Network


def connected_networks(table: str) -> tuple[ConnectedNetwork, ...]:
    """Read /proc/net/route: the routes without a gateway, most specific first."""
    found = []
    for line in table.splitlines()[1:]:
        words = line.split()
        if len(words) < 8 or int(words[2], 16):
            continue
        base, mask = (struct.pack("=I", int(words[column], 16)) for column in (1, 7))
        network = IPv4Network((base, int.from_bytes(mask, "big").bit_count()))
        if network.prefixlen:
            found.append(ConnectedNetwork(words[0], network))
    return tuple(sorted(found, key=lambda entry: -entry.network.prefixlen))


def connected_networks6(table: str) -> tuple[ConnectedNetwork, ...]:
    """Read /proc/net/ipv6_route: the routes without a gateway, most specific first."""
    found = []
    for line in table.splitlines():
        words = line.split()
        length = int(words[1], 16) if len(words) == 10 else 0
        if not 0 < length < 128 or int(words[4], 16) or words[9] == "lo":
            continue
        base = IPv6Address(bytes.fromhex(words[0]))
        if not base.is_link_local and not base.is_multicast:
            found.append(ConnectedNetwork(words[9], IPv6Network((base, length), strict=False)))
    return tuple(sorted(found, key=lambda entry: -entry.network.prefixlen))


def network_of(address: IPv4Address | IPv6Address) -> ConnectedNetwork | None:
    """Return the network of this machine that an address belongs to, or None."""
    try:
        if address.version == 4:
            networks = connected_networks(Path("/proc/net/route").read_text(encoding="ascii"))
        else:
            table = Path("/proc/net/ipv6_route").read_text(encoding="ascii")
            networks = connected_networks6(table)
    except FileNotFoundError:  # a kernel without IPv6
        return None
    return next((entry for entry in networks if address in entry.network), None)


def mac_of(address: IPv4Address | IPv6Address) -> str:
    """Return the MAC that answers for an address on a connected network; empty: nobody does."""
    end_s = time.monotonic() + ASK_S
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    with socket.socket(family, socket.SOCK_DGRAM) as asking:
        asking.setblocking(False)  # noqa: FBT003 - positional only in socket
        for _ in range(2):
            try:
                asking.sendto(b"", (str(address), _DISCARD_PORT))
            except OSError:
                return ""
            until_s = min(end_s, time.monotonic() + ASK_S / 2)
            while time.monotonic() < until_s:
                if mac := _known(address):
                    return mac
                time.sleep(0.02)
    return ""


def _known(address: IPv4Address | IPv6Address) -> str:
    if address.version == 6:
        return _known_by_netlink(address)
    for line in Path("/proc/net/arp").read_text(encoding="ascii").splitlines()[1:]:
        words = line.split()
        if words[0] == str(address) and int(words[2], 16) & _COMPLETE:
            return words[3]
    return ""


def _known_by_netlink(address: IPv6Address) -> str:
    """Ask netlink: /proc has no table of IPv6's neighbours."""
    from everbeat.adapters.netlink import Netlink  # noqa: PLC0415 - slow to import, for IPv6 alone

    netlink = Netlink()
    try:
        index = netlink.network_of(address)
        mac = netlink.neighbour(address, index) if index is not None else b""
    except OSError:
        return ""
    finally:
        netlink.close()
    return mac.hex(":") if mac else ""
