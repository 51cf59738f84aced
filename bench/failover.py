"""How long a client is without its service: everbeat and three others side by side.

    python bench/failover.py --keepalive 1s --deadtime 3s --runs 7 --json k1d3.json

The others: Heartbeat 3.0.6, keepalived, corosync with pacemaker. Root, and the Debian packages
heartbeat, keepalived, corosync, pacemaker and nginx. Each product has its own laboratory of
namespaces (two nodes and a client on a bridge); all stand at the same time, and every run takes
each product in turn, so that a noisy machine is noisy for all. Whoever holds the address is the
victim; nothing fails back. A client asks for a page every 5 ms on a new connection; it goes before
other programs, so that it does not count its own waiting.

    crash    every process killed and the cable cut at once        link     the cable cut
    stop     graceful stop of the product                          standby  planned move

outage   the client's last good answer of the victim to the first one of the survivor, plus any
         later gap over 50 ms in which the client did ask: it is starved at times itself
detection   the victim's last sign of life at the survivor's network card to the survivor's
         line `is dead` (keepalived: `Entering MASTER STATE`, pacemaker: `state is now lost`)
address  from there (from the command, where nobody dies) to the first sign of life of the address
web      from there to the first page

`--again FILE` makes the tables of an earlier --json anew.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import re
import subprocess
import sys
import threading
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from contestants import CONTESTANTS, VIP, Settings, wait_settled
from failover_report import Run, line_of, report, report_again
from idle_cost import Cost, measure_costs
from needed import need_products
from pacemaker_pair import PacemakerPair

from everbeat.adapters.namespaces import NamespaceError
from everbeat.adapters.realtime import prefer_session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from contestants import Contestant

    from lab import Lab, Node, Probe

PRODUCTS: Final = (*CONTESTANTS, PacemakerPair())
SCENARIOS: Final = ("crash", "link", "stop", "standby")
RUN_S_MAX: Final = 60
AFTER_S: Final = 1.2
QUIET_S: Final = 1.0
LOOK_S: Final = 0.002
ASK_MS: Final = 5
WATCH: Final = str(Path(__file__).with_name("packet_watch.py"))
IN_WAY: Final = ("ConnectionRefusedError", "ConnectionResetError")
"""What the client gets from a machine that has the address and no web server yet."""


class Bench:
    """The pairs, and the faults done to them."""

    def __init__(self, contestants: Sequence[Contestant], settings: Settings) -> None:
        self.settings = settings
        self.labs: dict[str, Lab] = {}
        self.contestants = contestants
        for contestant in contestants:
            self.labs[contestant.name] = contestant.make(settings)

    def start(self) -> None:
        for contestant in self.contestants:
            for node in self.labs[contestant.name].nodes.values():
                node.start()
        for contestant in self.contestants:
            wait_settled(contestant, self.labs[contestant.name], QUIET_S)

    def close(self) -> None:
        for lab in self.labs.values():
            lab.close()

    def run(self, contestant: Contestant, scenario: str) -> Run:
        """Do one fault and bring the pair back to two healthy nodes."""
        lab = self.labs[contestant.name]
        run = Run(contestant.name, scenario, os.getloadavg()[0])
        try:
            contestant.prepare_standby(lab)
            victim = wait_settled(contestant, lab, QUIET_S)
            self._fault(contestant, victim, scenario, run)
        except (TimeoutError, AssertionError) as error:
            run.failure = str(error)[:2000]
            self.rebuild(contestant)
            return run
        if scenario != "standby":
            victim.crash()
            victim.boot()
            victim.start()
        return run

    def rebuild(self, contestant: Contestant) -> float:
        """Switch both nodes off and on, start them together; return when (CLOCK_MONOTONIC ms)."""
        nodes = self.labs[contestant.name].nodes.values()
        for node in nodes:
            node.crash()
        for node in nodes:
            node.boot()
        began_ms = time.monotonic() * 1000
        starts = [threading.Thread(target=node.start) for node in nodes]
        for start in starts:
            start.start()
        for start in starts:
            start.join()
        return began_ms

    def _fault(self, contestant: Contestant, victim: Node, scenario: str, run: Run) -> None:
        lab = self.labs[contestant.name]
        survivor = next(node for node in lab.nodes.values() if node is not victim)
        log = survivor.folder / "log" / contestant.log_name
        with (
            lab.probing(VIP, ASK_MS) as probe,
            Watch(survivor, f"10.77.0.{victim.number}") as watch,
            Tail(log, contestant.marks(victim.name)) as tail,
        ):
            prefer_session(probe.pid, is_preferred=True)
            probe.wait_answer(victim.name)
            keepalive_s = self.settings.keepalive_ms / 1000
            time.sleep(0.3 + keepalive_s + random.uniform(0, keepalive_s))  # noqa: S311 - a phase
            began_ms = time.monotonic() * 1000
            fault = threading.Thread(target=inflict, args=(victim, scenario))
            fault.start()
            probe.wait_answer(survivor.name, RUN_S_MAX)
            time.sleep(AFTER_S)
            fault.join(RUN_S_MAX)
        self._judge(run, probe, began_ms, (victim.name, survivor.name))
        if (dead_ms := tail.seen.get("declared dead")) is not None:
            heard_ms = max((at for at in watch.times if at < dead_ms), default=None)
            if heard_ms is not None and scenario in {"crash", "link"}:
                run.detection = dead_ms - heard_ms
                self._divide(run, probe, dead_ms, survivor.name)
        if scenario in {"stop", "standby"}:
            self._divide(run, probe, began_ms, survivor.name)
        run.inside = last_timeline(tail.text)

    @staticmethod
    def _judge(run: Run, probe: Probe, began_ms: float, names: tuple[str, str]) -> None:
        """Set the outage: old answers to new ones, and every later gap."""
        victim, survivor = names
        good = sorted((s for s in probe.samples if s.is_good), key=lambda s: s.ended_ms)
        back_ms = next(s.ended_ms for s in good if s.body == survivor and s.sent_ms >= began_ms)
        gone_ms = max(s.ended_ms for s in good if s.body == victim and s.ended_ms < back_ms)
        sent = [sample.sent_ms for sample in probe.samples]
        run.later_gaps = [
            gap.length_ms
            for gap in probe.outages(since_ms=back_ms)
            if sum(gap.began_ms < at < gap.ended_ms for at in sent) * ASK_MS > gap.length_ms / 2
        ]
        run.outage = back_ms - gone_ms + sum(run.later_gaps)

    @staticmethod
    def _divide(run: Run, probe: Probe, since_ms: float, survivor: str) -> None:
        """Set when the address and the page came back, seen by the client."""
        samples = sorted(probe.samples, key=lambda s: s.ended_ms)
        later = [s for s in samples if s.ended_ms >= since_ms]
        page_ms = next(s.ended_ms for s in later if s.is_good and s.body == survivor)
        gone_ms = max((s.ended_ms for s in later if s.is_good and s.body != survivor), default=0)
        signs = (s for s in later if s.ended_ms >= gone_ms and (s.is_good or s.body in IN_WAY))
        address_ms = next((s.ended_ms for s in signs if s.ended_ms <= page_ms), page_ms)
        run.address, run.web = address_ms - since_ms, page_ms - since_ms


def inflict(victim: Node, scenario: str) -> None:
    match scenario:
        case "crash":
            cutting = threading.Thread(target=cut_if_there, args=(victim,))
            cutting.start()
            victim.crash()
            cutting.join()
        case "link":
            victim.cut()
        case "stop":
            victim.stop()
        case "standby":
            victim.standby("all")
        case _:
            raise ValueError(scenario)


def cut_if_there(victim: Node) -> None:
    with contextlib.suppress(NamespaceError):  # a killed machine takes its cable along
        victim.cut()


class Watch:
    """When the survivor got a cluster packet from the victim (CLOCK_MONOTONIC ms)."""

    def __init__(self, node: Node, source: str) -> None:
        self.times: list[float] = []
        self._process = subprocess.Popen(
            node.on.network_command(sys.executable, "-I", WATCH, "eth0", source),
            stdout=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)

    def _read(self) -> None:
        assert self._process.stdout is not None
        self.times.extend(float(line) for line in self._process.stdout)

    def __enter__(self) -> Self:
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()
        self._reader.join()


class Tail:
    """When a log file got lines with certain words; looks every LOOK_S."""

    def __init__(self, path: Path, marks: dict[str, str]) -> None:
        self.seen: dict[str, float] = {}
        self.text = ""
        self._marks = marks
        self._file = path.open(errors="replace")
        self._file.seek(0, os.SEEK_END)
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def _follow(self) -> None:
        while not self._is_over.wait(LOOK_S):
            if new := self._file.read():
                now_ms = time.monotonic() * 1000
                self.text += new
                for phase, words in self._marks.items():
                    if phase not in self.seen and words in self.text:
                        self.seen[phase] = now_ms

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()
        self._file.close()


def last_timeline(text: str) -> dict[str, float]:
    """Read everbeat's own account of its last takeover: `last heard +0 ms, … announced +9 ms`."""
    lines = [line for line in text.splitlines() if "announced +" in line]
    if not lines:
        return {}
    found = re.findall(r"([^:,]+(?:/[^:,]+)?) \+(\d+) ms", lines[-1])
    return {name.strip(): float(ms) for name, ms in found}


def run_all(bench: Bench, scenarios: Sequence[str], runs: int) -> Iterator[Run]:
    """Take the products in turn; who begins changes from run to run."""
    count = len(bench.contestants)
    for number in range(runs):
        for scenario in scenarios:
            for place in range(count):
                run = bench.run(bench.contestants[(number + place) % count], scenario)
                print(line_of(number, run), flush=True)
                yield run


def milliseconds(text: str) -> int:
    """Read 3, 3s or 500ms as ha.cf does."""
    found = re.fullmatch(r"(\d+)(ms|s)?", text)
    if not found:
        raise argparse.ArgumentTypeError(f"{text}: write 3, 3s or 500ms")
    return int(found[1]) * (1 if found[2] == "ms" else 1000)


def words(known: Sequence[str]) -> Callable[[str], list[str]]:
    def read(text: str) -> list[str]:
        chosen = text.split(",")
        if unknown := set(chosen) - set(known):
            raise argparse.ArgumentTypeError(f"{unknown} not of {', '.join(known)}")
        return chosen

    return read


def main() -> None:
    names = [contestant.name for contestant in PRODUCTS]
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--keepalive", type=milliseconds, default=1000, metavar="1|1s|100ms")
    parser.add_argument("--deadtime", type=milliseconds, default=3000)
    parser.add_argument("--products", type=words(names), default=names)
    parser.add_argument("--scenarios", type=words(SCENARIOS), default=list(SCENARIOS))
    parser.add_argument("--idle", type=float, default=30, help="seconds of idle cost; 0: none")
    parser.add_argument("--json", type=Path, help="write every run here")
    parser.add_argument("--again", type=Path, help="only print the tables of this file")
    chosen = parser.parse_args()
    if chosen.again:
        print(report_again(json.loads(chosen.again.read_text())))
        return
    need_products(chosen.products)
    settings = Settings(chosen.keepalive, chosen.deadtime)
    bench = Bench([c for c in PRODUCTS if c.name in chosen.products], settings)
    runs: list[Run] = []
    costs: dict[str, Cost] = {}
    try:
        bench.start()
        if chosen.idle:
            costs = measure_costs(bench.labs, chosen.idle)
        for run in run_all(bench, chosen.scenarios, chosen.runs):
            runs.append(run)
            if chosen.json:
                record = {
                    "when": time.ctime(),
                    "settings": asdict(settings),
                    "runs": [asdict(r) for r in runs],
                    "idle": {name: asdict(cost) for name, cost in costs.items()},
                }
                chosen.json.write_text(json.dumps(record, indent=1))
    except KeyboardInterrupt:
        print("interrupted: what was measured so far", file=sys.stderr)
    finally:
        bench.close()
        print(report(runs, settings, costs))


if __name__ == "__main__":
    main()
