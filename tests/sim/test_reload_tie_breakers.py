"""The tie-breaker of a running cluster is added, removed or changed: no service stops for it."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from typing import TYPE_CHECKING, Final

import pytest

from everbeat.model.cluster import HaConfig, Quorum
from everbeat.model.groups import AutoFailback
from everbeat.sim.checkers import check_all_take_part, check_each_group_is_held_once
from everbeat.sim.cluster import groups_for, wait_settled
from everbeat.sim.devices import SimulatedDevices
from everbeat.sim.network import SWITCH, WITNESS
from everbeat.sim.splits import split_configs
from everbeat.sim.witness import SimulatedWitness
from everbeat.sim.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator

    from everbeat.model.names import NodeName
    from everbeat.sim.machine import Machine

STEP_MS: Final = 100
APART_MS: Final = (0, 3_000, 15_000)
"""How long the first node has the new file before the second; the last outlasts deadtime."""
WATCH_MS: Final = 20_000
PAIR_KINDS: Final = (Quorum.NONE, Quorum.PING, Quorum.WITNESS, Quorum.FENCING)
CHANGES: Final = tuple(permutations(PAIR_KINDS, 2))


def configs_of(kind: Quorum) -> list[HaConfig]:
    """Return the configuration of both nodes with this tie-breaker and the devices it needs."""
    return split_configs(kind, AutoFailback.ON, has_devices=kind is Quorum.FENCING)


def running_pair(kind: Quorum, seed: int) -> World:
    """Return a pair that has settled; a witness, a switch and devices are there for whom asks."""
    return _running(World(configs_of(kind), groups_for(2), seed))


def _running(world: World) -> World:
    world.witness = SimulatedWitness()
    world.witness.power_on(world.now_ms)
    world.devices = SimulatedDevices(world)
    for machine in world.machines.values():
        machine.power_on()
    wait_settled(world)
    return world


def in_order(world: World, order: int) -> list[Machine]:
    """Return the machines, as named or the other way round."""
    machines = list(world.machines.values())
    return machines if order == 0 else machines[::-1]


def homes(world: World) -> dict[str, set[NodeName]]:
    """Return where each resource runs."""
    words = {r.text for m in world.machines.values() for g in m.groups for r in g.resources}
    machines = world.machines.values()
    return {word: {m.name for m in machines if word in m.agents.running} for word in words}


def live(world: World, duration_ms: int) -> Iterator[None]:
    """Let the world live, with a look after each step."""
    for _ in range(duration_ms // STEP_MS):
        world.run_until(world.now_ms + STEP_MS)
        yield


def watch(world: World, duration_ms: int, expected: dict[str, set[NodeName]]) -> None:
    """Let the world live and see everything run where it ran, all the time."""
    for _ in live(world, duration_ms):
        assert homes(world) == expected, "\n".join(world.log[-30:])


@pytest.mark.parametrize("apart_ms", APART_MS)
@pytest.mark.parametrize("order", [0, 1])
@pytest.mark.parametrize(("old", "new"), CHANGES)
def test_another_tie_breaker_stops_nothing(
    old: Quorum, new: Quorum, order: int, apart_ms: int
) -> None:
    world = running_pair(old, seed=apart_ms + order)
    expected = homes(world)
    configs = {config.node: config for config in configs_of(new)}
    for machine in in_order(world, order):
        machine.reload(configs[machine.name], machine.groups)
        watch(world, apart_ms, expected)
    watch(world, WATCH_MS, expected)
    check_all_take_part(world.machines.values())


@pytest.mark.parametrize("apart_ms", APART_MS)
@pytest.mark.parametrize("order", [0, 1])
@pytest.mark.parametrize(("old", "new"), [(Quorum.VOTES, Quorum.NONE), (Quorum.NONE, Quorum.VOTES)])
def test_votes_of_three_nodes_come_and_go_and_nothing_stops(
    old: Quorum, new: Quorum, order: int, apart_ms: int
) -> None:
    three = split_configs(Quorum.VOTES, AutoFailback.ON)
    world = World([replace(c, quorum=old) for c in three], groups_for(3), seed=order)
    expected = homes(_running(world))
    configs = {c.node: replace(c, quorum=new) for c in three}
    for machine in in_order(world, order):
        machine.reload(configs[machine.name], machine.groups)
        watch(world, apart_ms, expected)
    watch(world, WATCH_MS, expected)
    check_all_take_part(world.machines.values())


@pytest.mark.parametrize("order", [0, 1])
@pytest.mark.parametrize("kind", PAIR_KINDS)
def test_a_third_node_goes_and_votes_give_way_to_what_a_pair_has(kind: Quorum, order: int) -> None:
    three = split_configs(Quorum.VOTES, AutoFailback.ON)
    world = World(three, groups_for(2), seed=order)
    expected = homes(_running(world))
    configs = {config.node: config for config in configs_of(kind)}
    gamma = world.machines[three[2].node]
    gamma.stop()
    watch(world, 5_000, expected)
    for machine in in_order(world, order):
        if machine is not gamma:
            machine.reload(configs[machine.name], machine.groups)
            watch(world, 3_000, expected)
    watch(world, WATCH_MS, expected)


@pytest.mark.parametrize("order", [0, 1])
@pytest.mark.parametrize("kind", PAIR_KINDS)
def test_a_third_node_comes_and_votes_replace_what_a_pair_had(kind: Quorum, order: int) -> None:
    three = split_configs(Quorum.VOTES, AutoFailback.ON)
    pair = configs_of(kind)
    world = World([*pair, three[2]], groups_for(2), seed=order)
    world.witness = SimulatedWitness()
    world.witness.power_on(world.now_ms)
    world.devices = SimulatedDevices(world)
    alpha, beta, gamma = world.machines.values()
    for machine in (alpha, beta):
        machine.power_on()
    wait_settled(world)
    expected = homes(world)
    configs = {config.node: config for config in three}
    for machine in (alpha, beta) if order == 0 else (beta, alpha):
        machine.reload(configs[machine.name], machine.groups)
        watch(world, 3_000, expected)
    gamma.power_on()
    watch(world, WATCH_MS, expected)
    check_all_take_part(world.machines.values())


@pytest.mark.parametrize("order", [0, 1])
@pytest.mark.parametrize("kind", [Quorum.PING, Quorum.WITNESS])
def test_nodes_that_lost_their_right_serve_again_once_nothing_decides(
    kind: Quorum, order: int
) -> None:
    world = running_pair(kind, seed=order)
    first, last = in_order(world, order)
    cuts = {(first.name, x) for x in (last.name, WITNESS, SWITCH)}
    cuts |= {(last.name, x) for x in (WITNESS, SWITCH)}
    cuts |= {(b, a) for a, b in cuts}
    world.network.cuts |= cuts
    for _ in live(world, 20_000):
        pass
    assert not any(homes(world).values()), "neither may hold anything"
    world.network.cuts -= {(first.name, last.name), (last.name, first.name)}
    configs = {config.node: config for config in configs_of(Quorum.NONE)}
    for machine in (first, last):
        machine.reload(configs[machine.name], machine.groups)
    wait_settled(world)
    check_each_group_is_held_once(world.machines.values())


@pytest.mark.parametrize("after_ms", range(0, 3_000, 300))
@pytest.mark.parametrize("kind", [Quorum.PING, Quorum.WITNESS])
def test_a_tie_breaker_removed_while_a_node_gives_up_brings_everything_back(
    kind: Quorum, after_ms: int
) -> None:
    world = running_pair(kind, seed=after_ms)
    first, last = in_order(world, 0)
    cuts = {(m.name, x) for m in (first, last) for x in (WITNESS, SWITCH)}
    cuts.add((first.name, last.name))
    world.network.cuts |= cuts | {(b, a) for a, b in cuts}
    for _ in live(world, 30_000):
        if any(m.link is not None and m.stop_by_ms is not None for m in (first, last)):
            break
    for _ in live(world, after_ms):
        pass
    configs = {config.node: config for config in configs_of(Quorum.NONE)}
    for machine in (first, last):
        machine.reload(configs[machine.name], machine.groups)
    for _ in live(world, 4_000):
        pass
    world.network.cuts.clear()
    wait_settled(world)
    check_each_group_is_held_once(world.machines.values())


@pytest.mark.parametrize("old", PAIR_KINDS)
@pytest.mark.parametrize("new", PAIR_KINDS)
def test_a_node_that_dies_after_the_change_is_taken_over(old: Quorum, new: Quorum) -> None:
    world = running_pair(old, seed=1)
    configs = {config.node: config for config in configs_of(new)}
    alpha, beta = world.machines.values()
    for machine in (alpha, beta):
        machine.reload(configs[machine.name], machine.groups)
    for _ in live(world, WATCH_MS):
        pass
    alpha.power_off()
    for _ in live(world, WATCH_MS):
        if all(beta.name in nodes for nodes in homes(world).values()):
            return
    raise AssertionError("beta has not taken everything\n" + "\n".join(world.log[-40:]))
