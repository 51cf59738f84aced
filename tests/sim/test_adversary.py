"""The adversary hears everything and plays it again; the promises with a time in them can bite."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from everbeat.adapters.cipher import AesSiv
from everbeat.model.cluster import Quorum
from everbeat.model.names import NodeName
from everbeat.model.operations import Action
from everbeat.node.link_node import LinkNode
from everbeat.sim.agents import Manner
from everbeat.sim.checkers import BrokenPromise, NewestOnly
from everbeat.sim.machine import Factory
from everbeat.sim.promptness import OUTAGE_MS, SETTLED_MS
from everbeat.sim.recordings import (
    KINDS,
    METHODS,
    RecordedRun,
    recorded_cluster,
    recorded_history,
    seals_for,
)
from everbeat.sim.schedule import Fault, FaultKind, settle

if TYPE_CHECKING:
    from everbeat.membership.identity import Identity
    from everbeat.model.cluster import HaConfig
    from everbeat.model.keys import AuthKeys
    from everbeat.node.link_effects import LinkEffect
    from everbeat.ports.chance import Random
    from everbeat.sim.world import World

ALPHA, BETA = NodeName("alpha"), NodeName("beta")
CONTROL_SEEDS = 8
SERVICE = "web::alpha"


def run_of(kind: Quorum, seed: int = 0, factory: Factory | None = None) -> RecordedRun:
    return RecordedRun(recorded_cluster(seed, kind), seed, seals_for(seed, AesSiv()), factory)


def listening(kind: Quorum) -> tuple[World, dict[NodeName, list[int]]]:
    """Return a settled cluster, and when which node hears something."""
    ears = Ears()
    run = run_of(kind, 0, Factory(link=ears.link))
    ears.world = run.world
    settle(run.world, run.cluster)
    return run.world, ears.heard


@pytest.mark.parametrize("kind", KINDS)
def test_without_the_adversary_the_same_histories_break_no_promise(kind: Quorum) -> None:
    runs = [
        recorded_history(seed, AesSiv(), kind, is_attacked=False) for seed in range(CONTROL_SEEDS)
    ]
    assert any(run.watch.serving.is_proved for run in runs)
    assert any(run.watch.dead_in_time.is_proved for run in runs)


def test_the_seeds_try_every_kind_with_every_method() -> None:
    tried = {
        (recorded_cluster(seed, KINDS[seed % len(KINDS)]).quorum, METHODS[seed % len(METHODS)])
        for seed in range(len(KINDS) * len(METHODS))
    }
    assert len(tried) == len(KINDS) * len(METHODS)


def test_the_same_seed_gives_the_same_history() -> None:
    def log(seed: int) -> list[str]:
        cluster = recorded_cluster(seed, Quorum.WITNESS)
        run = RecordedRun(cluster, seed, seals_for(seed, AesSiv()))
        run.run(PLAYED)
        return run.world.log

    assert log(8) == log(8)
    assert log(8) != log(11)


PLAYED = (
    Fault(kind=FaultKind.STOP, at_ms=0, node=ALPHA, lasts_ms=3_000),
    Fault(kind=FaultKind.SOME_PLAYED, at_ms=9_000, node=ALPHA, lasts_ms=3_000, amount=30),
    Fault(
        kind=FaultKind.STRETCH_PLAYED,
        at_ms=9_000,
        node=ALPHA,
        other=BETA,
        lasts_ms=3_000,
        amount=9_000,
    ),
)
"""Recordings that a cluster stands that does not begin anew meanwhile."""


@pytest.mark.parametrize("seed", range(3))
def test_what_is_played_at_a_cluster_that_goes_on_changes_nothing(seed: int) -> None:
    run = run_of(Quorum.WITNESS, seed)
    run.run(PLAYED)
    assert run.world.adversary is not None
    assert run.world.adversary.played_count > 30
    assert run.watch.serving.is_proved


# -- what he plays --------------------------------------------------------------------------------


def test_a_stretch_is_played_to_whom_is_cut_off_and_at_its_own_pace() -> None:
    world, heard = listening(Quorum.NONE)
    world.network.cut(ALPHA, BETA, is_one_way=False)
    world.run_until(world.now_ms + 1_000)
    heard[BETA].clear()
    world.run_until(world.now_ms + 5_000)
    assert not heard[BETA]
    assert world.adversary is not None
    world.adversary.play_stretch(ALPHA, BETA, 5_000, 5_000)
    world.run_until(world.now_ms + 5_000)
    assert len(heard[BETA]) >= 4
    assert heard[BETA][-1] - heard[BETA][0] >= 3_000


def test_words_are_those_of_a_life_that_ended_and_come_before_anybody_elses() -> None:
    world, heard = listening(Quorum.NONE)
    alpha, beta = world.machines[ALPHA], world.machines[BETA]
    life = alpha.link_life
    alpha.stop()
    world.run_until(world.now_ms + 5_000)
    alpha.power_on()
    world.run_until(world.now_ms + 9_000)
    assert alpha.link_life > life
    beta.power_off()
    assert world.adversary is not None
    world.adversary.play_words(ALPHA, BETA, 3, 10_000)
    assert f"3 last words of its life {life} for beta" in world.log[-1]
    heard[BETA].clear()
    beta.power_on()
    on_ms = world.now_ms
    world.run_until(on_ms + 2)
    assert heard[BETA][:3] == [on_ms + 1] * 3
    assert len(heard[BETA]) >= 6  # and once more; alpha may have answered by then


def test_questions_reach_a_witness_that_was_restarted() -> None:
    world, _ = listening(Quorum.WITNESS)
    world.network.cut(ALPHA, BETA, is_one_way=False)
    world.run_until(world.now_ms + 20_000)
    witness, adversary = world.witness, world.adversary
    assert witness is not None
    assert adversary is not None
    witness.power_off()
    witness.power_on(world.now_ms)
    for machine in world.machines.values():
        machine.power_off()
    adversary.play_questions(ALPHA, 500, 3_000)
    world.run_until(world.now_ms + 3_000)
    assert adversary.played_count >= 4


class Ears:
    """Notes which node's link process gets a datagram when."""

    def __init__(self) -> None:
        self.world: World | None = None
        self.heard: dict[NodeName, list[int]] = {ALPHA: [], BETA: []}

    def link(
        self, config: HaConfig, keys: AuthKeys, identity: Identity, random: Random
    ) -> LinkNode:
        ears = self

        class ListeningLink(LinkNode):
            def on_datagram(
                self, medium: int, data: bytes, source: str, now_ms: int
            ) -> list[LinkEffect]:
                assert ears.world is not None
                if not config.media[medium].kind.is_ping:
                    ears.heard[config.node].append(ears.world.now_ms)
                return super().on_datagram(medium, data, source, now_ms)

        return ListeningLink(config, keys, identity, random)


# -- the promises bite ----------------------------------------------------------------------------


def test_files_older_than_the_newest_anywhere_are_seen() -> None:
    checker = NewestOnly()
    for _ in range(2):
        checker.next_version()
    checker.on_installed(ALPHA, 1)
    checker.on_installed(ALPHA, 2)
    with pytest.raises(BrokenPromise, match="beta went back from files 2 to 1"):
        checker.on_installed(BETA, 1)


def test_versions_that_are_distributed_are_installed_everywhere() -> None:
    run = run_of(Quorum.VOTES)
    run.run((Fault(kind=FaultKind.DISTRIBUTE, at_ms=1_000, node=BETA),))
    assert [machine.disk.version for machine in run.world.machines.values()] == [1, 1, 1]


def _patient_link(config: HaConfig, keys: AuthKeys, identity: Identity, random: Random) -> LinkNode:
    """Return a link node broken on purpose: it believes in the others for far too long."""
    timing = replace(config.timing, deadtime_ms=60_000, initdead_ms=60_000)
    return LinkNode(replace(config, timing=timing), keys, identity, random)


def test_a_link_that_waits_too_long_for_the_dead_is_seen() -> None:
    run = run_of(Quorum.NONE)
    settle(run.world, run.cluster)
    for machine in run.world.machines.values():
        machine.factory = Factory(link=_patient_link)
        machine.crash_link()
    off = Fault(kind=FaultKind.POWER_CUT, at_ms=1_000, node=ALPHA, lasts_ms=60_000)
    with pytest.raises(BrokenPromise, match="alpha is off, and active to beta"):
        run.run((off,))


def test_a_group_that_is_nowhere_on_a_well_cluster_is_seen() -> None:
    run = run_of(Quorum.NONE)
    settle(run.world, run.cluster)
    run.watch.begin()
    run.world.run_until(run.world.now_ms + SETTLED_MS + 1_000)
    alpha = run.world.machines[ALPHA]
    alpha.agents.manner = Manner.HANGING  # a monitor that is due now does not mend it
    alpha.kill_service(len(alpha.agents.running) - 1, is_noticed=False)
    with pytest.raises(BrokenPromise, match="nothing is wrong, and only"):
        run.world.run_until(run.world.now_ms + 2 * OUTAGE_MS)


def test_where_nothing_decides_two_holders_count_only_while_nothing_is_wrong() -> None:
    run = run_of(Quorum.NONE)
    cut = Fault(kind=FaultKind.CUT, at_ms=0, node=ALPHA, other=BETA, lasts_ms=30_000)
    run.run((cut,))  # both held everything
    holder = next(m for m in run.world.machines.values() if SERVICE in m.agents.running)
    other = next(m for m in run.world.machines.values() if m is not holder)
    with pytest.raises(BrokenPromise, match=f"{SERVICE} runs on"):
        other.agents.begin(SERVICE, Action.START)


def test_where_something_decides_two_holders_count_always() -> None:
    run = run_of(Quorum.WITNESS)
    assert run.world.is_exclusive
    run.run((Fault(kind=FaultKind.CUT, at_ms=0, node=ALPHA, other=BETA, lasts_ms=30_000),))
    assert run.watch.serving.is_proved
