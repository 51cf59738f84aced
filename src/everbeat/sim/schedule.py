"""Schedules of faults as values: drawn from a seed, run on a configuration, made shorter.

A schedule is a tuple of faults, each with its moment after the cluster has settled and how long it
lasts. `run_schedule` says whether two machines held a group; `shortened` drops and rounds what is
not needed for that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Final, TypeAlias

from everbeat.model.cluster import DRIFT_PERMILLE, Medium, MediumKind, Quorum
from everbeat.model.names import NodeName
from everbeat.sim.checkers import BrokenPromise, check_each_group_is_held_once
from everbeat.sim.devices import DeviceManner, SimulatedDevices
from everbeat.sim.network import SWITCH, WITNESS
from everbeat.sim.witness import SimulatedWitness
from everbeat.sim.world import Seals, World

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from everbeat.model.cluster import HaConfig
    from everbeat.model.groups import ResourceGroup, ResourceSpec
    from everbeat.sim.machine import Factory

_NOBODY: Final = NodeName("")

FAULTS_MAX: Final = 7
SETTLE_LOOKS_MAX: Final = 400
SCRIPT_MS_MAX: Final = 310
"""What one simulated script takes at most, rounded up."""

RATE_PPM_MAX: Final = DRIFT_PERMILLE * 1_000 - 100
NOISE_PERMILLE_MAX: Final = 300
RERUNS: Final = 3
"""Other seeds tried when a shorter schedule does not do it with the first one."""


class FaultKind(Enum):
    """What may go wrong. A value is its name in JSON."""

    CUT = "cut"  # node and other do not hear each other; one-way: other does not hear node
    ISOLATED = "isolated"  # node's only cable
    POWER_CUT = "power-cut"
    STOP = "stop"  # in order, and started again at the end
    LINK_DIES = "link-dies"
    CORE_DIES = "core-dies"
    PAUSE = "pause"
    NOISE = "noise"
    STANDBY = "standby"
    TAKEOVER = "takeover"
    WITNESS_DOWN = "witness-down"
    WITNESS_LATE = "witness-late"
    DEVICES_FAIL = "devices-fail"
    DISTRIBUTE = "distribute"  # the next version of the files to all nodes
    WORDS_PLAYED = "words-played"  # an adversary plays recordings: sim/adversary.py
    STRETCH_PLAYED = "stretch-played"
    SOME_PLAYED = "some-played"
    QUESTIONS_PLAYED = "questions-played"


MOMENTARY: Final = frozenset(
    {
        FaultKind.LINK_DIES,
        FaultKind.CORE_DIES,
        FaultKind.STANDBY,
        FaultKind.TAKEOVER,
        FaultKind.DISTRIBUTE,
    }
)
"""Faults that have no end of their own."""

PLAYED: Final = frozenset(
    {
        FaultKind.WORDS_PLAYED,
        FaultKind.STRETCH_PLAYED,
        FaultKind.SOME_PLAYED,
        FaultKind.QUESTIONS_PLAYED,
    }
)
"""What an adversary does. `node` is whose recording it is, `other` to whom; nobody: to all."""


_OF_NETWORK: Final = frozenset(
    {FaultKind.CUT, FaultKind.ISOLATED, FaultKind.NOISE, FaultKind.WITNESS_LATE}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault. Times are milliseconds after the cluster has settled."""

    kind: FaultKind
    at_ms: int
    node: NodeName
    lasts_ms: int = 0
    other: NodeName = _NOBODY
    is_one_way: bool = False
    amount: int = 0
    """Noise: lost datagrams of 1000. Late witness: milliseconds. Words: so many from a life's end;
    below 0 the one alone that stands there. Stretch: how many milliseconds ago it began. Some: how
    many. Questions: milliseconds from one to the next."""


Schedule = tuple[Fault, ...]


@dataclass(frozen=True, slots=True)
class Cluster:
    """What is tried: each node's configuration, and the groups."""

    configs: tuple[HaConfig, ...]
    groups: tuple[ResourceGroup, ...]

    @property
    def quorum(self) -> Quorum:
        """Return what decides a split."""
        return self.configs[0].quorum

    @property
    def dead_ms(self) -> int:
        """Return the longest deadtime of the nodes."""
        return max(config.timing.deadtime_ms for config in self.configs)


@dataclass(frozen=True, slots=True)
class DoubleRun:
    """Two machines held the same resource; or `what` says which other promise was broken."""

    schedule: Schedule
    seed: int
    at_ms: int  # after the cluster had settled
    what: str
    log: tuple[str, ...]


Run: TypeAlias = Callable[[Cluster, Schedule, int], DoubleRun | None]
"""Runs a schedule on a cluster with a seed, and returns what was found."""


def simulated_cluster(configs: Iterable[HaConfig], groups: Iterable[ResourceGroup]) -> Cluster:
    """Return what is tried of a configuration: groups that can be stopped within stoptime.

    Whether the real ones can is nothing a simulation knows; who may hold them does not depend on
    how many resources they have. Of several media one is enough, as faults hit all of them.
    """
    found = tuple(_lean(config) for config in configs)
    stop_ms = min(config.timing.stoptime_ms for config in found)
    count = max(1, stop_ms // SCRIPT_MS_MAX - 1)
    return Cluster(found, _told_apart([replace(g, resources=g.resources[:count]) for g in groups]))


def _told_apart(groups: list[ResourceGroup]) -> tuple[ResourceGroup, ...]:
    """Say of a resource that several groups name whose it is: each may be on another machine."""
    counts = Counter(word for group in groups for word in {r.text for r in group.resources})

    def told(resource: ResourceSpec, group: ResourceGroup) -> ResourceSpec:
        if counts[resource.text] == 1:
            return resource
        text = f"{resource.text} of {group.key}"
        return replace(resource, text=text, arguments=(*resource.arguments, group.key))

    return tuple(replace(g, resources=tuple(told(r, g) for r in g.resources)) for g in groups)


def _lean(config: HaConfig) -> HaConfig:
    messaging = [medium for medium in config.media if not medium.kind.is_ping]
    one = Medium(kind=MediumKind.BCAST, link=messaging[0].link, interface="eth0")
    pings = [medium for medium in config.media if medium.kind.is_ping]
    return replace(config, media=(one, *pings), msgfmt="netstring")


def kinds_of(cluster: Cluster) -> tuple[FaultKind, ...]:
    """Return the faults that the configuration promises to stand, likely ones more than once."""
    kinds = [
        *(FaultKind.ISOLATED,) * 2,
        FaultKind.POWER_CUT,
        FaultKind.STOP,
        FaultKind.LINK_DIES,
        FaultKind.CORE_DIES,
        FaultKind.STANDBY,
        FaultKind.TAKEOVER,
    ]
    if cluster.quorum is not Quorum.PING:  # ping nodes see cut cables, and nothing finer
        kinds += [FaultKind.CUT] * 3 + [FaultKind.NOISE]
    if cluster.quorum is Quorum.WITNESS:
        kinds += [FaultKind.WITNESS_DOWN, FaultKind.WITNESS_LATE]
    if all(config.watchdog for config in cluster.configs):
        kinds.append(FaultKind.PAUSE)
    return tuple(kinds)


def drawn_schedule(cluster: Cluster, seed: int) -> Schedule:
    """Draw a schedule: mostly a few faults, sorted by time."""
    random = Random(seed)  # noqa: S311 - not for secrets
    kinds = kinds_of(cluster)
    count = 1 + min(random.randrange(FAULTS_MAX), random.randrange(FAULTS_MAX))
    faults = [drawn_fault(cluster, kinds, random) for _ in range(count)]
    return tuple(sorted(faults, key=lambda fault: fault.at_ms))


def run_schedule(cluster: Cluster, schedule: Schedule, seed: int) -> DoubleRun | None:
    """Boot the cluster, let it settle, let the faults happen; return what was found."""
    world = booted_world(cluster, seed)
    began_ms = world.now_ms
    try:
        settle(world, cluster)
        began_ms = world.now_ms
        Trouble(world).bring_about(schedule)
        world.run_until(began_ms + end_of(schedule) + 2 * cluster.dead_ms + 2_000)
    except BrokenPromise as found:
        return DoubleRun(schedule, seed, world.now_ms - began_ms, str(found), tuple(world.log))
    return None


def end_of(schedule: Schedule) -> int:
    """Return when the last fault has ended, in milliseconds after the cluster has settled."""
    return max((fault.at_ms + fault.lasts_ms for fault in schedule), default=0)


def shortened(cluster: Cluster, found: DoubleRun, run: Run = run_schedule) -> DoubleRun:
    """Return a double run with fewer and rounder faults, the shortest that can be found."""
    best = found
    is_shorter = True
    while is_shorter:
        is_shorter = False
        for schedule in _shorter(best.schedule, cluster):
            again = _found_again(cluster, schedule, best.seed, run)
            if again is not None:
                best, is_shorter = again, True
                break
    return best


def _found_again(cluster: Cluster, schedule: Schedule, seed: int, run: Run) -> DoubleRun | None:
    for number in range(RERUNS):
        again = run(cluster, schedule, seed + number)
        if again is not None:
            return again
    return None


def _shorter(schedule: Schedule, cluster: Cluster) -> Iterator[Schedule]:
    """Yield simpler schedules: without a fault, both ways, without an end, at round times."""
    for index in range(len(schedule)):
        yield schedule[:index] + schedule[index + 1 :]
    long_ms = 3 * cluster.dead_ms
    for index, fault in enumerate(schedule):
        simpler = [replace(fault, is_one_way=False)] if fault.is_one_way else []
        if fault.kind not in MOMENTARY | PLAYED and fault.lasts_ms != long_ms:
            simpler.append(replace(fault, lasts_ms=long_ms))
        if index == 0 and fault.at_ms:
            simpler.append(replace(fault, at_ms=0))
        elif fault.at_ms % 1_000:
            simpler.append(replace(fault, at_ms=fault.at_ms // 1_000 * 1_000))
        for other in simpler:
            changed = (*schedule[:index], other, *schedule[index + 1 :])
            yield tuple(sorted(changed, key=lambda each: each.at_ms))


def drawn_fault(cluster: Cluster, kinds: tuple[FaultKind, ...], random: Random) -> Fault:
    """Draw one fault of these kinds."""
    names = [config.node for config in cluster.configs]
    kind = kinds[random.randrange(len(kinds))]
    node = names[random.randrange(len(names))]
    others = [name for name in names if name != node]
    if cluster.quorum is Quorum.WITNESS:
        others.append(WITNESS)
    is_short = random.randrange(3) == 0
    fault = Fault(
        kind=kind,
        at_ms=random.randrange(3 * cluster.dead_ms),
        lasts_ms=random.randrange((1 if is_short else 3) * cluster.dead_ms),
        node=node,
    )
    match kind:
        case FaultKind.CUT:
            other = others[random.randrange(len(others))]
            return replace(fault, other=other, is_one_way=random.randrange(3) == 0)
        case FaultKind.NOISE:
            return replace(fault, amount=random.randrange(NOISE_PERMILLE_MAX))
        case FaultKind.WITNESS_LATE:
            return replace(fault, amount=random.randrange(2 * cluster.dead_ms))
        case _:
            return replace(fault, lasts_ms=0) if kind in MOMENTARY else fault


# -- the world -------------------------------------------------------------------------------------


def booted_world(
    cluster: Cluster,
    seed: int,
    factory: Factory | None = None,
    *,
    seals: Seals = Seals(),  # noqa: B008 - frozen
    is_exclusive: bool = True,
) -> World:
    """Return the cluster's world, all machines about to start; `seals`: of their datagrams."""
    world = World(
        cluster.configs, cluster.groups, seed, factory, seals=seals, is_exclusive=is_exclusive
    )
    if cluster.quorum is Quorum.WITNESS:
        world.witness = SimulatedWitness(rate_ppm=_rate(world))
        world.witness.power_on(world.now_ms)
    if any(config.fence_devices for config in cluster.configs):
        world.devices = SimulatedDevices(world)
    for machine in world.machines.values():
        machine.disk.ping_proof = machine.config.ping_hosts  # of the weeks before
        machine.rate_ppm, machine.has_own_clock = _rate(world), True
        if machine.config.watchdog:
            machine.watchdog_ms = machine.config.timing.stoptime_ms
        world.after(world.random.randrange(1_000), machine.power_on)
    return world


def _rate(world: World) -> int:
    return world.random.randrange(2 * RATE_PPM_MAX + 1) - RATE_PPM_MAX


def settle(world: World, cluster: Cluster) -> None:
    """Let the cluster start; it has settled when every group is held once."""
    look_ms = max(1_000, cluster.dead_ms // 4)
    for _ in range(SETTLE_LOOKS_MAX):
        world.run_until(world.now_ms + look_ms)
        try:
            check_each_group_is_held_once(world.machines.values())
        except BrokenPromise:
            continue
        return
    raise AssertionError("\n".join(["the simulated cluster did not settle", *world.log]))


class Trouble:
    """The faults of a schedule as they happen to a world."""

    def __init__(self, world: World, on_change: Callable[[], None] = lambda: None) -> None:
        self._world = world
        self._on_change = on_change
        self._active: list[Fault] = []

    @property
    def has_faults(self) -> bool:
        """Whether anything but recordings that are played goes on."""
        return any(fault.kind not in PLAYED for fault in self._active)

    @property
    def has_faults_of_network(self) -> bool:
        """Whether nodes and witness may not all hear each other in time."""
        return any(fault.kind in _OF_NETWORK for fault in self._active)

    def bring_about(self, schedule: Schedule) -> None:
        """Let the faults of a schedule begin and end, counted from now."""
        for fault in schedule:
            self._world.after(fault.at_ms, partial(self._begin, fault))
            if fault.kind not in MOMENTARY:
                self._world.after(fault.at_ms + fault.lasts_ms, partial(self._end, fault))

    def _begin(self, fault: Fault) -> None:
        if fault.kind not in MOMENTARY:
            self._active.append(fault)
        self._on_change()
        if fault.kind in PLAYED:
            _play(self._world, fault)
        else:
            _begin(self._world, fault)
        self._set_network()

    def _end(self, fault: Fault) -> None:
        self._active.remove(fault)
        if fault.kind not in PLAYED:
            _end(self._world, fault)
        self._set_network()
        self._on_change()

    def _set_network(self) -> None:
        """Let the network be what the faults that last now make of it."""
        network = self._world.network
        network.heal()
        for fault in self._active:
            if fault.kind is FaultKind.CUT:
                network.cut(fault.node, fault.other, is_one_way=fault.is_one_way)
            elif fault.kind is FaultKind.ISOLATED:
                for other in (*self._world.machines, WITNESS, SWITCH):
                    if other != fault.node:
                        network.cut(fault.node, other, is_one_way=False)
            elif fault.kind is FaultKind.NOISE:
                network.loss_permille = max(network.loss_permille, fault.amount)
                network.duplicate_permille = fault.amount
                network.delay_ms_max = 2 + fault.amount


def _begin(world: World, fault: Fault) -> None:
    machine = world.machines[fault.node]
    match fault.kind:
        case FaultKind.POWER_CUT:
            machine.power_off()
        case FaultKind.STOP:
            machine.stop()
        case FaultKind.LINK_DIES:
            machine.crash_link()
        case FaultKind.CORE_DIES:
            machine.crash_core()
        case FaultKind.PAUSE:
            machine.pause(fault.lasts_ms)
        case FaultKind.STANDBY:
            machine.ask_standby("all")
        case FaultKind.TAKEOVER:
            machine.ask_takeover("all")
        case FaultKind.WITNESS_DOWN if world.witness is not None:
            world.witness.power_off()
        case FaultKind.WITNESS_LATE if world.witness is not None:
            world.witness.late_ms_max = fault.amount
        case FaultKind.DEVICES_FAIL if world.devices is not None:
            world.devices.manner = DeviceManner.FAILING
        case FaultKind.DISTRIBUTE:
            machine.distribute()
        case _:
            pass  # the network's, see Trouble


def _play(world: World, fault: Fault) -> None:
    adversary = world.adversary
    if adversary is None:
        return
    match fault.kind:
        case FaultKind.WORDS_PLAYED:
            adversary.play_words(fault.node, fault.other, fault.amount, fault.lasts_ms)
        case FaultKind.STRETCH_PLAYED:
            adversary.play_stretch(fault.node, fault.other, fault.amount, fault.lasts_ms)
        case FaultKind.SOME_PLAYED:
            adversary.play_some(fault.amount, fault.lasts_ms)
        case FaultKind.QUESTIONS_PLAYED:
            adversary.play_questions(fault.node, fault.amount, fault.lasts_ms)
        case _:
            raise AssertionError("nothing else is played")


def _end(world: World, fault: Fault) -> None:
    machine = world.machines[fault.node]
    match fault.kind:
        case FaultKind.POWER_CUT | FaultKind.STOP:
            machine.power_on()
        case FaultKind.WITNESS_DOWN if world.witness is not None:
            world.witness.power_on(world.now_ms)
        case FaultKind.WITNESS_LATE if world.witness is not None:
            world.witness.late_ms_max = 0
        case FaultKind.DEVICES_FAIL if world.devices is not None:
            world.devices.manner = DeviceManner.WORKING
        case _:
            pass
