"""Stage `remote connections`: actions on a remote node wait for its connection, or its loss.

Reads:  all actions on remote and guest nodes
Writes: ordering records; fencing of remote nodes nobody can reach
Oracle: cases with remote and guest nodes
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from everbeat.policy.actions.fence import fence_node
from everbeat.policy.plan.orders import record_ordering
from everbeat.policy.plan.placing import current_node
from everbeat.policy.plan.words import (
    FIRST_MUST_PRECEDE,
    IN_THIS_ORDER,
    MAY_ORDER_GUEST,
    STOPPED,
    THEN_MUST_FOLLOW,
    THEN_NEEDS_FIRST,
)
from everbeat.policy.values import operation_key

if TYPE_CHECKING:
    from everbeat.policy.plan.action import Action
    from everbeat.policy.plan.node import Node
    from everbeat.policy.plan.plan import Plan
    from everbeat.policy.plan.resource import Resource


class Reach(Enum):
    """What is known of the connection to a remote node."""

    UNKNOWN = "unknown"
    ALIVE = "alive"
    RESTING = "resting"
    FAILED = "failed"
    STOPPED = "stopped"


def order_over_connections(plan: Plan) -> None:
    """Order every action on a remote node against the connection to it."""
    if not plan.have_remote_nodes:
        return
    for action in reversed(list(plan.actions)):
        resource, node = action.resource, action.node
        if resource is None:
            continue
        if resource.is_remote_connection() and action.task == "clear_failcount":
            record_ordering(
                plan,
                first_resource=resource,
                first_action=action,
                then_resource=resource,
                then_key=operation_key(resource.id, "start", 0),
                flags=IN_THIS_ORDER,
            )
            continue
        if node is None or not node.is_remote or action.is_pseudo or node.connection is None:
            continue
        if action.task == "start":
            _order_start_elsewhere(plan, action, node.connection, node)
        if node.connection.launcher is not None:
            _order_guest(plan, action, node)
        else:
            _order_remote(plan, action, node)


def _order_start_elsewhere(plan: Plan, action: Action, connection: Resource, node: Node) -> None:
    assert action.resource is not None
    for stop in list(action.resource.actions):
        if stop.task == "stop" and stop.node is not None and stop.node is not node:
            record_ordering(
                plan,
                first_resource=connection,
                first_key=operation_key(connection.id, "start", 0),
                then_resource=action.resource,
                then_action=stop,
                flags=IN_THIS_ORDER,
            )


def _after_start(plan: Plan, first: Resource, action: Action, extra: int = 0) -> None:
    record_ordering(
        plan,
        first_resource=first,
        first_key=operation_key(first.id, "start", 0),
        then_resource=action.resource,
        then_action=action,
        flags=MAY_ORDER_GUEST | THEN_NEEDS_FIRST | extra,
    )


def _before_stop(plan: Plan, action: Action, then: Resource, extra: int = 0) -> None:
    record_ordering(
        plan,
        first_resource=action.resource,
        first_action=action,
        then_resource=then,
        then_key=operation_key(then.id, "stop", 0),
        flags=MAY_ORDER_GUEST | extra,
    )


_STOPS_AND_MOVES = ("stop", "demote", "migrate_to", "migrate_from")


def _order_guest(plan: Plan, action: Action, node: Node) -> None:
    connection = node.connection
    assert connection is not None
    launcher = connection.launcher
    assert launcher is not None
    if launcher.failed:
        fence_node(plan, node, "container failed", priority_delay=False)
    if action.task in ("start", "promote"):
        _after_start(plan, launcher, action, THEN_MUST_FOLLOW)
        _after_start(plan, connection, action)
    elif action.task in _STOPS_AND_MOVES:
        if not launcher.failed:
            _before_stop(plan, action, connection)
    elif action.interval_ms == 0:
        _after_start(plan, connection, action)
    elif action.task != "cancel":
        _after_start(plan, connection, action, THEN_MUST_FOLLOW)


def _reach(connection: Resource, node: Node) -> Reach:
    current = current_node(connection)
    if connection.next_role == STOPPED or connection.assigned is None:
        if current is not None and current.unclean:
            return Reach.FAILED
        if not connection.failed:
            return Reach.STOPPED
        if (
            connection.next_role == STOPPED
            and connection.reconnect_ms
            and node.remote_fenced
            and "shutdown" not in node.attributes
        ):
            return Reach.UNKNOWN
        return Reach.FAILED
    if current is None:
        return Reach.UNKNOWN
    if current.unclean or not current.online:
        return Reach.RESTING
    if len(connection.active_on) > 1 and connection.partial_source is not None:
        return Reach.RESTING
    return Reach.ALIVE


def _order_remote(plan: Plan, action: Action, node: Node) -> None:
    connection = node.connection
    assert connection is not None
    reach = _reach(connection, node)
    match action.task:
        case "start" | "promote":
            extra = THEN_MUST_FOLLOW if reach is Reach.FAILED else 0
            _after_start(plan, connection, action, extra)
        case "stop" | "migrate_to" | "migrate_from":
            _order_departure(plan, action, node, connection, reach)
        case "demote":
            if reach in (Reach.RESTING, Reach.UNKNOWN):
                _after_start(plan, connection, action)
        case _:
            _order_other(plan, action, node, connection, reach)


def _order_departure(
    plan: Plan, action: Action, node: Node, connection: Resource, reach: Reach
) -> None:
    if reach is Reach.ALIVE:
        _before_stop(plan, action, connection, FIRST_MUST_PRECEDE)
    elif reach is Reach.FAILED:
        reason = "resources are active but connection is unrecoverable"
        fence_node(plan, node, reason, priority_delay=False)
    elif connection.next_role == STOPPED:
        _before_stop(plan, action, connection, FIRST_MUST_PRECEDE)
    else:
        _after_start(plan, connection, action)


def _order_other(
    plan: Plan, action: Action, node: Node, connection: Resource, reach: Reach
) -> None:
    if action.interval_ms > 0:
        _after_start(plan, connection, action, THEN_MUST_FOLLOW)
        return
    if action.task == "monitor" and reach is Reach.FAILED:
        reason = "resources are in unknown state and connection is unrecoverable"
        fence_node(plan, node, reason, priority_delay=False)
    if current_node(connection) is not None and reach is Reach.STOPPED:
        _before_stop(plan, action, connection, THEN_NEEDS_FIRST)
    else:
        _after_start(plan, connection, action)
