"""Everything one run of the engine gives out, in one call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from everbeat.policy.emit.dot import render_dot
from everbeat.policy.emit.graph import build_graph
from everbeat.policy.emit.graph_xml import render_graph
from everbeat.policy.emit.summary import date_line_of, head_lines, render_summary
from everbeat.policy.schedule import STAGES
from everbeat.policy.unpack.unpack import plan_from_cib

if TYPE_CHECKING:
    from everbeat.cib.tree import Element
    from everbeat.policy.plan.plan import Plan


NOT_VALIDATED: Final = (
    'Schema validation of configuration is disabled (support for validate-with set to "none" is '
    "deprecated and will be removed in a future release)"
)


@final
class Transition:
    """A plan, its renderings, and what a tool has to say on standard error first."""

    def __init__(
        self, plan: Plan, graph: str, scores: str, dot: str, summary: str, warnings: list[str]
    ) -> None:
        self.plan: Final = plan
        self.graph: Final = graph
        self.scores: Final = scores
        self.dot: Final = dot
        self.summary: Final = summary
        self.warnings: Final = warnings


def transition_from_cib(cib: Element, now: int, date_line: str | None = None) -> Transition:
    """Decide what should be done and write it down. `now` is in seconds since the epoch."""
    plan = plan_from_cib(cib, now)
    head = head_lines(plan)
    for _name, stage in STAGES:
        stage(plan)
    graph = build_graph(plan)
    scores = "".join(f"{line}\n" for line in plan.score_lines)
    summary = render_summary(plan, graph, head, date_line or date_line_of(cib))
    warnings = [NOT_VALIDATED] if cib.get("validate-with") in (None, "none") else []
    return Transition(plan, render_graph(plan, graph), scores, render_dot(plan), summary, warnings)
