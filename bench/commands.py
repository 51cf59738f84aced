#!/usr/bin/env python3
"""How long the commands take to answer, on two nodes of a laboratory, beside a bare interpreter.

    python bench/commands.py [--runs N] [--json FILE]

Each run takes every command in turn on the node alpha, which serves an address; init and join on
machines on which nothing is configured. *First line*: the first byte of an answer is there.
*Whole*: the command has ended; of one that waits for another machine, its token is there. The
ratio is of the whole to a bare interpreter that does nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import selectors
import shutil
import signal
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from needed import LABORATORY_AND_CL_STATUS, need

ROOT: Final = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from lab import EVERBEAT, Lab, Node, wait_until  # noqa: E402 - the path comes first

PROGRAM: Final = str(Path(sys.executable).with_name("everbeat"))
ADDRESS: Final = "10.77.0.50"
FREE: Final = "10.77.0.60/24/eth0"
LINE_S_MAX: Final = 20.0
INVITED: Final = "everbeat join "


@dataclass(frozen=True, slots=True)
class Command:
    """What is called, and whether it waits for another machine when it has said its token."""

    words: tuple[str, ...]
    is_inviting: bool = False
    may_fail: bool = False


BARE: Final = Command((sys.executable, "-c", "pass"))
INIT: Final = Command((PROGRAM, "init", "shop"), is_inviting=True)
JOIN: Final = Command((PROGRAM, "join", "EB1damaged"), may_fail=True)


def ours(*words: str) -> Command:
    """Return a command of everbeat's."""
    return Command((PROGRAM, *words))


ON_A_NODE: Final = (
    BARE,
    ours("version"),
    ours("--help"),
    ours("status"),
    ours("status", "--json"),
    ours("events"),
    Command((PROGRAM, "check"), may_fail=True),  # it has warnings
    ours("fence", "status"),
    ours("cleanup"),
    ours("reload"),
    ours("reload", "--all"),
    ours("keys", "rotate"),
    ours("add", "vip", FREE, "--dry-run"),
    ours("add", "vip", FREE, "--yes"),
    ours("remove", "vip", FREE, "--yes"),
    ours("standby", "all"),
    ours("takeover", "all"),
    Command((PROGRAM, "invite"), is_inviting=True),
)


@dataclass(frozen=True, slots=True)
class Time:
    """Of one call, ms."""

    first_line: float
    whole: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Medians of a command, ms; `ratio` of the whole to a bare interpreter."""

    command: str
    first_line_ms: float
    first_line_longest_ms: float
    whole_ms: float
    ratio: float


def timed(node: Node, command: Command) -> Time:
    """Call a command on a node; raise SystemExit if it fails."""
    began_s = time.monotonic()
    running = subprocess.Popen(
        node.on.command(*command.words),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,  # nsenter tells its child nothing
    )
    assert running.stdout is not None
    first_s, said = 0.0, b""
    with selectors.DefaultSelector() as selector:
        selector.register(running.stdout, selectors.EVENT_READ)
        while selector.select(LINE_S_MAX):
            part = os.read(running.stdout.fileno(), 65_536)
            first_s = first_s or time.monotonic() - began_s
            said += part
            if not part or (command.is_inviting and INVITED.encode() in said):
                break
    whole_s = time.monotonic() - began_s
    if command.is_inviting:
        os.killpg(running.pid, signal.SIGTERM)
    code = running.wait(LINE_S_MAX)
    is_failed = INVITED.encode() not in said if command.is_inviting else code != 0
    if is_failed and not command.may_fail:
        raise SystemExit(f"{' '.join(command.words)}: exit status {code}\n{said.decode()}")
    return Time(first_s * 1e3, whole_s * 1e3)


def measure(runs: int) -> dict[Command, list[Time]]:
    """Call everything this many times."""
    times: dict[Command, list[Time]] = {each: [] for each in (*ON_A_NODE, INIT, JOIN)}
    with Lab() as lab:
        alpha, _ = lab.everbeat("alpha"), lab.everbeat("beta")
        lab.configure(resources=f"alpha {ADDRESS}/24/eth0 webd", auto_failback="off")
        lab.start()
        alpha.wait_rscstatus("local", "all")
        bare = lab.node("gamma", EVERBEAT)
        for _ in range(runs):
            for command in ON_A_NODE:
                times[command].append(timed(alpha, command))
                wait_until(lambda: alpha.rscstatus() != "transition", "a move is over")
            for command in (JOIN, INIT):
                times[command].append(timed(bare, command))
            bare.crash()
            shutil.rmtree(bare.folder / "ha.d")
            (bare.folder / "ha.d").mkdir()
            bare.boot()
    return times


def rows_of(times: dict[Command, list[Time]]) -> list[Row]:
    """Return the table."""
    bare_ms = statistics.median(each.whole for each in times[BARE])
    return [
        Row(
            command=" ".join((Path(command.words[0]).name, *command.words[1:])),
            first_line_ms=statistics.median(each.first_line for each in found),
            first_line_longest_ms=max(each.first_line for each in found),
            whole_ms=(whole_ms := statistics.median(each.whole for each in found)),
            ratio=whole_ms / bare_ms,
        )
        for command, found in times.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    need(*LABORATORY_AND_CL_STATUS)
    subprocess.run((sys.executable, "-m", "compileall", "-q", ROOT / "src"), check=True)
    rows = rows_of(measure(chosen.runs))
    print("| command | first line, ms | longest | whole, ms | x bare python |")
    print("|---|---|---|---|---|")
    for row in rows:
        print(
            f"| {row.command} | {row.first_line_ms:.0f} | {row.first_line_longest_ms:.0f} "
            f"| {row.whole_ms:.0f} | {row.ratio:.1f} |"
        )
    print(f"medians of {chosen.runs} runs; load average {os.getloadavg()[0]:.1f}")
    if chosen.json:
        chosen.json.write_text(json.dumps([asdict(row) for row in rows], indent=1))


if __name__ == "__main__":
    main()
