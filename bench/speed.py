"""The speed table: every scenario, every product, one run, beside what we want to reach.

    python bench/speed.py --runs 7 --json speed.json
    python bench/speed.py --rows crash300,move --products everbeat --runs 20
    python bench/speed.py --again speed.json

Root and the packages of failover.py, which makes the laboratories, crashes, stops and moves. Here:

    service  every process of nginx killed (SIGKILL) on the node that serves
    master   nginx's master killed alone; its worker goes on answering, watched by nobody
    heal     the cable of the node that serves was cut, the other one has taken over, the cable is
             put back: what the client loses from then on
    start    both nodes switched on and the product started on both: until the first page
    idle     CPU, memory and packets of a pair with nothing to do

Lost time of service, master and heal: all gaps between two good answers in which a question
failed. One that is only answered late is the machine's hiccup; a lost packet fails. Rows with the
same settings share their laboratories.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import random
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from contestants import VIP, Settings, wait_settled
from failover import ASK_MS, PRODUCTS, QUIET_S, RUN_S_MAX, Bench, Tail, last_timeline, words
from failover_report import Run, line_of
from idle_cost import measure_costs
from needed import need_products
from speed_report import Row, report, report_again

from everbeat.adapters.realtime import prefer_session

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from contestants import Contestant
    from idle_cost import Cost

    from lab import Node, Sample

FAST: Final = Settings(100, 500)
FASTEST: Final = Settings(100, 300)
SPLIT: Final = Settings(100, 1000, has_tie_breaker=True)
ROWS: Final = (
    Row("crash500", "crash, deadtime 500 ms", FAST, "crash", 620),
    Row("move", "planned move", FAST, "standby", 80),
    Row("stop", "graceful stop", FAST, "stop", 80),
    Row("service", "service killed", FAST, "service", 100),
    Row("master", "nginx's master alone killed", FAST, "master", 100),
    Row("start", "both start together", FAST, "start", 3000),
    Row("crash300", "crash, deadtime 300 ms", FASTEST, "crash", 330),
    Row("heal", "a cut heals, with tie-breaker", SPLIT, "heal", 0),
    Row("idle", "idle, keepalive 1 s", Settings(1000, 3000), "idle", None),
)
STARTS_MAX: Final = 3
"""Runs of `start`: pacemaker alone takes half a minute for each."""

WATCHED_S: Final = {"service": 5.0, "master": 5.0, "heal": 8.0}
SPLIT_S: Final = 2.0
"""How long both sides stay apart after the takeover."""

KILL: Final = {
    "service": "kill -KILL $(pidof nginx)",
    "master": "kill -KILL $(cat /run/nginx.pid)",
}


class Table:
    """Rows measured for a group of products."""

    def __init__(self, contestants: Sequence[Contestant], runs: int, idle_s: float) -> None:
        self._contestants = contestants
        self._runs = runs
        self._idle_s = idle_s
        self.costs: dict[str, Cost] = {}

    def measure(self, rows: Sequence[Row]) -> Generator[tuple[Row, Run], None, None]:
        """Measure rows; those with the same settings in the same laboratories."""
        for settings in dict.fromkeys(row.settings for row in rows):
            bench = Bench(self._contestants, settings)
            try:
                bench.start()
                for row in (row for row in rows if row.settings == settings):
                    yield from self._row(bench, row)
            finally:
                bench.close()

    def _row(self, bench: Bench, row: Row) -> Generator[tuple[Row, Run], None, None]:
        if row.scenario == "idle":
            self.costs = measure_costs(bench.labs, self._idle_s)
            return
        runs = min(self._runs, STARTS_MAX) if row.scenario == "start" else self._runs
        count = len(bench.contestants)
        for number, place in itertools.product(range(runs), range(count)):
            contestant = bench.contestants[(number + place) % count]
            if row.scenario in KILL and not contestant.watches_service:
                continue
            run = one_run(bench, contestant, row.scenario)
            print(line_of(number, run), flush=True)
            yield row, run


def one_run(bench: Bench, contestant: Contestant, scenario: str) -> Run:
    """Do one fault to one pair."""
    if scenario not in {*WATCHED_S, "start"}:
        return bench.run(contestant, scenario)
    run = Run(contestant.name, scenario, os.getloadavg()[0])
    try:
        if scenario == "start":
            wait_settled(contestant, bench.labs[contestant.name], QUIET_S)
            _start(bench, contestant, run)
        else:
            _disturb(bench, contestant, scenario, run)
    except (TimeoutError, AssertionError) as error:
        run.failure = str(error)[:2000]
        bench.rebuild(contestant)
    return run


def _start(bench: Bench, contestant: Contestant, run: Run) -> None:
    lab = bench.labs[contestant.name]
    with lab.probing(VIP, ASK_MS) as probe:
        prefer_session(probe.pid, is_preferred=True)
        began_ms = bench.rebuild(contestant)
        probe.wait_answer(timeout_s=RUN_S_MAX)
        good = [sample.ended_ms for sample in probe.samples if sample.is_good]
    run.outage = min(at for at in good if at > began_ms) - began_ms


def _disturb(bench: Bench, contestant: Contestant, scenario: str, run: Run) -> None:
    lab = bench.labs[contestant.name]
    victim = wait_settled(contestant, lab, QUIET_S)
    log = victim.folder / "log" / contestant.log_name
    with lab.probing(VIP, ASK_MS) as probe, Tail(log, {}) as tail:
        prefer_session(probe.pid, is_preferred=True)
        probe.wait_answer(victim.name)
        time.sleep(random.uniform(1, 2))  # noqa: S311 - at any phase of a monitor's interval
        if scenario == "heal":
            survivor = next(node for node in lab.nodes.values() if node is not victim)
            victim.cut()
            probe.wait_answer(survivor.name, RUN_S_MAX)
            time.sleep(SPLIT_S)
        began_ms = time.monotonic() * 1000
        _begin(victim, scenario)
        time.sleep(WATCHED_S[scenario])
    run.outage = lost_ms([s for s in probe.samples if s.ended_ms >= began_ms])
    run.inside = last_timeline(tail.text)
    victim.crash()  # failures are forgotten, a web server is where it belongs
    victim.boot()
    victim.start()


def _begin(victim: Node, scenario: str) -> None:
    if scenario == "heal":
        victim.heal()
    else:
        victim.sh(KILL[scenario])


def lost_ms(samples: Sequence[Sample]) -> float:
    """Return how long questions failed: all gaps between good answers in which one was asked."""
    good = sorted(sample.ended_ms for sample in samples if sample.is_good)
    bad = [sample.sent_ms for sample in samples if not sample.is_good]
    lost = 0.0
    for before, after in itertools.pairwise([*good, max(sample.ended_ms for sample in samples)]):
        if any(before - ASK_MS <= at < after for at in bad):
            lost += after - before
    return lost


@dataclass(slots=True)
class Record:
    """What --json writes."""

    when: str
    runs: list[tuple[str, Run]]
    costs: dict[str, Cost]

    def write(self, path: Path) -> None:
        runs = [[row, asdict(run)] for row, run in self.runs]
        costs = {name: asdict(cost) for name, cost in self.costs.items()}
        path.write_text(json.dumps({"when": self.when, "runs": runs, "costs": costs}, indent=1))


def main() -> None:
    names = [contestant.name for contestant in PRODUCTS]
    known = [row.name for row in ROWS]
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--rows", type=words(known), default=known, help=",".join(known))
    parser.add_argument("--products", type=words(names), default=names, help=",".join(names))
    parser.add_argument("--idle", type=float, default=30, help="seconds of the row idle")
    parser.add_argument("--json", type=Path, help="write every run here")
    parser.add_argument("--again", type=Path, nargs="+", help="only print the table of these files")
    chosen = parser.parse_args()
    if chosen.again:
        print(report_again(ROWS, [json.loads(path.read_text()) for path in chosen.again]))
        return
    need_products(chosen.products)
    table = Table([c for c in PRODUCTS if c.name in chosen.products], chosen.runs, chosen.idle)
    record = Record(time.strftime("%d %B %Y, %H:%M"), [], table.costs)
    rows = [row for row in ROWS if row.name in chosen.rows]
    try:
        with contextlib.closing(table.measure(rows)) as measured:
            for row, run in measured:
                record.runs.append((row.name, run))
                if chosen.json:
                    record.write(chosen.json)
    except KeyboardInterrupt:
        print("interrupted: what was measured so far", file=sys.stderr)
    record.costs = table.costs
    if chosen.json:
        record.write(chosen.json)
    print(report(ROWS, record.runs, record.costs))


if __name__ == "__main__":
    main()
