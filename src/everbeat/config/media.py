"""Media lines: bcast, ucast, mcast, ucast6, mcast6, serial, ping, ping6, ping_group.

A medium takes the udpport and baud that stand above it. Arguments of ucast and mcast are separated
by blanks alone, lists of interfaces, ports and hosts by blanks and commas.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address
from typing import TYPE_CHECKING, Final

from everbeat.config.directives import Directive, Statement
from everbeat.config.suggestions import nearest
from everbeat.config.values import leading_number
from everbeat.model.cluster import HA_PORT, Medium, MediumKind
from everbeat.model.names import LinkName

if TYPE_CHECKING:
    from everbeat.config.draft import Draft
    from everbeat.ports.host import Interface

MEDIA_MAX: Final = 64
MCAST_TTL_MAX: Final = 4
MCAST6_HOPS_MAX: Final = 4
_PORTS: Final = 65_536


def apply_bcast(draft: Draft, statement: Statement) -> None:
    """Broadcast over each interface named."""
    for name in statement.values:
        interface = _interface(draft, name)
        if interface is None:
            _report_interface(draft, statement, name, "interface-missing")
        elif not interface.broadcast and name != "lo":
            summary = f"bcast: {name} has no IPv4 broadcast address"
            remedy = f"ip addr add ADDRESS/PREFIX brd + dev {name}, or use ucast {name} PEER"
            draft.report("interface-not-broadcast", statement.line, summary, remedy)
        else:
            _warn_of_loopback(draft, statement, name)
            medium = Medium(
                kind=MediumKind.BCAST,
                link=LinkName(name),
                interface=name,
                address=interface.broadcast or "127.255.255.255",
                port=_udpport(draft),
            )
            _add(draft, statement, medium)


def apply_udp(draft: Draft, statement: Statement) -> None:
    """Read the old name of bcast."""
    remedy = f"bcast {statement.rest}"
    draft.report("directive-obsolete", statement.line, "udp: replaced by bcast long ago", remedy)
    apply_bcast(draft, statement)


def apply_ucast(draft: Draft, statement: Statement) -> None:
    """Unicast to one peer."""
    words = _arguments(draft, statement, ("IFACE", "HOST"))
    if words is None:
        return
    name, host = words
    address = draft.host.resolve(host)
    if address is None:
        _report_peer(draft, statement, host, "IPv4")
        return
    if _interface(draft, name) is None:
        _report_interface(draft, statement, name, "interface-missing-ucast", address)
    _add_ucast(draft, statement, MediumKind.UCAST, name, address)


def apply_ucast6(draft: Draft, statement: Statement) -> None:
    """Unicast to one peer over IPv6; names are not looked up."""
    words = _arguments(draft, statement, ("IFACE", "ADDRESS"))
    if words is None:
        return
    name, address = words
    if not _is_ipv6(address):
        summary = f"ucast6: '{address}' is not an IPv6 address"
        draft.report("address-family", statement.line, summary, f"ucast6 {name} fe80::1")
        return
    if _interface(draft, name) is None:
        _report_interface(draft, statement, name, "interface-missing")
        return
    _add_ucast(draft, statement, MediumKind.UCAST6, name, address)


def apply_mcast(draft: Draft, statement: Statement) -> None:
    """Multicast to an IPv4 group."""
    words = _arguments(draft, statement, ("IFACE", "GROUP", "PORT", "TTL", "LOOP"))
    if words is None:
        return
    name, group = words[0], words[1]
    if not _is_multicast(group):
        summary = f"mcast: '{group}' is not a multicast address (224.0.0.0 to 239.255.255.255)"
        draft.report(
            "multicast-address", statement.line, summary, f"mcast {name} 239.0.0.1 694 1 0"
        )
    ttl = leading_number(words[3]) % 256
    if ttl > MCAST_TTL_MAX:
        summary = f"mcast: the ttl {words[3]} is not a number from 0 to {MCAST_TTL_MAX}"
        draft.report("multicast-ttl", statement.line, summary, _multicast_line(words, ttl="1"))
    elif str(ttl) != words[3]:
        summary = f"mcast: the ttl '{words[3]}' is read as {ttl}"
        draft.report("number-sloppy", statement.line, summary, _multicast_line(words, ttl="1"))
    _multicast(draft, statement, words, MediumKind.MCAST, ttl)


def apply_mcast6(draft: Draft, statement: Statement) -> None:
    """Multicast to an IPv6 group."""
    words = _arguments(draft, statement, ("IFACE", "GROUP", "PORT", "HOPS", "LOOP"))
    if words is None:
        return
    name, group = words[0], words[1]
    if not _is_multicast6(group):
        summary = f"mcast6: '{group}' is not an IPv6 multicast address"
        draft.report("multicast-address", statement.line, summary, f"mcast6 {name} ff12::1 694 1 0")
    hops = leading_number(words[3])
    if not 0 <= hops <= MCAST6_HOPS_MAX:
        summary = f"mcast6: {words[3]} hops; allowed are 0 to {MCAST6_HOPS_MAX}"
        draft.report("multicast-ttl", statement.line, summary, _multicast_line(words, ttl="1"))
    _multicast(draft, statement, words, MediumKind.MCAST6, hops)


def _multicast(
    draft: Draft, statement: Statement, words: tuple[str, ...], kind: MediumKind, ttl: int
) -> None:
    """Check what mcast and mcast6 have in common, and add the medium."""
    name, group, port_word, ttl_word, loop_word = words
    if ttl == 0:
        summary = f"{kind}: with ttl {ttl_word} nothing leaves this machine"
        draft.report("multicast-ttl-zero", statement.line, summary, _multicast_line(words, ttl="1"))
    port = leading_number(port_word)
    if port <= 0:
        summary = f"{kind}: '{port_word}' is not a port"
        draft.report("port-malformed", statement.line, summary, _multicast_line(words, port="694"))
    elif port >= _PORTS:
        summary = f"{kind}: port {port} is above 65535; it becomes {port % _PORTS}"
        draft.report("port-wraps", statement.line, summary, _multicast_line(words, port="694"))
    loop = leading_number(loop_word)
    if loop not in {0, 1}:
        summary = f"{kind}: the loop argument '{loop_word}' is neither 0 nor 1"
        draft.report("multicast-loop", statement.line, summary, _multicast_line(words, loop="0"))
    elif loop == 1:
        summary = f"{kind}: loop 1 brings every packet of ours back to us"
        draft.report("multicast-loop-on", statement.line, summary, _multicast_line(words, loop="0"))
    interface = _interface(draft, name)
    if interface is None:
        _report_interface(draft, statement, name, "interface-missing")
        return
    _warn_of_loopback(draft, statement, name)
    if kind is MediumKind.MCAST and not any("." in known for known in interface.addresses):
        summary = f"mcast: {name} has no IPv4 address yet; Heartbeat would wait for one"
        remedy = f"ip addr add ADDRESS/PREFIX brd + dev {name}"
        draft.report("interface-without-address", statement.line, summary, remedy)
    medium = Medium(
        kind=kind,
        link=LinkName(name),
        interface=name,
        address=group,
        port=max(port, 0) % _PORTS,
        ttl=ttl,
        is_looped=loop == 1,
    )
    _add(draft, statement, medium)


def _multicast_line(
    words: tuple[str, ...], *, port: str = "", ttl: str = "", loop: str = ""
) -> str:
    name, group, old_port, old_ttl, old_loop = words
    directive = "mcast6" if ":" in group else "mcast"
    return f"{directive} {name} {group} {port or old_port} {ttl or old_ttl} {loop or old_loop}"


def apply_serial(draft: Draft, statement: Statement) -> None:
    """Add each serial port to the ring."""
    for device in statement.values:
        if not draft.host.is_device(device):
            summary = f"serial: {device} does not exist or is no character device"
            draft.report("serial-missing", statement.line, summary, "serial /dev/ttyS0")
            continue
        medium = Medium(
            kind=MediumKind.SERIAL,
            link=LinkName(device),
            device=device,
            baud=leading_number(draft.parameters["baud"]),
        )
        _add(draft, statement, medium)


def apply_ping(draft: Draft, statement: Statement) -> None:
    """Each host is a ping node."""
    for host in statement.values:
        address = draft.host.resolve(host)
        if address is None:
            summary = f"ping: the host {host} has no IPv4 address"
            draft.report("ping-unresolvable", statement.line, summary, "ping 192.0.2.1")
        else:
            _warn_of_own_address(draft, statement, address)
            medium = Medium(kind=MediumKind.PING, link=LinkName(host), hosts=(address,))
            _add(draft, statement, medium)


def apply_ping6(draft: Draft, statement: Statement) -> None:
    """Each IPv6 host is a ping node."""
    for host in statement.values:
        address = draft.host.resolve6(host)
        if address is None:
            summary = f"ping6: the host {host} has no IPv6 address"
            draft.report("ping-unresolvable", statement.line, summary, "ping6 2001:db8::1")
        else:
            _warn_of_own_address(draft, statement, address)
            medium = Medium(kind=MediumKind.PING6, link=LinkName(host), hosts=(address,))
            _add(draft, statement, medium)


def apply_ping_group(draft: Draft, statement: Statement) -> None:
    """One ping node for several hosts; hosts without an address are left out."""
    name, *hosts = statement.values or ("",)
    if not hosts:
        summary = "ping_group: a name and at least one host are needed"
        remedy = f"ping_group {name or 'routers'} 192.0.2.1 192.0.2.2"
        draft.report("ping-group-incomplete", statement.line, summary, remedy)
        return
    addresses: list[str] = []
    for host in hosts:
        address = draft.host.resolve(host)
        if address is None:
            summary = f"ping_group: the host {host} has no IPv4 address; the group goes without it"
            draft.report("ping-group-host-unresolvable", statement.line, summary)
        else:
            _warn_of_own_address(draft, statement, address)
            addresses.append(address)
    medium = Medium(kind=MediumKind.PING_GROUP, link=LinkName(name), hosts=tuple(addresses))
    _add(draft, statement, medium)


def _arguments(
    draft: Draft, statement: Statement, names: tuple[str, ...]
) -> tuple[str, ...] | None:
    """Return exactly the words named, or report which is missing and return None."""
    words = statement.words
    if len(words) < len(names):
        written = (*words, *names[len(words) :])
        summary = f"{statement.directive}: {names[len(words)].lower()} is missing"
        remedy = f"{statement.directive} {' '.join(written)}"
        draft.report("medium-incomplete", statement.line, summary, remedy)
        return None
    if len(words) > len(names):
        surplus = " ".join(words[len(names) :])
        summary = f"{statement.directive}: '{surplus}' is not read"
        remedy = f"one {statement.directive} line for each path"
        draft.report("medium-surplus", statement.line, summary, remedy)
    return words[: len(names)]


def _add_ucast(
    draft: Draft, statement: Statement, kind: MediumKind, name: str, address: str
) -> None:
    """Add a unicast medium, or note that it leads to ourselves."""
    if draft.is_own(address):
        draft.own_ucast.append(statement.line)
        return
    medium = Medium(
        kind=kind, link=LinkName(name), interface=name, address=address, port=_udpport(draft)
    )
    _add(draft, statement, medium)


def _add(draft: Draft, statement: Statement, medium: Medium) -> None:
    if medium.kind.is_ping and not medium.link.isascii():
        summary = f"{statement.directive}: {medium.link} is no name that messages can carry"
        remedy = "a name of ASCII letters, digits and hyphens, on every node"
        draft.report("ping-name-unusual", statement.line, summary, remedy)
        return
    if medium in draft.media:
        summary = f"{statement.directive}: {medium.link} is configured a second time"
        draft.report("medium-twice", statement.line, summary, "delete this line")
        return
    draft.media.append(medium)
    draft.media_lines.append(statement.line)


def _udpport(draft: Draft) -> int:
    return leading_number(draft.parameters.get("udpport", "")) % _PORTS or HA_PORT


def _interface(draft: Draft, name: str) -> Interface | None:
    return next((known for known in draft.host.interfaces() if known.name == name), None)


def _report_interface(
    draft: Draft, statement: Statement, name: str, code: str, peer: str = ""
) -> None:
    """Report a missing interface; propose the one on the peer's network, or the most alike."""
    names = [interface.name for interface in draft.host.interfaces()]
    usable = [entry.name for entry in draft.host.interfaces() if entry.broadcast]
    meant = _on_network_of(draft, peer) or nearest(name, usable)
    known = ", ".join(names) or "none"
    summary = f"{statement.directive}: there is no interface {name}; this machine has {known}"
    remedy = f"{statement.directive} {statement.rest.replace(name, meant)}" if meant else ""
    draft.report(code, statement.line, summary, remedy or "an interface of `ip link`")


def _on_network_of(draft: Draft, peer: str) -> str | None:
    if not peer:
        return None
    for entry in draft.host.interfaces():
        if entry.network and IPv4Address(peer) in IPv4Network(entry.network):
            return entry.name
    return None


def _report_peer(draft: Draft, statement: Statement, host: str, family: str) -> None:
    summary = f"{statement.directive}: the host {host} has no {family} address"
    interface = statement.words[0]
    remedy = f"{statement.directive} {interface} 192.0.2.2, or put {host} into /etc/hosts"
    if ":" in host:
        remedy = f"ucast6 {interface} {host}"
    draft.report("peer-unresolvable", statement.line, summary, remedy)


def _warn_of_loopback(draft: Draft, statement: Statement, name: str) -> None:
    if name == "lo":
        summary = f"{statement.directive}: nothing sent over lo reaches another machine"
        draft.report("interface-loopback", statement.line, summary, "an interface of `ip link`")


def _warn_of_own_address(draft: Draft, statement: Statement, address: str) -> None:
    if draft.is_own(address):
        summary = f"{statement.directive}: {address} is this machine itself"
        remedy = "a router that both nodes need"
        draft.report("ping-own-address", statement.line, summary, remedy)


def _is_multicast(text: str) -> bool:
    try:
        return IPv4Address(text).is_multicast
    except ValueError:
        return False


def _is_multicast6(text: str) -> bool:
    try:
        return IPv6Address(text).is_multicast
    except ValueError:
        return False


def _is_ipv6(text: str) -> bool:
    try:
        IPv6Address(text)
    except ValueError:
        return False
    return True


MEDIA: Final = (
    Directive(
        name="bcast", shape="IFACE...", meaning="UDP broadcast over interfaces.", apply=apply_bcast
    ),
    Directive(name="udp", shape="IFACE...", meaning="Old name of bcast.", apply=apply_udp),
    Directive(
        name="ucast",
        shape="IFACE HOST",
        meaning="UDP to one peer.",
        apply=apply_ucast,
        is_value_needed=False,
    ),
    Directive(
        name="ucast6",
        shape="IFACE ADDRESS",
        meaning="UDP to one peer over IPv6.",
        apply=apply_ucast6,
        is_value_needed=False,
    ),
    Directive(
        name="mcast",
        shape="IFACE GROUP PORT TTL LOOP",
        meaning="UDP multicast.",
        apply=apply_mcast,
        is_value_needed=False,
    ),
    Directive(
        name="mcast6",
        shape="IFACE GROUP PORT HOPS LOOP",
        meaning="UDP multicast over IPv6.",
        apply=apply_mcast6,
        is_value_needed=False,
    ),
    Directive(
        name="serial", shape="DEVICE...", meaning="A ring of serial lines.", apply=apply_serial
    ),
    Directive(name="ping", shape="HOST...", meaning="Ping nodes.", apply=apply_ping),
    Directive(name="ping6", shape="HOST...", meaning="IPv6 ping nodes.", apply=apply_ping6),
    Directive(
        name="ping_group",
        shape="NAME HOST...",
        meaning="One ping node for several hosts.",
        apply=apply_ping_group,
        is_value_needed=False,
    ),
)
