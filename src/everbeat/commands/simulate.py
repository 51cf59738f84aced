"""everbeat simulate: what a cluster would do and why, in words.

Enters: a CIB and events to put into it. Leaves: lines or JSON: nodes, changes, actions in their
order with reasons, what is not done, and the state afterwards. Exit status: 0; 6 for a CIB or
events that cannot be used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from everbeat.commands import as_json
from everbeat.commands.decision import Decision, Question, Streams, decide, tell_reports
from everbeat.commands.deep_chains import with_room
from everbeat.commands.lines import Line, Tone, line, show
from everbeat.commands.why import (
    CONFIGURATION_STATUS,
    INDENT,
    render_inactions,
    render_reason,
)
from everbeat.policy.emit.changes_text import change_lines
from everbeat.policy.emit.execute import Execution, execute
from everbeat.policy.emit.summary import head_lines, revised_lines
from everbeat.policy.reasons.actions import action_title
from everbeat.policy.reasons.explanation import explain_actions, explain_inactions
from everbeat.policy.unpack.unpack import plan_from_cib
from everbeat.policy.verify.loops import find_loops

if TYPE_CHECKING:
    from everbeat.policy.reasons.explanation import ActionReason, Inaction

_QUIET_TASKS: Final = ("notify", "notified")
_CHANGES_NOTHING: Final = "  nothing: the cluster is as it should be"


def simulate(question: Question, streams: Streams, *, shows_all: bool, is_json: bool) -> int:
    """Decide, carry it out in thought and tell; return the exit status."""
    status = with_room(
        question.source,
        lambda: _simulate(question, streams, shows_all=shows_all, is_json=is_json),
    )
    if isinstance(status, int):
        return status
    tell_reports([status], question.source, streams, is_json=is_json)
    return CONFIGURATION_STATUS


def _simulate(question: Question, streams: Streams, *, shows_all: bool, is_json: bool) -> int:
    decision = decide(question, streams)
    if not isinstance(decision, Decision):
        tell_reports(decision, question.source, streams, is_json=is_json)
        return CONFIGURATION_STATUS
    changes = [change.removeprefix("  * ") for change in change_lines(decision.plan)]
    actions = explain_actions(decision.explainer, decision.graph)
    inactions = explain_inactions(decision.explainer)
    execution = execute(decision.plan, decision.graph, question.failures)
    if is_json:
        document = _document(decision, changes, actions, inactions, execution)
        streams.out.write(as_json.dumps(document, is_indented=True) + "\n")
        return 0
    rows = [
        *_state(decision),
        *_changes(changes),
        *_actions(actions, shows_all=shows_all),
        *render_inactions([i for i in inactions if shows_all or i.what != "not moved"]),
        *_afterwards(decision, execution),
    ]
    show(rows, streams.out)
    return 0


def _document(
    decision: Decision,
    changes: list[str],
    actions: tuple[ActionReason, ...],
    inactions: tuple[Inaction, ...],
    execution: Execution,
) -> dict[str, object]:
    after = plan_from_cib(execution.cib, decision.plan.now)
    return {
        "time": decision.when.now,
        "events": decision.events,
        "nodes": [
            {
                "name": node.name,
                "is_online": node.online,
                "is_unclean": node.unclean,
                "may_run": node.is_available(),
                "runs": sorted(resource.id for resource in node.running),
                "will_run": sorted(resource.id for resource in node.assigned),
            }
            for node in decision.plan.nodes
        ],
        "changes": changes,
        "actions": actions,
        "not_done": inactions,
        "failed_action": None if execution.failed is None else execution.failed.key,
        "loops": _loops(execution),
        "afterwards": {
            node.name: sorted(resource.id for resource in node.running) for node in after.nodes
        },
    }


def _state(decision: Decision) -> list[Line]:
    rows = [line(text, Tone.FAINT) for text in decision.when.lines]
    rows += [line(text) for text in head_lines(decision.before) if text]
    if decision.events:
        rows += [line(), line("Events", Tone.TITLE)]
        rows += [line(f"  {event}", Tone.CARE) for event in decision.events]
    return rows


def _changes(changes: list[str]) -> list[Line]:
    rows = [line(), line("What changes", Tone.TITLE)]
    if not changes:
        return [*rows, line(_CHANGES_NOTHING, Tone.GOOD)]
    return [*rows, *(line(f"  {change}", Tone.CARE) for change in changes)]


def _actions(actions: tuple[ActionReason, ...], *, shows_all: bool) -> list[Line]:
    """Show the actions that do something; probes and points of collectives only on demand."""
    shown = [
        action
        for action in actions
        if shows_all or not (action.is_pseudo or action.task in _QUIET_TASKS or _is_probe(action))
    ]
    rows = [line(), line("Why", Tone.TITLE)] if shown else []
    for action in shown:
        rows.append(line(f"  {action.action}"))
        for reason in action.reasons:
            rows += render_reason(reason, 1)
    hidden = len(actions) - len(shown)
    if hidden:
        text = f"{INDENT}and {hidden} probes, notifications and points in the order (--all)"
        rows.append(line(text, Tone.FAINT))
    return rows


def _is_probe(action: ActionReason) -> bool:
    return action.task == "monitor" and any(r.kind.value == "no-history" for r in action.reasons)


def _afterwards(decision: Decision, execution: Execution) -> list[Line]:
    rows = [line(), line("Afterwards", Tone.TITLE)]
    if execution.failed is not None:
        rows.append(line(f"  (ended at {execution.failed.key}, which was to fail)", Tone.BAD))
    for loop in _loops(execution):
        text = f"  never done, as each waits for the one before: {' -> '.join([*loop, loop[0]])}"
        rows.append(line(text, Tone.BAD))
    return [*rows, *(line(t) for t in revised_lines(decision.plan, execution) if t)]


def _loops(execution: Execution) -> list[list[str]]:
    """Return the actions that wait for each other, each loop once."""
    edges: dict[str, list[str]] = {}
    for synapse in execution.stuck:
        for first in synapse.inputs:
            edges.setdefault(action_title(first), []).append(action_title(synapse.action))
    return find_loops(edges)
