"""What ping nodes decide: nothing by a `ping` line alone, and `quorum ping` once both reached them.

The switch answers pings; a cut cable to it makes it silent for one node, a cut of both for all.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from everbeat.model.cluster import Quorum
from everbeat.model.groups import AutoFailback
from everbeat.model.names import LinkName
from everbeat.sim.cluster import groups_for
from everbeat.sim.network import SWITCH
from everbeat.sim.splits import TIMING, split_configs
from everbeat.sim.world import World

LONG_MS = 4 * TIMING.deadtime_ms
GROUPS = groups_for(2)


def pair(kind: Quorum, *, is_proved: bool) -> World:
    """Return two nodes that are off, and a ping line."""
    world = World(split_configs(kind, AutoFailback.OFF), GROUPS, seed=1)
    for machine in world.machines.values():
        machine.disk.ping_proof = machine.config.ping_hosts if is_proved else ()
    return world


def silence_switch(world: World, *, by: str) -> None:
    world.network.cuts |= {(name, SWITCH) for name in world.machines if by in {name, "all"}}


def start(world: World) -> None:
    for machine in world.machines.values():
        machine.power_on()
    world.run_until(world.now_ms + LONG_MS)


def holders(world: World) -> set[str]:
    """Return who holds anything; every group has a holder, or none has."""
    found = {name: machine.agents.running for name, machine in world.machines.items()}
    held = {name for name, running in found.items() if running}
    count = sum(len(running) for running in found.values())
    assert count in {0, sum(len(group.resources) for group in GROUPS)}, found
    return held


IDLE = [(Quorum.NONE, False), (Quorum.PING, False)]


@pytest.mark.parametrize("victim", ["alpha", "beta"])
@pytest.mark.parametrize(("kind", "is_proved"), IDLE)
@pytest.mark.parametrize("silent_for", ["alpha", "beta", "all"])
def test_a_ping_node_that_was_not_heard_by_both_is_no_vote_against_who_is_left(
    kind: Quorum, *, is_proved: bool, silent_for: str, victim: str
) -> None:
    world = pair(kind, is_proved=is_proved)
    silence_switch(world, by=silent_for)
    start(world)
    assert holders(world) == {"alpha", "beta"}
    world.machines[victim].power_off()  # type: ignore[index]
    world.run_until(world.now_ms + LONG_MS)
    assert holders(world) == {"alpha", "beta"} - {victim}
    world.machines[victim].power_on()  # type: ignore[index]
    world.run_until(world.now_ms + LONG_MS)
    assert holders(world), "nobody stops serving as the other one comes back"


def test_a_ping_line_alone_decides_nothing_even_if_it_answered_for_weeks() -> None:
    world = pair(Quorum.NONE, is_proved=True)
    start(world)
    silence_switch(world, by="all")
    world.machines["beta"].power_off()  # type: ignore[index]
    world.run_until(world.now_ms + LONG_MS)
    assert holders(world) == {"alpha"}


def test_with_quorum_ping_its_silence_and_the_death_of_a_node_end_the_service() -> None:
    world = pair(Quorum.PING, is_proved=False)
    start(world)
    silence_switch(world, by="all")
    world.run_until(world.now_ms + LONG_MS)
    assert holders(world) == {"alpha", "beta"}, "the two hear each other"
    world.machines["beta"].power_off()  # type: ignore[index]
    world.run_until(world.now_ms + LONG_MS)
    assert holders(world) == set()


@pytest.mark.parametrize("is_proved", [True, False])
def test_what_both_have_reached_once_decides_after_a_restart_as_well(*, is_proved: bool) -> None:
    world = pair(Quorum.PING, is_proved=is_proved)
    silence_switch(world, by="alpha")
    world.machines["alpha"].power_on()  # type: ignore[index]
    world.run_until(world.now_ms + LONG_MS)
    assert holders(world) == (set() if is_proved else {"alpha"})


@pytest.mark.parametrize("is_switch_silent", [False, True])
@pytest.mark.parametrize(("kind", "is_proved"), [*IDLE, (Quorum.PING, True)])
def test_after_a_split_that_nothing_prevents_each_group_is_held_once(
    kind: Quorum, *, is_proved: bool, is_switch_silent: bool
) -> None:
    world = pair(kind, is_proved=is_proved)
    if is_switch_silent and not is_proved:
        silence_switch(world, by="all")
    start(world)
    alpha, beta = world.machines
    world.network.cut(alpha, beta, is_one_way=False)
    world.run_until(world.now_ms + LONG_MS)
    running = [machine.agents.running for machine in world.machines.values()]
    assert running[0] == running[1] != set(), "both hold everything"
    world.network.cuts.clear()
    world.run_until(world.now_ms + 2 * LONG_MS)
    assert holders(world)


def test_a_ping_node_with_the_name_of_the_peer_is_the_peer_and_no_other_node() -> None:
    configs = split_configs(Quorum.NONE, AutoFailback.OFF)
    *media, ping = configs[0].media
    named = (*media, replace(ping, link=LinkName("beta")))
    world = World([replace(config, media=named) for config in configs], GROUPS, seed=1)
    start(world)
    world.machines["beta"].power_off()  # type: ignore[index]
    world.run_until(world.now_ms + LONG_MS)
    assert holders(world) == {"alpha"}


def test_a_path_that_falls_leaves_nobody_in_transition_while_another_one_lives() -> None:
    """As of the paths that were up before this core began."""
    configs = split_configs(Quorum.PING, AutoFailback.OFF)
    eth0, ping = configs[0].media
    media = (eth0, replace(eth0, link=LinkName("eth1"), interface="eth1"), ping)
    world = World([replace(config, media=media) for config in configs], GROUPS, seed=1)
    start(world)
    for machine in world.machines.values():
        machine.crash_core()
    world.run_until(world.now_ms + LONG_MS)
    world.network.dead_media.add(0)
    world.run_until(world.now_ms + LONG_MS)
    managers = [m.core.manager() for m in world.machines.values() if m.core is not None]
    assert [manager.holds for manager in managers] == ["local", "local"]
