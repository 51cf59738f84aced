"""Liveness of services: one that dies by itself on a quiet cluster runs again within a bound.

And if it dies again and again where it is, it is soon held by another node. Asked at the end of a
history, when all faults are over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from everbeat.sim.checkers import BrokenPromise, check_each_group_is_held_once, holders

if TYPE_CHECKING:
    from everbeat.sim.machine import Machine
    from everbeat.sim.world import World

NOTICED_MS: Final = 2_000
"""From a death that the kernel tells of: stops and starts of a group, two scripts of 305 ms."""

POLLED_MS: Final = 19_000
"""The interval, a monitor, the while that an unseen stop is left to people, and the same."""

MOVED_MS: Final = 5_000
"""A hand-over on top: messages, stops here, starts there."""


def check_services_come_back(world: World) -> None:
    """Let services die, with the kernel's word and without. Raise BrokenPromise if one stays so."""
    for is_noticed, limit_ms in ((True, NOTICED_MS), (False, POLLED_MS)):
        _forget_failures(world)
        machine = _holder(world)
        word = _kill(machine, is_noticed=is_noticed)
        world.run_until(world.now_ms + limit_ms)
        _check(world, f"{word} died on {machine.name}")
        if word not in machine.agents.running:
            raise BrokenPromise(f"{word} left {machine.name} after one death")
    _forget_failures(world)
    machine = _holder(world)
    word = ""
    for _ in range(machine.config.monitoring.max_failures):
        word = _kill(machine, is_noticed=True)
        world.run_until(world.now_ms + NOTICED_MS)
    world.run_until(world.now_ms + MOVED_MS)
    _check(world, f"{word} died again and again on {machine.name}")
    is_alone = not any(other.is_up for other in world.machines.values() if other is not machine)
    if word in machine.agents.running and not is_alone:
        raise BrokenPromise(f"{word} died again and again on {machine.name} and is still there")


def _forget_failures(world: World) -> None:
    """Let so much time pass that none is counted any more."""
    machine = next(iter(world.machines.values()))
    world.run_until(world.now_ms + machine.config.monitoring.failure_window_ms)


def _holder(world: World) -> Machine:
    """Return a machine on which something runs."""
    return next(m for m in world.machines.values() if m.agents.running)


def _kill(machine: Machine, *, is_noticed: bool) -> str:
    """Kill the last one by name of what runs on a machine; return its word."""
    alive = machine.agents.running & machine.agents.heard
    machine.kill_service(len(alive) - 1, is_noticed=is_noticed)
    return max(alive)


def _check(world: World, what: str) -> None:
    try:
        check_each_group_is_held_once(world.machines.values())
    except BrokenPromise as error:
        where = holders(world.machines.values())
        raise BrokenPromise(f"{what}: {error}; {where}") from error
