"""Placing a clone: its instances one after the other, then, if promotable, their roles."""

from __future__ import annotations

from typing import TYPE_CHECKING

from everbeat.policy.assign.instances import assign_instances, sort_instances
from everbeat.policy.assign.lists import this_with, with_this
from everbeat.policy.assign.promotable import add_promotion_scores, set_roles
from everbeat.policy.assign.wishes import add_dependent_scores

if TYPE_CHECKING:
    from everbeat.policy.plan.node import Node
    from everbeat.policy.plan.plan import Plan
    from everbeat.policy.plan.resource import Resource


def assign_clone(plan: Plan, clone: Resource, prefer: Node | None, *, stop_if_fail: bool) -> None:
    """Place a clone's instances."""
    from everbeat.policy.assign.assign import assign, show_scores  # noqa: PLC0415 - a cycle

    if clone.is_assigned or clone.assigning:
        return
    clone.assigning = True
    if clone.promotable:
        add_promotion_scores(plan, clone)
    for record in this_with(clone):
        assign(plan, record.primary, prefer, stop_if_fail=stop_if_fail)
    for record in with_this(clone):
        add_dependent_scores(plan, record, clone)
    show_scores(plan, clone)
    sort_instances(plan, clone.children)
    assign_instances(plan, clone, clone.children, clone.clone_max, clone.clone_node_max)
    if clone.promotable:
        set_roles(plan, clone)
    clone.is_assigned = True
    clone.assigning = False
