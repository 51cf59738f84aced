"""Nodes that stop in order: for whom the one that comes back has to wait, and what ends it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import pytest

from everbeat.model.cluster import Quorum
from everbeat.model.fencing import FenceAction
from everbeat.model.groups import AutoFailback
from everbeat.model.names import NodeName
from everbeat.sim.checkers import check_each_group_is_held_once, holders
from everbeat.sim.cluster import groups_for, wait_settled
from everbeat.sim.devices import SimulatedDevices
from everbeat.sim.splits import split_configs
from everbeat.sim.witness import SimulatedWitness
from everbeat.sim.world import World

if TYPE_CHECKING:
    from everbeat.sim.machine import Machine

ALPHA, BETA, GAMMA = NodeName("alpha"), NodeName("beta"), NodeName("gamma")
LONG_MS: Final = 30_000
"""Longer than initdead, a right gained anew and groups on their way."""


@pytest.fixture(params=[False, True], ids=["votes", "votes-and-devices"])
def world(request: pytest.FixtureRequest) -> World:
    """Return three nodes that have settled; two holders break a promise at any time."""
    made_for = split_configs(Quorum.VOTES, AutoFailback.ON, has_devices=request.param)
    configs = [replace(config, stonith_action=FenceAction.OFF) for config in made_for]
    made = World(configs, groups_for(3), seed=1, is_exclusive=True)
    made.devices = SimulatedDevices(made) if request.param else None
    for machine in made.machines.values():
        machine.power_on()
    wait_settled(made)
    return made


def stop(world: World, *names: NodeName) -> None:
    for name in names:
        world.machines[name].stop()
        world.run_until(world.now_ms + LONG_MS)


def start(world: World, name: NodeName) -> Machine:
    machine = world.machines[name]
    machine.power_on()
    world.run_until(world.now_ms + LONG_MS)
    return machine


def holding(world: World) -> set[str]:
    return {node for nodes in holders(world.machines.values()).values() for node in nodes}


def waits_for(machine: Machine) -> tuple[NodeName, ...]:
    assert machine.link is not None
    quorum = machine.link.view().quorum
    assert quorum is not None
    return quorum.waits_for


def test_who_was_stopped_first_waits_for_the_one_stopped_later(world: World) -> None:
    stop(world, BETA, GAMMA)
    assert holding(world) == {ALPHA}, "all others left, and promised to wait for it"
    beta = start(world, BETA)
    assert holding(world) == {ALPHA}
    assert waits_for(beta) == (GAMMA,)
    start(world, GAMMA)
    check_each_group_is_held_once(world.machines.values())
    assert holding(world) == {ALPHA, BETA, GAMMA}


def test_who_was_stopped_last_waits_for_nobody_that_is_off(world: World) -> None:
    stop(world, GAMMA, BETA)
    beta = start(world, BETA)
    assert waits_for(beta) == ()
    assert holding(world) == {ALPHA, BETA}


@pytest.mark.parametrize("is_confirmed", [False, True])
def test_when_the_one_that_served_alone_stops_too_all_are_needed_or_a_persons_word(
    world: World, *, is_confirmed: bool
) -> None:
    stop(world, BETA, GAMMA)
    beta = start(world, BETA)
    stop(world, ALPHA)
    assert holding(world) == set(), "beta never heard gamma's farewell"
    assert waits_for(beta) == (GAMMA,)
    start(world, ALPHA)
    assert holding(world) == set(), "beta has no vote about gamma, so alpha is alone with its own"
    if is_confirmed:
        assert beta.confirm_off(GAMMA) == ""
        world.run_until(world.now_ms + LONG_MS)
        assert holding(world) == {ALPHA, BETA}
    start(world, GAMMA)
    assert holding(world) == {ALPHA, BETA, GAMMA}


def test_nodes_that_were_killed_promised_nothing(world: World) -> None:
    for name in (BETA, GAMMA):
        world.machines[name].power_off()
        world.run_until(world.now_ms + LONG_MS)
    assert holding(world) == set(), "one of three"
    beta = start(world, BETA)
    world.run_until(world.now_ms + LONG_MS)
    assert waits_for(beta) == ()
    assert holding(world) == {ALPHA, BETA}


@pytest.mark.parametrize("how", ["stopped", "killed"])
def test_a_persons_word_that_the_other_is_off_ends_the_waiting(world: World, how: str) -> None:
    stop(world, BETA)
    if how == "stopped":
        stop(world, GAMMA)
    else:
        world.machines[GAMMA].power_off()
        world.run_until(world.now_ms + LONG_MS)
    beta = start(world, BETA)
    assert holding(world) == ({ALPHA} if how == "stopped" else set())
    assert beta.confirm_off(ALPHA) == "nobody waits for alpha to be fenced"
    assert beta.confirm_off(GAMMA) == ""
    world.run_until(world.now_ms + LONG_MS)
    assert holding(world) == {ALPHA, BETA}
    start(world, GAMMA)
    check_each_group_is_held_once(world.machines.values())
    assert holding(world) == {ALPHA, BETA, GAMMA}


@pytest.mark.parametrize("kind", [Quorum.WITNESS, Quorum.PING])
def test_of_a_pair_a_persons_word_ends_the_waiting_as_well(kind: Quorum) -> None:
    world = World(split_configs(kind, AutoFailback.ON), groups_for(2), seed=1, is_exclusive=True)
    world.witness = SimulatedWitness()
    world.witness.power_on(world.now_ms)
    for machine in world.machines.values():
        machine.disk.ping_proof = machine.config.ping_hosts
        machine.power_on()
    wait_settled(world)
    stop(world, ALPHA)
    world.machines[BETA].power_off()
    alpha = start(world, ALPHA)
    assert waits_for(alpha) == (BETA,)
    assert holding(world) == set()
    assert alpha.confirm_off(BETA) == ""
    world.run_until(world.now_ms + LONG_MS)
    assert holding(world) == {ALPHA}
    assert waits_for(alpha) == ()
