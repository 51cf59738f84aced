"""The speed table in Markdown."""

from __future__ import annotations

import statistics
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from failover_report import Run, cost_lines, inside_lines, spread
from idle_cost import Cost

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from contestants import Settings

OWN = "everbeat"
PHASES = ("detection", "address", "web")


@dataclass(frozen=True, slots=True)
class Row:
    """One scenario with its settings, and the median outage to reach in ms (None: no outage)."""

    name: str
    title: str
    settings: Settings
    scenario: str
    target_ms: int | None


def report(rows: Sequence[Row], runs: Iterable[tuple[str, Run]], costs: dict[str, Cost]) -> str:
    """Return the table, the phases and the cost of an idle node."""
    by: dict[tuple[str, str], list[Run]] = defaultdict(list)
    for name, run in runs:
        by[name, run.product].append(run)
    products = list(dict.fromkeys(product for _, product in by))
    products.sort(key=lambda product: (product != OWN, product))
    others = [product for product in products if product != OWN]
    head = [*products, "target", *(f"{OWN} / {other}" for other in others), "load"]
    lines = ["| lost service, ms | " + " | ".join(head) + " |", "|---|" + "---|" * len(head)]
    for row in rows:
        cells = {
            product: by[row.name, product] for product in products if (row.name, product) in by
        }
        if cells:
            lines.append(_row_line(row, cells, products, others))
    lines += ["", *_phase_lines(rows, by, products), "", *_inside(rows, by)]
    return "\n".join([*lines, "", *cost_lines(costs)])


def _row_line(row: Row, cells: dict[str, list[Run]], products: list[str], others: list[str]) -> str:
    shown = [_outages(cells.get(product, [])) for product in products]
    own = _median(cells.get(OWN, []))
    target = "" if row.target_ms is None else f"≤ {row.target_ms}"
    if own is not None and row.target_ms is not None:
        target += " met" if own <= row.target_ms else " **missed**"
    ratios = [_ratio(own, _median(cells.get(other, []))) for other in others]
    loads = [run.load for runs in cells.values() for run in runs]
    load = f"{min(loads):.1f}-{max(loads):.1f}"
    return f"| {row.title} | " + " | ".join([*shown, target, *ratios, load]) + " |"


def _outages(runs: list[Run]) -> str:
    failed = sum(bool(run.failure) for run in runs)
    text = spread([run.outage for run in runs])
    return text + (f", {failed} of {len(runs)} failed" if failed else "")


def _median(runs: list[Run]) -> float | None:
    known = [run.outage for run in runs if run.outage is not None]
    return statistics.median(known) if known else None


def _ratio(own: float | None, other: float | None) -> str:
    return "-" if own is None or not other else f"{own / other:.2f}"


def _phase_lines(
    rows: Sequence[Row], by: dict[tuple[str, str], list[Run]], products: list[str]
) -> list[str]:
    lines = ["| phases, ms | product | " + " | ".join(PHASES) + " |", "|---|---|---|---|---|"]
    for row in rows:
        for product in products:
            runs = [run for run in by.get((row.name, product), []) if not run.failure]
            if any(run.web is not None for run in runs):
                cells = [spread([getattr(run, phase) for run in runs]) for phase in PHASES]
                lines.append(f"| {row.title} | {product} | " + " | ".join(cells) + " |")
    return lines


def _inside(rows: Sequence[Row], by: dict[tuple[str, str], list[Run]]) -> list[str]:
    own = {(row.title, OWN): by[row.name, OWN] for row in rows if (row.name, OWN) in by}
    return inside_lines(own)


def report_again(rows: Sequence[Row], records: list[dict[str, Any]]) -> str:
    """Return the table of what --json wrote, several files together."""
    runs = [(name, Run(**run)) for record in records for name, run in record["runs"]]
    costs = {n: Cost(**c) for record in records for n, c in record["costs"].items()}
    return "\n\n".join([*(record["when"] for record in records), report(rows, runs, costs)])
