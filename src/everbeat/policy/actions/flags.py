"""The flags of an action as orderings see them: of a collective's action, those of its parts.

Looking changes state on purpose: a collective's own action becomes required with a part's action.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from everbeat.policy.actions.create import newest_of_task
from everbeat.policy.assign.colocation import instances_of
from everbeat.policy.plan.words import CLONE, GROUP, OPTIONAL, PRIMITIVE, PSEUDO, RUNNABLE
from everbeat.policy.values import parse_operation_key

if TYPE_CHECKING:
    from everbeat.policy.plan.action import Action
    from everbeat.policy.plan.node import Node
    from everbeat.policy.plan.resource import Resource

_BASE = {
    "running": "start",
    "stopped": "stop",
    "promoted": "promote",
    "demoted": "demote",
}
_NOTIFY_HEADS = (
    "pre_notify_",
    "post_notify_",
    "confirmed-pre_notify_",
    "confirmed-post_notify_",
)


def base_task(action: Action) -> str:
    """Return the task of members a collective's action stands for.

    Groups in a clone have points of their own: there `running` stands for `running`.
    """
    task = action.task
    if task in ("notify", "notified"):
        parsed = parse_operation_key(action.key)
        if parsed is not None:
            task = parsed[1]
            for head in _NOTIFY_HEADS:
                task = task.removeprefix(head)
    resource = action.resource
    if resource is not None and resource.children and resource.children[0].variant != PRIMITIVE:
        return task
    return _BASE.get(task, task)


def action_flags(action: Action, node: Node | None) -> int:
    """Return an action's flags, for a collective's action as its parts make them."""
    resource = action.resource
    if resource is None or resource.variant == PRIMITIVE:
        return action.flags
    if resource.variant == GROUP:
        return _group_flags(resource, action, node)
    return _collective_flags(resource, action, node)


def flags_for_ordering(action: Action, node: Node | None) -> int:
    """Return an action's flags as an ordering with an action on a node sees them."""
    resource = action.resource
    if resource is None:
        return action.flags
    flags = action_flags(action, None)
    if node is not None and resource.variant == CLONE:
        runnable = flags & RUNNABLE
        flags = action_flags(action, node) | runnable
    return flags


def _group_flags(group: Resource, action: Action, node: Node | None) -> int:
    flags = OPTIONAL | RUNNABLE | PSEUDO
    task = base_task(action)
    for member in group.children:
        own = newest_of_task(member, task, node)
        if own is not None:
            if flags & OPTIONAL and not own.flags & OPTIONAL:
                flags &= ~OPTIONAL
                action.flags &= ~OPTIONAL
            if task != action.task and flags & RUNNABLE and not own.flags & RUNNABLE:
                flags &= ~RUNNABLE
                action.flags &= ~RUNNABLE
        elif task not in ("stop", "demote"):
            flags &= ~RUNNABLE
    return flags


def _parts(collective: Resource, task: str) -> list[Resource]:
    if collective.bundle is None:
        return collective.children
    clone = collective.bundle.clone
    if task in ("promote", "demote", "notify") and clone is not None:
        return clone.children
    return instances_of(collective)


def _collective_flags(collective: Resource, action: Action, node: Node | None) -> int:
    flags = OPTIONAL | RUNNABLE | PSEUDO
    task = base_task(action)
    any_runnable = False
    for instance in _parts(collective, task):
        found = newest_in(instance, task, node if instance.variant == PRIMITIVE else None)
        if found is None:
            continue
        own = action_flags(found, node)
        if flags & OPTIONAL and not own & OPTIONAL:
            flags &= ~OPTIONAL
            action.flags &= ~OPTIONAL
        if own & RUNNABLE:
            any_runnable = True
    if not any_runnable:
        flags &= ~RUNNABLE
        if node is None:
            action.flags &= ~RUNNABLE
    return flags


def newest_in(instance: Resource, task: str, node: Node | None) -> Action | None:
    """Return an instance's newest action of a task."""
    return newest_of_task(instance, task, node)
