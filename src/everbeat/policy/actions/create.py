"""Making actions, and finding those already made.

Invariant: actions are numbered in the order in which they are made, needed or not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from everbeat.policy.actions.operations import find_operation, operation_meta
from everbeat.policy.plan.action import Action
from everbeat.policy.plan.words import (
    NEEDS_FENCING,
    NEEDS_NOTHING,
    NEEDS_QUORUM,
    OPTIONAL,
    PSEUDO,
    REASON_FROZEN,
    REASON_NO_QUORUM,
    RUNNABLE,
    UNPROMOTED,
)
from everbeat.policy.unpack.attributes import take_blocks
from everbeat.policy.unpack.rules_seam import RuleFacts
from everbeat.policy.values import operation_key, parse_operation_key

if TYPE_CHECKING:
    from everbeat.policy.plan.node import Node
    from everbeat.policy.plan.plan import Plan
    from everbeat.policy.plan.resource import Resource


def new_action(
    plan: Plan,
    resource: Resource | None,
    key: str,
    task: str,
    node: Node | None,
    *,
    optional: bool,
) -> Action:
    """Return the action with this key on this node, made now if there is none."""
    action = _existing(plan, resource, key, node)
    if action is None:
        action = _make(plan, resource, key, task, node, optional=optional)
    _settle_optional(action, optional=optional)
    if resource is not None:
        _take_parameters(plan, action)
        settle_runnable(plan, action)
    return action


def task_action(
    plan: Plan, resource: Resource, task: str, node: Node | None, *, optional: bool
) -> Action:
    """Return the action that runs a task of a resource once."""
    key = operation_key(resource.id, task, 0)
    return new_action(plan, resource, key, task, node, optional=optional)


def pseudo_action(plan: Plan, resource: Resource, task: str, *, optional: bool) -> Action:
    """Return a collective's own point in the order."""
    action = task_action(plan, resource, task, None, optional=optional)
    action.make_pseudo()
    action.allow()
    return action


def _existing(plan: Plan, resource: Resource | None, key: str, node: Node | None) -> Action | None:
    known = plan.actions_by_key if resource is None else resource.actions_by_key
    return _match(known.get(key.lower(), ()), node)


def _match(candidates: list[Action] | tuple[()], node: Node | None) -> Action | None:
    found: Action | None = None
    for action in candidates:
        if node is not None:
            if action.node is None:
                action.node = node
            elif action.node is not node:
                continue
        if found is None:
            found = action
    return found


def find_actions(resource: Resource, key: str, node: Node | None) -> list[Action]:
    """Find a resource's actions by key, oldest first; one without a node takes this one."""
    found: list[Action] = []
    for action in resource.actions_by_key.get(key.lower(), ()):
        if node is not None:
            if action.node is None:
                action.node = node
            elif action.node is not node:
                continue
        found.append(action)
    return found


def find_task_actions(resource: Resource, task: str, node: Node | None) -> list[Action]:
    """Find a resource's single-run actions of a task, oldest first."""
    return find_actions(resource, operation_key(resource.id, task, 0), node)


def newest_of_task(resource: Resource, task: str, node: Node | None) -> Action | None:
    """Find the newest action of a task, on the node if one is given."""
    for action in reversed(resource.actions_by_task.get(task, ())):
        if action.task != task:
            continue
        if node is None or action.node is node:
            return action
    return None


def _make(
    plan: Plan,
    resource: Resource | None,
    key: str,
    task: str,
    node: Node | None,
    *,
    optional: bool,
) -> Action:
    action = Action(len(plan.actions) + 1, resource, task, key)
    action.node = node
    if optional:
        action.flags |= OPTIONAL
    plan.actions.append(action)
    if resource is None:
        plan.actions_by_key.setdefault(key.lower(), []).append(action)
        return action
    resource.actions.append(action)
    resource.actions_by_key.setdefault(key.lower(), []).append(action)
    resource.actions_by_task.setdefault(task, []).append(action)
    action.on_dc = task == "lrm_delete"
    parsed = parse_operation_key(key)
    action.interval_ms = 0 if parsed is None else parsed[2]
    action.meta = operation_meta(plan, resource, task, action.interval_ms)
    if task in ("start", "promote"):
        if resource.needs_fencing:
            action.needs = NEEDS_FENCING
        elif resource.needs_quorum:
            action.needs = NEEDS_QUORUM
    return action


def change_task(action: Action, task: str) -> None:
    """Turn an action into one of another task; its key stays."""
    if action.task == task:
        return
    action.task = task
    if action.resource is not None:
        known = action.resource.actions_by_task.setdefault(task, [])
        known.append(action)
        known.sort(key=lambda other: other.id)


def _settle_optional(action: Action, *, optional: bool) -> None:
    resource = action.resource
    if (
        resource is not None
        and not resource.managed
        and not action.is_pseudo
        and action.node is not None
        and "interval" not in action.meta
    ):
        action.flags |= OPTIONAL
    elif not optional:
        action.flags &= ~OPTIONAL


def _take_parameters(plan: Plan, action: Action) -> None:
    resource = action.resource
    if action.extra_done or resource is None or action.node is None:
        return
    action.extra_done = True
    op = find_operation(resource, action.task, action.interval_ms, with_disabled=True)
    if op is not None:
        facts = RuleFacts(node_attributes=action.node.attributes)
        take_blocks(plan, op, "instance_attributes", facts, action.extra)


def is_active(resource: Resource, *, everywhere: bool = False) -> bool:
    """Say whether a resource runs somewhere: any part of it, or with `everywhere` every part."""
    if resource.children:
        states = [is_active(child, everywhere=everywhere) for child in resource.children]
        return all(states) if everywhere else any(states)
    return any(node.unclean or node.online or not resource.managed for node in resource.active_on)


def settle_runnable(plan: Plan, action: Action) -> None:
    """Say whether an action can be run as things stand."""
    from everbeat.policy.actions.fence import can_fence, fence_node  # noqa: PLC0415 - a cycle

    resource, node = action.resource, action.node
    assert resource is not None
    if action.flags & PSEUDO:
        return
    if node is None:
        action.forbid()
    elif not action.on_dc and not node.online and (not node.is_guest() or node.remote_reset):
        action.forbid()
        if resource.managed and action.task == "stop" and not node.unclean:
            fence_node(plan, node, "stop is unrunnable", priority_delay=False)
    elif not action.on_dc and node.pending:
        action.forbid()
    elif action.needs == NEEDS_NOTHING:
        action.reason = None
        if node.is_guest() and not can_fence(plan, node):
            action.forbid()
        else:
            action.flags |= RUNNABLE
    else:
        _settle_by_quorum(plan, action, resource)


def _settle_by_quorum(plan: Plan, action: Action, resource: Resource) -> None:
    policy = plan.options.quorum_policy
    if plan.have_quorum:
        action.allow()
        return
    if policy == "demote" and resource.role >= UNPROMOTED:
        resource.next_role = min(resource.next_role, UNPROMOTED)
        action.allow()
    elif policy in ("stop", "demote"):
        action.forbid()
        action.set_reason(REASON_NO_QUORUM, overwrite=True)
    elif policy == "freeze":
        if not is_active(resource, everywhere=True) or resource.next_role > resource.role:
            action.forbid()
            action.set_reason(REASON_FROZEN, overwrite=True)
    else:
        action.allow()
