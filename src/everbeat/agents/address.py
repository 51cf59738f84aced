"""On which interface a service address belongs, and with which prefix: what was not written.

Routes decide. What the argument of such a resource says is read by `model.service_address`.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING, Final

from everbeat.model.service_address import AddressError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from everbeat.model.service_address import Address, AddressSpec, Network

_BROADCAST_PREFIX_MAX: Final = 30


@dataclass(frozen=True, slots=True)
class Route:
    """One route of the main table: destination, outgoing interface, metric."""

    network: Network
    interface: str
    metric: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """An address with everything decided that the kernel must be told."""

    address: Address
    prefix: int
    interface: str
    label: str = ""
    broadcast: IPv4Address | None = None


def place_address(spec: AddressSpec, routes: Iterable[Route]) -> Placement:
    """Decide interface, prefix and broadcast: the most specific route to the address gives them.

    Of equally specific routes the one with the lowest metric counts, then the first one. An
    address behind the default route, or on an interface without a route to it, gets a prefix of
    all bits. Raise AddressError if no interface is written and no route leads to the address.
    """
    fitting = [
        route
        for route in routes
        if spec.address in route.network and spec.interface in {"", route.interface}
    ]
    best = min(fitting, key=lambda route: (-route.network.prefixlen, route.metric), default=None)
    interface = spec.interface or (best.interface if best else "")
    if not interface:
        raise AddressError(f"{spec.address}: no route leads to it; name an interface")
    prefix = spec.prefix
    if prefix is None:
        has_own_network = best is not None and best.network.prefixlen > 0
        prefix = best.network.prefixlen if best and has_own_network else spec.address.max_prefixlen
    return Placement(
        address=spec.address,
        prefix=prefix,
        interface=interface,
        label=spec.label,
        broadcast=spec.broadcast or _usual_broadcast(spec.address, prefix),
    )


def _usual_broadcast(address: Address, prefix: int) -> IPv4Address | None:
    if not isinstance(address, IPv4Address) or prefix > _BROADCAST_PREFIX_MAX:
        return None
    return IPv4Network((address, prefix), strict=False).broadcast_address
