"""Seeded histories with an adversary that plays recordings: no promise is broken.

More of them: tests/sim/many_histories.py --kind recordings. That each promise can bite is shown in
test_adversary.py.
"""

from __future__ import annotations

import pytest

from everbeat.adapters.cipher import AesSiv
from everbeat.model.cluster import Quorum
from everbeat.sim.checkers import BrokenPromise
from everbeat.sim.recordings import KINDS, recorded_history

SEEDS = 200
BATCH = 5

KEPT_SEEDS: tuple[tuple[Quorum, int], ...] = (
    # Two holders: a farewell of a former life, told to one that boots cut off or to a new link.
    *((Quorum.VOTES, seed) for seed in (0, 3, 4)),
    *((Quorum.WITNESS, seed) for seed in (1, 15, 24)),
    *((Quorum.PING, seed) for seed in (4, 12, 15)),
    *((Quorum.FENCING, seed) for seed in (4, 15, 18)),
    (Quorum.NONE, 110),
    # Files that had been replaced came back.
    *((kind, 5) for kind in KINDS),
    # A machine that was off was alive to one that had begun since.
    *((kind, 6) for kind in KINDS),
    # And by what had been held back of its last life.
    *((kind, 1) for kind in (Quorum.NONE, Quorum.PING)),
    (Quorum.WITNESS, 12),
    (Quorum.VOTES, 15),
    (Quorum.FENCING, 9),
    # Echoes of a ping node, of a former boot, let one that was cut off from it take everything.
    (Quorum.PING, 3676),
    # Questions of a former life kept a witness that was restarted from the living.
    (Quorum.WITNESS, 3),
)
"""Seeds that found a bug once; each is run for ever."""


@pytest.mark.parametrize("first", range(0, SEEDS, BATCH))
def test_recordings_break_no_promise(first: int) -> None:
    for seed in range(first, first + BATCH):
        try:
            recorded_history(seed, AesSiv())
        except BrokenPromise as error:
            pytest.fail(f"{KINDS[seed % len(KINDS)]} seed {seed}: {error}")


@pytest.mark.parametrize(("kind", "seed"), KEPT_SEEDS)
def test_a_seed_that_found_a_bug_stays_clean(kind: Quorum, seed: int) -> None:
    recorded_history(seed, AesSiv(), kind)
