"""Whether nodes that live are ever declared dead while others eat the processor.

    python bench/starvation.py --minutes 10 --hogs 4

Two everbeat nodes, keepalive 50 ms, deadtime 300 ms, on one machine with busy loops (nice 0, in
a namespace of their own) that would take all of it. Root. Counted on both nodes, from their own
log and from the wire:

    false deaths   lines `is dead` about the other node, which lives all the time
    late           intervals between two heartbeats longer than 2 x keepalive, as they arrived
    worst          the longest interval between two heartbeats

Packets are timed by the kernel when they arrive, so that a starved observer errs in nobody's
favour. Exit status 1 if there was a false death.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import re
import statistics
import subprocess
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from contestants import CONTESTANTS, NODES, Settings, wait_settled
from idle_cost import processes_of
from needed import need_products

from everbeat.adapters.namespaces import Space, SpaceConfig

if TYPE_CHECKING:
    from lab import Lab, Node

WATCH: Final = str(Path(__file__).with_name("packet_watch.py"))
REPORT_S: Final = 60
HOG_SHELL: Final = "while :; do :; done"
HOG_PYTHON: Final = "while True: sum(range(1000))"
SCHEDULERS: Final = {
    os.SCHED_OTHER: "SCHED_OTHER",
    os.SCHED_FIFO: "SCHED_FIFO",
    os.SCHED_RR: "SCHED_RR",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeResult:
    """What one node saw of the other. Times in ms."""

    node: str
    false_deaths: int
    heartbeats: int
    late: int
    worst_ms: float
    p99_ms: float
    median_ms: float
    scheduler: str
    locked_mb: float
    warnings: dict[str, int]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--hogs", type=int, default=4)
    parser.add_argument("--keepalive", type=int, default=50, help="ms")
    parser.add_argument("--deadtime", type=int, default=300, help="ms")
    parser.add_argument("--product", default="everbeat", choices=("everbeat", "heartbeat"))
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    need_products([chosen.product])
    settings = Settings(chosen.keepalive, chosen.deadtime)
    contestant = next(c for c in CONTESTANTS if c.name == chosen.product)
    lab = contestant.make(settings)
    try:
        for node in lab.nodes.values():
            node.start()
        wait_settled(contestant, lab, 2)
        results = starve(lab, settings, chosen.minutes * 60, chosen.hogs)
    finally:
        lab.close()
    for result in results:
        print(text_of(result, settings))
    deaths = sum(result.false_deaths for result in results)
    print(
        f"{chosen.product}: {deaths} false deaths in {chosen.minutes} min with {chosen.hogs} hogs"
        f" on {os.cpu_count()} cores; load average {os.getloadavg()[0]:.1f}"
    )
    if chosen.json:
        chosen.json.write_text(json.dumps([asdict(result) for result in results], indent=1))
    sys.exit(1 if deaths else 0)


def starve(lab: Lab, settings: Settings, seconds: float, hogs: int) -> list[NodeResult]:
    """Let hogs run beside the two nodes; return what each node thinks of the other."""
    alpha, beta = (lab.nodes[name] for name in NODES)
    watched = [Watched(alpha, beta, lab.folder), Watched(beta, alpha, lab.folder)]
    arena = Space(SpaceConfig(host="hogs"))
    try:
        for number in range(hogs):
            hog = ("sh", "-c", HOG_SHELL) if number % 2 else (sys.executable, "-c", HOG_PYTHON)
            arena.spawn(*hog)
        over_s = time.monotonic() + seconds
        while (left_s := over_s - time.monotonic()) > 0:
            time.sleep(min(REPORT_S, left_s))
            deaths = " ".join(f"{each.node.name}: {each.deaths()}" for each in watched)
            gone_s, load = seconds - over_s + time.monotonic(), os.getloadavg()[0]
            print(f"{gone_s:5.0f} s  deaths {deaths}  load {load:.1f}", flush=True)
        return [each.result(settings) for each in watched]
    finally:
        arena.kill()
        for each in watched:
            each.close()


class Watched:
    """One node: its log from now on, and the other's heartbeats as they reach its network card."""

    def __init__(self, node: Node, peer: Node, folder: Path) -> None:
        self.node, self._peer = node, peer
        self._log_start = len(node.log())
        self._path = folder / f"{node.name}.packets"
        with self._path.open("w") as file:
            source = f"10.77.0.{peer.number}"
            watch = node.on.network_command(sys.executable, "-I", WATCH, "eth0", source)
            self._process = subprocess.Popen(watch, stdout=file)

    def close(self) -> None:
        self._process.terminate()
        self._process.wait()

    def deaths(self) -> int:
        return self._log().count(f"node {self._peer.name}: is dead")

    def result(self, settings: Settings) -> NodeResult:
        times = [float(line) for line in self._path.read_text().splitlines()]
        gaps = sorted(after - before for before, after in itertools.pairwise(times))
        scheduler, locked_mb = _speaker(self.node)
        return NodeResult(
            node=self.node.name,
            false_deaths=self.deaths(),
            heartbeats=len(times),
            late=sum(gap > 2 * settings.keepalive_ms for gap in gaps),
            worst_ms=gaps[-1],
            p99_ms=gaps[int(len(gaps) * 0.99)],
            median_ms=statistics.median(gaps),
            scheduler=scheduler,
            locked_mb=locked_mb,
            warnings=dict(Counter(_kind(x) for x in self._log().splitlines() if _is_bad(x))),
        )

    def _log(self) -> str:
        return self.node.log()[self._log_start :]


def _is_bad(line: str) -> bool:
    return any(f": {level}: " in line for level in ("WARN", "ERROR", "CRIT"))


def _kind(line: str) -> str:
    """Return a log line's text without its numbers, so that equal ones can be counted."""
    return re.sub(r"\d+", "N", line.split("]: ", 1)[-1])


def _speaker(node: Node) -> tuple[str, float]:
    """Return scheduling and locked MB of the node's process that is real-time."""
    for pid in processes_of(node):
        policy = os.sched_getscheduler(int(pid.name)) & ~os.SCHED_RESET_ON_FORK
        is_speaker = (pid / "comm").read_text().strip() in {"hb-link", "heartbeat"}
        if is_speaker and (policy != os.SCHED_OTHER or "--standby" not in _command(pid)):
            priority = os.sched_getparam(int(pid.name)).sched_priority
            lines = (pid / "smaps_rollup").read_text().splitlines()
            locked_kb = next(int(line.split()[1]) for line in lines if line.startswith("Locked"))
            return f"{SCHEDULERS.get(policy, policy)} {priority}", locked_kb / 1024
    return "not found", 0.0


def _command(pid: Path) -> str:
    return (pid / "cmdline").read_bytes().decode(errors="replace")


def text_of(result: NodeResult, settings: Settings) -> str:
    head = (
        f"{result.node}: {result.false_deaths} false deaths; {result.heartbeats} heartbeats"
        f" of the other, {result.late} later than {2 * settings.keepalive_ms} ms;"
        f" median {result.median_ms:.1f}, 99 % {result.p99_ms:.1f}, worst {result.worst_ms:.1f} ms;"
        f" {result.scheduler}, {result.locked_mb:.0f} MB locked"
    )
    return "\n".join([head, *(f"  {n} x {text}" for text, n in result.warnings.items())])


if __name__ == "__main__":
    main()
