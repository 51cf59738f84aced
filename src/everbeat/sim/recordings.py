"""Histories with an adversary: recordings played at clusters of every kind, and what must hold.

Each history is a schedule (sim.schedule): one of the plots below or none, some usual faults and
some recordings on top, and at the end a time in which nothing is wrong but that recordings are
played. All of it is a value, so a finding can be made shorter.

    farewell    what a node said when it left once, to one that boots cut off from it
    new link    the same, to one whose link process is replaced
    ghost       what a node said, to one that boots alone
    held back   what a node said while the other did not hear it, to the other when it is off
    old files   what a node said when it distributed files that have been replaced since
    questions   what a node asked the witness, to a witness that was restarted

Never: two holders where something decides, or when nothing is wrong; files older than the newest; a
machine that is off and not dead in time; a group that is nowhere when nothing is wrong.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Final

from everbeat.model.cluster import Quorum
from everbeat.model.groups import AutoFailback
from everbeat.model.keys import AuthKey, AuthKeys
from everbeat.model.names import NodeName
from everbeat.sim.adversary import Adversary
from everbeat.sim.checkers import BrokenPromise
from everbeat.sim.cluster import groups_for
from everbeat.sim.network import SWITCH
from everbeat.sim.promptness import SETTLED_MS, Watch
from everbeat.sim.schedule import (
    MOMENTARY,
    PLAYED,
    Cluster,
    DoubleRun,
    Fault,
    FaultKind,
    Schedule,
    Trouble,
    booted_world,
    drawn_fault,
    end_of,
    kinds_of,
    settle,
)
from everbeat.sim.splits import split_configs
from everbeat.sim.world import Seals

if TYPE_CHECKING:
    from collections.abc import Callable

    from everbeat.ports.cipher import Cipher
    from everbeat.sim.machine import Factory

KINDS: Final = (Quorum.NONE, Quorum.PING, Quorum.WITNESS, Quorum.VOTES, Quorum.FENCING)
METHODS: Final = ("sha1", "sha256", "aes-siv")

QUIET_MS: Final = 12_000
"""How long a cluster must serve that has settled again."""

WELL_MS: Final = SETTLED_MS + QUIET_MS
STOPPING_MS: Final = 3_000

_SECRET: Final = b"heard by nobody"
_WORDS_MAX: Final = 12
_EXTRA_FAULTS_MAX: Final = 2
_EXTRA_PLAYS_MAX: Final = 3
_NOBODY: Final = NodeName("")
_ROUND_MS: Final = 500  # moments in plots are round: a short schedule is easier to read


def recorded_cluster(seed: int, kind: Quorum) -> Cluster:
    """Return the cluster that is tried with this seed."""
    mode = AutoFailback.OFF if seed % 2 else AutoFailback.ON
    if seed % 7 == 1 and kind is not Quorum.VOTES:
        mode = AutoFailback.LEGACY
    has_devices = kind is Quorum.FENCING or (kind is not Quorum.NONE and seed % 6 == 2)
    configs = split_configs(kind, mode, has_devices=has_devices)
    return Cluster(tuple(configs), groups_for(len(configs)))


def seals_for(seed: int, cipher: Cipher) -> Seals:
    """Return with what the datagrams are sealed with this seed; `cipher`: AES-SIV."""
    method = METHODS[seed % len(METHODS)]
    return Seals(AuthKeys(1, (AuthKey(1, method, _SECRET),)), cipher)


class RecordedRun:
    """One cluster with an adversary, and whoever looks whether its promises hold."""

    def __init__(
        self,
        cluster: Cluster,
        seed: int,
        seals: Seals,
        factory: Factory | None = None,
        *,
        is_attacked: bool = True,
    ) -> None:
        """Boot it; without an attack the adversary is not there, and all else is the same."""
        is_deciding = cluster.quorum is not Quorum.NONE
        self.cluster = cluster
        self.world = booted_world(cluster, seed, factory, seals=seals, is_exclusive=is_deciding)
        if is_attacked:
            self.world.adversary = Adversary(self.world)
        self.settled_ms = 0
        self._trouble = Trouble(self.world, self._look)
        self.watch = Watch(self.world, self._trouble, cluster.quorum)

    def run(self, schedule: Schedule) -> None:
        """Let it settle, and the schedule happen. Raise BrokenPromise for a finding."""
        world = self.world
        settle(world, self.cluster)
        self.settled_ms = world.now_ms
        self.watch.begin()
        self._trouble.bring_about(schedule)
        faults_end_ms = end_of(tuple(f for f in schedule if f.kind not in PLAYED | MOMENTARY))
        for machine in world.machines.values():  # one that was stopping when it was to be started
            world.after(faults_end_ms + STOPPING_MS, machine.power_on)
        world.run_until(world.now_ms + max(end_of(schedule), faults_end_ms + WELL_MS))

    def _look(self) -> None:
        self.watch.look()


def recorded_history(
    seed: int, cipher: Cipher, kind: Quorum | None = None, *, is_attacked: bool = True
) -> RecordedRun:
    """Run one seeded history; the world's log tells it. Raise BrokenPromise for a finding.

    Of no given kind: the seed chooses one.
    """
    cluster = recorded_cluster(seed, kind or KINDS[seed % len(KINDS)])
    run = RecordedRun(cluster, seed, seals_for(seed, cipher), is_attacked=is_attacked)
    run.run(drawn_recordings(cluster, seed))
    return run


def run_recorded(
    cluster: Cluster, schedule: Schedule, seed: int, *, seals: Seals
) -> DoubleRun | None:
    """Run a schedule as `schedule.run_schedule` does, with the adversary; `partial` gives a Run."""
    run = RecordedRun(cluster, seed, seals)
    try:
        run.run(schedule)
    except BrokenPromise as found:
        at_ms = run.world.now_ms - run.settled_ms
        return DoubleRun(schedule, seed, at_ms, str(found), tuple(run.world.log))
    return None


# -- schedules -------------------------------------------------------------------------------------


def drawn_recordings(cluster: Cluster, seed: int) -> Schedule:
    """Draw a schedule, sorted by time."""
    random = Random(seed)  # noqa: S311 - not for secrets
    names = [config.node for config in cluster.configs]
    random.shuffle(names)
    plots = _plots_of(cluster.quorum)
    plot = plots[random.randrange(len(plots))]
    faults = plot(cluster, names, random)
    kinds = kinds_of(cluster)
    for _ in range(random.randrange(_EXTRA_FAULTS_MAX + 1)):
        faults.append(drawn_fault(cluster, kinds, random))
    for _ in range(random.randrange(_EXTRA_PLAYS_MAX + 1)):
        at_ms = _round(random.randrange(5 * cluster.dead_ms))
        faults.append(_drawn_play(cluster, random, at_ms))
    end_ms = end_of(tuple(faults))
    faults += _in_quiet(cluster, names, random, end_ms)
    return tuple(sorted(faults, key=lambda fault: fault.at_ms))


def _in_quiet(cluster: Cluster, names: list[NodeName], random: Random, end_ms: int) -> list[Fault]:
    """Return what is played when nothing is wrong any more; a link process may be replaced."""
    settled_ms = _round(end_ms) + SETTLED_MS
    faults = [_drawn_play(cluster, random, settled_ms + _moment(random, 2_000)) for _ in range(2)]
    if random.randrange(2) == 0:
        at_ms = settled_ms + _moment(random, QUIET_MS // 2)
        victim, other = names[:2]
        faults.append(_words(random, other, victim, at_ms - 1_000, QUIET_MS // 2))
        faults.append(Fault(kind=FaultKind.LINK_DIES, at_ms=at_ms, node=victim))
    return [replace(f, lasts_ms=min(f.lasts_ms, settled_ms + QUIET_MS - f.at_ms)) for f in faults]


def _drawn_play(cluster: Cluster, random: Random, at_ms: int) -> Fault:
    """Draw a recording of any kind, from anybody to anybody."""
    names = [config.node for config in cluster.configs]
    node, other = (names[random.randrange(len(names))] for _ in range(2))
    kinds = [FaultKind.WORDS_PLAYED, FaultKind.STRETCH_PLAYED, FaultKind.SOME_PLAYED]
    if cluster.quorum is Quorum.WITNESS:
        kinds.append(FaultKind.QUESTIONS_PLAYED)
    if cluster.quorum is Quorum.PING and random.randrange(3) == 0:
        node = SWITCH
    lasts_ms = cluster.dead_ms + _moment(random, cluster.dead_ms)
    play = Fault(kind=FaultKind.SOME_PLAYED, at_ms=at_ms, node=node, lasts_ms=lasts_ms)
    match kinds[random.randrange(len(kinds))]:
        case FaultKind.WORDS_PLAYED:
            return _words(random, node, other, at_ms, lasts_ms)
        case FaultKind.STRETCH_PLAYED:
            age_ms = lasts_ms + _moment(random, 40_000)
            to = other if random.randrange(2) else _NOBODY
            return replace(play, kind=FaultKind.STRETCH_PLAYED, other=to, amount=age_ms)
        case FaultKind.QUESTIONS_PLAYED if node != SWITCH:
            every_ms = 1_000 + _moment(random, cluster.dead_ms)
            return replace(play, kind=FaultKind.QUESTIONS_PLAYED, amount=every_ms)
        case _:
            return replace(play, amount=1 + random.randrange(40))


def _words(random: Random, node: NodeName, other: NodeName, at_ms: int, lasts_ms: int) -> Fault:
    """Draw some of the last words of a node, or one of them."""
    count = (_WORDS_MAX, 4, -1 - random.randrange(_WORDS_MAX))[random.randrange(3)]
    return Fault(
        kind=FaultKind.WORDS_PLAYED,
        at_ms=at_ms,
        node=node,
        other=other,
        lasts_ms=lasts_ms,
        amount=count,
    )


# -- plots: names[0] is recorded, names[1] is played to --------------------------------------------

if TYPE_CHECKING:
    Plot = Callable[[Cluster, list[NodeName], Random], list[Fault]]


def _plots_of(quorum: Quorum) -> tuple[Plot, ...]:
    usual: tuple[Plot, ...] = (
        _farewell,
        _farewell,
        _new_link,
        _ghost,
        _held_back,
        _old_files,
        _no_plot,
    )
    return (*usual, _questions, _questions) if quorum is Quorum.WITNESS else usual


def _no_plot(_cluster: Cluster, _names: list[NodeName], _random: Random) -> list[Fault]:
    return []


def _left_once(cluster: Cluster, names: list[NodeName], random: Random) -> tuple[list[Fault], int]:
    """Let all but the second stop in order and come back; return when all is well again."""
    faults = []
    at_ms = 0
    for name in (names[0], *names[2:]):
        lasts_ms = 2_000 + _moment(random, cluster.dead_ms)
        faults.append(Fault(kind=FaultKind.STOP, at_ms=at_ms, node=name, lasts_ms=lasts_ms))
        at_ms += lasts_ms + cluster.dead_ms + 4_000
    return faults, at_ms + 2_000


def _farewell(cluster: Cluster, names: list[NodeName], random: Random) -> list[Fault]:
    faults, at_ms = _left_once(cluster, names, random)
    victim, lasts_ms = names[1], 3 * cluster.dead_ms
    faults += _parted(cluster, names, at_ms, lasts_ms)
    off_ms = 1_000 + _moment(random, cluster.dead_ms)
    faults.append(Fault(kind=FaultKind.POWER_CUT, at_ms=at_ms, node=victim, lasts_ms=off_ms))
    others = (name for name in names if name != victim)
    return [*faults, *(_words(random, name, victim, at_ms, lasts_ms) for name in others)]


def _new_link(cluster: Cluster, names: list[NodeName], random: Random) -> list[Fault]:
    faults, at_ms = _left_once(cluster, names, random)
    lasts_ms = 2 * cluster.dead_ms
    if random.randrange(2):
        faults += _parted(cluster, names, at_ms + 500, lasts_ms)
        if cluster.quorum is Quorum.FENCING:
            kind = FaultKind.DEVICES_FAIL
            faults.append(Fault(kind=kind, at_ms=at_ms, node=names[1], lasts_ms=lasts_ms))
    for name in names:
        if name != names[1]:
            faults.append(_words(random, name, names[1], at_ms, lasts_ms))
    for after_ms in (1_000, 1_000 + cluster.dead_ms + _moment(random, 4_000)):
        kind = FaultKind.LINK_DIES
        faults.append(Fault(kind=kind, at_ms=at_ms + after_ms, node=names[1]))
    return faults


def _ghost(cluster: Cluster, names: list[NodeName], random: Random) -> list[Fault]:
    at_ms = _moment(random, 10_000)
    off_ms = 1_000 + _moment(random, 4_000)
    long_ms = 4 * cluster.dead_ms
    faults = [
        Fault(kind=FaultKind.POWER_CUT, at_ms=at_ms, node=names[0], lasts_ms=long_ms),
        *(
            Fault(kind=FaultKind.POWER_CUT, at_ms=at_ms, node=name, lasts_ms=off_ms)
            for name in names[1:]
        ),
    ]
    age_ms = at_ms + off_ms + 3_000 + _moment(random, 10_000)
    return [*faults, _stretch(names[0], _NOBODY, at_ms + off_ms, age_ms, long_ms)]


def _held_back(cluster: Cluster, names: list[NodeName], random: Random) -> list[Fault]:
    cut_ms = 2 * cluster.dead_ms + _moment(random, 6_000)
    faults = _parted(cluster, names, 0, cut_ms)
    if random.randrange(2):
        faults = [replace(f, is_one_way=f.kind is FaultKind.CUT) for f in faults]
    long_ms = 3 * cluster.dead_ms
    off = Fault(kind=FaultKind.POWER_CUT, at_ms=cut_ms, node=names[0], lasts_ms=long_ms)
    return [*faults, off, _stretch(names[0], _NOBODY, cut_ms, cut_ms, long_ms)]


def _old_files(cluster: Cluster, names: list[NodeName], random: Random) -> list[Fault]:
    second_ms = 3_000 + _moment(random, 3_000)
    off_ms = second_ms + 3_000
    lasts_ms = 1_000 + _moment(random, 2_000)
    asker = names[random.randrange(2)]
    faults = [
        Fault(kind=FaultKind.DISTRIBUTE, at_ms=1_000, node=names[0]),
        Fault(kind=FaultKind.DISTRIBUTE, at_ms=second_ms, node=asker),
    ]
    if random.randrange(3):
        long_ms = 3 * cluster.dead_ms
        faults.append(
            Fault(kind=FaultKind.POWER_CUT, at_ms=off_ms, node=names[0], lasts_ms=long_ms)
        )
    faults.append(Fault(kind=FaultKind.POWER_CUT, at_ms=off_ms, node=names[1], lasts_ms=lasts_ms))
    play_ms = off_ms + lasts_ms + 500 + _moment(random, 1_000)
    return [*faults, _stretch(names[0], names[1], play_ms, play_ms, second_ms)]


def _questions(cluster: Cluster, names: list[NodeName], random: Random) -> list[Fault]:
    cut_ms = 2 * cluster.dead_ms
    down_ms = 500 + _moment(random, 3_000)
    at_ms = cut_ms + 2_000
    long_ms = 4 * cluster.dead_ms
    every_ms = cluster.dead_ms - 500 - _moment(random, 3_000)
    return [
        *_parted(cluster, names, 0, cut_ms),
        Fault(kind=FaultKind.WITNESS_DOWN, at_ms=at_ms, node=names[0], lasts_ms=down_ms),
        Fault(kind=FaultKind.POWER_CUT, at_ms=at_ms, node=names[0], lasts_ms=long_ms),
        Fault(
            kind=FaultKind.QUESTIONS_PLAYED,
            at_ms=at_ms + down_ms + 500,
            node=names[0],
            lasts_ms=long_ms,
            amount=every_ms,
        ),
    ]


def _parted(cluster: Cluster, names: list[NodeName], at_ms: int, lasts_ms: int) -> list[Fault]:
    """Part the second node from the other nodes, and where it can be from nothing else."""
    if cluster.quorum is Quorum.PING:
        return [Fault(kind=FaultKind.ISOLATED, at_ms=at_ms, node=names[1], lasts_ms=lasts_ms)]
    return [
        Fault(kind=FaultKind.CUT, at_ms=at_ms, node=name, other=names[1], lasts_ms=lasts_ms)
        for name in names
        if name != names[1]
    ]


def _stretch(node: NodeName, other: NodeName, at_ms: int, age_ms: int, lasts_ms: int) -> Fault:
    kind = FaultKind.STRETCH_PLAYED
    return Fault(kind=kind, at_ms=at_ms, node=node, other=other, lasts_ms=lasts_ms, amount=age_ms)


def _moment(random: Random, limit_ms: int) -> int:
    return _round(random.randrange(limit_ms + 1))


def _round(ms: int) -> int:
    return ms // _ROUND_MS * _ROUND_MS
