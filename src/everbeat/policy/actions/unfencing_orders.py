"""Orderings between unfencing of nodes and the resources that need it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from everbeat.policy.actions.fence import fence_action
from everbeat.policy.plan.orders import record_ordering
from everbeat.policy.plan.words import IN_THIS_ORDER, ON_SAME_NODE, THEN_MUST_FOLLOW_THERE
from everbeat.policy.values import operation_key

if TYPE_CHECKING:
    from everbeat.policy.plan.node import Node
    from everbeat.policy.plan.plan import Plan
    from everbeat.policy.plan.resource import Resource


def order_unfencing(plan: Plan, resource: Resource, allowed: list[Node]) -> None:
    """Stop before unfencing, start after it, each on the same node."""
    for node in allowed:
        unfence = fence_action(plan, node, "on", None, optional=True, priority_delay=False)
        record_ordering(
            plan,
            first_resource=resource,
            first_key=operation_key(resource.id, "stop", 0),
            then_action=unfence,
            flags=IN_THIS_ORDER | ON_SAME_NODE,
        )
        record_ordering(
            plan,
            first_action=unfence,
            then_resource=resource,
            then_key=operation_key(resource.id, "start", 0),
            flags=THEN_MUST_FOLLOW_THERE | ON_SAME_NODE,
        )
