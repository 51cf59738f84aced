"""Whether the daemons grow: a pair under load that moves its group again and again.

    python bench/soak.py --minutes 30 --hogs 2

Two everbeat nodes with one group, a client that asks for its page every 5 ms, busy loops beside
them; every 20 s a standby or a takeover in turn, every 3 minutes the service is killed. Root.
Each 10 s, of every daemon of both nodes: PSS and private memory, descriptors, threads; of each
node the processes and the zombies among them. Printed: the first minute after the warm-up, the
last minute, and the slope between (least squares). What is counted in pieces must not be more in
the last third than in the first, private memory must not grow by more than
GROWTH_KB_PER_HOUR_MAX. Exit status 1 if not. More moves and a shorter keepalive show a leak
sooner.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import statistics
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from contestants import NODES, VIP
from idle_cost import processes_of
from needed import LABORATORY_AND_CL_STATUS, need

from everbeat.adapters.namespaces import NamespaceError, Space, SpaceConfig
from lab import EVERBEAT, Lab, Node, wait_until
from lab.node import everbeat

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lab import Probe

SAMPLE_S: Final = 10
EDGE_S: Final = 60
"""First and last are medians over so many seconds."""
GROWTH_KB_PER_HOUR_MAX: Final = 1_024
OUTAGE_MS_MIN: Final = 50

HOG: Final = "echo {nice} >/proc/self/autogroup; while :; do :; done"
"""The kernel shares the processors among sessions: nice alone counts within one only."""
DAEMONS: Final = {"hb-link": "link", "hb-core": "core", "hb-executor": "executor"}
COUNTED: Final = ("descriptors", "threads")
MEASURES: Final = ("pss_kb", "private_kb", *COUNTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One daemon at one moment. `pid` seen from outside."""

    pid: int
    pss_kb: int
    private_kb: int
    descriptors: int
    threads: int


@dataclass(frozen=True, slots=True)
class Sample:
    """One node at one moment, seconds after the beginning."""

    at_s: float
    daemons: dict[str, Reading]
    zombies: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """One measure of one daemon (or of its node) over the time after the warm-up."""

    node: str
    daemon: str
    measure: str
    first: float
    last: float
    slope_per_hour: float
    highest: float
    least_first: float  # of the first and of the last third
    least_last: float

    @property
    def has_grown(self) -> bool:
        """Whether this is a leak."""
        if self.measure == "pss_kb":
            return False  # moves with every stranger that starts the same interpreter or ends
        if self.measure == "private_kb":
            return self.slope_per_hour > GROWTH_KB_PER_HOUR_MAX
        return self.least_last > self.least_first  # whoever holds the group has one more


@dataclass(frozen=True, slots=True)
class Pace:
    """How long it lasts, and how often the group moves and its service dies. Seconds."""

    seconds: float
    move_s: float
    kill_s: float


@dataclass(slots=True)
class Work:
    """What was done to the pair meanwhile."""

    moves: int = 0
    moves_failed: list[str] = field(default_factory=list)
    kills: int = 0


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--warm-up", type=float, default=3, help="minutes that do not count")
    parser.add_argument("--hogs", type=int, default=2)
    parser.add_argument("--hog-nice", type=int, default=0)
    parser.add_argument("--move-every", type=float, default=20, help="seconds")
    parser.add_argument("--kill-every", type=float, default=180, help="seconds")
    parser.add_argument("--keepalive", default="200ms")
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    need(*LABORATORY_AND_CL_STATUS)
    with Lab() as lab:
        for name in NODES:
            lab.node(name, EVERBEAT)
        resources = f"alpha {VIP}/24/eth0 webd"
        lab.configure(keepalive=chosen.keepalive, resources=resources, auto_failback="off")
        lab.start()
        wait_until(lambda: lab.holders(VIP) == ["alpha"], "alpha serves", 60)
        with lab.probing(VIP) as probe:
            probe.wait_answer("alpha")
            pace = Pace(chosen.minutes * 60, chosen.move_every, chosen.kill_every)
            samples, work = soak(lab, probe, pace, chosen.hogs, chosen.hog_nice)
            gaps = sorted(gap.length_ms for gap in probe.outages(0, OUTAGE_MS_MIN))
            answers = sum(sample.is_good for sample in probe.samples)
        errors = {name: _errors(node) for name, node in lab.nodes.items()}
    trends = [t for name, each in samples.items() for t in trends_of(name, each, chosen.warm_up)]
    print(report(trends, work))
    print(
        f"client: {answers} pages; {len(gaps)} gaps of {OUTAGE_MS_MIN} ms and more,"
        f" median {statistics.median(gaps) if gaps else 0:.0f}, longest {max(gaps, default=0)} ms"
    )
    for name, lines in errors.items():
        print(f"{name}: {len(lines)} lines ERROR or CRIT", *lines[:5], sep="\n  ")
    if chosen.json:
        facts = [asdict(trend) for trend in trends]
        series = {name: [asdict(sample) for sample in each] for name, each in samples.items()}
        chosen.json.write_text(json.dumps({"trends": facts, "samples": series}, indent=1))
    sys.exit(1 if any(trend.has_grown for trend in trends) else 0)


def soak(
    lab: Lab, probe: Probe, pace: Pace, hogs: int, hog_nice: int
) -> tuple[dict[str, list[Sample]], Work]:
    """Let the pair work; return what was seen of each node."""
    samples: dict[str, list[Sample]] = {name: [] for name in lab.nodes}
    work, began = Work(), time.monotonic()
    due = {"sample": 0.0, "move": pace.move_s, "kill": pace.kill_s}
    arena = Space(SpaceConfig(host="hogs"))
    try:
        for _ in range(hogs):
            hog = HOG.format(nice=hog_nice)
            arena.spawn("nice", "-n", str(hog_nice), "sh", "-c", hog)
        while (now := time.monotonic() - began) < pace.seconds:
            if now >= due["sample"]:
                due["sample"] += SAMPLE_S
                for name, node in lab.nodes.items():
                    samples[name].append(sample_of(node, now))
                if len(samples[NODES[0]]) % 30 == 1:
                    print(f"{now:5.0f} s  {_short(samples)}  load {os.getloadavg()[0]:.1f}")
            if now >= due["move"]:
                due["move"] = max(due["move"] + pace.move_s, now)
                move(lab, probe, work)
            if now >= due["kill"]:
                due["kill"] += pace.kill_s
                kill_service(lab, probe, work)
            sys.stdout.flush()
            time.sleep(0.2)
    finally:
        arena.kill()
    return samples, work


def move(lab: Lab, probe: Probe, work: Work) -> None:
    """Move the group to the other node: by a standby, the next time by a takeover."""
    [holder] = lab.holders(VIP)
    other = lab.nodes[next(name for name in NODES if name != holder)]
    try:
        if work.moves % 2:
            everbeat(other, "takeover", "all")
        else:
            everbeat(lab.nodes[holder], "standby", "all")
        probe.wait_answer(other.name, 15)
    except (NamespaceError, TimeoutError) as error:
        work.moves_failed.append(str(error))
    work.moves += 1


def kill_service(lab: Lab, probe: Probe, work: Work) -> None:
    """Kill the service where it runs; forget the failure, lest it moves for good."""
    [holder] = lab.holders(VIP)
    node = lab.nodes[holder]
    before = node.sh("cat /run/webd.pid")
    node.sh(f"kill -KILL {before}")
    wait_until(lambda: _another_runs(node, before), "it runs again", 60)
    probe.wait_answer("", 15)
    everbeat(node, "cleanup")
    work.kills += 1


def _another_runs(node: Node, before: str) -> bool:
    return node.sh("cat /run/webd.pid", is_checked=False) not in {"", before}


def sample_of(node: Node, at_s: float) -> Sample:
    """Read what the daemons of a node have, from outside."""
    daemons: dict[str, Reading] = {}
    zombies = 0
    for process in processes_of(node):
        with contextlib.suppress(OSError):  # it has ended
            zombies += (process / "stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
            name = _daemon_of(process)
            if name:
                daemons[name] = _reading(process)
    return Sample(at_s, daemons, zombies)


def _daemon_of(process: Path) -> str:
    """Return which daemon this is, "" for anything else; one in standby has not its name yet."""
    name = DAEMONS.get((process / "comm").read_text().strip(), "")
    words = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
    if not name and "everbeat.daemons.keeper" in words:
        return "keeper"
    return "standby" if not name and "--standby" in words else name


def _reading(process: Path) -> Reading:
    lines = (process / "smaps_rollup").read_text().splitlines()[1:]
    sizes = {line.split(":")[0]: int(line.split()[1]) for line in lines}
    return Reading(
        pid=int(process.name),
        pss_kb=sizes["Pss"],
        private_kb=sizes["Private_Clean"] + sizes["Private_Dirty"],
        descriptors=len(list((process / "fd").iterdir())),
        threads=len(list((process / "task").iterdir())),
    )


def trends_of(node: str, samples: Sequence[Sample], warm_up_minutes: float) -> list[Trend]:
    """Return the trends of all measures of a node's daemons after the warm-up."""
    counted = [sample for sample in samples if sample.at_s >= warm_up_minutes * 60]
    names = list(dict.fromkeys(itertools.chain.from_iterable(s.daemons for s in counted)))
    trends = []
    for name, measure in itertools.product(names, MEASURES):
        points = [
            (s.at_s, float(getattr(s.daemons[name], measure))) for s in counted if name in s.daemons
        ]
        trends.append(_trend(node, name, measure, points))
    whole: dict[str, Callable[[Sample], float]] = {
        "daemons": lambda sample: len(sample.daemons),
        "zombies": lambda sample: sample.zombies,
        "restarts": lambda sample: _restarts(counted[0], sample),
    }
    return trends + [
        _trend(node, "node", measure, [(s.at_s, float(value(s))) for s in counted])
        for measure, value in whole.items()
    ]


def _restarts(first: Sample, now: Sample) -> int:
    """Return how many daemons are not the process they were."""
    return sum(
        name not in now.daemons or now.daemons[name].pid != reading.pid
        for name, reading in first.daemons.items()
    )


def _trend(node: str, daemon: str, measure: str, points: list[tuple[float, float]]) -> Trend:
    began, ended = points[0][0], points[-1][0]
    times, values = zip(*points, strict=True)
    third = max(1, len(values) // 3)
    slope = statistics.linear_regression(times, values).slope if len(points) > 1 else 0.0
    return Trend(
        node=node,
        daemon=daemon,
        measure=measure,
        first=statistics.median(v for at, v in points if at < began + EDGE_S),
        last=statistics.median(v for at, v in points if at > ended - EDGE_S),
        slope_per_hour=slope * 3_600,
        highest=max(values),
        least_first=min(values[:third]),
        least_last=min(values[-third:]),
    )


def report(trends: Sequence[Trend], work: Work) -> str:
    """Return the table of all trends, and what was done."""
    rows = [f"{'':<26}{'':<12}{'first':>9}{'last':>9}{'highest':>9}{'per hour':>10}"]
    rows += [_row(trend) for trend in trends]
    failed = "".join(f"\n  {text}" for text in work.moves_failed)
    rows.append(
        f"{work.moves} moves ({len(work.moves_failed)} failed), {work.kills} kills of the service;"
        f" {'GROWTH' if any(t.has_grown for t in trends) else 'no growth'}{failed}"
    )
    return "\n".join(rows)


def _row(trend: Trend) -> str:
    return (
        f"{trend.node + ' ' + trend.daemon:<26}{trend.measure:<12}{trend.first:>9.0f}"
        f"{trend.last:>9.0f}{trend.highest:>9.0f}{trend.slope_per_hour:>+10.1f}"
        f"{'  GROWS' if trend.has_grown else ''}"
    )


def _short(samples: dict[str, list[Sample]]) -> str:
    texts = []
    for name, each in samples.items():
        daemons = each[-1].daemons.values()
        memory_mb = sum(reading.pss_kb for reading in daemons) / 1024
        descriptors = sum(reading.descriptors for reading in daemons)
        texts.append(f"{name}: {memory_mb:.1f} MB, {descriptors} descriptors")
    return "  ".join(texts)


def _errors(node: Node) -> list[str]:
    lines = node.log().splitlines()
    return [line for line in lines if ": ERROR: " in line or ": CRIT: " in line]


if __name__ == "__main__":
    main()
