"""How a run that takes too long is found: for people, before it is ended.

Its processes as a tree with state, wait channel and kernel stack; what it said last; pressure
and load of the machine. Blocking: call it in a thread. Bounded by the limits below.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from everbeat.adapters.process_table import Process, line_of, processes

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

PROCESSES_MAX: Final = 30
STACK_LINES_MAX: Final = 12
OUTPUT_LINES_MAX: Final = 10
LINE_CHARACTERS_MAX: Final = 160
_STATES: Final = {
    "R": "running",
    "S": "sleeping",
    "D": "waiting for a device, cannot be killed",
    "T": "stopped",
    "t": "traced",
    "Z": "ended, not collected",
}


def flight_record(pid: int, output: str) -> tuple[str, ...]:
    """Return the lines of a record: of the session that `pid` leads, and of its descendants."""
    table = processes()
    lines = [*_tree(pid, table)]
    last = [line for line in output.splitlines() if line.strip()][-OUTPUT_LINES_MAX:]
    lines += [f"said: {line}" for line in last] or ["said nothing"]
    waiting = [one for one in table if one.state == "D"]
    names = ", ".join(f"{one.name} {one.pid}" for one in waiting[:PROCESSES_MAX])
    lines.append(f"machine: load {line_of('loadavg')}; waiting for devices: {names or 'none'}")
    for kind in ("cpu", "io", "memory"):
        lines += [f"pressure {kind}: {line}" for line in line_of(f"pressure/{kind}").splitlines()]
    return tuple(line[:LINE_CHARACTERS_MAX] for line in lines)


def _tree(leader: int, table: Sequence[Process]) -> Iterable[str]:
    found = family_of(leader, table)
    if not found:
        return ["processes: none is left"]
    lines: list[str] = []
    for depth, one in found[:PROCESSES_MAX]:
        indent = "  " * depth
        state = _STATES.get(one.state, "")
        channel = line_of(f"{one.pid}/wchan")
        where = f", in {channel}" if channel not in {"", "0"} else ""
        lines.append(f"{indent}{one.pid} {one.name}: {one.state} {state}{where}".rstrip())
        stack = line_of(f"{one.pid}/stack").splitlines()[:STACK_LINES_MAX]
        lines += [f"{indent}    {frame}" for frame in stack]
    return lines


def family_of(leader: int, table: Sequence[Process]) -> list[tuple[int, Process]]:
    """Return the processes of the session and their descendants, each under its parent.

    As many steps as there are processes: the user of a service may have any number.
    """
    by_pid = {one.pid: one for one in table}
    family = {one.pid for one in table if leader in {one.session, one.pid}}
    for one in table:  # parents mostly have lower numbers; one pass finds nearly all
        if one.parent in family:
            family.add(one.pid)
    children: dict[int, list[int]] = {}
    for one in table:
        if one.pid in family:
            children.setdefault(one.parent, []).append(one.pid)
    found: list[tuple[int, Process]] = []
    pending = [(0, pid) for pid in sorted(family, reverse=True) if by_pid[pid].parent not in family]
    while pending:
        depth, pid = pending.pop()
        found.append((depth, by_pid[pid]))
        under = sorted(children.get(pid, ()), reverse=True)
        pending += [(depth + 1, child) for child in under]
    return found
