"""What ha.cf, authkeys and haresources say, as values. Parsed by `config`, used by every core."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from everbeat.model.fencing import FenceAction, FenceDevice, StopFailure
from everbeat.model.groups import AutoFailback
from everbeat.model.names import LinkName, NodeName

if TYPE_CHECKING:
    from collections.abc import Mapping

    from everbeat.model.groups import ResourceSpec

HA_PORT: Final = 694
WITNESS_PORT: Final = 6940


class MediumKind(StrEnum):
    """The kinds of heartbeat media, spelled as their ha.cf directives."""

    BCAST = "bcast"
    UCAST = "ucast"
    MCAST = "mcast"
    UCAST6 = "ucast6"
    MCAST6 = "mcast6"
    SERIAL = "serial"
    PING = "ping"
    PING6 = "ping6"
    PING_GROUP = "ping_group"

    @property
    def is_ping(self) -> bool:
        """Whether the medium asks a host for echoes rather than carrying messages."""
        return self in {MediumKind.PING, MediumKind.PING6, MediumKind.PING_GROUP}


@dataclass(frozen=True, slots=True, kw_only=True)
class Medium:
    """One heartbeat medium. What a kind does not need keeps its default.

    `link` is the name cl_status shows: interface, tty, ping host or ping group.
    """

    kind: MediumKind
    link: LinkName
    interface: str = ""  # bcast, ucast*, mcast*
    address: str = ""  # ucast*: the peer; mcast*: the group
    port: int = HA_PORT
    ttl: int = 1  # mcast: ttl; mcast6: hops
    is_looped: bool = False  # mcast*: whether the kernel hands our own datagrams back
    hosts: tuple[str, ...] = ()  # ping: one; ping_group: all
    device: str = ""  # serial
    baud: int = 19_200  # serial


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Limits of silence, in milliseconds, named as in ha.cf. Filled in: no None."""

    keepalive_ms: int = 1_000
    deadtime_ms: int = 30_000
    warntime_ms: int = 15_000
    initdead_ms: int = 30_000
    deadping_ms: int = 30_000
    stoptime_ms: int = 10_000
    """What giving up everything may take when the right to hold is lost."""


DRIFT_PERMILLE: Final = 10
"""How far the rates of two machines' clocks may differ: a hundred times what quartz does."""


def lease_ms(dead_ms: int, stop_ms: int) -> int:
    """Return how long a lease may last so that all is given up when it may be taken.

    The largest L with L (1 + r) + S <= D (1 - r); negative where stopping takes too long.
    """
    room_ms = dead_ms * (1_000 - DRIFT_PERMILLE) - stop_ms * 1_000
    return room_ms // (1_000 + DRIFT_PERMILLE)


class Quorum(StrEnum):
    """What decides, after a split, who may hold groups (ADR 0010)."""

    NONE = "none"  # nothing: as Heartbeat, both sides would hold
    VOTES = "votes"  # the nodes' own votes: three and more nodes
    WITNESS = "witness"  # a third voter for two nodes
    PING = "ping"  # the ping nodes stand in for it: not exclusive
    FENCING = "fencing"  # two nodes: nothing is taken before the other is confirmed off


@dataclass(frozen=True, slots=True)
class WitnessPlace:
    """Where the witness listens: a host name or address as written, and a UDP port."""

    host: str
    port: int = WITNESS_PORT


class Autojoin(StrEnum):
    """Whether nodes that are not in ha.cf may join."""

    NONE = "none"
    OTHER = "other"
    ANY = "any"


@dataclass(frozen=True, slots=True)
class RespawnClient:
    """A program started when communication is up and kept running. `reboots`: failfast."""

    user: str
    command: tuple[str, ...]  # program and arguments
    reboots: bool = False


@dataclass(frozen=True, slots=True)
class ApiAuthorization:
    """Who may sign on to the client API under this client name."""

    client: str
    users: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StonithDevice:
    """A `stonith` (host `*`, params from a file) or `stonith_host` line, kept as written."""

    host: str
    type: str
    parameters: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionTimes:
    """How often a resource is monitored, and how long its scripts may take, in milliseconds."""

    interval_ms: int = 10_000  # 0: not monitored
    start_ms: int = 300_000
    stop_ms: int = 300_000
    monitor_ms: int = 60_000  # also of the status before a start


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnTimes:
    """What ha.cf says of one resource alone; None: as all the others.

    `name`: the word of haresources, or a script's name for all resources of that script.
    """

    name: str
    interval_ms: int | None = None
    start_ms: int | None = None
    stop_ms: int | None = None
    monitor_ms: int | None = None

    def over(self, usual: ActionTimes) -> ActionTimes:
        """Return the usual times with what is said here instead."""
        return ActionTimes(
            interval_ms=usual.interval_ms if self.interval_ms is None else self.interval_ms,
            start_ms=usual.start_ms if self.start_ms is None else self.start_ms,
            stop_ms=usual.stop_ms if self.stop_ms is None else self.stop_ms,
            monitor_ms=usual.monitor_ms if self.monitor_ms is None else self.monitor_ms,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Monitoring:
    """How resources are watched, how long their scripts may take, when a node has failed one."""

    usual: ActionTimes = field(default_factory=ActionTimes)
    own: tuple[OwnTimes, ...] = ()
    max_failures: int = 3  # 0: a failed monitor never moves a group
    failure_window_ms: int = 3_600_000

    def times(self, resource: ResourceSpec) -> ActionTimes:
        """Return the times of a resource; what names its word goes before its script's name."""
        times = self.usual
        for name in (resource.script, resource.text):
            for entry in self.own:
                if entry.name == name:
                    times = entry.over(times)
        return times


@dataclass(frozen=True, slots=True, kw_only=True)
class HaConfig:
    """Everything ha.cf says, with 3.0.6's defaults."""

    node: NodeName  # this node
    nodes: tuple[NodeName, ...]  # cluster members in the order of ha.cf; ping nodes are in media
    media: tuple[Medium, ...] = ()
    timing: Timing = field(default_factory=Timing)
    auto_failback: AutoFailback = AutoFailback.LEGACY
    autojoin: Autojoin = Autojoin.NONE
    crm: str = "off"
    respawn: tuple[RespawnClient, ...] = ()
    has_ipfail: bool = False  # a respawn line wants ipfail, and it is the one built in
    apiauth: tuple[ApiAuthorization, ...] = ()
    stonith: tuple[StonithDevice, ...] = ()
    fence_devices: tuple[FenceDevice, ...] = ()  # those of these lines that this node may ask
    stonith_timeout_ms: int = 60_000
    stonith_action: FenceAction = FenceAction.REBOOT
    stop_failure: StopFailure = StopFailure.BLOCK
    quorum: Quorum = Quorum.NONE
    witness: WitnessPlace | None = None
    watchdog: str = ""
    hopfudge: int = 1
    logfile: str = ""
    debugfile: str = ""
    logfacility: str = ""
    use_logd: bool = False
    debug: int = 0
    is_realtime: bool = True
    rtprio: int = 1
    hbgenmethod: str = "file"  # file | time
    uuidfrom: str = "file"  # file | nodename
    msgfmt: str = "classic"  # classic | netstring
    compression: str = ""  # "" (none loaded) | zlib | bz2
    compression_threshold_kib: int = 2
    is_traditional_compression: bool = False
    max_rexmit_delay_ms: int = 250
    is_log_badpack: bool = True
    cluster: str = "linux-ha"
    environment: tuple[tuple[str, str], ...] = ()  # `env NAME=VALUE`
    monitoring: Monitoring = field(default_factory=Monitoring)
    parameters: tuple[tuple[str, str], ...] = ()
    """Every recorded parameter as written in ha.cf, defaults included: what `getparm` answers
    and what respawned clients and hooks see as HA_<name>."""

    @property
    def ping_hosts(self) -> tuple[str, ...]:
        """Return the addresses of all ping nodes, sorted."""
        pings = (medium.hosts for medium in self.media if medium.kind.is_ping)
        return tuple(sorted({host for hosts in pings for host in hosts}))

    def parameter(self, name: str) -> str | None:
        """Return a parameter as written, or None."""
        found: Mapping[str, str] = dict(self.parameters)
        return found.get(name)
