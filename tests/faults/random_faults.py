"""Do random faults to real nodes and see whether ever two serve, and one in the end.

    python tests/faults/random_faults.py --schedules 30 [--seed 0] [--seconds 60] [--workers 2]
                                         [--cluster witness|votes] [--json FILE] [--keep DIR]

Even seeds are two nodes and a witness, odd ones three nodes by votes; all have a watchdog. Each
schedule builds a laboratory of namespaces, waits until alpha serves, does the faults that its seed
draws, ends them all and waits. A finding is

    two holders     two machines had the address at once, by the kernel's own events
    two servers     web servers of two machines were alive at once
    two answers     the client was answered by both in turn
    late            it took more than SETTLE_S after the end of all faults until one served and
                    every node was well: a busy machine, or something waits that need not
    not settled     not even after STUCK_S
    traceback       a daemon died of a bug

Its logs are kept and the command that repeats it is printed. Exit status 1 if there was any. Root.
"""

from __future__ import annotations

import argparse
import ctypes
import itertools
import json
import os
import re
import sys
import time
import traceback
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

sys.path[:0] = [str(Path(__file__).parents[2] / part) for part in ("tests", "src")]

from faults.faulty_cluster import (  # noqa: E402 - the path comes first
    DEADTIME_S,
    FaultyCluster,
    has_clock_jump,
)
from faults.schedule import (  # noqa: E402
    Cluster,
    Schedule,
    drawn_schedule,
)
from lab.slowness import is_over, machine  # noqa: E402
from lab.watch import Overlap, Span, now_ms, overlaps  # noqa: E402

SETTLE_S: Final = 30
"""A machine boots (3 s), nodes wait for each other (initdead, 5 s; a witness that was killed
waits deadtime, 4 s), join and take: half of this on an idle machine."""
STUCK_S: Final = 90
CALM_S: Final = 2
"""So long it must be as it should be."""
TURN_S: Final = 0.02
TRACE_OF_A_BUG: Final = re.compile(r"Traceback|AssertionError")
THIS: Final = "tests/faults/random_faults.py"
_CLONE_NEWNS: Final = 0x00020000


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What came of a schedule. `findings` empty: all is well."""

    seed: int
    cluster: str
    faults: list[str]
    findings: list[str]
    notes: list[str] = field(default_factory=list)
    settled_s: float | None = None  # after the end of all faults
    resets: int = 0  # by watchdogs
    holders: int = 0  # how often the address came to a node
    answered_percent: float = 0.0  # of the client's questions while there were faults
    longest_gap_ms: int = 0
    load: float = 0.0


def main() -> int:
    """Run them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--schedules", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0, help="the first")
    parser.add_argument("--seconds", type=float, default=60, help="of faults")
    parser.add_argument("--workers", type=int, default=1, help="laboratories at once")
    parser.add_argument("--cluster", type=Cluster, help="by default in turn")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--keep", type=Path, default=Path("fault-logs"), help="logs of findings")
    chosen = parser.parse_args()
    if os.geteuid() != 0:
        print("needs root", file=sys.stderr)
        return 2
    _own_mounts()
    run = partial(
        verdict_on, cluster=chosen.cluster, length_ms=int(chosen.seconds * 1000), keep=chosen.keep
    )
    seeds = range(chosen.seed, chosen.seed + chosen.schedules)
    verdicts = []
    with ProcessPoolExecutor(chosen.workers) as pool:  # each laboratory in a process of its own
        for verdict in pool.map(run, seeds):
            verdicts.append(verdict)
            print(text_of(verdict, chosen.seconds, chosen.keep), flush=True)
            if chosen.json:
                chosen.json.write_text(json.dumps([asdict(each) for each in verdicts], indent=1))
    print(summary_of(verdicts))
    return 1 if any(verdict.findings for verdict in verdicts) else 0


def _own_mounts() -> None:
    """Take a mount namespace of our own: what is mounted here ends with us."""
    libc = ctypes.CDLL(None, use_errno=True)
    recursive_private = 0x4000 | 0x40000  # MS_REC | MS_PRIVATE
    if libc.unshare(_CLONE_NEWNS) or libc.mount(None, b"/", None, recursive_private, None):
        raise OSError(ctypes.get_errno(), "no mount namespace of our own")


def verdict_on(seed: int, cluster: Cluster | None, length_ms: int, keep: Path) -> Verdict:
    """Run one schedule."""
    kind = cluster or (Cluster.VOTES if seed % 2 else Cluster.WITNESS)
    schedule = drawn_schedule(kind, seed, length_ms)
    words = [str(fault) for fault in schedule]
    try:
        return _run(seed, kind, schedule, length_ms, keep)
    except Exception:  # noqa: BLE001 - the other schedules go on; it is told in full
        failed = f"the laboratory failed: {traceback.format_exc()}"
        return Verdict(seed=seed, cluster=kind.value, faults=words, findings=[failed])


def _run(seed: int, kind: Cluster, schedule: Schedule, length_ms: int, keep: Path) -> Verdict:
    with FaultyCluster(kind, has_clock=has_clock_jump(schedule)) as cluster:
        assert cluster.probe is not None
        machine()  # measures from here on how slow it is
        began_ms = now_ms()
        _do(cluster, schedule, began_ms, length_ms)
        healed_ms = now_ms()
        settled_s = _wait_settled(cluster)
        samples = [s for s in list(cluster.probe.samples) if began_ms <= s.sent_ms <= healed_ms]
        gaps = cluster.probe.outages(began_ms)
        findings = _findings(cluster, began_ms, settled_s)
        verdict = Verdict(
            seed=seed,
            cluster=kind.value,
            faults=[str(fault) for fault in schedule],
            findings=findings,
            notes=cluster.notes,
            settled_s=settled_s,
            resets=cluster.reset_count(),
            holders=len(cluster.addresses.spans()),
            answered_percent=100 * sum(s.is_good for s in samples) / max(1, len(samples)),
            longest_gap_ms=max((gap.length_ms for gap in gaps), default=0),
            load=os.getloadavg()[0],
        )
        if findings:
            _keep(cluster, verdict, began_ms, keep)
        return verdict


def _do(cluster: FaultyCluster, schedule: Schedule, began_ms: float, length_ms: int) -> None:
    """Begin and end the faults, each at its time, and all at the end."""
    due = sorted(
        [(fault.at_ms, True, fault) for fault in schedule]
        + [(min(f.at_ms + f.lasts_ms, length_ms), False, f) for f in schedule if f.lasts_ms],
        key=lambda step: step[0],
    )
    while now_ms() < began_ms + length_ms:
        cluster.keep_up()
        while due and now_ms() >= began_ms + due[0][0]:
            _, is_begin, fault = due.pop(0)
            if is_begin:
                cluster.begin(fault)
            else:
                cluster.end(fault)
        time.sleep(TURN_S)
    for fault in schedule:
        cluster.end(fault)


def _wait_settled(cluster: FaultyCluster) -> float | None:
    """Wait for CALM_S of peace; return the seconds until they began, None if they do not come."""
    began_s = time.monotonic()
    calm: tuple[str, float] | None = None  # who serves, since when
    while not is_over(began_s, STUCK_S + CALM_S):
        now_s = time.monotonic()
        cluster.keep_up()
        serving = cluster.serving()
        if serving is None or not cluster.is_settled():
            calm = None
        elif calm is None or calm[0] != serving:
            calm = (serving, now_s)
        elif now_s - calm[1] >= CALM_S:
            return calm[1] - began_s
        time.sleep(TURN_S)
    return None


def _findings(cluster: FaultyCluster, began_ms: float, settled_s: float | None) -> list[str]:
    assert cluster.probe is not None
    found = [
        *_doubles("two holders", overlaps(cluster.addresses.spans()), began_ms),
        *_doubles("two servers", overlaps(cluster.servers.spans()), began_ms),
        *_doubles("two answers", overlaps(_answering(cluster)), began_ms),
    ]
    if settled_s is None:
        found.append(f"not settled: after {STUCK_S} s {_state_of(cluster)}")
    elif settled_s > SETTLE_S * (slow := machine().slowness(began_ms)):
        found.append(f"late: settled after {settled_s:.1f} s, {slow:.1f} times slower than alone")
    for name, text in cluster.logs().items():
        found += [f"traceback in {name}: {line}" for line in text.splitlines() if _is_bug(line)][:3]
    return found


def _is_bug(line: str) -> bool:
    return TRACE_OF_A_BUG.search(line) is not None


def _doubles(what: str, found: list[Overlap], began_ms: float) -> list[str]:
    return [
        f"{what}: {each.first.node} and {each.second.node} at"
        f" {(each.began_ms - began_ms) / 1000:.2f} s for {each.ended_ms - each.began_ms:.0f} ms"
        for each in found
    ]


def _answering(cluster: FaultyCluster) -> list[Span]:
    """Return from when to when each web server process surely answered the client."""
    assert cluster.probe is not None
    good = sorted(
        (sample for sample in list(cluster.probe.samples) if sample.is_good), key=lambda s: s.body
    )
    spans = []
    for body, group in itertools.groupby(good, key=lambda sample: sample.body):
        samples = list(group)
        first_ms = min(sample.ended_ms for sample in samples)
        last_ms = max(sample.sent_ms for sample in samples)
        if first_ms <= last_ms:
            spans.append(Span(body.partition(".")[0], first_ms, last_ms))
    return spans


def _state_of(cluster: FaultyCluster) -> str:
    texts = [f"the address is on {cluster.addresses.holders() or 'no node'}"]
    for name, node in cluster.nodes.items():
        if not node.is_running():
            texts.append(f"{name} does not run")
            continue
        peers = {peer: node.status(peer) for peer in cluster.nodes if peer != name}
        texts.append(f"{name} holds {node.rscstatus() or '?'} and sees {peers}")
    return "; ".join(texts)


def _keep(cluster: FaultyCluster, verdict: Verdict, began_ms: float, keep: Path) -> None:
    folder = keep / f"{verdict.cluster}-{verdict.seed}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "verdict.json").write_text(json.dumps(asdict(verdict), indent=1))
    for name, text in cluster.logs().items():
        (folder / name).write_text(text)
    lines = [
        f"{(span.began_ms - began_ms) / 1000:8.3f} to {(span.ended_ms - began_ms) / 1000:8.3f} s"
        f" {kind} {span.node}"
        for kind, spans in (
            ("address", cluster.addresses.spans()),
            ("server ", cluster.servers.spans()),
        )
        for span in spans
    ]
    wall = time.time() - (now_ms() - began_ms) / 1000
    began = time.strftime("%H:%M:%S", time.localtime(wall))
    (folder / "spans").write_text("\n".join([f"0 s is {began}", *sorted(lines), ""]))


def text_of(verdict: Verdict, seconds: float, keep: Path) -> str:
    """Return what is printed of a schedule."""
    settled = "never" if verdict.settled_s is None else f"after {verdict.settled_s:.1f} s"
    head = (
        f"seed {verdict.seed} {verdict.cluster}: {'FINDING' if verdict.findings else 'ok'};"
        f" settled {settled}, {verdict.resets} resets, address taken {verdict.holders} times,"
        f" {verdict.answered_percent:.0f} % answered, longest gap {verdict.longest_gap_ms} ms,"
        f" load {verdict.load:.1f}"
    )
    lines = [head, *(f"    {fault}" for fault in verdict.faults)]
    lines += [f"    note: {note}" for note in verdict.notes]
    lines += [f"    FINDING {finding}" for finding in verdict.findings]
    if verdict.findings:
        again = f"--schedules 1 --seed {verdict.seed} --seconds {seconds:g}"
        lines += [
            f"    logs: {keep}/{verdict.cluster}-{verdict.seed}",
            f"    repeat: python {THIS} {again} --cluster {verdict.cluster}",
        ]
    return "\n".join(lines)


def summary_of(verdicts: list[Verdict]) -> str:
    """Return the last lines: how many of what."""
    kinds = Counter(finding.split(":")[0] for v in verdicts for finding in v.findings)
    slowest = max((v.settled_s for v in verdicts if v.settled_s is not None), default=0.0)
    found = ", ".join(f"{count} x {kind}" for kind, count in sorted(kinds.items()))
    return (
        f"{len(verdicts)} schedules, {sum(len(v.faults) for v in verdicts)} faults,"
        f" {sum(v.resets for v in verdicts)} resets by watchdogs, deadtime {DEADTIME_S} s;"
        f" slowest to settle {slowest:.1f} s; findings: {found or 'none'}"
    )


if __name__ == "__main__":
    sys.exit(main())
