"""The summary: state, changes, a simulated execution and the state after it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from everbeat.policy.emit.changes_text import change_lines
from everbeat.policy.emit.execute import execute
from everbeat.policy.emit.status_text import counts, status_lines
from everbeat.policy.unpack.unpack import plan_from_cib
from everbeat.rules.calendar import Moment, fields_of

if TYPE_CHECKING:
    from everbeat.cib.tree import Element
    from everbeat.policy.emit.execute import Execution
    from everbeat.policy.emit.graph import Synapse
    from everbeat.policy.plan.plan import Plan

_EPOCH_DIGITS_MAX = 12  # later dates than any calendar here; longer is no time


def render_summary(
    plan: Plan, graph: list[Synapse], before: list[str], date_line: str | None
) -> str:
    """Write the summary; `before` is the state as it was before any stage had run."""
    lines: list[str] = []
    if date_line is not None:
        lines.append(date_line)
    lines += before
    lines += ["", "Transition Summary:", *change_lines(plan)]
    execution = execute(plan, graph)
    lines += ["", "Executing Cluster Transition:", *execution.lines]
    if date_line is not None:
        lines.append(date_line)
    lines += revised_block(plan, execution)
    return "\n".join(lines) + "\n"


def revised_lines(plan: Plan, execution: Execution) -> list[str]:
    """Write the state as it is after an execution."""
    return status_lines(_plan_after(plan, execution))


def revised_block(plan: Plan, execution: Execution) -> list[str]:
    """Write the state as it is after an execution, under its heading."""
    after = _plan_after(plan, execution)
    return [*after.notices, "", "Revised Cluster Status:", *status_lines(after)]


def _plan_after(plan: Plan, execution: Execution) -> Plan:
    after = plan_from_cib(execution.cib, plan.now)
    for resource in after.all_resources():
        resource.pending_task = None  # what is under way is shown in the first list only
    return after


def head_lines(plan: Plan) -> list[str]:
    """Write the state as it is, with what is special about it."""
    lines = list(plan.notices)
    if plan.options.maintenance_mode:
        lines.append("              *** Resource management is DISABLED ***")
        lines.append("  The cluster will not attempt to start, stop or recover services")
    total, disabled, blocked = counts(plan)
    if disabled or blocked:
        lines.append(
            f"{disabled} of {total} resource instances DISABLED and {blocked} BLOCKED "
            "from further action due to failure"
        )
    return [*lines, "", "Current cluster status:", *status_lines(plan)]


def date_line_of(cib: Element) -> str | None:
    """Return the line that names the time a document was made for."""
    text = cib.text("execution-date")
    if not text.isascii() or not text.isdigit() or len(text) > _EPOCH_DIGITS_MAX:
        return None
    at = fields_of(Moment(int(text)))
    hour, rest = divmod(int(text) % 86400, 3600)
    minute, second = divmod(rest, 60)
    return (
        f"Using the original execution date of: {at.year:04}-{at.month:02}-{at.monthday:02} "
        f"{hour:02}:{minute:02}:{second:02}Z"
    )
