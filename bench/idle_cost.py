"""What the processes of a product cost on a node that has nothing to do."""

from __future__ import annotations

import contextlib
import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lab import Lab, Node


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Median of the nodes. CPU in percent of one core; web server not counted."""

    cpu_percent: float
    rss_mb: float
    pss_mb: float
    processes: int
    threads: int
    packets_out: float
    packets_in: float


@dataclass(frozen=True, slots=True)
class _Count:
    at_s: float
    cpu_ns: dict[Path, int]  # by thread
    packets: tuple[int, int]


def measure_costs(labs: Mapping[str, Lab], seconds: float) -> dict[str, Cost]:
    """Measure all nodes of all labs over the same seconds."""
    nodes = {name: list(lab.nodes.values()) for name, lab in labs.items()}
    before = {name: [_count(node) for node in each] for name, each in nodes.items()}
    time.sleep(seconds)
    return {
        name: _median([_cost(node, old) for node, old in zip(each, before[name], strict=True)])
        for name, each in nodes.items()
    }


def _cost(node: Node, before: _Count) -> Cost:
    now = _count(node)
    took_s = now.at_s - before.at_s
    spent_ns = sum(ns - before.cpu_ns.get(thread, 0) for thread, ns in now.cpu_ns.items())
    pids = processes_of(node)
    sizes = [size for pid in pids if (size := _sizes(pid)) is not None]
    return Cost(
        cpu_percent=spent_ns / 1e9 / took_s * 100,
        rss_mb=sum(rss for rss, _ in sizes) / 1024,
        pss_mb=sum(pss for _, pss in sizes) / 1024,
        processes=len(sizes),
        threads=len(now.cpu_ns),
        packets_out=(now.packets[1] - before.packets[1]) / took_s,
        packets_in=(now.packets[0] - before.packets[0]) / took_s,
    )


def _median(costs: list[Cost]) -> Cost:
    return Cost(
        **{
            name: statistics.median(getattr(cost, name) for cost in costs)
            for name in Cost.__dataclass_fields__
        }
    )


def _count(node: Node) -> _Count:
    cpu_ns: dict[Path, int] = {}
    for pid in processes_of(node):
        with contextlib.suppress(OSError):  # it has ended, like a script that only passed by
            for thread in (pid / "task").iterdir():
                cpu_ns[thread] = int((thread / "schedstat").read_text().split()[0])
    lines = Path(f"/proc/{node.on.pid}/net/dev").read_text().splitlines()
    numbers = next(line.split(":")[1].split() for line in lines if "eth0:" in line)
    return _Count(time.monotonic(), cpu_ns, (int(numbers[1]), int(numbers[9])))


def processes_of(node: Node) -> list[Path]:
    """Return /proc/PID of everything on the node but its PID 1 and nginx."""
    space = Path(f"/proc/{node.on.pid}/ns/pid").readlink()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            is_inside = (process / "ns/pid").readlink() == space
            name = (process / "comm").read_text().strip()
        except OSError:
            continue  # it has ended
        if is_inside and name != "nginx" and process.name != str(node.on.pid):
            found.append(process)
    return found


def _sizes(process: Path) -> tuple[int, int] | None:
    """Return RSS and PSS in kB; None if it has ended."""
    try:
        lines = (process / "smaps_rollup").read_text().splitlines()
    except OSError:
        return None
    values = {line.split(":")[0]: line.split()[1] for line in lines[1:]}
    return int(values["Rss"]), int(values["Pss"])
