"""Whose address is it: what is pinged, where a peer is, and what haresources moves about.

    ping HOST             a router; not a node, not a service address
    ucast IFACE HOST      the peer's fixed address; not a service address
    haresources ADDRESS   of no machine; not the fixed address of a node
    witness HOST          a third machine; not a node, not a service address

Enters: ha.cf as read, the groups. Leaves: reports. What is to decide (`quorum ping`) must be none
of these: it would answer the side that holds it, or that it is.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_address
from typing import TYPE_CHECKING, Final

from everbeat.config.codes import report_of
from everbeat.config.files import words_of
from everbeat.config.resources import service_address
from everbeat.model.cluster import MediumKind
from everbeat.model.names import node_name_from_text
from everbeat.model.reports import Place, Report
from everbeat.model.service_address import unfit

if TYPE_CHECKING:
    from collections.abc import Collection

    from everbeat.config.draft import Draft
    from everbeat.config.files import Line
    from everbeat.model.cluster import Medium
    from everbeat.model.groups import ResourceGroup

_ALL_MACHINES: Final = IPv4Address("255.255.255.255")
_UCAST = frozenset({MediumKind.UCAST, MediumKind.UCAST6})
ROUTER = "a router that both nodes need"


def check_addresses(
    draft: Draft, groups: Collection[ResourceGroup], haresources: str
) -> list[Report]:
    """Report addresses that are something else than their line takes them for.

    Problems of ha.cf go into the draft; those of the file `haresources` are returned.
    """
    services = {a for group in groups for r in group.resources if (a := service_address(r))}
    nodes = {a: node for node in draft.nodes for a in draft.host.node_addresses(node)}
    peers = {m.address: "a peer of a ucast line" for m in draft.media if m.kind in _UCAST}
    for line, medium in zip(draft.media_lines, draft.media, strict=True):
        if medium.kind.is_ping:
            _check_ping(draft, line, medium, {**peers, **nodes}, services)
        elif medium.kind in _UCAST:
            _check_peer(draft, line, medium.address, services)
    for line in draft.own_ucast:
        address = draft.host.resolve(words_of(line.text)[2]) or ""
        _check_peer(draft, line, address, services)
    if draft.witness is not None:
        _check_witness(draft, {**peers, **nodes}, services)
    return [
        report_of(
            "address-is-node",
            Place(haresources),
            f"{address} is the address of {nodes[address]} itself: it goes when the group goes",
            "an address that belongs to no machine",
        )
        for address in sorted(services & set(nodes))
    ]


def _check_ping(
    draft: Draft, line: Line, medium: Medium, nodes: dict[str, str], services: set[str]
) -> None:
    whose = nodes.get(next((host for host in medium.hosts if host in nodes), ""), "")
    if node_name_from_text(medium.link) in draft.nodes:
        whose = medium.link
    service = next((host for host in medium.hosts if host in services), "")
    summary = ""
    if service:
        summary = f"{medium.kind}: {service} is a service address; it answers where its group is"
        draft.report("ping-is-service", line, summary, ROUTER)
    elif whose:
        also = "" if whose == medium.link else f": {whose}"
        summary = f"{medium.kind}: {medium.link} is a node of this cluster{also}"
        draft.report("ping-is-node", line, summary, ROUTER)
    elif any(draft.is_own(host) for host in medium.hosts):
        summary = f"{medium.kind}: {medium.link} is this machine itself"
    if summary and draft.parameters.get("quorum") == "ping":
        draft.report(
            "quorum-ping-unfit", line, f"{summary}, and is to decide", f"ping ROUTER, {ROUTER}"
        )


def _check_witness(draft: Draft, nodes: dict[str, str], services: set[str]) -> None:
    assert draft.witness is not None
    host = draft.witness.host
    if node_name_from_text(host) in draft.nodes:
        return  # reported with the quorum
    found = (draft.host.resolve(host), draft.host.resolve6(host))
    addresses = {_without_zone(address) for address in found if address}
    networks = [IPv4Network(one.network) for one in draft.host.interfaces() if one.network]
    why = next((why for a in sorted(addresses) if (why := _unfit(a, networks))), "")
    if why:
        summary = f"witness: no machine is reached at {host}: it {why}"
        draft.report(
            "witness-unfit", draft.lines["witness"], summary, "witness HOST, a third machine"
        )
        return
    whose = ""
    if addresses & services:
        whose = "is a service address, on the side of its group"
    elif addresses & nodes.keys():
        whose = f"is {nodes[min(addresses & nodes.keys())]}"
    elif any(ip_address(a).is_loopback or draft.is_own(a) for a in addresses):
        whose = "is this machine itself"
    if whose:
        summary = f"witness: {host} {whose}; it cannot decide about itself"
        draft.report(
            "witness-is-node", draft.lines["witness"], summary, "witness HOST, a third machine"
        )


def _without_zone(text: str) -> str:
    """Return an address as interfaces have it: without %eth0, and ::ffff:192.0.2.9 as IPv4."""
    address = ip_address(text.partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)


def _unfit(text: str, networks: Collection[IPv4Network]) -> str:
    """Say why no single machine can be asked at an address; "" if one can. `networks`: our own."""
    address = ip_address(text)
    if address.is_loopback:
        return ""  # this machine, which is told otherwise
    if isinstance(address, IPv4Address) and address == _ALL_MACHINES:
        return "is the broadcast address of every network"
    if isinstance(address, IPv4Address) and address.is_reserved:
        return "is of a block that no machine has"
    own = next((network for network in networks if address in network), None)
    return unfit(address, own.prefixlen if own else None)


def _check_peer(draft: Draft, line: Line, address: str, services: set[str]) -> None:
    if address in services:
        name, interface, *_ = words_of(line.text)
        summary = f"{name}: {address} is a service address; it is where its group is, not a peer"
        remedy = f"{name} {interface} ADDRESS, the fixed one of the peer's interface"
        draft.report("peer-is-service", line, summary, remedy)
