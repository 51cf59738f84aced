"""Networks of this machine as /proc/net/route tells them."""

from __future__ import annotations

from ipaddress import IPv4Network

from everbeat.adapters.neighbour_table import connected_networks

TABLE = """Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth0\t0000000A\t00000000\t0001\t0\t0\t0\t000000FF\t0\t0\t0
eth1\t00004D0A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
"""


def test_networks_without_a_gateway_most_specific_first() -> None:
    found = [(entry.interface, entry.network) for entry in connected_networks(TABLE)]
    assert found == [("eth1", IPv4Network("10.77.0.0/24")), ("eth0", IPv4Network("10.0.0.0/8"))]
