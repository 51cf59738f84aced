"""Stage `probes`: ask nodes of which nothing is known whether a resource runs there.

Reads:  which resources were probed where, discovery modes
Writes: single monitors and what must wait for them
Oracle: cases with fresh nodes or resources
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from everbeat.policy.actions.config_changes import check_deferred
from everbeat.policy.actions.create import is_active, task_action
from everbeat.policy.actions.fence import fence_node
from everbeat.policy.actions.unfencing import unfence_before
from everbeat.policy.assign.colocation import place_of
from everbeat.policy.assign.instances import instance_number
from everbeat.policy.plan import words
from everbeat.policy.plan.orders import record_ordering
from everbeat.policy.plan.words import (
    CLONE,
    IN_THIS_ORDER,
    ON_SAME_NODE,
    PROBE_EXCLUSIVE,
    PROBE_NEEDS_CONTAINER,
    PROBE_NEVER,
    PROMOTED,
    STOPPED,
    THEN_NEEDS_FIRST,
)
from everbeat.policy.values import operation_key

if TYPE_CHECKING:
    from everbeat.policy.plan.node import Node
    from everbeat.policy.plan.plan import Plan
    from everbeat.policy.plan.resource import Resource


def schedule_probes(plan: Plan) -> None:
    """Probe every resource on every node where that is due."""
    check_deferred(plan)
    if not plan.options.startup_probes:
        return
    for node in plan.nodes:
        if not node.online:
            connection = node.connection
            if connection is not None and connection.launcher is None and connection.failed:
                fence_node(plan, node, "the connection is unrecoverable", priority_delay=False)
            continue
        if node.unclean or not node.discovery_enabled:
            continue
        for resource in plan.resources:
            probe(plan, resource, node)


def probe(plan: Plan, resource: Resource, node: Node) -> bool:
    """Probe one resource on one node; say whether that made a probe."""
    match resource.variant:
        case words.GROUP:
            return _probe_each(plan, resource.children, node)
        case words.CLONE:
            return _probe_clone(plan, resource, node)
        case words.BUNDLE:
            return _probe_bundle(plan, resource, node)
        case _:
            return _probe_primitive(plan, resource, node)


def _probe_each(plan: Plan, resources: list[Resource], node: Node) -> bool:
    made = False
    for resource in resources:
        made |= probe(plan, resource, node)
    return made


def _probe_clone(plan: Plan, clone: Resource, node: Node) -> bool:
    clone.children.sort(key=instance_number)
    table = clone.table
    if clone.exclusive_probes and table.mode(node.index) != PROBE_EXCLUSIVE:
        if table.has(node.index):
            table.scores[node.index] = -(1 << 60)
        return False
    if clone.unique:
        return _probe_each(plan, clone.children, node)
    for instance in clone.children:
        if node in instance.probed_nodes:
            return probe(plan, instance, node)
    for instance in clone.children:
        if place_of(instance) is node:
            return probe(plan, instance, node)
    return bool(clone.children) and probe(plan, clone.children[0], node)


def _probe_bundle(plan: Plan, bundle: Resource, node: Node) -> bool:
    parts = bundle.bundle
    assert parts is not None
    made = False
    for replica in parts.replicas:
        if replica.ip is not None:
            made |= probe(plan, replica.ip, node)
        if replica.child is not None and replica.node is node:
            made |= probe(plan, replica.child, node)
        container = replica.container
        assert container is not None
        if probe(plan, container, node):
            made = True
            if parts.per_host == 1:
                _keep_apart(plan, bundle, container)
        if replica.remote is not None and probe(plan, replica.remote, node):
            made = True
            probes = replica.remote.actions_by_key[
                operation_key(replica.remote.id, "monitor", 0).lower()
            ]
            action = next(a for a in probes if a.node is node)
            record_ordering(
                plan,
                first_resource=container,
                first_key=operation_key(container.id, "start", 0),
                then_resource=replica.remote,
                then_action=action,
                flags=PROBE_NEEDS_CONTAINER,
            )
    return made


def _keep_apart(plan: Plan, bundle: Resource, container: Resource) -> None:
    assert bundle.bundle is not None
    for other in bundle.bundle.replicas:
        if other.container is None or other.container is container:
            continue
        record_ordering(
            plan,
            first_resource=container,
            first_key=operation_key(container.id, "monitor", 0),
            then_resource=other.container,
            then_key=operation_key(other.container.id, "start", 0),
            flags=IN_THIS_ORDER | ON_SAME_NODE,
        )


def _contains_guest(resource: Resource) -> bool:
    return any(launched.is_remote_connection() for launched in resource.launched)


def _is_out_of_question(resource: Resource, node: Node) -> bool:
    if node.is_remote and (
        resource.is_fence_device
        or (node.is_guest() and _contains_guest(resource))
        or resource.is_remote_connection()
    ):
        return True
    if resource.launcher is not None and not resource.is_remote_connection():
        return True
    if resource.removed or node in resource.probed_nodes:
        return True
    table = resource.table
    if resource.exclusive_probes or resource.uber_parent().exclusive_probes:
        if not table.has(node.index) or table.mode(node.index) != PROBE_EXCLUSIVE:
            return True
    mode = table.mode(node.index) if table.has(node.index) else node.probe_mode
    return mode == PROBE_NEVER


def _waits_for_guest(plan: Plan, resource: Resource, node: Node) -> bool:
    connection = node.connection
    if not node.is_guest() or connection is None or connection.launcher is None:
        return False
    launcher = connection.launcher
    top = resource.uber_parent()
    if launcher.role == STOPPED:
        host = launcher.assigned
        if host is not None and host not in launcher.probed_nodes:
            _order_launcher(plan, launcher, "monitor", top)
        return True
    moving = (
        launcher.assigned is not None
        and launcher.role > STOPPED
        and launcher.assigned not in launcher.active_on
    )
    if (
        node.remote_reset
        or node.unclean
        or launcher.failed
        or launcher.next_role == STOPPED
        or moving
    ):
        _order_launcher(plan, launcher, "stop", top)
        return True
    return False


def _order_launcher(plan: Plan, launcher: Resource, task: str, top: Resource) -> None:
    record_ordering(
        plan,
        first_resource=launcher,
        first_key=operation_key(launcher.id, task, 0),
        then_resource=top,
        then_key=operation_key(top.id, "start", 0),
        flags=IN_THIS_ORDER,
    )


def _probe_primitive(plan: Plan, resource: Resource, node: Node) -> bool:
    if _is_out_of_question(resource, node) or _waits_for_guest(plan, resource, node):
        return False
    action = task_action(plan, resource, "monitor", node, optional=False)
    action.require()
    unfence_before(plan, resource, node, action, IN_THIS_ORDER)
    if node not in resource.active_on:
        action.meta["op_target_rc"] = "7"
    elif resource.role == PROMOTED:
        action.meta["op_target_rc"] = "8"
    top = resource.uber_parent()
    if top.variant != CLONE:
        top = resource
    flags = IN_THIS_ORDER
    if not action.is_runnable and not is_active(top):
        flags |= THEN_NEEDS_FIRST
    for task, task_flags in (("start", flags), ("reload-agent", IN_THIS_ORDER)):
        record_ordering(
            plan,
            first_resource=resource,
            first_action=action,
            then_resource=top,
            then_key=operation_key(top.id, task, 0),
            flags=task_flags,
        )
    return True
