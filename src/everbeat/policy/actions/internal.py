"""Stage `internal constraints`: orderings and colocations every resource has by its kind.

Reads:  plan.resources
Writes: ordering records (in an order that decides action numbers), colocations inside collectives
Oracle: graphs of every case
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from everbeat.policy.actions.unfencing_orders import order_unfencing
from everbeat.policy.assign.instances import instance_number
from everbeat.policy.plan import words
from everbeat.policy.plan.constraint import Colocation, record_colocation
from everbeat.policy.plan.orders import order_tasks, record_ordering
from everbeat.policy.plan.table import Cause
from everbeat.policy.plan.words import (
    FIRST_IMPLIES_THEN,
    FIRST_IMPLIES_THEN_GRAPHED,
    GUEST_ALLOWED,
    IF_ON_SAME_NODE,
    IF_ON_SAME_NODE_OR_TARGET,
    INTERMEDIATE_STOP,
    ORDERED,
    PROMOTED_THEN_IMPLIES_FIRST,
    THEN_CANCELS_FIRST,
    THEN_IMPLIES_FIRST,
    THEN_IMPLIES_FIRST_GRAPHED,
    UNPROMOTED,
    UNRUNNABLE_FIRST_BLOCKS,
)
from everbeat.policy.score import INFINITY
from everbeat.policy.values import operation_key

if TYPE_CHECKING:
    from everbeat.policy.plan.action import Action
    from everbeat.policy.plan.node import Node
    from everbeat.policy.plan.plan import Plan
    from everbeat.policy.plan.resource import Resource

_NOT_NESTED = Cause("no resources of this kind on remote nodes")
_WITH_LAUNCHER = Cause("runs where its launcher runs")


def order_internally(plan: Plan) -> None:
    """Give every resource the orderings of its kind."""
    for resource in plan.resources:
        order_resource(plan, resource)


def order_resource(plan: Plan, resource: Resource) -> None:
    """Give one resource the orderings of its kind."""
    match resource.variant:
        case words.GROUP:
            _order_group(plan, resource)
        case words.CLONE:
            _order_clone(plan, resource)
        case words.BUNDLE:
            _order_bundle(plan, resource)
        case _:
            _order_primitive(plan, resource)


def _order_primitive(plan: Plan, resource: Resource) -> None:
    if not resource.managed:
        return
    flags = ORDERED | FIRST_IMPLIES_THEN | INTERMEDIATE_STOP
    order_tasks(plan, resource, "stop", resource, "start", flags)
    if resource.top().promotable or resource.uber_parent().promotable or resource.role > UNPROMOTED:
        order_tasks(plan, resource, "demote", resource, "stop", PROMOTED_THEN_IMPLIES_FIRST)
        order_tasks(plan, resource, "start", resource, "promote", UNRUNNABLE_FIRST_BLOCKS)
    flags = IF_ON_SAME_NODE | THEN_CANCELS_FIRST
    order_tasks(plan, resource, "lrm_delete", resource, "monitor", flags)
    allowed = [node for node in plan.nodes if resource.table.has(node.index)]
    if resource.needs_unfencing and not resource.is_fence_device and plan.options.unfencing_in_use:
        order_unfencing(plan, resource, allowed)
    if resource.utilization and plan.options.placement != "default":
        _order_load(plan, resource, allowed)
    if resource.launcher is not None:
        _order_with_launcher(plan, resource, resource.launcher)
    if resource.is_fence_device or resource.is_remote_connection():
        for node in allowed:
            if node.connection is not None:
                resource.table.ban(node.index, _NOT_NESTED)


def _load_stopped(plan: Plan, node: Node) -> Action:
    from everbeat.policy.actions.create import new_action  # noqa: PLC0415 - a cycle

    key = f"load_stopped_{node.name}"
    known = plan.actions_by_key.get(key.lower())
    if known:
        return known[0]
    action = new_action(plan, None, key, "load_stopped", node, optional=False)
    action.task = key
    action.make_pseudo()
    action.allow()
    return action


def _order_load(plan: Plan, resource: Resource, allowed: list[Node]) -> None:
    for node in resource.active_on:
        record_ordering(
            plan,
            first_resource=resource,
            first_key=operation_key(resource.id, "stop", 0),
            then_action=_load_stopped(plan, node),
            flags=IF_ON_SAME_NODE_OR_TARGET,
        )
    for node in allowed:
        point = _load_stopped(plan, node)
        for task in ("start", "migrate_to"):
            record_ordering(
                plan,
                first_action=point,
                then_resource=resource,
                then_key=operation_key(resource.id, task, 0),
                flags=IF_ON_SAME_NODE_OR_TARGET,
            )


def _order_with_launcher(plan: Plan, resource: Resource, launcher: Resource) -> None:
    remote: Resource | None = None
    if resource.is_remote_connection():
        if not resource.allows_nested_remote:
            for node in plan.nodes:
                if node.is_remote and launcher.table.has(node.index):
                    launcher.table.ban(node.index, _NOT_NESTED)
        order_tasks(plan, launcher, "monitor", resource, "stop", ORDERED)
    elif launcher.is_remote_connection():
        remote = launcher
    else:
        remote = next((r for r in launcher.launched if r.is_remote_connection()), None)
    if remote is not None and remote is not resource:
        remote_node = plan.node_named(remote.id)
        for index in resource.table.nodes():
            if remote_node is None or index != remote_node.index:
                resource.table.set(index, -INFINITY, _WITH_LAUNCHER)
        return
    flags = FIRST_IMPLIES_THEN | UNRUNNABLE_FIRST_BLOCKS
    order_tasks(plan, launcher, "start", resource, "start", flags)
    order_tasks(plan, resource, "stop", launcher, "stop", THEN_IMPLIES_FIRST)
    score = 10_000 if resource.allows_nested_remote else INFINITY
    record_colocation(
        Colocation("#resource-with-container", resource, launcher, score, influence=True)
    )


def _order_group(plan: Plan, group: Resource) -> None:
    order_tasks(plan, group, "stop", group, "stopped", UNRUNNABLE_FIRST_BLOCKS)
    order_tasks(plan, group, "stopped", group, "start", ORDERED)
    order_tasks(plan, group, "start", group, "running", UNRUNNABLE_FIRST_BLOCKS)
    previous: Resource | None = None
    last_active: Resource | None = None
    promotable = group.uber_parent().promotable
    for member in group.children:
        order_resource(plan, member)
        _order_member(plan, group, member, previous, promotable=promotable)
        if member.active_on:
            if group.ordered and previous is not None and not previous.active_on:
                if last_active is not None:
                    order_tasks(plan, member, "stop", last_active, "stop", ORDERED)
            last_active = member
        previous = member


def _order_member(
    plan: Plan, group: Resource, member: Resource, previous: Resource | None, *, promotable: bool
) -> None:
    down = THEN_IMPLIES_FIRST_GRAPHED
    post_down = FIRST_IMPLIES_THEN_GRAPHED
    if previous is None:
        if group.ordered:
            down |= ORDERED
            post_down = FIRST_IMPLIES_THEN
    elif group.collocated:
        record_colocation(
            Colocation("#group-members", member, previous, INFINITY, influence=member.critical)
        )
    up = UNRUNNABLE_FIRST_BLOCKS | FIRST_IMPLIES_THEN | FIRST_IMPLIES_THEN_GRAPHED
    if promotable:
        order_tasks(plan, group, "demote", member, "demote", down)
        order_tasks(plan, member, "demote", group, "demoted", post_down)
        order_tasks(plan, member, "promote", group, "promoted", up)
        order_tasks(plan, group, "promote", member, "promote", THEN_IMPLIES_FIRST_GRAPHED)
    order_tasks(plan, group, "stop", member, "stop", down)
    order_tasks(plan, member, "stop", group, "stopped", post_down)
    order_tasks(plan, group, "start", member, "start", THEN_IMPLIES_FIRST_GRAPHED)
    order_tasks(plan, member, "start", group, "running", up)
    if not group.ordered:
        flags = FIRST_IMPLIES_THEN | UNRUNNABLE_FIRST_BLOCKS | THEN_IMPLIES_FIRST_GRAPHED
        order_tasks(plan, group, "start", member, "start", flags)
        if promotable:
            order_tasks(plan, group, "promote", member, "promote", flags)
    elif previous is None:
        order_tasks(plan, group, "start", member, "start", 0)
        if promotable:
            order_tasks(plan, group, "promote", member, "promote", 0)
    else:
        _order_after_previous(plan, member, previous, promotable=promotable)


def _order_after_previous(
    plan: Plan, member: Resource, previous: Resource, *, promotable: bool
) -> None:
    flags = FIRST_IMPLIES_THEN | UNRUNNABLE_FIRST_BLOCKS
    order_tasks(plan, previous, "start", member, "start", flags)
    order_tasks(plan, member, "stop", previous, "stop", ORDERED | INTERMEDIATE_STOP)
    if member.active_on and not previous.active_on:
        flags_back = THEN_IMPLIES_FIRST | UNRUNNABLE_FIRST_BLOCKS
        order_tasks(plan, member, "stop", previous, "start", flags_back)
    if promotable:
        order_tasks(plan, previous, "promote", member, "promote", flags)
        order_tasks(plan, member, "demote", previous, "demote", ORDERED)


def _order_clone(plan: Plan, clone: Resource) -> None:
    order_tasks(plan, clone, "stopped", clone, "start", ORDERED)
    order_tasks(plan, clone, "start", clone, "running", UNRUNNABLE_FIRST_BLOCKS)
    order_tasks(plan, clone, "stop", clone, "stopped", UNRUNNABLE_FIRST_BLOCKS)
    if clone.promotable:
        order_tasks(plan, clone, "demoted", clone, "stop", ORDERED)
        order_tasks(plan, clone, "running", clone, "promote", UNRUNNABLE_FIRST_BLOCKS)
    if clone.ordered:
        clone.children.sort(key=instance_number)
    up = UNRUNNABLE_FIRST_BLOCKS | THEN_IMPLIES_FIRST_GRAPHED
    for position, instance in enumerate(clone.children):
        order_resource(plan, instance)
        order_tasks(plan, clone, "start", instance, "start", up)
        order_tasks(plan, instance, "start", clone, "running", FIRST_IMPLIES_THEN_GRAPHED)
        order_tasks(plan, clone, "stop", instance, "stop", THEN_IMPLIES_FIRST_GRAPHED)
        order_tasks(plan, instance, "stop", clone, "stopped", FIRST_IMPLIES_THEN_GRAPHED)
        if clone.ordered:
            for later in clone.children[position + 1 :]:
                order_tasks(plan, instance, "start", later, "start", ORDERED)
                order_tasks(plan, later, "stop", instance, "stop", ORDERED)
    if clone.promotable:
        _order_restart(plan, clone)
        _order_promotions(plan, clone)


def _order_restart(plan: Plan, collective: Resource) -> None:
    for first, then in (
        ("stopped", "start"),
        ("stopped", "promote"),
        ("demoted", "stop"),
        ("demoted", "start"),
        ("demoted", "promote"),
        ("running", "promote"),
        ("demote", "demoted"),
    ):
        order_tasks(plan, collective, first, collective, then, ORDERED)


def _order_promotions(plan: Plan, clone: Resource) -> None:
    previous: Resource | None = None
    for instance in clone.children:
        order_tasks(plan, instance, "demote", instance, "promote", ORDERED)
        order_tasks(plan, clone, "promote", instance, "promote", ORDERED)
        order_tasks(plan, instance, "promote", clone, "promoted", ORDERED)
        if clone.ordered and previous is not None:
            order_tasks(plan, previous, "promote", instance, "promote", ORDERED)
        order_tasks(plan, clone, "demote", instance, "demote", THEN_IMPLIES_FIRST_GRAPHED)
        order_tasks(plan, instance, "demote", clone, "demoted", FIRST_IMPLIES_THEN_GRAPHED)
        if clone.ordered and previous is not None:
            order_tasks(plan, instance, "demote", previous, "demote", ORDERED)
        previous = instance


def _order_bundle(plan: Plan, bundle: Resource) -> None:
    parts = bundle.bundle
    assert parts is not None
    up = UNRUNNABLE_FIRST_BLOCKS | THEN_IMPLIES_FIRST_GRAPHED
    for replica in parts.replicas:
        container = replica.container
        assert container is not None
        order_resource(plan, container)
        order_tasks(plan, bundle, "start", container, "start", up)
        if replica.child is not None:
            order_tasks(plan, bundle, "stop", replica.child, "stop", THEN_IMPLIES_FIRST_GRAPHED)
        order_tasks(plan, bundle, "stop", container, "stop", THEN_IMPLIES_FIRST_GRAPHED)
        order_tasks(plan, container, "start", bundle, "running", FIRST_IMPLIES_THEN_GRAPHED)
        order_tasks(plan, container, "stop", bundle, "stopped", FIRST_IMPLIES_THEN_GRAPHED)
        if replica.ip is not None:
            order_resource(plan, replica.ip)
            flags = UNRUNNABLE_FIRST_BLOCKS | GUEST_ALLOWED
            order_tasks(plan, replica.ip, "start", container, "start", flags)
            flags = THEN_IMPLIES_FIRST | GUEST_ALLOWED
            order_tasks(plan, container, "stop", replica.ip, "stop", flags)
            record_colocation(
                Colocation("#ip-with-container", replica.ip, container, INFINITY, influence=True)
            )
        if replica.remote is not None:
            order_resource(plan, replica.remote)
    clone = parts.clone
    if clone is None:
        return
    for task, done in (("start", "running"), ("stop", "stopped")):
        order_tasks(plan, bundle, task, clone, task, THEN_IMPLIES_FIRST_GRAPHED)
        order_tasks(plan, clone, done, bundle, done, FIRST_IMPLIES_THEN_GRAPHED)
    order_resource(plan, clone)
    if clone.promotable:
        _order_restart(plan, bundle)
        for task, done in (("demote", "demoted"), ("promote", "promoted")):
            order_tasks(plan, bundle, task, clone, task, THEN_IMPLIES_FIRST_GRAPHED)
            order_tasks(plan, clone, done, bundle, done, FIRST_IMPLIES_THEN_GRAPHED)
