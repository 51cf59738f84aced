"""Live migration: a move that needs no stop on the old node before the start on the new one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from everbeat.policy.actions.create import task_action
from everbeat.policy.plan.orders import order_tasks
from everbeat.policy.plan.words import (
    IN_THIS_ORDER,
    MIGRATABLE,
    START_UNLESS_MIGRATED,
    WHOLE_MIGRATION,
)

if TYPE_CHECKING:
    from everbeat.policy.plan.node import Node
    from everbeat.policy.plan.plan import Plan
    from everbeat.policy.plan.resource import Resource


def can_migrate(resource: Resource, current: Node | None) -> bool:
    """Say whether a resource could be moved live from where it is to where it was put."""
    assigned = resource.assigned
    return (
        resource.allow_migrate
        and resource.managed
        and not resource.failed
        and not resource.start_pending
        and current is not None
        and not current.unclean
        and assigned is not None
        and not assigned.unclean
    )


def create_migration(plan: Plan, resource: Resource, current: Node | None) -> None:
    """Create a live migration beside the stop and start it may replace."""
    assigned = resource.assigned
    assert current is not None
    assert assigned is not None
    start = task_action(plan, resource, "start", assigned, optional=True)
    stop = task_action(plan, resource, "stop", current, optional=True)
    move_out = None
    if resource.partial_target is None:
        move_out = task_action(plan, resource, "migrate_to", current, optional=True)
    move_in = task_action(plan, resource, "migrate_from", assigned, optional=True)
    start.flags |= MIGRATABLE
    stop.flags |= MIGRATABLE
    start.make_pseudo()
    move_in.flags |= MIGRATABLE
    if move_out is not None:
        move_out.flags |= MIGRATABLE
        move_out.needs = start.needs
        order_tasks(plan, resource, "monitor", resource, "migrate_to", IN_THIS_ORDER)
        flags = IN_THIS_ORDER | WHOLE_MIGRATION
        order_tasks(plan, resource, "migrate_to", resource, "migrate_from", flags)
    else:
        move_in.needs = start.needs
        order_tasks(plan, resource, "monitor", resource, "migrate_from", IN_THIS_ORDER)
    flags = IN_THIS_ORDER | WHOLE_MIGRATION
    order_tasks(plan, resource, "migrate_from", resource, "stop", flags)
    flags |= START_UNLESS_MIGRATED
    order_tasks(plan, resource, "migrate_from", resource, "start", flags)
    for action in (move_out, move_in):
        if action is not None:
            action.meta["migrate_source"] = current.name
            action.meta["migrate_target"] = assigned.name
    if move_out is not None and not resource.is_remote_connection():
        move_out.meta["record-pending"] = "true"
