"""Schedules of faults for real nodes, as values drawn from a seed.

A schedule is a tuple of faults in the order of time. The same seed, kind and length give the same
schedule, whatever this machine can do: what it cannot is said when its turn comes.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from random import Random
from typing import Final

FAULTS_PER_MINUTE: Final = (5, 9)
FAULTS_MIN: Final = 2
QUIET_MS: Final = 1_000
"""Between the last fault and the moment when all is healed, at least."""


class Cluster(Enum):
    """What decides a split. A value is its name on the command line."""

    WITNESS = "witness"  # two nodes and a witness
    VOTES = "votes"  # three nodes


class FaultKind(Enum):
    """What goes wrong. A value is its name in JSON."""

    LINK_KILLED = "link killed"  # kill -9; with `is_hard` its standby as well
    CORE_KILLED = "core killed"
    EXECUTOR_KILLED = "executor killed"
    KEEPER_KILLED = "keeper killed"
    PROCESS_HANGS = "process hangs"  # SIGSTOP of `what`
    NODE_PAUSED = "node paused"  # SIGSTOP of everything, as a hypervisor may
    POWER_CUT = "power cut"
    CABLE_CUT = "cable cut"  # of link `link`, both ways
    CABLE_CUT_ONE_WAY = "cable cut one way"  # it is heard by nobody and hears all
    PARTED = "parted"  # from `what`: they do not hear each other, the third hears both
    DEAF = "deaf"  # to `what`
    LOSS = "30 % loss"
    DISK_FULL = "disk full"  # /var/lib/heartbeat
    CLOCK_JUMP = "clock jump"  # the wall clock, by `seconds`
    STANDBY = "standby"
    TAKEOVER = "takeover"
    WITNESS_KILLED = "witness killed"  # and started again at the end


MOMENTARY: Final = frozenset(
    {
        FaultKind.LINK_KILLED,
        FaultKind.CORE_KILLED,
        FaultKind.EXECUTOR_KILLED,
        FaultKind.KEEPER_KILLED,
        FaultKind.POWER_CUT,
        FaultKind.CLOCK_JUMP,
        FaultKind.STANDBY,
        FaultKind.TAKEOVER,
    }
)
"""Faults without an end of their own."""

PROCESSES: Final = ("hb-link", "hb-core", "hb-executor")
PAUSES_MS: Final = (1_500, 5_000, 5_000)
JUMPS_S: Final = (-2_592_000, -3_600, -5, 5, 3_600, 2_592_000)
LASTS_MS: Final = (2_000, 12_000)
LOSS_PERCENT: Final = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault. Times are milliseconds after the cluster has settled; `lasts_ms` 0: momentary."""

    kind: FaultKind
    at_ms: int
    node: str = ""
    lasts_ms: int = 0
    link: int = 0
    what: str = ""
    seconds: int = 0
    is_hard: bool = False

    def __str__(self) -> str:
        """Say it in a line."""
        place = f" {self.node}" if self.node else ""
        more = [f"eth{self.link}"] if self.kind in _ON_A_CABLE else []
        more += [self.what] if self.what else []
        more += [f"{self.seconds:+d} s"] if self.seconds else []
        more += ["standby too"] if self.is_hard else []
        more += [f"for {self.lasts_ms / 1000:.1f} s"] if self.lasts_ms else []
        return f"{self.at_ms / 1000:5.1f} s {self.kind.value}{place} {' '.join(more)}".rstrip()


_ON_A_CABLE: Final = frozenset({FaultKind.CABLE_CUT, FaultKind.CABLE_CUT_ONE_WAY, FaultKind.LOSS})

_OF_TWO: Final = frozenset({FaultKind.PARTED, FaultKind.DEAF})
_ELSEWHERE: Final = {
    Cluster.WITNESS: _OF_TWO,  # a cut cable is the same
    Cluster.VOTES: frozenset({FaultKind.WITNESS_KILLED}),
}

Schedule = tuple[Fault, ...]


def nodes_of(cluster: Cluster) -> tuple[str, ...]:
    """Return the names of the nodes."""
    return ("alpha", "beta") if cluster is Cluster.WITNESS else ("alpha", "beta", "gamma")


def drawn_schedule(cluster: Cluster, seed: int, length_ms: int) -> Schedule:
    """Draw the faults of `length_ms`; whatever lasts longer is ended then."""
    random = Random(f"{cluster.value} {seed}")  # noqa: S311 - to be drawn again
    kinds = [kind for kind in FaultKind if kind not in _ELSEWHERE[cluster]]
    kinds += [FaultKind.CABLE_CUT] * 2 + [FaultKind.NODE_PAUSED, FaultKind.CABLE_CUT_ONE_WAY]
    low, high = (max(FAULTS_MIN, n * length_ms // 60_000) for n in FAULTS_PER_MINUTE)
    count = random.randint(low, max(low, high))
    last_ms = max(length_ms - QUIET_MS, QUIET_MS)
    faults = [_drawn(random, cluster, kinds, last_ms) for _ in range(count)]
    return tuple(sorted(faults, key=lambda fault: fault.at_ms))


def _drawn(random: Random, cluster: Cluster, kinds: list[FaultKind], last_ms: int) -> Fault:
    kind = random.choice(kinds)
    lasts_ms = random.randint(*LASTS_MS)
    if kind is FaultKind.NODE_PAUSED:
        lasts_ms = random.choice(PAUSES_MS)
    node, other = random.sample(nodes_of(cluster), 2)
    what = other if kind in _OF_TWO else ""
    return Fault(
        kind=kind,
        at_ms=random.randint(0, last_ms),
        node="" if kind is FaultKind.WITNESS_KILLED else node,
        lasts_ms=0 if kind in MOMENTARY else lasts_ms,
        # of the two cables of a node, the one between the nodes is the more interesting
        link=random.choice((0, 0, 1)) if _has_two_cables(cluster, kind) else 0,
        what=random.choice(PROCESSES) if kind is FaultKind.PROCESS_HANGS else what,
        seconds=random.choice(JUMPS_S) if kind is FaultKind.CLOCK_JUMP else 0,
        is_hard=kind is FaultKind.LINK_KILLED and random.random() < 0.5,
    )


def _has_two_cables(cluster: Cluster, kind: FaultKind) -> bool:
    return cluster is Cluster.WITNESS and kind in _ON_A_CABLE
