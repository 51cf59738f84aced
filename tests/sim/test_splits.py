"""Seeded histories of splits: never two holders where a quorum decides, and proof that it is seen.

More of them: tests/sim/many_histories.py --kind votes|witness|ping|fencing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from everbeat.model.cluster import Quorum
from everbeat.model.groups import AutoFailback
from everbeat.model.operations import Action
from everbeat.node.link_node import LinkNode
from everbeat.sim.checkers import BrokenPromise
from everbeat.sim.cluster import groups_for
from everbeat.sim.machine import Factory
from everbeat.sim.splits import KINDS, split_configs, split_history
from everbeat.sim.world import World

if TYPE_CHECKING:
    from everbeat.membership.identity import Identity
    from everbeat.model.cluster import HaConfig
    from everbeat.model.keys import AuthKeys
    from everbeat.ports.chance import Random

SEEDS = 200
BATCH = 5

KEPT_SEEDS: tuple[tuple[Quorum, int], ...] = (
    (Quorum.VOTES, 9),
    (Quorum.PING, 7),
    (Quorum.WITNESS, 4),
    # With devices: two that begin together, one of them without the right a moment ago; a takeover
    # while a core that died has not said yet what it holds.
    (Quorum.VOTES, 1092),
    (Quorum.VOTES, 1131),
    # A node takes what it has not heard that another took: they are cut apart, a third hears both.
    (Quorum.VOTES, 2145),
    # All processes killed and started again.
    *((Quorum.VOTES, seed) for seed in (11, 14, 23, 47)),
    (Quorum.WITNESS, 17),
    *((Quorum.PING, seed) for seed in (8, 23, 29)),
    # A start that hangs outlives its executor.
    (Quorum.WITNESS, 7199),
    (Quorum.PING, 7298),
    # It comes back while nobody hears it; the other one's link is another one by then.
    (Quorum.FENCING, 680),
    # Buried in a life in which it never had the right: it stayed dead to the other one.
    (Quorum.WITNESS, 3),
    # It had said farewell when its core died, and went on in the same life.
    (Quorum.PING, 1912),
    # auto_failback legacy: taken from one not heard yet, or that is without the right for a moment.
    (Quorum.WITNESS, 161),
    (Quorum.WITNESS, 166),
    (Quorum.PING, 41),
    # Whom a group is handed to starts anew: the giver takes it back while it falls to a third node.
    (Quorum.VOTES, 118),
)
"""Seeds that found a bug once; each is run for ever."""


@pytest.mark.parametrize("first", range(0, SEEDS, BATCH))
def test_never_two_hold_and_after_the_trouble_one_does(first: int) -> None:
    for seed in range(first, first + BATCH):
        kind = KINDS[seed % len(KINDS)]
        try:
            split_history(seed, kind)
        except BrokenPromise as error:
            pytest.fail(f"{kind} seed {seed}: {error}")


@pytest.mark.parametrize(("kind", "seed"), KEPT_SEEDS)
def test_a_seed_that_found_a_bug_stays_clean(kind: Quorum, seed: int) -> None:
    split_history(seed, kind)


def _first_finding(kind: Quorum, factory: Factory | None = None) -> str:
    for seed in range(30):
        try:
            split_history(seed, kind, factory)
        except BrokenPromise as error:
            return str(error)
    return ""


def test_two_nodes_and_nothing_between_them_hold_both() -> None:
    assert "runs on alpha and beta" in _first_finding(Quorum.NONE)


def test_a_second_start_is_seen_at_once_and_not_at_the_next_look() -> None:
    configs = split_configs(Quorum.VOTES, AutoFailback.ON)
    world = World(configs, groups_for(3), seed=1, is_exclusive=True)
    alpha, beta, _ = world.machines.values()
    alpha.agents.begin("web::alpha", Action.START)
    with pytest.raises(BrokenPromise, match="web::alpha runs on alpha and beta"):
        beta.agents.begin("web::alpha", Action.START)


def _boundless_link(
    config: HaConfig, keys: AuthKeys, identity: Identity, random: Random
) -> LinkNode:
    """Return a link node broken on purpose: its leases outlast the promise they rest on."""
    # A stoptime below zero is room that the arithmetic takes for the lease.
    timing = replace(config.timing, stoptime_ms=-6_000)
    return LinkNode(replace(config, timing=timing), keys, identity, random)


def test_a_lease_longer_than_deadtime_is_caught() -> None:
    assert "runs on" in _first_finding(Quorum.VOTES, Factory(link=_boundless_link))
