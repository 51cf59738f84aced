"""Stage `create actions`: what each resource must do to get from its role to the next one.

Reads:  current and next roles, active and assigned nodes
Writes: actions of every resource; the points in the order that collectives have
Oracle: graphs of every case
"""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from everbeat.policy.actions.create import (
    find_task_actions,
    pseudo_action,
    task_action,
)
from everbeat.policy.actions.migration import can_migrate, create_migration
from everbeat.policy.actions.notify import make_notify_data
from everbeat.policy.actions.pairs import order_pair
from everbeat.policy.actions.recurring import create_recurring
from everbeat.policy.actions.unfencing import unfence_before
from everbeat.policy.assign.colocation import instances_of
from everbeat.policy.plan import words
from everbeat.policy.plan.orders import record_ordering
from everbeat.policy.plan.placing import current_node
from everbeat.policy.plan.words import (
    CLONE,
    FIRST_MUST_PRECEDE,
    IN_THIS_ORDER,
    MIGRATABLE,
    PROMOTED,
    ROLE_UNKNOWN,
    STARTED,
    STOPPED,
    THEN_MUST_FOLLOW,
    UNPROMOTED,
)
from everbeat.policy.score import INFINITY
from everbeat.policy.unpack.expiry import clear_fail_count
from everbeat.policy.unpack.failcounts import fail_count
from everbeat.policy.values import is_true, operation_key

if TYPE_CHECKING:
    from everbeat.policy.plan.node import Node
    from everbeat.policy.plan.plan import Plan
    from everbeat.policy.plan.resource import Resource


def create_all_actions(plan: Plan) -> None:
    """Clear what removed resources left behind, then create everybody's actions."""
    if plan.options.stop_removed:
        for resource in plan.resources:
            if resource.removed:
                _clear_removed(plan, resource)
    for resource in list(plan.resources):
        create_actions(plan, resource)


def _clear_removed(plan: Plan, resource: Resource) -> None:
    for node in plan.nodes:
        if not node.online:
            continue
        count, _ = fail_count(plan, resource, node, effective=True)
        if count == 0:
            continue
        action = clear_fail_count(plan, resource, node, "it is orphaned")
        record_ordering(
            plan,
            first_action=action,
            then_resource=resource,
            then_key=operation_key(resource.id, "stop", 0),
            flags=IN_THIS_ORDER,
        )


def create_actions(plan: Plan, resource: Resource) -> None:
    """Create the actions of one resource of any kind."""
    match resource.variant:
        case words.GROUP:
            _create_group_actions(plan, resource)
        case words.CLONE:
            _create_instance_actions(plan, resource)
            if resource.promotable:
                _create_promotion_actions(plan, resource)
        case words.BUNDLE:
            _create_bundle_actions(plan, resource)
        case _:
            _create_primitive_actions(plan, resource)


def _create_group_actions(plan: Plan, group: Resource) -> None:
    for member in group.children:
        create_actions(plan, member)
    for task in ("start", "running", "stop", "stopped"):
        pseudo_action(plan, group, task, optional=True)
    if is_true(group.meta.get("promotable")):
        for task in ("demote", "demoted", "promote", "promoted"):
            pseudo_action(plan, group, task, optional=True)


@final
class _Activity:
    """What the instances of a collective are up to."""

    def __init__(self) -> None:
        self.active = False
        self.starting = False
        self.stopping = False
        self.restarting = False

    def look_at(self, instance: Resource) -> None:
        """Take one instance into account."""
        starting = stopping = False
        for primitive in instance.primitives():
            self.active |= bool(primitive.active_on)
            own_start = own_stop = False
            for action in primitive.actions:
                if action.is_optional:
                    continue
                if action.task == "start" and action.is_runnable:
                    own_start = True
                elif action.task == "stop" and (action.is_pseudo or action.is_runnable):
                    own_stop = True
            starting |= own_start
            stopping |= own_stop
        self.starting |= starting
        self.stopping |= stopping
        self.restarting |= starting and stopping


def _create_instance_actions(
    plan: Plan, collective: Resource, instances: list[Resource] | None = None
) -> None:
    activity = _Activity()
    for instance in collective.children if instances is None else instances:
        create_actions(plan, instance)
        activity.look_at(instance)
    start = pseudo_action(plan, collective, "start", optional=not activity.starting)
    running = pseudo_action(plan, collective, "running", optional=not activity.starting)
    running.priority = INFINITY
    if not (activity.active or activity.starting):
        running.forbid()
    stop = pseudo_action(plan, collective, "stop", optional=not activity.stopping)
    stopped = pseudo_action(plan, collective, "stopped", optional=not activity.stopping)
    stopped.priority = INFINITY
    if not activity.restarting:
        stop.flags |= MIGRATABLE
    if collective.notify and collective.variant == CLONE:
        start_data = make_notify_data(plan, collective, "start", start, running)
        stop_data = make_notify_data(plan, collective, "stop", stop, stopped)
        order_pair(stop_data.post_done, start_data.pre, IN_THIS_ORDER)


def _create_promotion_actions(plan: Plan, clone: Resource) -> None:
    promoting = demoting = False
    for instance in clone.children:
        create_actions(plan, instance)
        for primitive in instance.primitives():
            for action in primitive.actions:
                if action.is_required and action.is_runnable:
                    promoting |= action.task == "promote"
                    demoting |= action.task == "demote"
    promote = pseudo_action(plan, clone, "promote", optional=not promoting)
    promoted = pseudo_action(plan, clone, "promoted", optional=not promoting)
    promoted.priority = INFINITY
    if clone.notify:
        make_notify_data(plan, clone, "promote", promote, promoted)
    demote = pseudo_action(plan, clone, "demote", optional=not demoting)
    demoted = pseudo_action(plan, clone, "demoted", optional=not demoting)
    demoted.priority = INFINITY
    if clone.notify:
        from everbeat.policy.actions.notify import order_promotion_notices  # noqa: PLC0415

        make_notify_data(plan, clone, "demote", demote, demoted)
        order_promotion_notices(clone)
    for instance in clone.children:
        _reset_priority(instance, clone.priority)


def _reset_priority(resource: Resource, priority: int) -> None:
    resource.priority = priority


def _create_bundle_actions(plan: Plan, bundle: Resource) -> None:
    parts = bundle.bundle
    assert parts is not None
    for replica in parts.replicas:
        for part in (replica.ip, replica.container, replica.remote):
            if part is not None:
                create_actions(plan, part)
    _create_instance_actions(plan, bundle, instances_of(bundle))
    if parts.clone is None:
        return
    create_actions(plan, parts.clone)
    if parts.clone.promotable:
        for task, done in (("promote", "promoted"), ("demote", "demoted")):
            pseudo_action(plan, bundle, task, optional=True)
            pseudo_action(plan, bundle, done, optional=True).priority = INFINITY


def _create_primitive_actions(plan: Plan, resource: Resource) -> None:
    if resource.next_role == ROLE_UNKNOWN:
        resource.next_role = STARTED if resource.assigned is not None else STOPPED
    current = current_node(resource)
    assigned = resource.assigned
    for node in resource.dangling_sources:
        stop = task_action(plan, resource, "stop", node, optional=False)
        stop.migration_abort = True
    moving = (
        current is not None
        and assigned is not None
        and current is not assigned
        and resource.next_role >= STARTED
    )
    needs_stop = False
    migrates = False
    if moving:
        migrates = can_migrate(resource, current)
        needs_stop = True
    migrates, needs_stop = _settle_activity(
        resource, current, migrates=migrates, needs_stop=needs_stop
    )
    if resource.start_pending:
        start = task_action(plan, resource, "start", assigned, optional=True)
        start.always_in_graph = True
    needs_promote = False
    if not moving:
        needs_stop, needs_promote = _needs_restart(plan, resource, needs_stop=needs_stop)
    _restart_part(plan, resource, current, needs_stop=needs_stop, needs_promote=needs_promote)
    _transition_part(plan, resource)
    create_recurring(plan, resource)
    if migrates:
        create_migration(plan, resource, current)


def _settle_activity(
    resource: Resource, current: Node | None, *, migrates: bool, needs_stop: bool
) -> tuple[bool, bool]:
    clean = [n for n in resource.active_on if n.online and not n.unclean]
    every = len(resource.active_on)
    if (
        resource.partial_source is not None
        and resource.partial_target is not None
        and migrates
        and every == 2
        and current is resource.partial_source
        and resource.assigned is resource.partial_target
    ):
        return migrates, needs_stop
    if resource.partial_source is not None or resource.partial_target is not None:
        resource.partial_source = None
        resource.partial_target = None
        resource.stop_unexpected = False
        return False, True
    multiply = every > 1 if resource.needs_fencing else len(clean) > 1
    if not multiply:
        resource.stop_unexpected = False
    elif resource.multiple_active == "stop_start":
        needs_stop = True
    elif resource.multiple_active == "stop_unexpected":
        needs_stop = True
        resource.stop_unexpected = True
    return migrates, needs_stop


def _needs_restart(plan: Plan, resource: Resource, *, needs_stop: bool) -> tuple[bool, bool]:
    needs_promote = False
    if resource.failed:
        if resource.stop_if_failed:
            needs_stop = True
        elif resource.next_role == PROMOTED:
            needs_promote = True
    elif resource.blocked:
        needs_stop = True
    elif resource.role > STARTED and resource.active_on and resource.assigned is not None:
        start = task_action(plan, resource, "start", resource.assigned, optional=True)
        if start.is_required:
            needs_stop = True
    return needs_stop, needs_promote


_STEP = {
    (STOPPED, STARTED): STARTED,
    (STOPPED, UNPROMOTED): UNPROMOTED,
    (STOPPED, PROMOTED): UNPROMOTED,
    (STARTED, UNPROMOTED): UNPROMOTED,
    (STARTED, PROMOTED): PROMOTED,
    (UNPROMOTED, PROMOTED): PROMOTED,
    (STARTED, STOPPED): STOPPED,
    (UNPROMOTED, STOPPED): STOPPED,
    (UNPROMOTED, STARTED): STOPPED,
    (PROMOTED, STOPPED): UNPROMOTED,
    (PROMOTED, STARTED): UNPROMOTED,
    (PROMOTED, UNPROMOTED): UNPROMOTED,
}


def _next_step(role: int, towards: int) -> int:
    if role == ROLE_UNKNOWN:
        return STOPPED
    return _STEP.get((role, towards), role)


def _restart_part(
    plan: Plan,
    resource: Resource,
    current: Node | None,
    *,
    needs_stop: bool,
    needs_promote: bool,
) -> None:
    resource.restarting = True
    role = resource.role
    while role != STOPPED:
        step = _next_step(role, STOPPED)
        if not _take_step(plan, resource, role, step, current, optional=not needs_stop):
            break
        role = step
    while resource.role <= resource.next_role and role != resource.role and not resource.blocked:
        step = _next_step(role, resource.role)
        required = needs_stop or (step == PROMOTED and needs_promote)
        if not _take_step(plan, resource, role, step, resource.assigned, optional=not required):
            break
        role = step
    resource.restarting = False


def _transition_part(plan: Plan, resource: Resource) -> None:
    role = resource.role
    while role != resource.next_role:
        step = _next_step(role, resource.next_role)
        if step == role:
            break
        if not _take_step(plan, resource, role, step, resource.assigned, optional=False):
            break
        role = step


def _take_step(
    plan: Plan, resource: Resource, role: int, step: int, node: Node | None, *, optional: bool
) -> bool:
    """Create the actions of one step between roles; False where there is no such step."""
    if step == STOPPED:
        _stop(plan, resource, optional=optional)
    elif role <= STOPPED:
        _start(plan, resource, node, optional=optional)
    elif step == PROMOTED:
        _promote(plan, resource, node, optional=optional)
    elif role == PROMOTED:
        _demote(plan, resource, optional=optional)
    else:
        return False
    return True


def _is_expected_node(resource: Resource, node: Node | None) -> bool:
    return (
        resource.stop_unexpected
        and resource.restarting
        and resource.next_role > STOPPED
        and node is not None
        and node is resource.assigned
    )


def _stop(plan: Plan, resource: Resource, *, optional: bool) -> None:
    for node in resource.active_on:
        if _is_expected_node(resource, node):
            continue
        wants = optional
        if resource.partial_target is not None:
            if resource.partial_target is node and resource.assigned is node:
                continue
            wants = False
        stop = task_action(plan, resource, "stop", node, optional=wants)
        if resource.assigned is None:
            stop.set_reason("node availability", overwrite=True)
        elif resource.restarting and resource.stop_unexpected:
            stop.set_reason("being multiply active", overwrite=True)
        if not resource.managed:
            stop.forbid()
        if resource.needs_unfencing:
            from everbeat.policy.actions.fence import fence_action  # noqa: PLC0415 - a cycle

            unfence = fence_action(plan, node, "on", None, optional=True, priority_delay=False)
            order_pair(stop, unfence, FIRST_MUST_PRECEDE)


def _start(plan: Plan, resource: Resource, node: Node | None, *, optional: bool) -> None:
    start = task_action(plan, resource, "start", node, optional=True)
    if node is not None:
        unfence_before(plan, resource, node, start, THEN_MUST_FOLLOW)
    if start.is_runnable and not optional:
        start.require()
    if _is_expected_node(resource, node):
        start.make_pseudo()


def _promote(plan: Plan, resource: Resource, node: Node | None, *, optional: bool) -> None:
    starts = find_task_actions(resource, "start", node)
    if any(not start.is_runnable for start in starts):
        for promote in find_task_actions(resource, "promote", node):
            promote.forbid()
        return
    promote = task_action(plan, resource, "promote", node, optional=optional)
    if _is_expected_node(resource, node):
        promote.make_pseudo()


def _demote(plan: Plan, resource: Resource, *, optional: bool) -> None:
    for node in resource.active_on:
        if not _is_expected_node(resource, node):
            task_action(plan, resource, "demote", node, optional=optional)
