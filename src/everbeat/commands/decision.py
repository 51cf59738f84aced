"""A CIB decided on, for commands that tell people about it: read, changed by events, planned."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from everbeat.commands.cib_file import CibFile, read_cib
from everbeat.commands.render_reports import render_reports, render_reports_json
from everbeat.commands.simulation_time import SimulationTime, time_of
from everbeat.model.reports import Place, Report, Severity
from everbeat.policy.emit.graph import Synapse, build_graph
from everbeat.policy.reasons.actions import Explainer
from everbeat.policy.schedule import STAGES
from everbeat.policy.simulation.inject import inject
from everbeat.policy.unpack.unpack import plan_from_cib

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import BinaryIO, TextIO

    from everbeat.policy.plan.plan import Plan
    from everbeat.policy.simulation.injections import Injection, OperationResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a command is asked: a CIB, the time to decide for, and events. `-`: standard input."""

    source: str
    written_time: str | None = None
    injections: Sequence[Injection] = ()
    failures: Sequence[OperationResult] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Streams:
    """Where a command reads and writes. `now` (seconds since the epoch) stands in for the clock."""

    out: TextIO
    err: TextIO
    stdin: BinaryIO | None = None
    now: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A finished plan with its graph. `before` is the plan of the document as it was read."""

    before: Plan
    plan: Plan
    graph: list[Synapse]
    explainer: Explainer
    when: SimulationTime
    events: tuple[str, ...]


def decide(question: Question, streams: Streams) -> Decision | list[Report]:
    """Read a CIB, put events into it and decide; or say everything that is in the way."""
    read = read_cib(question.source, streams.stdin)
    if not isinstance(read, CibFile):
        return [read]
    problems = read.refusals()
    clock = int(time.time()) if streams.now is None else streams.now
    when = time_of(read.cib, question.written_time, clock)
    if isinstance(when, str):
        return [*problems, _wrong("time-malformed", read.name, when)]
    if problems:
        return problems
    before = plan_from_cib(read.cib, when.now)
    injected = inject(before, question.injections, when.now)
    if injected.refused:
        return [_wrong("event-unknown", read.name, text) for text in injected.refused]
    plan = plan_from_cib(injected.cib, when.now)
    for _name, stage in STAGES:
        stage(plan)
    graph = build_graph(plan)
    return Decision(
        before=before,
        plan=plan,
        graph=graph,
        explainer=Explainer(plan),
        when=when,
        events=tuple(injected.lines),
    )


def tell_reports(reports: list[Report], source: str, streams: Streams, *, is_json: bool) -> None:
    """Tell what is in the way: as JSON on standard output, else on standard error."""
    if is_json:
        streams.out.write(render_reports_json(reports))
    else:
        streams.err.write(render_reports(reports, source, color=False))


def _wrong(code: str, name: str, summary: str) -> Report:
    return Report(code=code, severity=Severity.ERROR, summary=summary, place=Place(name))
