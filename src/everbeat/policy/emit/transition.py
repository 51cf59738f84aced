"""Everything one run of the engine gives out, in one call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from everbeat.policy.emit.dot import render_dot
from everbeat.policy.emit.graph import build_graph
from everbeat.policy.emit.graph_xml import render_graph
from everbeat.policy.schedule import schedule

if TYPE_CHECKING:
    from everbeat.cib.tree import Element
    from everbeat.policy.plan.plan import Plan


@final
class Transition:
    """A plan and its renderings."""

    def __init__(self, plan: Plan, graph: str, scores: str, dot: str) -> None:
        self.plan: Final = plan
        self.graph: Final = graph
        self.scores: Final = scores
        self.dot: Final = dot


def transition_from_cib(cib: Element, now: int) -> Transition:
    """Decide what should be done and write it down. `now` is in seconds since the epoch."""
    plan = schedule(cib, now)
    graph = render_graph(plan, build_graph(plan))
    scores = "".join(f"{line}\n" for line in plan.score_lines)
    return Transition(plan, graph, scores, render_dot(plan))
