"""The small steps that change where a resource may run or runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from everbeat.policy.plan.words import OPTIONAL, STOPPED
from everbeat.policy.score import INFINITY

if TYPE_CHECKING:
    from everbeat.policy.plan.node import Node
    from everbeat.policy.plan.plan import Plan
    from everbeat.policy.plan.resource import Resource
    from everbeat.policy.plan.table import Cause


def current_node(resource: Resource) -> Node | None:
    """Return where a resource counts as running: a migration's source, else a clean node."""
    if resource.partial_source is not None and resource.partial_source in resource.active_on:
        return resource.partial_source
    if not resource.active_on:
        return None
    if resource.partial_source is None and not resource.needs_fencing:
        for node in resource.active_on:
            if node.online and not node.unclean:
                return node
    return resource.active_on[0]


def score_everywhere(plan: Plan, resource: Resource, score: int, cause: Cause) -> None:
    """Add a score on every node; a ban everywhere takes back a primitive's placement."""
    for node in plan.nodes:
        score_on(resource, node, score, cause)
    if score <= -INFINITY and resource.is_assigned and not resource.children:
        unassign(resource)


def score_on(resource: Resource, node: Node, score: int, cause: Cause) -> None:
    """Add a score on one node, children first; a node not in a table enters with its own score."""
    for child in resource.children:
        score_on(child, node, score, cause)
    _score_one(resource, node, score, cause)


def _score_one(resource: Resource, node: Node, score: int, cause: Cause) -> None:
    table = resource.table
    if not table.has(node.index):
        table.put(node.index, node.base_score, node.probe_mode, cause)
    table.add(node.index, score, cause)


def unassign(resource: Resource) -> None:
    """Take back where a resource was put, and its children."""
    for child in resource.children:
        unassign(child)
    node = resource.assigned
    resource.is_assigned = False
    resource.assigned = None
    if node is None:
        return
    node.assigned.remove(resource)
    node.resource_count -= 1
    for name, amount in resource.utilization.items():
        node.free[name] = node.free.get(name, 0) + amount


def assign_resource(
    resource: Resource,
    node: Node | None,
    cause: Cause,
    *,
    force: bool,
    stop_if_fail: bool,
) -> bool:
    """Put a resource on a node, or nowhere; say whether that changed anything."""
    if resource.children:
        changed = False
        for child in resource.children:
            changed |= assign_resource(child, node, cause, force=force, stop_if_fail=stop_if_fail)
        return changed
    previous = resource.assigned
    was_assigned = resource.is_assigned
    score = -INFINITY if node is None else resource.table.get(node.index)
    if not force and node is not None:
        is_banned = resource.table.has(node.index) and score < 0
        # A guest is expected to come up in time.
        if is_banned or (not node.is_available() and not node.is_guest()):
            node = None
            if stop_if_fail:
                resource.next_role = STOPPED
    if was_assigned:
        unassign(resource)
    resource.is_assigned = True
    resource.placement_cause = cause
    if node is None:
        _stay_nowhere(resource, stop_if_fail=stop_if_fail)
        return previous is not None
    resource.assigned = node
    resource.assigned_score = node.base_score if force else score
    node.resource_count += 1
    node.assigned.insert(0, resource)
    for name, amount in resource.utilization.items():
        node.free[name] = node.free.get(name, 0) - amount
    return previous is not node


def _stay_nowhere(resource: Resource, *, stop_if_fail: bool) -> None:
    if stop_if_fail:
        resource.next_role = STOPPED
    for action in reversed(resource.actions):
        if action.task == "stop":
            action.flags &= ~OPTIONAL
        elif action.task == "start" or (
            action.meta.get("interval", "0") != "0" and action.meta.get("op_target_rc") != "7"
        ):
            action.forbid()
