"""The policy engine beside Debian's crm_simulate: CPU seconds and peak memory, in one run.

    python bench/policy.py [--limit 60] [--json FILE] [--compiled DIR] [--every N]
                           [--only large,suite,processes]

Columns: the engine interpreted, the engine compiled (DIR, made by packaging/compile_policy.py), and
crm_simulate; the last column says how many times the compiled engine's CPU time C takes. A C run
known to take longer than --limit seconds is not made: the figure stands in brackets, measured
elsewhere. `large` and `suite` are warm workers, XML parse included, process start not; `processes`
starts one process for each case, as a script does. Regression cases are looked for beside the
repository (EVERBEAT_SHARED). CPU times on a busy machine are higher for all, ratios hold.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from large_cib import State

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("EVERBEAT_SHARED", ROOT.parent / "shared"))
CASES = SHARED / "scheduler" / "cases" / "xml"
CRM_SIMULATE = shutil.which("crm_simulate", path="/usr/sbin:/usr/bin")
OUR_LIMIT_S = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A generated cluster; `known_c_s` is what crm_simulate takes where that is long."""

    resources: int
    nodes: int
    state: State
    plays: bool = False  # what-if: the transition is played through
    known_c_s: float | None = 0.0  # None: not known, and too long to try

    @property
    def name(self) -> str:
        """Return the row's name."""
        what = ", played through" if self.plays else ""
        return f"{self.resources:,} x {self.nodes} {self.state}{what}"


LARGE = (
    Cluster(resources=100, nodes=3, state=State.LOST),
    Cluster(resources=1000, nodes=16, state=State.STEADY),
    Cluster(resources=1000, nodes=16, state=State.LOST),
    Cluster(resources=1000, nodes=32, state=State.COLD, known_c_s=35),
    Cluster(resources=5000, nodes=16, state=State.STEADY, known_c_s=28),
    Cluster(resources=5000, nodes=16, state=State.LOST, known_c_s=34),
    Cluster(resources=10000, nodes=16, state=State.STEADY, known_c_s=205),
    Cluster(resources=1000, nodes=16, state=State.LOST, plays=True, known_c_s=33),
    Cluster(resources=1000, nodes=16, state=State.COLD, plays=True, known_c_s=None),
)


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU seconds and peak memory; `is_known` marks a figure that was not measured in this run."""

    cpu_s: float
    peak_mb: float = 0.0
    is_known: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table; None where something was not run or did not end well."""

    name: str
    interpreted: Cost | None
    compiled: Cost | None
    c: Cost | None


def run(command: list[str], limit_s: float, path: Path | None = None) -> tuple[Cost, str] | None:
    """Run a command; return what it took and wrote, or None if it failed or took too long."""
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}
    if path is not None:
        environment["PYTHONPATH"] = str(path)
    with tempfile.TemporaryFile() as out:
        child = subprocess.Popen(
            ["timeout", str(limit_s), *command],
            stdout=out,
            stderr=subprocess.DEVNULL,
            env=environment,
        )
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        text = out.read().decode(errors="replace")
    if child.returncode != 0:
        return None
    return Cost(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024), text


def warm(files: list[Path], path: Path | None, *, plays: bool) -> tuple[Cost, list[float]] | None:
    """Run the engine found on a path over files, in one warm process."""
    if path is None:
        return None
    once = str(ROOT / "bench" / "policy_once.py")
    words = [sys.executable, once, "whatif" if plays else "decide", *map(str, files)]
    done = run(words, OUR_LIMIT_S, path)
    if done is None:
        return None
    seconds: list[float] = json.loads(done[1])
    return Cost(sum(seconds), done[0].peak_mb), seconds


def large_row(cluster: Cluster, compiled: Path | None, limit_s: float) -> Row:
    """Measure one generated cluster."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "cib.xml")
        generator = str(ROOT / "bench" / "large_cib.py")
        # A process of its own: a child's peak memory begins with that of its parent.
        words = [str(cluster.resources), str(cluster.nodes), cluster.state.name]
        with file.open("wb") as out:
            subprocess.run([sys.executable, generator, *words], check=True, stdout=out)
        ours = [warm([file], path, plays=cluster.plays) for path in (ROOT / "src", compiled)]
        c: Cost | None = None
        if CRM_SIMULATE is None or cluster.known_c_s is None:
            pass
        elif cluster.known_c_s > limit_s:
            c = Cost(cluster.known_c_s, is_known=True)
        else:
            options = ["-S", "-Q"] if cluster.plays else ["-R", "-Q"]
            done = run([CRM_SIMULATE, "-x", str(file), *options], OUR_LIMIT_S)
            c = None if done is None else done[0]
    return Row(cluster.name, *(None if one is None else one[0] for one in ours), c)


def suite_row(cases: list[Path], compiled: Path | None) -> Row:
    """Schedule all cases: in one process of ours; C by its own clock, as --profile shows it."""
    ours = [warm(cases, path, plays=False) for path in (ROOT / "src", compiled)]
    c = None
    if CRM_SIMULATE is not None:
        done = run([CRM_SIMULATE, "-P", str(cases[0].parent), "-N", "1"], OUR_LIMIT_S)
        if done is not None:
            times = re.findall(r"\.\.\. ([0-9.]+) secs", done[1])
            c = Cost(sum(map(float, times)), done[0].peak_mb)
    name = f"{len(cases)} cases, scheduling"
    return Row(name, *(None if one is None else one[0] for one in ours), c)


def process_rows(cases: list[Path], compiled: Path | None, every: int) -> list[Row]:
    """Run each case as a process of its own, with simulation, writing the graph."""
    starter = (
        "import sys; sys.argv[0] = 'crm_simulate'; "
        "from everbeat.cli.main import main; sys.exit(main())"
    )
    costs: list[tuple[Cost, Cost, Cost]] = []
    of_their_version = their_costs()
    slower: list[str] = []
    for case in cases[::every]:
        options = ["-x", str(case), "-S", "-Q", "-G", "/dev/null"]
        own = [sys.executable, "-c", starter, *options]
        done = [run(own, 60, path) for path in (ROOT / "src", compiled or ROOT / "src")]
        c = None if CRM_SIMULATE is None else run([CRM_SIMULATE, *options], 60)
        if c is not None and done[0] is not None and done[1] is not None:
            costs.append((done[0][0], done[1][0], c[0]))
            if done[1][0].cpu_s > of_their_version.get(case.stem, 0):
                slower.append(case.stem)
    if not costs:
        return []
    columns = list(zip(*costs, strict=True))
    rows = []
    for what, total in (("median", statistics.median), ("sum", sum), ("longest", max)):
        cells = [
            Cost(total([cost.cpu_s for cost in column]), max(cost.peak_mb for cost in column))
            for column in columns
        ]
        rows.append(Row(f"{len(costs)} cases as processes, {what}", cells[0], cells[1], cells[2]))
    faster = sum(1 for _, ours, c in costs if ours.cpu_s <= c.cpu_s)
    print(f"Compiled at or under C in {faster} of {len(costs)} processes.", file=sys.stderr)
    if of_their_version:
        text = f"at or under the cases' own version of C in {len(costs) - len(slower)}"
        print(f"Compiled {text}; not in: {' '.join(slower) or 'none'}", file=sys.stderr)
    return rows


def their_costs() -> dict[str, float]:
    """Return CPU seconds of the cases' own version of C as a process, as measured with them."""
    place = CASES.parent.parent / "inventory.tsv"
    if not place.is_file():
        return {}
    with place.open(encoding="utf-8", newline="") as lines:
        rows = csv.DictReader(lines, delimiter="\t")
        return {row["case"]: float(row["oracle_cpu_ms"]) / 1000 for row in rows}


def render_row(row: Row) -> str:
    """Write one line of the table."""
    ratio = ""
    if row.c is not None and row.compiled is not None and row.compiled.cpu_s > 0:
        ratio = f"{row.c.cpu_s / row.compiled.cpu_s:.1f}"
    cells = [_cell(cost) for cost in (row.interpreted, row.compiled, row.c)]
    return f"| {row.name} | {' | '.join(cells)} | {ratio} |"


def _cell(cost: Cost | None) -> str:
    if cost is None:
        return "-"
    if cost.is_known:
        return f"[{cost.cpu_s:.0f} s]"
    return f"{cost.cpu_s:.2f} s, {cost.peak_mb:.0f} MB"


def main() -> None:
    """Print the table as it comes in."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--limit", type=float, default=60, help="seconds C may be known to take")
    parser.add_argument("--json", type=Path, help="write the figures here, too")
    parser.add_argument("--compiled", type=Path, default=ROOT / "build" / "compiled")
    parser.add_argument("--only", default="large,suite,processes")
    parser.add_argument("--every", type=int, default=1, help="take each Nth case as a process")
    words = parser.parse_args()
    compiled = words.compiled.resolve() if (words.compiled / "everbeat").is_dir() else None
    cases = sorted(CASES.glob("*.xml"))
    rows: list[Row] = []
    if CRM_SIMULATE is None:
        print("crm_simulate is not here, its column stays empty. As root:", file=sys.stderr)
        print("apt-get install --no-install-recommends pacemaker-cli-utils", file=sys.stderr)
    if not cases:
        print(f"no regression cases in {CASES}: without suite and processes", file=sys.stderr)

    def show(row: Row) -> None:
        rows.append(row)
        print(render_row(row), flush=True)

    print("| case | interpreted | compiled | crm_simulate | C : compiled |\n|---|---|---|---|---|")
    for part in words.only.split(","):
        if part == "large":
            for cluster in LARGE:
                show(large_row(cluster, compiled, words.limit))
        elif part == "suite" and cases:
            show(suite_row(cases, compiled))
        elif part == "processes":
            for row in process_rows(cases, compiled, words.every):
                show(row)
    if words.json is not None:
        words.json.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")


if __name__ == "__main__":
    main()
