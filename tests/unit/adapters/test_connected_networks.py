"""Networks of this machine as /proc/net/route tells them."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network

from everbeat.adapters.connected_networks import connected_networks, connected_networks6

TABLE = """Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth0\t0000000A\t00000000\t0001\t0\t0\t0\t000000FF\t0\t0\t0
eth1\t00004D0A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
"""


def test_networks_without_a_gateway_most_specific_first() -> None:
    found = [(entry.interface, entry.network) for entry in connected_networks(TABLE)]
    assert found == [("eth1", IPv4Network("10.77.0.0/24")), ("eth0", IPv4Network("10.0.0.0/8"))]


def routes6(*lines: tuple[str, str, str, str]) -> str:
    """Return /proc/net/ipv6_route of destination, length, next hop and interface."""
    none = "0" * 32
    rest = "00000100 00000001 00000000 00000001"
    return "".join(
        f"{target} {length} {none} 00 {hop or none} {rest} {interface}\n"
        for target, length, hop, interface in lines
    )


def test_networks_of_ipv6_without_a_gateway_most_specific_first() -> None:
    table = routes6(
        ("fd770000000000000000000000000000", "20", "", "eth1"),
        ("fd770000000000010000000000000000", "40", "", "eth0"),
        ("fd770000000000010000000000000001", "80", "", "eth0"),  # our own address
        ("fe800000000000000000000000000000", "40", "", "eth0"),
        ("ff000000000000000000000000000000", "08", "", "eth0"),
        ("20010db8000000000000000000000000", "40", "fd770000000000010000000000000002", "eth0"),
        ("00000000000000000000000000000000", "00", "", "lo"),
    )
    found = [(entry.interface, entry.network) for entry in connected_networks6(table)]
    assert found == [("eth0", IPv6Network("fd77:0:0:1::/64")), ("eth1", IPv6Network("fd77::/32"))]
