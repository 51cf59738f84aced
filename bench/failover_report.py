"""The tables of the failover benchmark, in Markdown."""

from __future__ import annotations

import statistics
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from contestants import Settings
from idle_cost import Cost

if TYPE_CHECKING:
    from collections.abc import Sequence

PHASES: Final = ("outage", "detection", "address", "web")


@dataclass(slots=True)
class Run:
    """One fault. Times in ms; None: not seen or not of this scenario."""

    product: str
    scenario: str
    load: float
    outage: float | None = None
    detection: float | None = None
    address: float | None = None
    web: float | None = None
    later_gaps: list[int] = field(default_factory=list[int])
    inside: dict[str, float] = field(default_factory=dict[str, float])
    failure: str = ""


def line_of(number: int, run: Run) -> str:
    values = " ".join(
        f"{phase} {value:.0f}" for phase in PHASES if (value := getattr(run, phase)) is not None
    )
    later = f" (later gaps {run.later_gaps})" if run.later_gaps else ""
    head = f"{number + 1:2} {run.scenario:8}{run.product:11}"
    return f"{head}{values}{later}{run.failure}  load {run.load:.1f}"


def report(runs: Sequence[Run], settings: Settings, costs: dict[str, Cost]) -> str:
    """Return the tables in Markdown."""
    by: dict[tuple[str, str], list[Run]] = defaultdict(list)
    for run in runs:
        by[run.scenario, run.product].append(run)
    loads = [run.load for run in runs] or [0.0]
    lines = [
        (
            f"keepalive {settings.keepalive_ms} ms, deadtime {settings.deadtime_ms} ms, keepalived"
            f" advert_int {settings.advert_ms} ms; load average {min(loads):.1f}-{max(loads):.1f}"
        ),
        "",
        "| scenario | product | runs | " + " | ".join(f"{phase} ms" for phase in PHASES) + " |",
        "|---|---|---|" + "---|" * len(PHASES),
    ]
    for (scenario, product), group in by.items():
        good = [run for run in group if not run.failure]
        cells = [spread([getattr(run, phase) for run in good]) for phase in PHASES]
        count = f"{len(good)}" + (f" (+{len(group) - len(good)} failed)" if good != group else "")
        lines.append(f"| {scenario} | {product} | {count} | " + " | ".join(cells) + " |")
    lines += ["", *ratios(by), "", *inside_lines(by), "", *cost_lines(costs)]
    return "\n".join(lines)


def spread(values: Sequence[float | None]) -> str:
    """Return `median (min-max)`."""
    known = [value for value in values if value is not None]
    if not known:
        return "-"
    return f"**{statistics.median(known):.0f}** ({min(known):.0f}-{max(known):.0f})"


def ratios(by: dict[tuple[str, str], list[Run]]) -> list[str]:
    """Return everbeat's median outage against each other's."""
    medians = {
        key: statistics.median(known)
        for key, group in by.items()
        if (known := [run.outage for run in group if run.outage is not None])
    }
    others = sorted({product for _, product in medians} - {"everbeat"})
    lines = [
        "| median outage | " + " | ".join(f"everbeat/{other}" for other in others) + " |",
        "|---|" + "---|" * len(others),
    ]
    for scenario in dict.fromkeys(scenario for scenario, _ in medians):
        own = medians.get((scenario, "everbeat"))
        cells = [
            f"{own / medians[scenario, other]:.2f}" if own and (scenario, other) in medians else "-"
            for other in others
        ]
        lines.append(f"| {scenario} | " + " | ".join(cells) + " |")
    return lines


def inside_lines(by: dict[tuple[str, str], list[Run]]) -> list[str]:
    """Return everbeat's own account, as medians of each step."""
    lines = []
    for (scenario, product), group in by.items():
        steps: dict[str, list[float]] = defaultdict(list)
        for run in group:
            for step, at_ms in run.inside.items():
                steps[step].append(at_ms)
        if steps and product == "everbeat":
            told = ", ".join(f"{s} +{statistics.median(v):.0f}" for s, v in steps.items())
            lines.append(f"everbeat's own account of {scenario} (median ms): {told}")
    return lines


def cost_lines(costs: dict[str, Cost]) -> list[str]:
    if not costs:
        return []
    head = "CPU %", "RSS MB", "PSS MB", "processes", "threads", "packets/s out", "packets/s in"
    lines = ["| idle, per node | " + " | ".join(head) + " |", "|---|" + "---|" * len(head)]
    for product, c in costs.items():
        lines.append(
            f"| {product} | {c.cpu_percent:.2f} | {c.rss_mb:.0f} | {c.pss_mb:.0f} | {c.processes}"
            f" | {c.threads} | {c.packets_out:.1f} | {c.packets_in:.1f} |"
        )
    return lines


def report_again(record: dict[str, Any]) -> str:
    """Return the tables of what --json wrote."""
    runs = [Run(**run) for run in record["runs"]]
    costs = {name: Cost(**cost) for name, cost in record["idle"].items()}
    return f"{record['when']}\n{report(runs, Settings(**record['settings']), costs)}"
