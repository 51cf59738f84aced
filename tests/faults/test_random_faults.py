"""Three short schedules of random faults on real nodes; the command runs long ones."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from faults.schedule import LASTS_MS, Cluster, FaultKind, drawn_schedule
from lab.watch import Span, overlaps

COMMAND = Path(__file__).with_name("random_faults.py")
FIRST = 34  # pauses, a cut cable, a killed keeper, standbys
SEEDS = 3
SECONDS = 10


def test_the_same_seed_draws_the_same_faults_whatever_ran_before() -> None:
    for cluster in Cluster:
        first = [drawn_schedule(cluster, seed, 60_000) for seed in range(20)]
        assert first == [drawn_schedule(cluster, seed, 60_000) for seed in range(20)]
        assert len({tuple(schedule) for schedule in first}) == 20
        assert all(fault.lasts_ms <= LASTS_MS[1] for schedule in first for fault in schedule)


def test_every_kind_of_fault_is_drawn_and_a_witness_only_where_there_is_one() -> None:
    drawn = {
        cluster: {f.kind for seed in range(60) for f in drawn_schedule(cluster, seed, 60_000)}
        for cluster in Cluster
    }
    of_three = {FaultKind.PARTED, FaultKind.DEAF}
    assert drawn[Cluster.WITNESS] == set(FaultKind) - of_three
    assert drawn[Cluster.VOTES] == set(FaultKind) - {FaultKind.WITNESS_KILLED}


def test_two_nodes_at_the_same_moment_overlap_and_one_after_the_other_do_not() -> None:
    one, two, third = Span("alpha", 0, 10), Span("beta", 10, 20), Span("alpha", 19, 30)
    assert overlaps([one, two]) == []
    [found] = overlaps([third, two, one])
    assert (found.began_ms, found.ended_ms) == (19, 20)


@pytest.mark.real
@pytest.mark.xdist_group("random-faults")
def test_in_short_schedules_never_two_serve_and_one_in_the_end(tmp_path: Path) -> None:
    results = tmp_path / "results.json"
    words = [
        "--seed",
        str(FIRST),
        "--schedules",
        str(SEEDS),
        "--seconds",
        str(SECONDS),
        "--workers",
        str(SEEDS),
    ]
    done = subprocess.run(
        [sys.executable, COMMAND, *words, "--json", results, "--keep", tmp_path / "logs"],
        capture_output=True,
        text=True,
        timeout=270,
        check=False,
    )
    verdicts = json.loads(results.read_text())
    assert len(verdicts) == SEEDS, done.stderr
    found = [finding for verdict in verdicts for finding in verdict["findings"]]
    assert [f for f in found if not f.startswith("late: ")] == [], done.stdout  # a busy machine
