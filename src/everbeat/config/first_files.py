"""The files of a new cluster, with a word on what each line does."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstNode:
    """What `everbeat init` knows."""

    cluster: str
    node: str
    interface: str
    address: str


def first_ha_cf(first: FirstNode) -> str:
    """Return ha.cf of a cluster of one node, to which others are added below."""
    path = "ucast6" if ":" in first.address else "ucast"
    return f"""\
# Cluster {first.cluster}. The same on every node but for names of network interfaces.
# everbeat check says what is wrong with a line; everbeat reload --all brings a change to all nodes.
cluster {first.cluster}

# A heartbeat each second; a node that is silent for ten is dead and its groups are taken over.
keepalive 1
warntime 5
deadtime 10
# The same while machines boot.
initdead 30

# A group stays where it runs when its preferred node comes back. on: it goes home.
auto_failback off

# What decides when two nodes live but do not hear each other. Without one of these both serve.
#witness HOST
# Or ping nodes: who reaches neither them nor the other node gives up. Weaker: with them silent the
# death of one node ends the service.
#ping ROUTER
#quorum ping

logfile /var/log/ha-log

# Heartbeats go to each of these; a node passes over its own address. Better: two networks.
{path} {first.interface} {first.address}
node {first.node}
"""


def first_haresources() -> str:
    """Return haresources without a group."""
    return """\
# One group a line: preferred node, address, services. Better than an editor:
#   everbeat add vip 192.0.2.80 service nginx
"""
