"""Promotable clones: which instances are promoted, and colocations with promoted roles.

Reads:  promotion scores (node attributes `master-NAME`), location records with a role
Writes: next roles of instances; lines of the scores output
Oracle: cases with promotable clones
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from everbeat.policy.assign.colocation import (
    apply_colocation,
    compatible_instance,
    intersect,
    node_value,
    place_of,
)
from everbeat.policy.assign.instances import compare_instances
from everbeat.policy.assign.lists import has_influence, this_with, with_this
from everbeat.policy.assign.wishes import SumFlags, add_colocated, single
from everbeat.policy.plan.hash_order import merge_sorted
from everbeat.policy.plan.placing import score_everywhere
from everbeat.policy.plan.table import Cause, CauseKind
from everbeat.policy.plan.words import (
    GROUP,
    PROMOTED,
    ROLE_UNKNOWN,
    STARTED,
    STOPPED,
    UNPROMOTED,
)
from everbeat.policy.score import INFINITY, add_scores, render_score, score_from_text
from everbeat.policy.unpack.locations import node_attribute_for
from everbeat.policy.values import base_name

if TYPE_CHECKING:
    from everbeat.policy.plan.constraint import Colocation
    from everbeat.policy.plan.node import Node
    from everbeat.policy.plan.plan import Plan
    from everbeat.policy.plan.resource import Resource

_PROMOTION = Cause(CauseKind.PROMOTION_SCORE)


def add_promotion_scores(plan: Plan, clone: Resource) -> None:
    """Let instances run where they may be promoted."""
    if clone.promotion_scored:
        return
    clone.promotion_scored = True
    for instance in clone.children:
        for index in instance.table.nodes():
            node = plan.nodes_by_index[index]
            if not node.is_available():
                continue
            score, _ = promotion_score(plan, instance, node)
            if score > 0:
                instance.table.add(index, score, _PROMOTION)
                instance.priority = max(instance.priority, score)


def promotion_score(plan: Plan, instance: Resource, node: Node | None) -> tuple[int, bool]:
    """Return an instance's wish to be promoted on a node, and whether anybody stated one."""
    if node is None:
        return 0, False
    if instance.variant == GROUP:
        total, stated = 0, False
        for member in instance.children:
            score, has_own = promotion_score(plan, member, node)
            total = add_scores(total, score)
            stated |= has_own
        return total, stated
    if not _score_applies(instance, node):
        return 0, False
    name = instance.name_in_history()
    names = [name] if instance.unique else [name, base_name(name)]
    value: str | None = None
    for possible in names:
        if value is None:
            assigned = instance.is_assigned
            value = node_attribute_for(instance, node, f"master-{possible}", assigned=assigned)
    if value is None:
        return 0, False
    return score_from_text(value), True


def _is_allowed(instance: Resource, node: Node) -> bool:
    return instance.table.has(node.index) and instance.table.scores[node.index] >= 0


def _score_applies(instance: Resource, node: Node) -> bool:
    clone = instance.uber_parent()
    if not instance.unique:
        mates = [
            primitive
            for other in clone.children
            for primitive in other.primitives()
            if base_name(primitive.id) == base_name(instance.id)
        ]
        active = next((mate for mate in mates if node in mate.active_on), None)
        if active is instance:
            return _is_allowed(instance, node)
        if active is None and any(node in mate.probed_nodes for mate in mates):
            return _is_allowed(instance, node)
    if not instance.active_on and not instance.probed_nodes:
        return _is_allowed(instance, node)
    if node in instance.probed_nodes or node in instance.active_on:
        return _is_allowed(instance, node)
    return False


def _set_current_unpromoted(resource: Resource) -> None:
    if resource.role == STARTED:
        resource.role = UNPROMOTED
    for child in resource.children:
        _set_current_unpromoted(child)


def set_roles(plan: Plan, clone: Resource) -> None:
    """Choose which of the placed instances are promoted."""
    clone.table.counts = [0] * len(clone.table.scores)
    for instance in clone.children:
        if _current_role(instance) == STARTED:
            _set_current_unpromoted(instance)
        _rate(plan, clone, instance)
    _sort(plan, clone)
    promoted = 0
    for instance in clone.children:
        node = place_of(instance)
        where = f"on {node.name}" if node is not None else "(inactive)"
        plan.score_lines.append(
            f"{instance.id} promotion score {where}: {render_score(instance.promotion_priority)}"
        )
        if _promote(plan, clone, instance, promoted):
            promoted += 1


def _member_role(instance: Resource) -> int:
    return (
        instance.next_role
        if not instance.children
        else max(child.next_role for child in instance.children)
    )


def _rate(plan: Plan, clone: Resource, instance: Resource) -> None:
    node = place_of(instance)
    if node is None:
        return
    role = _member_role(instance) if instance.children else instance.next_role
    if role in (STARTED, ROLE_UNKNOWN):
        score, stated = promotion_score(plan, instance, node)
        instance.priority = score if stated else -1
    elif role in (UNPROMOTED, STOPPED):
        instance.priority = -INFINITY
    for record in [*instance.locations, *clone.locations]:
        if record.role != PROMOTED:
            continue
        for other, score in record.nodes:
            if other is node:
                instance.priority = add_scores(instance.priority, score)
    for wish in this_with(instance):
        apply_colocation(plan, instance, wish.primary, wish, for_dependent=True)
    instance.promotion_priority = instance.priority
    if role == PROMOTED:
        instance.promotion_priority = INFINITY


def _sort(plan: Plan, clone: Resource) -> None:
    if clone.promotion_sorted:
        return
    clone.promotion_sorted = True
    for instance in clone.children:
        node = place_of(instance)
        if node is not None and instance.promotion_priority >= 0 and clone.table.has(node.index):
            clone.table.add(node.index, instance.promotion_priority, _PROMOTION)
    flags = SumFlags(active=True, nonnegative=True, forward=False)
    clone.updating = True
    for record in with_this(clone):
        if record.primary_role != PROMOTED or not has_influence(record):
            continue
        factor = single(record.score / INFINITY)
        row = add_colocated(
            plan, record.dependent, clone, clone.table.scores, record, factor, flags
        )
        clone.table.take(row, Cause(CauseKind.COLOCATION, record.id))
    clone.updating = False
    for use in clone.tickets:
        if use.role == PROMOTED and (not use.ticket.granted or use.ticket.standby):
            score_everywhere(plan, clone, -INFINITY, Cause(CauseKind.TICKET, use.ticket.id))
    for instance in clone.children:
        node = place_of(instance)
        if not instance.managed and instance.next_role == PROMOTED:
            instance.promotion_priority = INFINITY
        elif node is None:
            instance.promotion_priority = -INFINITY
        elif instance.promotion_priority >= 0:
            instance.promotion_priority = clone.table.get(node.index)

    def compare(a: Resource, b: Resource) -> int:
        if a.promotion_priority != b.promotion_priority:
            return b.promotion_priority - a.promotion_priority
        if _current_role(a) != _current_role(b):
            return _current_role(b) - _current_role(a)
        return compare_instances(plan, a, b)

    clone.children = merge_sorted(clone.children, compare)


def _current_role(instance: Resource) -> int:
    if not instance.children:
        return instance.role
    return max(child.role for child in instance.children)


def _can_be_promoted(clone: Resource, instance: Resource) -> Node | None:
    if instance.children:
        for child in instance.children:
            if _can_be_promoted(clone, child) is None:
                return None
    node = place_of(instance)
    if node is None:
        return None
    if not clone.table.has(node.index):  # an unmanaged one may run where its clone may not
        return None
    if not instance.managed:
        return node if _current_role(instance) == PROMOTED else None
    if instance.priority < 0 or not node.is_available():
        return None
    if clone.managed and clone.table.count(node.index) >= clone.promoted_node_max:
        return None
    return node


def _set_next_unpromoted(resource: Resource) -> None:
    resource.next_role = STOPPED if resource.assigned is None else UNPROMOTED
    for child in resource.children:
        _set_next_unpromoted(child)


def _set_next_promoted(resource: Resource) -> None:
    if resource.next_role == ROLE_UNKNOWN:
        resource.next_role = PROMOTED
    for child in resource.children:
        _set_next_promoted(child)


def _promote(plan: Plan, clone: Resource, instance: Resource, promoted: int) -> bool:
    node: Node | None = None
    if instance.promotion_priority >= 0 and (promoted < clone.promoted_max or not clone.managed):
        node = _can_be_promoted(clone, instance)
    if node is None:
        _set_next_unpromoted(instance)
        return False
    if (
        _current_role(instance) < PROMOTED
        and not plan.have_quorum
        and plan.options.quorum_policy == "freeze"
    ):
        _set_next_unpromoted(instance)
        return False
    clone.table.counts[node.index] += 1
    _set_next_promoted(instance)
    return True


def dependent_of_role(plan: Plan, dependent: Resource, clone: Resource, record: Colocation) -> None:
    """Place a dependent that wants to be with instances of a certain role."""
    places: list[Node] = []
    scores: dict[int, int] = {}
    for instance in clone.children:
        node = place_of(instance)
        role = _member_role(instance) if instance.children else instance.next_role
        if node is None or role != record.primary_role:
            continue
        if record.score < INFINITY:
            wanted = node_value(clone, node, record.attribute)
            for index in dependent.table.nodes():
                other = plan.nodes_by_index[index]
                if node_value(dependent, other, record.attribute) == wanted:
                    dependent.table.add(index, record.score, Cause(CauseKind.COLOCATION, record.id))
        places.append(node)
        first = instance.primitives()[0]
        scores[node.index] = first.assigned_score
    if record.score >= INFINITY and not (
        record.dependent_role == PROMOTED and record.primary_role == PROMOTED
    ):
        intersect(dependent, places, scores, record)


def promotion_with_role(
    plan: Plan, dependent: Resource, clone: Resource, record: Colocation
) -> int:
    """Raise a dependent's wish to be promoted where the primary has the wanted role."""
    mate = compatible_instance(plan, dependent, clone, record.primary_role, current=False)
    if mate is not None:
        dependent.priority = add_scores(record.score, dependent.priority)
        return record.score
    if record.score >= INFINITY:
        dependent.priority = -INFINITY
        return -INFINITY
    return 0
