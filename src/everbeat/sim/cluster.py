"""A usual cluster for simulations: two or three nodes, one group for each, one or two media."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from everbeat.model.cluster import ActionTimes, HaConfig, Medium, MediumKind, Monitoring, Timing
from everbeat.model.groups import AutoFailback, ResourceGroup, ResourceSpec
from everbeat.model.names import GroupKey, LinkName, NodeName
from everbeat.sim.checkers import (
    BOUND_MS,
    BrokenPromise,
    check_all_take_part,
    check_each_group_is_held_once,
)
from everbeat.sim.deaths import check_services_come_back
from everbeat.sim.faults import Trouble
from everbeat.sim.world import World

if TYPE_CHECKING:
    from everbeat.sim.machine import Factory

LOOK_MS: Final = 10_000
QUIET_LOOKS: Final = 4  # in a row: longer than a failed start or an overlap stays unnoticed
NAMES: Final = ("alpha", "beta", "gamma")
TIMING: Final = Timing(
    keepalive_ms=1_000,
    deadtime_ms=3_000,
    warntime_ms=1_500,
    initdead_ms=6_000,
    deadping_ms=3_000,
)
MONITORING: Final = Monitoring(
    usual=ActionTimes(interval_ms=10_000, start_ms=20_000, stop_ms=20_000, monitor_ms=20_000),
    failure_window_ms=60_000,
)


def groups_for(count: int) -> tuple[ResourceGroup, ...]:
    """Return one group of an address and a service for each node."""
    return tuple(
        ResourceGroup(
            NodeName(name),
            GroupKey(f"10.0.0.{index + 50}"),
            (
                ResourceSpec(f"10.0.0.{index + 50}", "IPaddr", (f"10.0.0.{index + 50}",)),
                ResourceSpec(f"web::{name}", f"web-{name}", (name,)),
            ),
        )
        for index, name in enumerate(NAMES[:count])
    )


def lines_for(count: int) -> tuple[ResourceGroup, ...]:
    """Return those groups, and two more lines of the first node: their order counts.

    The script of one acts on any word.
    """
    first = NodeName(NAMES[0])
    more = (("any-disk", "any-disk"), ("mail", f"mail-{first}"))
    lines = (
        ResourceGroup(first, GroupKey(key), (ResourceSpec(key, script),)) for key, script in more
    )
    return (*groups_for(count), *lines)


def configs_for(count: int, mode: AutoFailback, media_count: int = 2) -> list[HaConfig]:
    """Return the ha.cf of each node."""
    media = tuple(
        Medium(kind=MediumKind.BCAST, link=LinkName(link), interface=link)
        for link in ("eth0", "eth1")[:media_count]
    )
    nodes = tuple(NodeName(name) for name in NAMES[:count])
    return [
        HaConfig(
            node=node,
            nodes=nodes,
            media=media,
            timing=TIMING,
            auto_failback=mode,
            monitoring=MONITORING,
        )
        for node in nodes
    ]


def history(seed: int, factory: Factory | None = None, *, has_lines: bool = False) -> World:
    """Run one seeded history with its checkers and return the world; its log tells the story.

    Raise BrokenPromise when a checker finds something. The seed also chooses two or three nodes,
    one or two media, and auto_failback. `has_lines`: of a node with several lines.
    """
    count = 2 + (seed % 3 == 2)
    mode = AutoFailback.OFF if seed % 2 else AutoFailback.ON
    mode = AutoFailback.LEGACY if seed % 8 == 4 and count == 2 else mode
    media_count = 2 if seed % 4 == 0 else 1
    configs = configs_for(count, mode, media_count)
    groups = lines_for(count) if has_lines else groups_for(count)
    world = World(configs, groups, seed, factory)
    Trouble(world).run()
    wait_settled(world)
    check_services_come_back(world)
    return world


def wait_settled(world: World) -> None:
    """Let the world live until all is well at QUIET_LOOKS looks in a row, BOUND_MS at most."""
    end_ms = world.now_ms + BOUND_MS
    quiet = 0
    while quiet < QUIET_LOOKS:
        world.run_until(min(world.now_ms + LOOK_MS, end_ms))
        try:
            check_each_group_is_held_once(world.machines.values())
            check_all_take_part(world.machines.values())
            quiet += 1
        except BrokenPromise:
            if world.now_ms >= end_ms:
                raise
            quiet = 0
        if world.now_ms >= end_ms:
            return
