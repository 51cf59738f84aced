"""Which actions belong into the graph, and which of them wait for which.

Reads:  flags of actions and of their relations
Writes: nothing, but for orderings that only count on the same node, which it drops
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from everbeat.policy.plan.words import (
    CLONE,
    FIRST_INTO_GRAPH,
    FREE_CAPACITY,
    GIVE_WAY,
    IN_THIS_ORDER,
    THEN_INTO_GRAPH,
    THEN_NEEDS_ENOUGH,
    UNLESS_FIRST_MIGRATES,
    WHOLE_MIGRATION,
)

if TYPE_CHECKING:
    from everbeat.policy.plan.action import Action, Relation

_WEAK = IN_THIS_ORDER | THEN_INTO_GRAPH | FIRST_INTO_GRAPH


def should_add(action: Action) -> bool:
    """Say whether an action belongs into the graph."""
    if not action.is_runnable:
        return False
    if action.is_optional and not action.always_in_graph:
        return False
    resource = action.resource
    if resource is not None and not resource.managed and action.task != "monitor":
        if action.meta.get("interval", "0") == "0":
            return False
    if action.is_pseudo or action.task in ("stonith", "do_shutdown"):
        return True
    node = action.node
    if node is None:
        return False
    if action.on_dc:
        return True
    if node.is_guest() and not node.remote_reset:
        return True
    return node.online and not node.unclean


def should_add_input(action: Action, relation: Relation) -> bool:
    """Say whether an action of the graph waits for another one; may drop the ordering."""
    first, flags = relation.action, relation.flags
    if relation.graphed:
        return True
    if flags == 0:
        return False
    if not first.is_runnable and flags & ~_WEAK == 0:
        return False
    if not first.is_runnable and flags & (THEN_NEEDS_ENOUGH | WHOLE_MIGRATION):
        return False
    if flags & UNLESS_FIRST_MIGRATES and first.is_migratable:
        return False
    if flags == IN_THIS_ORDER and first.is_migratable and first.key.endswith("_stop_0"):
        return False
    if flags == FREE_CAPACITY:
        return _is_for_node(action, relation)
    if flags == GIVE_WAY:
        apart = first.node is not None and action.node is not None and first.node is not action.node
        if apart or first.is_optional:
            relation.flags = 0
            return False
        return True
    if (
        first.resource is not None
        and first.resource is not action.resource
        and first.resource.failed
        and not first.resource.managed
        and first.key.endswith("_stop_0")
        and action.resource is not None
        and action.resource.variant == CLONE
    ):
        return False
    if first.is_optional and not first.always_in_graph and not first.in_graph:
        return first.counts_as_added or should_add(first)
    return True


def _is_for_node(action: Action, relation: Relation) -> bool:
    first = relation.action
    if action.task == "migrate_to" and action.resource is not None:
        if first.node is not action.resource.assigned:
            relation.flags = 0
            return False
        return True
    if first.node is not action.node or first.is_optional:
        relation.flags = 0
        return False
    return True


def may_add_input(action: Action, relation: Relation) -> bool:
    """Say the same as should_add_input, without dropping anything."""
    flags = relation.flags
    answer = should_add_input(action, relation)
    relation.flags = flags
    return answer
