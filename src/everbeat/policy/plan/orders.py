"""Recording orderings, and beside each of them the ones a live migration of either side needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from everbeat.policy.plan.constraint import OrderRecord
from everbeat.policy.plan.words import IN_THIS_ORDER, UNLESS_FIRST_MIGRATES
from everbeat.policy.values import operation_key, parse_operation_key

if TYPE_CHECKING:
    from everbeat.policy.plan.action import Action
    from everbeat.policy.plan.plan import Plan
    from everbeat.policy.plan.resource import Resource


def order_tasks(
    plan: Plan, first: Resource, first_task: str, then: Resource, then_task: str, flags: int
) -> None:
    """Record that a task of one resource comes before a task of another."""
    record_ordering(
        plan,
        first_resource=first,
        first_key=operation_key(first.id, first_task, 0),
        then_resource=then,
        then_key=operation_key(then.id, then_task, 0),
        flags=flags,
    )


def record_ordering(
    plan: Plan,
    *,
    flags: int,
    first_resource: Resource | None = None,
    first_key: str | None = None,
    first_action: Action | None = None,
    then_resource: Resource | None = None,
    then_key: str | None = None,
    then_action: Action | None = None,
) -> None:
    """Record an ordering between keys or actions."""
    if first_action is not None:
        first_resource = first_resource or first_action.resource
        first_key = first_key or first_action.key
    if then_action is not None:
        then_resource = then_resource or then_action.resource
        then_key = then_key or then_action.key
    record = OrderRecord(
        first_resource, first_key, first_action, then_resource, then_key, then_action, flags
    )
    plan.orderings.append(record)
    _order_migration_equivalents(plan, record)


def _task_of(action: Action | None, key: str | None) -> str:
    if action is not None:
        return action.task
    parsed = parse_operation_key(key) if key is not None else None
    return parsed[1] if parsed is not None else ""


def _order_migration_equivalents(plan: Plan, record: OrderRecord) -> None:
    first, then = record.first_resource, record.then_resource
    if first is None or then is None or first is then:
        return
    if first.parent is then or then.parent is first:
        return
    if not first.allow_migrate and not then.allow_migrate:
        return
    first_task = _task_of(record.first_action, record.first_key)
    then_task = _task_of(record.then_action, record.then_key)
    unmigratable = UNLESS_FIRST_MIGRATES if first.allow_migrate else 0
    match first_task, then_task:
        case "start", "start":
            if first.allow_migrate and then.allow_migrate:
                order_tasks(plan, first, "migrate_from", then, "migrate_to", IN_THIS_ORDER)
            if then.allow_migrate:
                order_tasks(plan, first, "start", then, "migrate_to", IN_THIS_ORDER | unmigratable)
        case "stop", "stop" if then.allow_migrate:
            order_tasks(plan, first, "stop", then, "migrate_to", IN_THIS_ORDER | unmigratable)
            if then.partial_target is not None:
                order_tasks(plan, first, "stop", then, "migrate_from", IN_THIS_ORDER | unmigratable)
        case "promote", "start" if then.allow_migrate:
            order_tasks(plan, first, "promote", then, "migrate_to", IN_THIS_ORDER)
        case "demote", "stop" if then.allow_migrate:
            order_tasks(plan, first, "demote", then, "migrate_to", IN_THIS_ORDER)
            if then.partial_target is not None:
                order_tasks(plan, first, "demote", then, "migrate_from", IN_THIS_ORDER)
        case _:
            pass
