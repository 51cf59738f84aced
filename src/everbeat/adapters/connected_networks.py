"""The networks of this machine, and who has an address on one of them."""

from __future__ import annotations

import asyncio
import struct
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Address, IPv6Network
from pathlib import Path
from typing import TYPE_CHECKING

from everbeat.model.neighbours import Finding

if TYPE_CHECKING:
    from ipaddress import IPv4Address


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


def who_has(address: IPv4Address | IPv6Address) -> Finding:
    """Ask the network, and this machine, who has an address.

    The kernel's neighbour table would not do: it names for minutes who has had it last. Without
    the right to ask (root) nobody is found.
    """
    return asyncio.run(_who_has(address))


async def _who_has(address: IPv4Address | IPv6Address) -> Finding:
    # Slow to import, and of use to one command alone.
    from everbeat.adapters.addresses import Addresses  # noqa: PLC0415 - see above
    from everbeat.adapters.announce import Announcer  # noqa: PLC0415 - see above
    from everbeat.adapters.neighbours import Neighbours  # noqa: PLC0415 - see above

    loop = asyncio.get_running_loop()
    try:
        announcer = Announcer(loop, lambda _why: None, lambda _announced: None)
    except PermissionError:
        return Finding(address=str(address), is_near=False)
    addresses = Addresses(announcer)
    neighbours = Neighbours(loop, addresses, lambda _why: None)
    try:
        (finding,) = await neighbours.probe((str(address),))
    finally:
        neighbours.close()
        await addresses.close()
        announcer.close()
    return finding
