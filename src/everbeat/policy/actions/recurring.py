"""Recurring operations: monitors of a running resource, and of one that must stay stopped.

Reads:  configured operations, the operations already running
Writes: recurring actions and cancellations
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from everbeat.policy.actions.config_changes import make_cancel
from everbeat.policy.actions.create import (
    find_actions,
    find_task_actions,
    new_action,
    task_action,
)
from everbeat.policy.actions.operations import is_enabled
from everbeat.policy.actions.pairs import order_pair
from everbeat.policy.plan.orders import record_ordering
from everbeat.policy.plan.words import (
    IN_THIS_ORDER,
    PROMOTED,
    ROLE_UNKNOWN,
    STARTED,
    STOPPED,
    THEN_MUST_FOLLOW,
    THEN_NEEDS_FIRST,
    UNPROMOTED,
    role_from_text,
)
from everbeat.policy.values import interval_ms, operation_key

if TYPE_CHECKING:
    from everbeat.cib.tree import Element
    from everbeat.policy.plan.action import Action
    from everbeat.policy.plan.node import Node
    from everbeat.policy.plan.plan import Plan
    from everbeat.policy.plan.resource import Resource

_NEVER_RECURRING = frozenset(
    ("start", "stop", "promote", "demote", "reload-agent", "migrate_to", "migrate_from")
)
_AFTER = THEN_MUST_FOLLOW | THEN_NEEDS_FIRST


def create_recurring(plan: Plan, resource: Resource) -> None:
    """Create the recurring operations of one resource."""
    if resource.blocked or resource.maintenance:
        return
    node = resource.assigned
    start: Action | None = None
    if node is not None and node.maintenance:
        return
    if node is not None and (resource.next_role != STOPPED or not resource.managed):
        start = task_action(plan, resource, "start", node, optional=True)
    counts: dict[tuple[str, int], int] = {}
    for op in resource.operations:
        identity = (op.text("name"), interval_ms(op.get("interval")))
        counts[identity] = counts.get(identity, 0) + 1
    for op in resource.operations:
        interval = interval_ms(op.get("interval"))
        name = op.text("name")
        if interval == 0 or name in _NEVER_RECURRING or counts[name, interval] > 1:
            continue
        written_role = op.get("role")
        role = role_from_text(written_role)
        if (written_role is not None and role == ROLE_UNKNOWN) or not is_enabled(op):
            continue
        if role == STOPPED:
            if resource.unique:
                _watch_stopped(plan, resource, op, name, interval)
        elif start is not None and node is not None:
            _watch_running(plan, resource, node, start, role, name, interval)


def _watch_running(
    plan: Plan,
    resource: Resource,
    node: Node,
    start: Action,
    role: int,
    name: str,
    interval: int,
) -> None:
    key = operation_key(resource.id, name, interval)
    known = find_actions(resource, key, node)
    optional = start.is_optional and bool(known) and not known[0].reschedule
    matches = role == resource.next_role if role else resource.next_role != PROMOTED
    if not matches:
        if optional:
            _cancel_for_role(plan, resource, node, name, interval)
        return
    monitor = new_action(plan, resource, key, name, node, optional=optional)
    if not start.is_runnable or not node.online or node.unclean:
        monitor.forbid()
    if resource.next_role == PROMOTED:
        monitor.meta["op_target_rc"] = "8"
    if not resource.managed:
        return
    _order_after(plan, resource, "start", monitor, _AFTER)
    _order_after(plan, resource, "reload-agent", monitor, _AFTER)
    if resource.next_role == PROMOTED:
        _order_after(plan, resource, "promote", monitor, IN_THIS_ORDER | THEN_NEEDS_FIRST)
    elif resource.role == PROMOTED:
        _order_after(plan, resource, "demote", monitor, IN_THIS_ORDER | THEN_NEEDS_FIRST)


def _order_after(plan: Plan, resource: Resource, task: str, then: Action, flags: int) -> None:
    record_ordering(
        plan,
        first_resource=resource,
        first_key=operation_key(resource.id, task, 0),
        then_resource=resource,
        then_action=then,
        flags=flags,
    )


def _cancel_for_role(plan: Plan, resource: Resource, node: Node, name: str, interval: int) -> None:
    cancel = make_cancel(plan, resource, name, interval, node)
    task: str | None = None
    if resource.role in (UNPROMOTED, STARTED):
        if resource.next_role == PROMOTED:
            task = "promote"
        elif resource.next_role == STOPPED:
            task = "stop"
    elif resource.role == PROMOTED:
        task = "demote"
    if task is not None:
        record_ordering(
            plan,
            first_resource=resource,
            first_action=cancel,
            then_resource=resource,
            then_key=operation_key(resource.id, task, 0),
            flags=THEN_NEEDS_FIRST,
        )


def _watch_stopped(plan: Plan, resource: Resource, op: Element, name: str, interval: int) -> None:
    key = operation_key(resource.id, name, interval)
    assigned = resource.assigned
    if assigned is not None and find_actions(resource, key, assigned):
        cancel = make_cancel(plan, resource, name, interval, assigned)
        if resource.next_role in (STARTED, UNPROMOTED):
            record_ordering(
                plan,
                first_resource=resource,
                first_action=cancel,
                then_resource=resource,
                then_key=operation_key(resource.id, "start", 0),
                flags=THEN_NEEDS_FIRST,
            )
    for node in plan.nodes:
        if node is not assigned:
            _watch_stopped_on(plan, resource, node, key, op)


def _watch_stopped_on(plan: Plan, resource: Resource, node: Node, key: str, op: Element) -> None:
    optional = bool(find_actions(resource, key, node))
    monitor = new_action(plan, resource, key, op.text("name"), node, optional=optional)
    monitor.meta["op_target_rc"] = "7"
    if resource.managed:
        for probe in find_task_actions(resource, "monitor", node):
            order_pair(probe, monitor, THEN_NEEDS_FIRST)
    for stop in find_task_actions(resource, "stop", node):
        if stop.is_required and monitor.is_required and not resource.managed:
            monitor.make_optional()
        if not stop.is_runnable:
            monitor.forbid()
        if resource.managed:
            record_ordering(
                plan,
                first_resource=resource,
                first_action=stop,
                then_resource=resource,
                then_action=monitor,
                flags=_AFTER,
            )
    if not node.online or node.unclean:
        monitor.forbid()
