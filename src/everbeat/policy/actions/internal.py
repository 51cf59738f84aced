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
from everbeat.policy.plan.table import Cause, CauseKind
from everbeat.policy.plan.words import (
    DEMOTE_BEFORE_STOP,
    FIRST_INTO_GRAPH,
    FIRST_MUST_PRECEDE,
    FREE_CAPACITY,
    IN_THIS_ORDER,
    MAY_ORDER_GUEST,
    ON_SAME_NODE,
    STOP_TO_RESTART,
    THEN_INTO_GRAPH,
    THEN_MUST_FOLLOW,
    THEN_NEEDS_FIRST,
    THEN_REPLACES_FIRST,
    UNPROMOTED,
)
from everbeat.policy.score import INFINITY
from everbeat.policy.values import operation_key

if TYPE_CHECKING:
    from everbeat.policy.plan.action import Action
    from everbeat.policy.plan.node import Node
    from everbeat.policy.plan.plan import Plan
    from everbeat.policy.plan.resource import Resource

_NOT_NESTED = Cause(CauseKind.NOT_ON_REMOTE)
_WITH_LAUNCHER = Cause(CauseKind.WITH_LAUNCHER)


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
    flags = IN_THIS_ORDER | THEN_MUST_FOLLOW | STOP_TO_RESTART
    order_tasks(plan, resource, "stop", resource, "start", flags)
    if resource.top().promotable or resource.uber_parent().promotable or resource.role > UNPROMOTED:
        order_tasks(plan, resource, "demote", resource, "stop", DEMOTE_BEFORE_STOP)
        order_tasks(plan, resource, "start", resource, "promote", THEN_NEEDS_FIRST)
    flags = ON_SAME_NODE | THEN_REPLACES_FIRST
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
            flags=FREE_CAPACITY,
        )
    for node in allowed:
        point = _load_stopped(plan, node)
        for task in ("start", "migrate_to"):
            record_ordering(
                plan,
                first_action=point,
                then_resource=resource,
                then_key=operation_key(resource.id, task, 0),
                flags=FREE_CAPACITY,
            )


def _order_with_launcher(plan: Plan, resource: Resource, launcher: Resource) -> None:
    remote: Resource | None = None
    if resource.is_remote_connection():
        if not resource.allows_nested_remote:
            for node in plan.nodes:
                if node.is_remote and launcher.table.has(node.index):
                    launcher.table.ban(node.index, _NOT_NESTED)
        order_tasks(plan, launcher, "monitor", resource, "stop", IN_THIS_ORDER)
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
    flags = THEN_MUST_FOLLOW | THEN_NEEDS_FIRST
    order_tasks(plan, launcher, "start", resource, "start", flags)
    order_tasks(plan, resource, "stop", launcher, "stop", FIRST_MUST_PRECEDE)
    score = 10_000 if resource.allows_nested_remote else INFINITY
    record_colocation(
        Colocation("#resource-with-container", resource, launcher, score, influence=True)
    )


def _order_group(plan: Plan, group: Resource) -> None:
    order_tasks(plan, group, "stop", group, "stopped", THEN_NEEDS_FIRST)
    order_tasks(plan, group, "stopped", group, "start", IN_THIS_ORDER)
    order_tasks(plan, group, "start", group, "running", THEN_NEEDS_FIRST)
    previous: Resource | None = None
    last_active: Resource | None = None
    promotable = group.uber_parent().promotable
    for member in group.children:
        order_resource(plan, member)
        _order_member(plan, group, member, previous, promotable=promotable)
        if member.active_on:
            if group.ordered and previous is not None and not previous.active_on:
                if last_active is not None:
                    order_tasks(plan, member, "stop", last_active, "stop", IN_THIS_ORDER)
            last_active = member
        previous = member


def _order_member(
    plan: Plan, group: Resource, member: Resource, previous: Resource | None, *, promotable: bool
) -> None:
    down = FIRST_INTO_GRAPH
    post_down = THEN_INTO_GRAPH
    if previous is None:
        if group.ordered:
            down |= IN_THIS_ORDER
            post_down = THEN_MUST_FOLLOW
    elif group.collocated:
        record_colocation(
            Colocation("#group-members", member, previous, INFINITY, influence=member.critical)
        )
    up = THEN_NEEDS_FIRST | THEN_MUST_FOLLOW | THEN_INTO_GRAPH
    if promotable:
        order_tasks(plan, group, "demote", member, "demote", down)
        order_tasks(plan, member, "demote", group, "demoted", post_down)
        order_tasks(plan, member, "promote", group, "promoted", up)
        order_tasks(plan, group, "promote", member, "promote", FIRST_INTO_GRAPH)
    order_tasks(plan, group, "stop", member, "stop", down)
    order_tasks(plan, member, "stop", group, "stopped", post_down)
    order_tasks(plan, group, "start", member, "start", FIRST_INTO_GRAPH)
    order_tasks(plan, member, "start", group, "running", up)
    if not group.ordered:
        flags = THEN_MUST_FOLLOW | THEN_NEEDS_FIRST | FIRST_INTO_GRAPH
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
    flags = THEN_MUST_FOLLOW | THEN_NEEDS_FIRST
    order_tasks(plan, previous, "start", member, "start", flags)
    order_tasks(plan, member, "stop", previous, "stop", IN_THIS_ORDER | STOP_TO_RESTART)
    if member.active_on and not previous.active_on:
        flags_back = FIRST_MUST_PRECEDE | THEN_NEEDS_FIRST
        order_tasks(plan, member, "stop", previous, "start", flags_back)
    if promotable:
        order_tasks(plan, previous, "promote", member, "promote", flags)
        order_tasks(plan, member, "demote", previous, "demote", IN_THIS_ORDER)


def _order_clone(plan: Plan, clone: Resource) -> None:
    order_tasks(plan, clone, "stopped", clone, "start", IN_THIS_ORDER)
    order_tasks(plan, clone, "start", clone, "running", THEN_NEEDS_FIRST)
    order_tasks(plan, clone, "stop", clone, "stopped", THEN_NEEDS_FIRST)
    if clone.promotable:
        order_tasks(plan, clone, "demoted", clone, "stop", IN_THIS_ORDER)
        order_tasks(plan, clone, "running", clone, "promote", THEN_NEEDS_FIRST)
    if clone.ordered:
        clone.children.sort(key=instance_number)
    up = THEN_NEEDS_FIRST | FIRST_INTO_GRAPH
    for position, instance in enumerate(clone.children):
        order_resource(plan, instance)
        order_tasks(plan, clone, "start", instance, "start", up)
        order_tasks(plan, instance, "start", clone, "running", THEN_INTO_GRAPH)
        order_tasks(plan, clone, "stop", instance, "stop", FIRST_INTO_GRAPH)
        order_tasks(plan, instance, "stop", clone, "stopped", THEN_INTO_GRAPH)
        if clone.ordered:
            for later in clone.children[position + 1 :]:
                order_tasks(plan, instance, "start", later, "start", IN_THIS_ORDER)
                order_tasks(plan, later, "stop", instance, "stop", IN_THIS_ORDER)
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
        order_tasks(plan, collective, first, collective, then, IN_THIS_ORDER)


def _order_promotions(plan: Plan, clone: Resource) -> None:
    previous: Resource | None = None
    for instance in clone.children:
        order_tasks(plan, instance, "demote", instance, "promote", IN_THIS_ORDER)
        order_tasks(plan, clone, "promote", instance, "promote", IN_THIS_ORDER)
        order_tasks(plan, instance, "promote", clone, "promoted", IN_THIS_ORDER)
        if clone.ordered and previous is not None:
            order_tasks(plan, previous, "promote", instance, "promote", IN_THIS_ORDER)
        order_tasks(plan, clone, "demote", instance, "demote", FIRST_INTO_GRAPH)
        order_tasks(plan, instance, "demote", clone, "demoted", THEN_INTO_GRAPH)
        if clone.ordered and previous is not None:
            order_tasks(plan, instance, "demote", previous, "demote", IN_THIS_ORDER)
        previous = instance


def _order_bundle(plan: Plan, bundle: Resource) -> None:
    parts = bundle.bundle
    assert parts is not None
    up = THEN_NEEDS_FIRST | FIRST_INTO_GRAPH
    for replica in parts.replicas:
        container = replica.container
        assert container is not None
        order_resource(plan, container)
        order_tasks(plan, bundle, "start", container, "start", up)
        if replica.child is not None:
            order_tasks(plan, bundle, "stop", replica.child, "stop", FIRST_INTO_GRAPH)
        order_tasks(plan, bundle, "stop", container, "stop", FIRST_INTO_GRAPH)
        order_tasks(plan, container, "start", bundle, "running", THEN_INTO_GRAPH)
        order_tasks(plan, container, "stop", bundle, "stopped", THEN_INTO_GRAPH)
        if replica.ip is not None:
            order_resource(plan, replica.ip)
            flags = THEN_NEEDS_FIRST | MAY_ORDER_GUEST
            order_tasks(plan, replica.ip, "start", container, "start", flags)
            flags = FIRST_MUST_PRECEDE | MAY_ORDER_GUEST
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
        order_tasks(plan, bundle, task, clone, task, FIRST_INTO_GRAPH)
        order_tasks(plan, clone, done, bundle, done, THEN_INTO_GRAPH)
    order_resource(plan, clone)
    if clone.promotable:
        _order_restart(plan, bundle)
        for task, done in (("demote", "demoted"), ("promote", "promoted")):
            order_tasks(plan, bundle, task, clone, task, FIRST_INTO_GRAPH)
            order_tasks(plan, clone, done, bundle, done, THEN_INTO_GRAPH)
