"""Comparing nodes as places for a resource."""

from __future__ import annotations

from functools import cmp_to_key
from typing import TYPE_CHECKING

from everbeat.policy.plan.hash_order import in_hash_order, merge_sorted
from everbeat.policy.score import INFINITY

if TYPE_CHECKING:
    from everbeat.policy.plan.node import Node
    from everbeat.policy.plan.plan import Plan
    from everbeat.policy.plan.table import ScoreTable


def compare_capacity(a: Node, b: Node) -> int:
    """Compare what is free on two nodes: negative where `a` has more."""
    result = 0
    for name in [*a.free, *(n for n in b.free if n not in a.free)]:
        left, right = a.free.get(name, 0), b.free.get(name, 0)
        result += (left < right) - (left > right)
    return result


def sort_nodes(
    plan: Plan, indexes: list[int], table: ScoreTable | None, preferred: Node | None
) -> list[Node]:
    """Return nodes, the best place first."""
    strategy = plan.options.placement

    def score_of(node: Node) -> int:
        score = node.base_score if table is None else table.scores[node.index]
        return score if node.is_available() else -INFINITY

    def compare(a: Node, b: Node) -> int:
        left, right = score_of(a), score_of(b)
        if left != right:
            return right - left
        if strategy != "minimal":
            if strategy == "balanced":
                capacity = compare_capacity(a, b)
                if capacity != 0:
                    return capacity
            if a.resource_count != b.resource_count:
                return a.resource_count - b.resource_count
            if preferred is a:
                return -1
            if preferred is b:
                return 1
        return (a.name > b.name) - (a.name < b.name)

    nodes = [plan.nodes_by_index[index] for index in indexes]
    if strategy == "balanced":
        if table is not None:
            nodes = list(reversed(in_hash_order(nodes)))
        return merge_sorted(nodes, compare)
    nodes.sort(key=cmp_to_key(compare))
    return nodes


def any_available(plan: Plan, table: ScoreTable) -> bool:
    """Say whether any node of a table could take the resource."""
    return any(
        table.scores[index] >= 0 and plan.nodes_by_index[index].is_available()
        for index in table.nodes()
    )
