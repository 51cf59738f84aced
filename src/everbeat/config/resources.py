"""One resource word of haresources: what it means, and whether it can work.

Script::arg::arg        a script of resource.d or /etc/init.d, a built-in, or a systemd unit
A.B.C.D[/PREFIX[/IFACE[:LABEL]][/BROADCAST]]        IPaddr with this argument
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING, Final

from everbeat.config.codes import report_of
from everbeat.config.values import number_from_word
from everbeat.model.groups import ResourceSpec
from everbeat.model.names import is_script_name

if TYPE_CHECKING:
    from everbeat.model.reports import Place, Report
    from everbeat.ports.host import HostLookup

ADDRESS_SCRIPTS: Final = ("IPaddr", "IPaddr2")
"""Built in: they need no script."""

_DOT_DIGIT: Final = re.compile(r"\.[0-9]", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressArgument:
    """The argument of IPaddr taken apart; "" for what is not given."""

    address: str
    prefix: str = ""  # length or netmask
    interface: str = ""
    broadcast: str = ""


def resource_from_word(word: str) -> ResourceSpec:
    """Return the resource of a word; a digit at the start and three dots before digits: IPaddr."""
    if word[:1] in "0123456789" and len(_DOT_DIGIT.findall(word)) >= 3:
        return ResourceSpec(word, "IPaddr", (word,))
    script, *arguments = word.split("::")
    return ResourceSpec(word, script, tuple(arguments))


def address_argument(text: str) -> AddressArgument:
    """Take `address/prefix/iface/broadcast` apart; a third part with a digit first: broadcast."""
    address, *parts = text.split("/")
    prefix = parts[0] if parts else ""
    interface = broadcast = ""
    for part in parts[1:3]:
        if part[:1].isdigit():
            broadcast = part
        else:
            interface = part
    return AddressArgument(address=address, prefix=prefix, interface=interface, broadcast=broadcast)


def service_address(resource: ResourceSpec) -> str | None:
    """Return the address that IPaddr or IPaddr2 serves, or None."""
    if resource.script not in ADDRESS_SCRIPTS or not resource.arguments:
        return None
    return resource.arguments[0].split("/")[0]


def check_resource(resource: ResourceSpec, place: Place, host: HostLookup) -> tuple[Report, ...]:
    """Report what will not work when this resource is started."""
    word = resource.text
    if _looks_like_ipv6(word):
        summary = f"'{word}' is taken for a script; an IPv6 address needs one"
        return (report_of("address-ipv6-bare", place, summary, f"IPv6addr::{word}"),)
    if not resource.script or "" in resource.arguments or ":" in resource.script:
        summary = f"'{word}': script and arguments are separated by ::"
        remedy = "::".join(part for part in re.split(r":+", word) if part)
        return (report_of("resource-malformed", place, summary, remedy),)
    if not is_script_name(resource.script):
        summary = f"'{word}': a resource is known by a script's name, never by a path"
        name = resource.script.rstrip("/.").rpartition("/")[2] or "SCRIPT"
        remedy = f"put it into /etc/ha.d/resource.d on every node, and write {name}"
        return (report_of("resource-name", place, summary, remedy),)
    if resource.script in ADDRESS_SCRIPTS:
        return _check_address(resource, place, host)
    path = host.script_path(resource.script)
    if path is not None and not host.knows_status(path):
        summary = (
            f"{word} is not watched: {path} does not know the word 'status', and a script may do "
            "its work whatever it is asked for"
        )
        remedy = (
            "teach it: status) … prints 'running' or 'stopped'; it is started and stopped anyway"
        )
        return (report_of("script-without-status", place, summary, remedy),)
    if path is None and not host.has_unit(resource.script):
        summary = f"no script, built-in or unit is called {resource.script}"
        remedy = f"an executable /etc/ha.d/resource.d/{resource.script}, on every node"
        return (report_of("script-missing", place, summary, remedy),)
    return ()


def _looks_like_ipv6(word: str) -> bool:
    address = word.split("/", maxsplit=1)[0]
    return address.count(":") >= 2 and set(address) <= set("0123456789abcdefABCDEF:.")


def _check_address(resource: ResourceSpec, place: Place, host: HostLookup) -> tuple[Report, ...]:
    example = f"{resource.script}::192.0.2.10/24/eth0"
    argument = address_argument(resource.arguments[0]) if resource.arguments else None
    if argument is None or not _is_address(argument.address):
        address = argument.address if argument else ""
        summary = f"{resource.script}: '{address}' is not an IPv4 address"
        return (report_of("address-malformed", place, summary, example),)
    reports: list[Report] = []
    if argument.prefix and not _is_prefix(argument.prefix):
        summary = f"'{argument.prefix}' is neither a prefix length (1 to 32) nor a netmask"
        reports.append(report_of("address-prefix", place, summary, f"{argument.address}/24"))
    interface = argument.interface.split(":")[0]
    known = [entry.name for entry in host.interfaces()]
    if interface and interface not in known:
        summary = (
            f"there is no interface {interface}; this machine has {', '.join(known) or 'none'}"
        )
        reports.append(report_of("address-interface", place, summary, "one of `ip link`"))
    if argument.broadcast and not _is_address(argument.broadcast):
        summary = f"'{argument.broadcast}' is not a broadcast address"
        reports.append(report_of("address-broadcast", place, summary, f"{argument.address}/24"))
    return tuple(reports)


def _is_address(text: str) -> bool:
    try:
        IPv4Address(text)
    except ValueError:
        return False
    return True


def _is_prefix(text: str) -> bool:
    length = number_from_word(text)
    if length is not None:
        return 1 <= length <= 32
    try:
        IPv4Network(f"0.0.0.0/{text}")
    except ValueError:
        return False
    return True
