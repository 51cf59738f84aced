"""everbeat why: where a resource runs, where it will, and why; every action and what is not done.

Enters: a CIB and the name of a resource. Leaves: lines or JSON. Exit status: 0; 6 for a CIB that
cannot be used, 2 for a resource or node it does not have.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from everbeat.commands import as_json
from everbeat.commands.decision import Decision, Question, Streams, decide, tell_reports
from everbeat.commands.deep_chains import with_room
from everbeat.commands.lines import Line, Span, Tone, line, show
from everbeat.config.suggestions import nearest
from everbeat.policy.reasons.explanation import Explanation, explain_resource
from everbeat.policy.score import render_score

if TYPE_CHECKING:
    from collections.abc import Sequence

    from everbeat.policy.plan.resource import Resource
    from everbeat.policy.reasons.explanation import ActionReason, Inaction
    from everbeat.policy.reasons.placement import NodeScore
    from everbeat.policy.reasons.reason import Reason
    from everbeat.policy.reasons.scores import Term

CONFIGURATION_STATUS: Final = 6
UNKNOWN_STATUS: Final = 2
INDENT: Final = "    "


def why(
    name: str, question: Question, streams: Streams, *, node: str | None = None, is_json: bool
) -> int:
    """Explain a resource, on one node if one is named; return the exit status."""
    status = with_room(
        question.source, lambda: _why(name, question, streams, node=node, is_json=is_json)
    )
    if isinstance(status, int):
        return status
    tell_reports([status], question.source, streams, is_json=is_json)
    return CONFIGURATION_STATUS


def _why(
    name: str, question: Question, streams: Streams, *, node: str | None, is_json: bool
) -> int:
    decision = decide(question, streams)
    if not isinstance(decision, Decision):
        tell_reports(decision, question.source, streams, is_json=is_json)
        return CONFIGURATION_STATUS
    found = resources_named(decision, name)
    problem = _problem(decision, name, node, found)
    if problem is not None:
        print(f"everbeat why: {problem}", file=streams.err)
        return UNKNOWN_STATUS
    explanations = [explain_resource(decision.explainer, decision.graph, one) for one in found]
    if is_json:
        streams.out.write(as_json.dumps({"resources": explanations}, is_indented=True) + "\n")
        return 0
    rows: list[Line] = []
    for explanation in explanations:
        rows += [*render_explanation(explanation, node), line()]
    show(rows[:-1], streams.out)
    return 0


def resources_named(decision: Decision, name: str) -> list[Resource]:
    """Return the single resources a name stands for: itself, members, instances, parts."""
    plan = decision.plan
    named = plan.resources_by_id.get(name)
    if named is not None:
        return named.primitives()
    every = [p for top in plan.resources for p in top.primitives()]
    return [p for p in every if name in (p.xml_id, p.history_id)]


def _problem(
    decision: Decision, name: str, node: str | None, found: Sequence[Resource]
) -> str | None:
    plan = decision.plan
    if not found:
        known = sorted({r.xml_id for r in plan.all_resources()} | set(plan.resources_by_id))
        near = nearest(name, known)
        hint = f"; did you mean {near}?" if near else f"; there are: {' '.join(known[:20])}"
        return f"there is no resource {name}{hint if known else ''}"
    if node is not None and plan.node_named(node) is None:
        names = " ".join(one.name for one in plan.nodes)
        return f"there is no node {node}; there are: {names}"
    return None


def render_explanation(explanation: Explanation, node: str | None) -> list[Line]:
    """Return an explanation for people; with a node, the ledger of that node alone."""
    rows = [_head(explanation)]
    if node is None:
        rows += render_reason(explanation.placed, 1, "why")
    rows += [line("  scores", Tone.TITLE)]
    for place in explanation.places:
        if node is None or place.node.lower() == node.lower():
            rows += _place(place)
    actions = [a for a in explanation.actions if node is None or a.node in (node, None)]
    rows += render_actions(actions)
    rows += render_inactions(
        [i for i in explanation.not_done if node is None or i.node in (node, None)]
    )
    return rows


def _head(explanation: Explanation) -> Line:
    runs = ", ".join(explanation.runs_on)
    now = f"{explanation.role} on {runs}" if runs else "stopped"
    will = "stopped"
    if explanation.will_run_on is not None and explanation.next_role != "Stopped":
        will = f"{explanation.next_role} on {explanation.will_run_on}"
    tone = Tone.GOOD if now == will else Tone.CARE
    return (
        Span(explanation.resource, Tone.TITLE),
        Span(f" ({explanation.agent}): is {now}, "),
        Span(f"will be {will}" if now != will else "stays so", tone),
    )


def _place(place: NodeScore) -> list[Line]:
    score = "not possible" if place.score is None else render_score(place.score)
    tone = Tone.PLAIN if place.why_not is None else Tone.BAD
    rows: list[Line] = [(Span(f"{INDENT}{place.node}  "), Span(score, tone))]
    if not place.is_available and place.why_not is not None:
        rows.append(line(f"{INDENT * 2}{place.why_not.text}{_tag(place.why_not)}", Tone.BAD))
    rows += [line(f"{INDENT * 2}{_term(term)}") for term in place.terms]
    return rows


def _term(term: Term) -> str:
    sign = "=" if term.is_new else "+" if term.amount >= 0 else "-"
    amount = render_score(term.amount if term.is_new else abs(term.amount))
    return f"{sign} {amount:<9} {term.reason.text}{_tag(term.reason)}"


def _tag(reason: Reason) -> str:
    """Return the subject in brackets, unless the sentence names it already."""
    return "" if reason.subject in reason.text else f" [{reason.subject}]"


def render_reason(reason: Reason, depth: int, word: str = "because") -> list[Line]:
    """Return a reason and all behind it, each chain a level further to the right."""
    text = f"{INDENT * depth}{word} {reason.text}{_tag(reason)}"
    rows: list[Line] = [line(text)]
    for behind in reason.because:
        rows += render_reason(behind, depth + 1)
    return rows


def render_actions(actions: Sequence[ActionReason]) -> list[Line]:
    """Return actions with their reasons; nothing where there are none."""
    if not actions:
        return []
    rows = [line("  actions", Tone.TITLE)]
    for action in actions:
        rows.append(line(f"{INDENT}{action.action}", Tone.CARE))
        for reason in action.reasons:
            rows += render_reason(reason, 2)
    return rows


def render_inactions(inactions: Sequence[Inaction]) -> list[Line]:
    """Return what is not done and why; nothing where there is nothing."""
    if not inactions:
        return []
    rows = [line("  not done", Tone.TITLE)]
    for inaction in inactions:
        about = " ".join(word for word in (inaction.resource, inaction.what) if word)
        where = f" ({inaction.node})" if inaction.node else ""
        rows.append(line(f"{INDENT}{about}{where}", Tone.CARE))
        rows += render_reason(inaction.reason, 2)
    return rows
