"""Stage `fencing`: which nodes are fenced or shut down, and what that means for resources.

Reads:  unclean nodes, nodes that want to go
Writes: fencing and shutdown actions, their order; stops that fencing makes needless
Oracle: cases with fencing
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from everbeat.policy.actions.create import find_task_actions, new_action, newest_of_task
from everbeat.policy.actions.fence import can_fence, fence_action
from everbeat.policy.actions.notify import notify_implied_stop
from everbeat.policy.actions.pairs import order_pair
from everbeat.policy.plan.orders import record_ordering
from everbeat.policy.plan.words import (
    CLONE,
    IN_THIS_ORDER,
    MAY_ORDER_GUEST,
    PRIMITIVE,
    THEN_MUST_FOLLOW,
    THEN_NEEDS_FIRST,
)

if TYPE_CHECKING:
    from everbeat.policy.plan.action import Action
    from everbeat.policy.plan.node import Node
    from everbeat.policy.plan.plan import Plan
    from everbeat.policy.plan.resource import Resource


def schedule_fencing(plan: Plan) -> None:
    """Fence and shut down nodes, the DC last."""
    have_managed = any(resource.managed for resource in plan.all_resources())
    fencing: list[Action] = []
    shutdowns: list[Action] = []
    dc_down: Action | None = None
    for node in plan.nodes:
        if node.is_guest():
            if node.remote_reset and have_managed and can_fence(plan, node):
                _fence_guest(plan, node)
            continue
        action: Action | None = None
        if node.unclean and have_managed and can_fence(plan, node):
            action = fence_action(
                plan, node, None, "node is unclean", optional=False, priority_delay=False
            )
            _order_resources(plan, node, action)
            if node.is_dc:
                dc_down = action
            else:
                if not plan.options.concurrent_fencing and fencing:
                    order_pair(fencing[0], action, IN_THIS_ORDER)
                fencing.insert(0, action)
        elif not node.is_remote and node.online and node.shutdown:
            action = _shut_down(plan, node)
            if node.is_dc:
                dc_down = action
            else:
                shutdowns.insert(0, action)
    if dc_down is None:
        return
    if dc_down.task == "do_shutdown":
        for action in shutdowns:
            order_pair(action, dc_down, IN_THIS_ORDER)
    for action in fencing if plan.options.concurrent_fencing else fencing[:1]:
        order_pair(action, dc_down, IN_THIS_ORDER)


def _shut_down(plan: Plan, node: Node) -> Action:
    key = f"do_shutdown-{node.name}"
    shutdown = new_action(plan, None, key, "do_shutdown", node, optional=False)
    shutdown.meta["op_no_wait"] = "true"
    for action in reversed(plan.actions):
        resource = action.resource
        if action.task != "stop" or action.node is not node or resource is None:
            continue
        if resource.maintenance or node.maintenance:
            continue
        if not resource.managed and not resource.blocked:
            continue
        action.require()
        record_ordering(
            plan,
            first_action=action,
            then_action=shutdown,
            flags=IN_THIS_ORDER | THEN_NEEDS_FIRST,
        )
    return shutdown


def _fence_guest(plan: Plan, node: Node) -> None:
    connection = node.connection
    assert connection is not None
    launcher = connection.launcher
    assert launcher is not None
    stop = newest_of_task(launcher, "stop", None)
    operation = "reboot" if newest_of_task(launcher, "start", None) is not None else "off"
    fence = fence_action(
        plan, node, operation, "guest is unclean", optional=False, priority_delay=False
    )
    fence.require()
    fence.make_pseudo()
    fence.allow()
    flags = THEN_NEEDS_FIRST | THEN_MUST_FOLLOW
    if stop is not None and stop.is_pseudo and stop.node is not None:
        parent = fence_action(plan, stop.node, None, None, optional=False, priority_delay=False)
        order_pair(parent, fence, flags)
    elif stop is not None:
        order_pair(stop, fence, flags)
    else:
        stop = newest_of_task(connection, "stop", None)
        order_pair(stop, fence, IN_THIS_ORDER)
    _order_resources(plan, node, fence)


def _order_resources(plan: Plan, node: Node, fence: Action) -> None:
    for top in plan.resources:
        for resource in top.primitives():
            if resource.managed:
                _order_starts(resource, node, fence)
                _order_stops(plan, resource, node, fence)
                _order_demotes(resource, node, fence)


def _order_starts(resource: Resource, node: Node, fence: Action) -> None:
    for action in reversed(list(resource.actions)):
        if action.needs == 2:
            order_pair(fence, action, IN_THIS_ORDER)
        elif action.needs == 1:
            if (
                action.task == "start"
                and resource.table.has(node.index)
                and not _is_known(resource, node)
            ):
                order_pair(fence, action, IN_THIS_ORDER | THEN_NEEDS_FIRST)


def _is_known(resource: Resource, node: Node) -> bool:
    if node in resource.probed_nodes:
        return True
    parent = resource.parent
    return (
        resource.variant == PRIMITIVE
        and parent is not None
        and parent.variant == CLONE
        and not parent.unique
        and node in parent.probed_nodes
    )


def _order_stops(plan: Plan, resource: Resource, node: Node, fence: Action) -> None:
    implied = resource.needs_fencing or node.is_guest()
    for stop in find_task_actions(resource, "stop", node):
        if stop.node is not node:
            continue
        stop.make_pseudo()
        stop.allow()
        if implied:
            if resource.top().bundle is None:
                order_pair(fence, stop, MAY_ORDER_GUEST)
            parent_stop = newest_of_task(resource.uber_parent(), "stop", None)
            order_pair(fence, parent_stop, MAY_ORDER_GUEST)
        if resource.notify:
            notify_implied_stop(plan, resource, node, fence)


def _order_demotes(resource: Resource, node: Node, fence: Action) -> None:
    implied = resource.needs_fencing or node.is_guest()
    for demote in find_task_actions(resource, "demote", node):
        if node.online and not node.unclean and not resource.failed:
            continue
        demote.make_pseudo()
        demote.allow()
        if implied and resource.top().bundle is None:
            order_pair(fence, demote, MAY_ORDER_GUEST | IN_THIS_ORDER)
