"""Instances of clones and containers of bundles: who goes first, and where each goes.

Reads:  instances' tables, where they run now
Writes: instance.assigned; the collective's counts per node
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from everbeat.cib.whole_numbers import integer_prefix
from everbeat.policy.assign.colocation import place_of
from everbeat.policy.assign.lists import has_influence, this_with, with_this
from everbeat.policy.assign.wishes import SumFlags, add_colocated, single
from everbeat.policy.plan.hash_order import merge_sorted
from everbeat.policy.plan.placing import current_node, unassign
from everbeat.policy.plan.table import Cause, CauseKind, ScoreTable
from everbeat.policy.score import ABSENT, INFINITY

if TYPE_CHECKING:
    from everbeat.policy.plan.node import Node
    from everbeat.policy.plan.plan import Plan
    from everbeat.policy.plan.resource import Resource

_LIMIT = Cause(CauseKind.ENOUGH_INSTANCES)
_FULL = Cause(CauseKind.ENOUGH_ON_NODE)
_RETRY = Cause(CauseKind.TRIAL_UNDONE)


def instance_number(resource: Resource) -> int:
    """Return an instance's number, from its id."""
    for separator in (":", "-"):
        _, found, tail = resource.id.rpartition(separator)
        if found and tail.isdecimal():
            return integer_prefix(tail) or 0
    return -1


def has_failed(resource: Resource) -> bool:
    """Say whether any part of a resource failed."""
    return any(primitive.failed for primitive in resource.primitives())


def _node_if_allowed(instance: Resource) -> Node | None:
    node = current_node(instance)
    if node is None:
        return None
    if not instance.table.has(node.index) or instance.table.scores[node.index] < 0:
        return None
    return node


def compare_instances(plan: Plan, a: Resource, b: Resource) -> int:
    """Compare two instances: negative where `a` is to be placed first."""
    if a.active_on and b.active_on and len(a.active_on) != len(b.active_on):
        return len(a.active_on) - len(b.active_on)
    left, right = _node_if_allowed(a), _node_if_allowed(b)
    if bool(a.active_on) != (left is not None) or bool(b.active_on) != (right is not None):
        a_lost = bool(a.active_on) and left is None
        b_lost = bool(b.active_on) and right is None
        if a_lost != b_lost:
            return 1 if a_lost else -1
    if a.priority != b.priority:
        return b.priority - a.priority
    if (left is None) != (right is None):
        return 1 if left is None else -1
    if left is None or right is None:
        return 0  # of those that run nowhere none comes first
    return _compare_places(plan, a, b, left, right)


def _compare_places(plan: Plan, a: Resource, b: Resource, left: Node, right: Node) -> int:
    if left.is_available() != right.is_available():
        return -1 if left.is_available() else 1
    assert a.parent is not None
    parent = a.parent.table
    if parent.has(left.index) != parent.has(right.index):
        return -1 if parent.has(left.index) else 1
    if not parent.has(left.index):
        return 0
    difference = parent.count(left.index) - parent.count(right.index)
    if difference != 0:
        return difference
    if has_failed(a) != has_failed(b):
        return 1 if has_failed(a) else -1
    company = _colocated_score(plan, b, right) - _colocated_score(plan, a, left)
    return company or instance_number(a) - instance_number(b)


def _colocated_score(plan: Plan, instance: Resource, node: Node) -> int:
    row = [ABSENT] * (node.index + 1)
    row[node.index] = node.base_score
    plain = SumFlags(active=False, nonnegative=False, forward=False)
    for record in this_with(instance):
        factor = single(record.score / INFINITY)
        row = add_colocated(plan, record.primary, instance, row, record, factor, plain)
    positive = SumFlags(active=False, nonnegative=True, forward=False)
    for record in with_this(instance):
        if not has_influence(record):
            continue
        factor = single(record.score / INFINITY)
        row = add_colocated(plan, record.dependent, instance, row, record, factor, positive)
    return row[node.index]


def sort_instances(plan: Plan, instances: list[Resource]) -> None:
    """Put instances in the order in which they are placed."""
    instances[:] = merge_sorted(instances, lambda a, b: compare_instances(plan, a, b))


def assign_instances(
    plan: Plan,
    collective: Resource,
    instances: list[Resource],
    max_total: int,
    max_per_node: int,
) -> None:
    """Place instances: first those that can stay where they are, then the others."""
    table = collective.table
    table.counts = [0] * len(table.scores)
    available = sum(1 for i in table.nodes() if plan.nodes_by_index[i].is_available())
    optimal = max(1, max_total // available) if available else max(1, max_total)
    assigned = 0
    for instance in instances:
        if assigned >= max_total:
            break
        if instance.is_assigned:
            continue
        current = _may_stay(collective, instance, optimal)
        if current is not None and _assign_early(
            plan, collective, instance, current, max_per_node, max_total - assigned
        ):
            table.counts[current.index] += 1
            assigned += 1
    for instance in instances:
        if instance.is_assigned or place_of(instance) is not None:
            continue
        if assigned >= max_total:
            _ban_all(plan, instance)
        elif _assign_one(plan, collective, instance, None, max_per_node, stop_if_fail=True):
            assigned += 1


def _ban_all(plan: Plan, instance: Resource) -> None:
    from everbeat.policy.plan.placing import score_everywhere  # noqa: PLC0415 - same package

    score_everywhere(plan, instance, -INFINITY, _LIMIT)


def _may_stay(collective: Resource, instance: Resource, optimal: int) -> Node | None:
    node = current_node(instance)
    if node is None or instance.failed:
        return None
    if not node.is_available() or node.base_score < 0:
        return None
    if collective.table.count(node.index) >= optimal:
        return None
    return node


def _save(resource: Resource, saved: list[tuple[Resource, ScoreTable]]) -> None:
    saved.append((resource, resource.table.copy()))
    for child in resource.children:
        _save(child, saved)


def _assign_early(
    plan: Plan,
    collective: Resource,
    instance: Resource,
    current: Node,
    max_per_node: int,
    limit: int,
) -> bool:
    if not instance.table.has(current.index) or instance.table.scores[current.index] < 0:
        return False
    saved: list[tuple[Resource, ScoreTable]] = []
    _save(instance, saved)
    counts = collective.table.counts.copy()
    done = False
    reserved = 0
    while reserved < limit:
        chosen = _assign_one(plan, collective, instance, current, max_per_node, stop_if_fail=False)
        if chosen is current:
            done = True
            break
        for resource, table in saved:
            resource.table.restore(table, _RETRY)
        if chosen is None:
            instance.is_assigned = False  # its members stay settled on no node
            break
        unassign(instance)
        reserved += 1
    collective.table.counts = counts
    return done


def _assign_one(
    plan: Plan,
    collective: Resource,
    instance: Resource,
    prefer: Node | None,
    max_per_node: int,
    *,
    stop_if_fail: bool,
) -> Node | None:
    from everbeat.policy.assign.assign import assign  # noqa: PLC0415 - a cycle

    for index in instance.table.nodes():
        if not _can_run(plan, collective, instance, index, max_per_node):
            _ban(instance, index)
    chosen = assign(plan, instance, prefer, stop_if_fail=stop_if_fail)
    if chosen is not None and collective.table.has(chosen.index):
        collective.table.counts[chosen.index] += 1
    return chosen


def _ban(resource: Resource, index: int) -> None:
    if resource.table.has(index):
        resource.table.set(index, -INFINITY, _FULL)
    for child in resource.children:
        _ban(child, index)


def _can_run(
    plan: Plan, collective: Resource, instance: Resource, index: int, max_per_node: int
) -> bool:
    if instance.removed or not plan.nodes_by_index[index].is_available():
        return False
    table = collective.table
    if not table.has(index) or table.scores[index] < 0:
        return False
    return table.count(index) < max_per_node
