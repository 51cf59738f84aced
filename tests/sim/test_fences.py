"""Seeded histories of a pair with fencing: never two holders; and proof that it can be seen."""

from __future__ import annotations

from dataclasses import replace

import pytest

from everbeat.node.core_node import CoreNode
from everbeat.sim.checkers import BrokenPromise
from everbeat.sim.fences import fence_history
from everbeat.sim.machine import Factory

SEEDS = 30
BATCH = 5

# Seeds that found a bug once; each is run for ever.
KEPT_SEEDS = (20, 49, 206)


@pytest.mark.parametrize("first", range(0, SEEDS, BATCH))
def test_no_group_is_held_twice_whatever_the_devices_do(first: int) -> None:
    for seed in range(first, first + BATCH):
        try:
            fence_history(seed)
        except BrokenPromise as error:
            pytest.fail(f"seed {seed}: {error}")


@pytest.mark.parametrize("seed", [seed for seed in KEPT_SEEDS if seed >= SEEDS])
def test_a_seed_that_found_a_bug_stays_clean(seed: int) -> None:
    fence_history(seed)


def test_devices_are_used_in_these_histories() -> None:
    worlds = [fence_history(seed) for seed in range(3)]
    assert sum(world.devices.fenced_count for world in worlds if world.devices) > 0


class TrustingCore(CoreNode):
    """Broken on purpose: believes every silence."""

    def __init__(self, config: object, *arguments: object, **options: object) -> None:
        trusting = replace(config, fence_devices=())  # type: ignore[type-var] # HaConfig
        super().__init__(trusting, *arguments, **options)  # type: ignore[arg-type] # passed through


def test_the_checker_catches_a_core_that_does_not_wait_for_the_device() -> None:
    def first_finding() -> str:
        for seed in range(30):
            try:
                fence_history(seed, Factory(core=TrustingCore))
            except BrokenPromise as error:
                return str(error)
        return ""

    assert "runs on" in first_finding()
