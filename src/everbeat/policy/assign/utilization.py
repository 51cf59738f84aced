"""Placement by capacity: in which order resources are placed, and which nodes have no room.

Reads:  node.free, resource.utilization, colocations
Writes: bans, the order of plan.resources
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from everbeat.policy.assign.colocation import LOCATION, effect
from everbeat.policy.assign.compare import compare_capacity, sort_nodes
from everbeat.policy.assign.lists import this_with, with_this
from everbeat.policy.assign.wishes import SumFlags, add_colocated
from everbeat.policy.plan.hash_order import in_hash_order, merge_sorted
from everbeat.policy.plan.placing import current_node
from everbeat.policy.plan.table import Cause, CauseKind
from everbeat.policy.plan.words import BUNDLE, CLONE, GROUP, PRIMITIVE
from everbeat.policy.score import ABSENT, INFINITY

if TYPE_CHECKING:
    from everbeat.policy.plan.node import Node
    from everbeat.policy.plan.plan import Plan
    from everbeat.policy.plan.resource import Resource

_LIMIT = Cause(CauseKind.NO_CAPACITY)


def sort_for_utilization(plan: Plan) -> None:
    """Place first what matters most and is most bound to its place."""
    indexes = [node.index for node in plan.nodes]
    nodes = sort_nodes(plan, indexes, None, None)
    rows: dict[str, list[int]] = {}
    forward = SumFlags(active=False, nonnegative=False, forward=True)
    for resource in plan.resources:
        rows[resource.id] = add_colocated(plan, resource, resource, None, None, 1.0, forward)

    def at(resource: Resource, node: Node | None) -> int:
        row = rows[resource.id]
        if node is None or node.index >= len(row) or row[node.index] == ABSENT:
            return -INFINITY
        return row[node.index]

    def compare(a: Resource, b: Resource) -> int:
        if a.priority != b.priority:
            return b.priority - a.priority
        left = at(a, current_node(a))
        right = at(b, current_node(b))
        if left != right:
            return right - left
        for node in nodes:
            left, right = at(a, node), at(b, node)
            if left != right:
                return right - left
        return 0

    plan.resources = merge_sorted(plan.resources, compare)


def ban_insufficient(plan: Plan, resource: Resource) -> Node | None:
    """Ban nodes without room; return the node with most room where company must fit too."""
    if plan.options.placement == "default":
        return None
    company: list[Resource] = []
    collect_company(resource, resource, company)
    if not company:
        return None
    if resource not in company:
        company.insert(0, resource)
    needed = _sum(company)
    most: Node | None = None
    any_capable = False
    available = [
        node
        for node in in_hash_order([plan.nodes_by_index[i] for i in resource.table.nodes()])
        if resource.table.scores[node.index] >= 0 and node.is_available()
    ]
    for node in available:
        any_capable |= _has_room(node, needed)
        if most is None or compare_capacity(node, most) < 0:
            most = node
    own = _sum([resource])
    for node in available:
        if not _has_room(node, needed if any_capable else own):
            resource.table.ban(node.index, _LIMIT)
    return None if any_capable else most


def _has_room(node: Node, needed: dict[str, int]) -> bool:
    return all(node.free.get(name, 0) >= amount for name, amount in needed.items())


def collect_company(resource: Resource, origin: Resource, found: list[Resource]) -> None:
    """Collect what must share a node with a resource."""
    if resource in found:
        return
    found.insert(0, resource)
    if resource.variant == GROUP and (resource.collocated or resource.parent is not None):
        for member in resource.children:
            collect_company(member, origin, found)
        return
    for record in this_with(resource):
        if record.primary is origin or record.score < INFINITY:
            continue
        if effect(resource, record.primary, record, preview=True) == LOCATION:
            collect_company(record.primary, origin, found)
    for record in with_this(resource):
        if record.dependent is origin or record.score < INFINITY:
            continue
        if resource.variant >= CLONE and record.dependent.variant < CLONE:
            continue
        if effect(record.dependent, resource, record, preview=True) == LOCATION:
            collect_company(record.dependent, origin, found)


def _sum(company: list[Resource]) -> dict[str, int]:
    total: dict[str, int] = {}
    for resource in company:
        if not resource.is_assigned:
            _add(resource, company, total)
    return total


def _add(resource: Resource, company: list[Resource], total: dict[str, int]) -> None:
    if resource.variant == PRIMITIVE:
        for name, amount in resource.utilization.items():
            total[name] = total.get(name, 0) + amount
    elif resource.variant == GROUP:
        if resource.collocated or resource.parent is not None:
            for member in resource.children:
                if member not in company and not member.is_assigned:
                    _add(member, company, total)
        elif resource.children[0] not in company:
            _add(resource.children[0], company, total)
    elif resource.variant == BUNDLE:
        assert resource.bundle is not None
        container = resource.bundle.replicas[0].container
        if container is not None:
            _add(container, company, total)
    else:
        if any(child in company for child in resource.children):
            return
        for child in resource.children:
            if any(member in company for member in child.children):
                _add(child, company, total)
                return
        if resource.children:
            _add(resource.children[0], company, total)
