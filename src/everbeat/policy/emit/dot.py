"""The drawing of a transition in the dot language: what runs, what cannot, what waits.

Reads:  actions and relations after the graph was built
Oracle: dot files
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from everbeat.policy.plan.words import FREE_CAPACITY
from everbeat.policy.values import operation_key

if TYPE_CHECKING:
    from everbeat.policy.plan.action import Action
    from everbeat.policy.plan.plan import Plan


def _key_for_people(action: Action, history_id: str | None) -> str:
    """Return an action's name under the name the resource has in history."""
    if history_id is None:
        return action.key
    if action.task in ("notify", "notified"):
        kind = action.meta.get("notify_key_type", "")
        task = action.meta.get("notify_key_operation", "")
        return operation_key(history_id, f"{kind}_notify_{task}", 0)
    return operation_key(history_id, action.cancelled_task or action.task, action.interval_ms)


def action_name(action: Action) -> str:
    """Return an action's name in a drawing."""
    host: str | None = None
    if action.node is not None:
        host = action.node.name
    elif not action.is_pseudo:
        host = "<none>"
    prefix = "Cancel " if action.task == "cancel" else ""
    if action.task == "stonith":
        return f"{prefix}stonith '{action.meta.get('stonith_action', '')}' {host}"
    if action.resource is not None:
        key = _key_for_people(action, action.resource.history_id)
        return f"{prefix}{key} {host}" if host is not None else f"{prefix}{key}"
    if host is not None:
        return f"{prefix}{action.task} {host}"
    return prefix + action.key


def render_dot(plan: Plan) -> str:
    """Write the drawing."""
    lines = [' digraph "g" {']
    for action in reversed(plan.actions):
        style, color = "dashed", "black"
        font = "orange" if action.is_pseudo else "black"
        if action.in_graph:
            style, color = "bold", "green"
        elif (action.resource is not None and not action.resource.managed) or action.is_optional:
            continue
        else:
            color = "red"
        action.counts_as_added = True
        lines.append(f'"{action_name(action)}" [ style={style} color="{color}" fontcolor="{font}"]')
    for action in reversed(plan.actions):
        for relation in action.before:
            if relation.graphed:
                style = "bold"
            elif relation.flags in (0, FREE_CAPACITY):
                continue
            elif action.counts_as_added and relation.action.counts_as_added:
                style = "dashed"
            else:
                continue
            first, then = action_name(relation.action), action_name(action)
            lines.append(f'"{first}" -> "{then}" [ style = {style}]')
    lines.append("}")
    return "\n".join(lines) + "\n"
