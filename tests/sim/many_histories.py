"""Run many seeded histories and print what the checkers found.

    python tests/sim/many_histories.py --seeds 10000 [--first 0] [--workers 2]
                                       [--kind usual|votes|witness|ping|fencing|pair|recordings]

About one and a half times as quick with the busiest packages compiled:

    python packaging/compile_policy.py build/simulator wire model membership
    PYTHONPATH=build/simulator python tests/sim/many_histories.py --seeds 10000

Exit status 1 if any history broke a promise; each is printed with its seed, for KEPT_SEEDS.
"""

from __future__ import annotations

import argparse
import gc
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial

from everbeat.adapters.cipher import AesSiv
from everbeat.model.cluster import Quorum
from everbeat.sim.cluster import history
from everbeat.sim.fences import fence_history
from everbeat.sim.recordings import recorded_history
from everbeat.sim.splits import KINDS, split_history

USUAL = "usual"
PAIR = "pair"  # with fencing and clocks that agree: sim/fences.py
RECORDINGS = "recordings"  # an adversary plays them at clusters of all kinds: sim/recordings.py


def finding(seed: int, kind: str) -> str:
    """Return what went wrong in one history, or an empty string."""
    try:
        if kind == USUAL:
            history(seed)
        elif kind == PAIR:
            fence_history(seed)
        elif kind == RECORDINGS:
            recorded_history(seed, AesSiv())
        else:
            split_history(seed, Quorum(kind))
    except AssertionError as error:
        return f"seed {seed}: {error}"
    return ""


def main() -> int:
    """Run them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seeds", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    kinds = (USUAL, PAIR, RECORDINGS, *(kind.value for kind in KINDS))
    parser.add_argument("--kind", choices=kinds, default=USUAL)
    chosen = parser.parse_args()
    started = time.monotonic()
    bad = 0
    seeds = range(chosen.first, chosen.first + chosen.seeds)
    rare = partial(gc.set_threshold, 50_000)  # little of what a history makes goes in circles
    with ProcessPoolExecutor(chosen.workers, initializer=rare) as pool:
        for count, text in enumerate(
            pool.map(partial(finding, kind=chosen.kind), seeds, chunksize=20), 1
        ):
            if text:
                bad += 1
                print(text, flush=True)
            if count % 500 == 0:
                print(f"… {count} histories, {bad} broken", flush=True)
    took = time.monotonic() - started
    print(f"{chosen.seeds} histories in {took:.0f} s, {bad} broken a promise")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
