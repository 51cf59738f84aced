"""What the argument of IPaddr and IPaddr2 says, and on which interface the address belongs.

    ip[/prefix-or-netmask[/interface[:label]][/broadcast]]

A third part that starts with a digit is the broadcast address. IPv6 addresses are cut at `::` by
the haresources grammar; joining the arguments again restores them.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

LABEL_BYTES_MAX: Final = 15
_PARTS_MAX: Final = 4
_BROADCAST_PREFIX_MAX: Final = 30


class AddressError(Exception):
    """An IPaddr argument cannot be used; the text says why, with the argument."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressSpec:
    """An address as written; what was not written is None or empty."""

    address: Address
    prefix: int | None = None
    interface: str = ""
    label: str = ""  # as the kernel wants it: interface:label
    broadcast: IPv4Address | None = None


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


def address_from_arguments(arguments: tuple[str, ...]) -> AddressSpec:
    """Parse the arguments of an IPaddr or IPaddr2 resource. Raise AddressError."""
    text = "::".join(arguments)
    parts = text.split("/")
    if len(parts) > _PARTS_MAX:
        raise AddressError(f"{text}: more than {_PARTS_MAX} parts")
    address = _address(parts[0], text)
    prefix = _prefix(parts[1], address, text) if len(parts) > 1 and parts[1] else None
    third, fourth = (*parts[2:], "", "")[:2]
    if third[:1].isdigit():
        if fourth:
            raise AddressError(f"{text}: nothing may follow the broadcast address")
        third, fourth = "", third
    interface, label = _interface_and_label(third, text)
    return AddressSpec(
        address=address,
        prefix=prefix,
        interface=interface,
        label=label,
        broadcast=_broadcast(fourth, address, text) if fourth else None,
    )


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


def _address(text: str, whole: str) -> Address:
    try:
        return ip_address(text)
    except ValueError as error:
        raise AddressError(f"{whole}: {text!r} is not an address") from error


def _prefix(text: str, address: Address, whole: str) -> int:
    is_netmask = "." in text and address.version == 4
    if not is_netmask and not text.isdecimal():
        raise AddressError(f"{whole}: {text!r} is neither prefix length nor netmask")
    try:
        network = ip_network(f"{address}/{text}", strict=False)
    except ValueError as error:
        raise AddressError(f"{whole}: {text!r} is neither prefix length nor netmask") from error
    if is_netmask and str(network.netmask) != str(IPv4Address(text)):
        raise AddressError(f"{whole}: {text!r} is not a netmask")
    return network.prefixlen


def _interface_and_label(text: str, whole: str) -> tuple[str, str]:
    interface, colon, label = text.partition(":")
    if colon and not (interface and label):
        raise AddressError(f"{whole}: {text!r} is not interface:label")
    if len(text) > LABEL_BYTES_MAX or " " in text:
        raise AddressError(f"{whole}: {text!r} is no interface name")
    return interface, text if colon else ""


def _broadcast(text: str, address: Address, whole: str) -> IPv4Address:
    if address.version != 4:
        raise AddressError(f"{whole}: IPv6 has no broadcast address")
    try:
        return IPv4Address(text)
    except ValueError as error:
        raise AddressError(f"{whole}: {text!r} is not a broadcast address") from error


def _usual_broadcast(address: Address, prefix: int) -> IPv4Address | None:
    if not isinstance(address, IPv4Address) or prefix > _BROADCAST_PREFIX_MAX:
        return None
    return IPv4Network((address, prefix), strict=False).broadcast_address
