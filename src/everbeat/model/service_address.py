"""A service address as haresources writes it: read here by checker, agents and commands.

    ip[/prefix-or-netmask[/interface[:label]][/broadcast]]

A third part that starts with a digit is the broadcast address. No part is empty: Heartbeat 3.0.6
takes `//` for one slash, and so what follows for another part than was meant. Slashes at the end
it passes over: they are told, and served.

IPv6 addresses are cut at `::` by the haresources grammar; joining the arguments again restores
them. Heartbeat 3.0.6 does not join them, so an address for its nodes too is written out:
fd00:0:0:0:0:0:0:50.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Final, TypeAlias

from everbeat.model.names import is_interface_name

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

ADDRESS_NAMES: Final = ("IPaddr", "IPaddr2", "IPv6addr")
"""Built in: they need no script, and each serves both families."""

LABEL_BYTES_MAX: Final = 15
_PARTS_MAX: Final = 4
_HOST_ONLY_PREFIX: Final = 31
"""From here on each address of an IPv4 network is of a machine (RFC 3021)."""


class AddressPart(StrEnum):
    """Which part of an argument cannot be used."""

    ADDRESS = "address"
    PREFIX = "prefix"
    INTERFACE = "interface"
    BROADCAST = "broadcast"


_EMPTY: Final = "nothing stands behind a slash, where {} is expected"
_PARTS_BEHIND: Final = (
    (AddressPart.PREFIX, "the prefix length"),
    (AddressPart.INTERFACE, "the interface"),
    (AddressPart.BROADCAST, "the broadcast address"),
)


class AddressError(Exception):
    """An IPaddr argument cannot be used; the text says why, with the argument."""

    def __init__(
        self,
        problem: str,
        part: AddressPart = AddressPart.ADDRESS,
        *,
        argument: str = "",
        is_served: bool = False,
    ) -> None:
        super().__init__(f"{argument}: {problem}" if argument else problem)
        self.problem = problem
        self.part = part
        self.is_served = is_served  # what was meant is clear all the same


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressSpec:
    """An address as written; what was not written is None or empty."""

    address: Address
    prefix: int | None = None
    interface: str = ""
    label: str = ""  # as the kernel wants it: interface:label
    broadcast: IPv4Address | None = None


def address_from_arguments(arguments: tuple[str, ...]) -> AddressSpec:
    """Parse the arguments of a service address. Raise AddressError if it cannot be served."""
    spec, problems = read_address(arguments)
    if faults := faults_of(problems):
        raise faults[0]
    assert spec is not None
    return spec


def faults_of(problems: tuple[AddressError, ...]) -> tuple[AddressError, ...]:
    """Return the problems with which an address cannot be served."""
    return tuple(problem for problem in problems if not problem.is_served)


def read_address(
    arguments: tuple[str, ...],
) -> tuple[AddressSpec | None, tuple[AddressError, ...]]:
    """Parse the arguments of a service address; return what could be read, and every problem."""
    text = "::".join(arguments)
    parts = text.split("/")
    try:
        address = _address(parts[0], text)
    except AddressError as error:
        return None, (error,)
    problems = [
        AddressError(_EMPTY.format(what), part, argument=text, is_served=not any(parts[number:]))
        for number, ((part, what), word) in enumerate(
            zip(_PARTS_BEHIND, parts[1:], strict=False), 1
        )
        if not word
    ]
    prefix: int | None = None
    if len(parts) > 1 and parts[1]:
        try:
            prefix = _prefix(parts[1], address, text)
        except AddressError as error:
            problems.append(error)
    if len(parts) > _PARTS_MAX:
        problems.append(AddressError(f"more than {_PARTS_MAX} parts", argument=text))
    third, fourth = (*parts[2:], "", "")[:2]
    if third[:1].isdigit():
        if fourth:
            surplus = "nothing may follow the broadcast address"
            problems.append(AddressError(surplus, AddressPart.BROADCAST, argument=text))
        third, fourth = "", third
    interface = label = ""
    broadcast: IPv4Address | None = None
    try:
        interface, label = _interface_and_label(third, text)
    except AddressError as error:
        problems.append(error)
    try:
        broadcast = _broadcast(fourth, address, text) if fourth else None
    except AddressError as error:
        problems.append(error)
    spec = AddressSpec(
        address=address, prefix=prefix, interface=interface, label=label, broadcast=broadcast
    )
    return spec, tuple(problems)


def address_of(word: str) -> str:
    """Return the address of a word of haresources or of a person: 10.0.0.9/24/eth0 is 10.0.0.9.

    IPv6 as short as it can be. What is no address is returned up to its first slash.
    """
    for name in ADDRESS_NAMES:
        word = word.removeprefix(f"{name}::")
    text = word.split("/", 1)[0]
    try:
        return str(ip_address(text))
    except ValueError:
        return text


def written_out(address: IPv6Address) -> str:
    """Return an address without `::`, as every node reads it."""
    return ":".join(f"{int(group, 16):x}" for group in address.exploded.split(":"))


def word_of(text: str) -> str:
    """Return the word of haresources that serves ADDRESS[/PREFIX[/INTERFACE]], IPv4 or IPv6."""
    address, slash, rest = text.partition("/")
    try:
        value = _address(address, text)
    except AddressError:
        return text
    if value.version == 4:
        return text
    return f"IPv6addr::{written_out(value)}{slash}{rest}"


def well_formed(arguments: tuple[str, ...]) -> str:
    """Return ADDRESS[/PREFIX[/INTERFACE]] as these arguments mean it, or else an example.

    A prefix length that is missing or broken is that of most networks. `word_of` makes it a word.
    """
    text = "::".join(arguments)
    head = text.partition("/")[0]
    address, percent, interface = head.partition("%")
    if percent:
        return well_formed((f"{address}/64/{interface}",))
    spec, _ = read_address(arguments)
    if spec is None:
        return "2001:db8::10/64/eth0" if head.count(":") > 1 else "192.0.2.10/24/eth0"
    words = [str(spec.address)]
    if any(text.split("/")[1:]):
        words.append(str(spec.prefix or (24 if spec.address.version == 4 else 64)))
    words += [str(word) for word in (spec.label or spec.interface, spec.broadcast) if word]
    return "/".join(words)


def unfit(address: Address, prefix: int | None = None) -> str:
    """Say why no service can be reached at an address; "" if one can."""
    if address.is_unspecified:
        return "means no address, or any"
    if address.is_multicast:
        return "is a multicast address, of no machine"
    if address.is_loopback:
        return "is a loopback address, which no other machine reaches"
    if address.version == 4 and prefix is not None and prefix < _HOST_ONLY_PREFIX:
        network = IPv4Network((int(address), prefix), strict=False)
        if address == network.network_address:
            return f"is the network {network} itself"
        if address == network.broadcast_address:
            return f"is the broadcast address of {network}"
    return ""


def _address(text: str, whole: str) -> Address:
    if not text:
        raise AddressError("the address is missing", argument=whole)
    if "%" in text:
        problem = f"{text!r} names an interface, which stands behind the prefix: ADDRESS/64/eth0"
        raise AddressError(problem, argument=whole)
    try:
        return ip_address(text)
    except ValueError as error:
        raise AddressError(f"{text!r} is not an address", argument=whole) from error


def _prefix(text: str, address: Address, whole: str) -> int:
    is_netmask = "." in text and address.version == 4
    neither = f"{text!r} is neither prefix length nor netmask"
    if not is_netmask and not (text.isascii() and text.isdecimal() and text.strip("0")):
        raise AddressError(neither, AddressPart.PREFIX, argument=whole)
    try:
        network = ip_network(f"{address}/{text}", strict=False)
    except ValueError as error:
        raise AddressError(neither, AddressPart.PREFIX, argument=whole) from error
    if is_netmask and str(network.netmask) != str(IPv4Address(text)):
        raise AddressError(f"{text!r} is not a netmask", AddressPart.PREFIX, argument=whole)
    return network.prefixlen


def _interface_and_label(text: str, whole: str) -> tuple[str, str]:
    interface, colon, label = text.partition(":")
    if colon and not (interface and label):
        raise AddressError(
            f"{text!r} is not interface:label", AddressPart.INTERFACE, argument=whole
        )
    is_name = not text or is_interface_name(interface)
    if not is_name or len(text) > LABEL_BYTES_MAX or not text.isprintable() or " " in text:
        raise AddressError(f"{text!r} is no interface name", AddressPart.INTERFACE, argument=whole)
    return interface, text if colon else ""


def _broadcast(text: str, address: Address, whole: str) -> IPv4Address:
    if address.version != 4:
        raise AddressError("IPv6 has no broadcast address", AddressPart.BROADCAST, argument=whole)
    try:
        return IPv4Address(text)
    except ValueError as error:
        raise AddressError(
            f"{text!r} is not a broadcast address", AddressPart.BROADCAST, argument=whole
        ) from error
