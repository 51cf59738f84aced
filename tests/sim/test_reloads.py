"""Whole clusters take a changed configuration, one node after the other."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Final

import pytest

from everbeat.model.cluster import Quorum, Timing
from everbeat.model.groups import AutoFailback, ResourceGroup, ResourceSpec
from everbeat.model.names import GroupKey, NodeName
from everbeat.sim.checkers import check_each_group_is_held_once, check_no_two_hold, holders
from everbeat.sim.cluster import NAMES, TIMING, configs_for, wait_settled
from everbeat.sim.splits import split_configs
from everbeat.sim.world import World

SETTLE_MS: Final = 40_000
STEP_MS: Final = 100


def groups_drawn(random: Random, count: int) -> tuple[ResourceGroup, ...]:
    """Draw up to four groups of an address and some services of their own."""
    groups = []
    for number in range(4):
        if random.random() < 0.3:
            continue
        key = f"10.0.0.{number + 50}"
        services = [s for s in ("web", "mail", "news") if random.random() < 0.5]
        words = [ResourceSpec(f"{s}::{number}", f"{s}-{number}", (str(number),)) for s in services]
        owner = NodeName(NAMES[random.randrange(count)])
        groups.append(
            ResourceGroup(owner, GroupKey(key), (ResourceSpec(key, "IPaddr", (key,)), *words))
        )
    return tuple(groups)


@pytest.mark.parametrize("seed", range(24))
def test_after_a_reload_every_group_is_held_once_and_unchanged_ones_never_moved(seed: int) -> None:
    random = Random(seed)  # noqa: S311 - not for secrets
    count = 2 + seed % 2
    mode = AutoFailback.ON if seed % 3 else AutoFailback.OFF
    old = groups_drawn(random, count)
    world = World(configs_for(count, mode), old, seed)
    for machine in world.machines.values():
        machine.power_on()
    wait_settled(world)
    before = holders(world.machines.values())
    new = groups_drawn(random, count)
    timing: Timing = replace(TIMING, deadtime_ms=4_000) if seed % 4 == 0 else TIMING
    same = {g.key for g in old for h in new if (g.key, g.resources) == (h.key, h.resources)}
    kept = {r.text for g in old if g.key in same for r in g.resources}
    homes = {w: {m.name for m in world.machines.values() if w in m.agents.running} for w in kept}
    for machine in list(world.machines.values()):
        machine.reload(replace(machine.config, timing=timing), new)
        for _ in range(random.randrange(20)):
            world.run_until(world.now_ms + STEP_MS)
            check_no_two_hold(world.machines.values())
            _check_homes(world, homes)
    for _ in range(SETTLE_MS // STEP_MS):
        world.run_until(world.now_ms + STEP_MS)
        check_no_two_hold(world.machines.values())
        _check_homes(world, homes)
    check_each_group_is_held_once(world.machines.values())
    after = holders(world.machines.values())
    assert {key: after[key] for key in same} == {key: before[key] for key in same}
    wanted = {r.text for g in new for r in g.resources}
    assert _running(world) == wanted


@pytest.mark.parametrize("seed", range(8))
def test_a_third_node_brings_votes_and_nobody_loses_what_it_holds(seed: int) -> None:
    """A pair without anything to decide holds by right; that right goes on into the quorum."""
    random = Random(seed)  # noqa: S311 - not for secrets
    groups = groups_drawn(random, 2)
    three = split_configs(Quorum.VOTES, AutoFailback.ON)
    two = [replace(c, nodes=c.nodes[:2], quorum=Quorum.NONE) for c in three[:2]]
    world = World([*two, three[2]], groups, seed)
    alpha, beta, gamma = world.machines.values()
    for machine in (alpha, beta):
        machine.power_on()
    wait_settled(world)
    homes = {w: {m.name for m in (alpha, beta) if w in m.agents.running} for w in _running(world)}
    for machine, config in zip((alpha, beta), three, strict=False):
        machine.reload(config, groups)
        world.run_until(world.now_ms + random.randrange(2_000))
    gamma.power_on()
    for _ in range(SETTLE_MS // STEP_MS):
        world.run_until(world.now_ms + STEP_MS)
        check_no_two_hold(world.machines.values())
        _check_homes(world, homes)
    check_each_group_is_held_once(world.machines.values())


def _running(world: World) -> set[str]:
    return {word for machine in world.machines.values() for word in machine.agents.running}


def _check_homes(world: World, homes: dict[str, set[NodeName]]) -> None:
    for word, nodes in homes.items():
        now = {m.name for m in world.machines.values() if word in m.agents.running}
        assert now == nodes, f"{word} was on {nodes}, is on {now}\n" + "\n".join(world.log[-40:])
