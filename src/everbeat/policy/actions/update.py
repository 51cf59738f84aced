"""Propagate optional, runnable and migratable along orderings until nothing changes any more.

`update_action` visits what comes before an action; `_apply_rules` applies one relation, row by row
of `ordering_rules.RULES`; `_apply_to_parts` carries a row into the parts of a collective.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from everbeat.policy.actions.create import newest_of_task
from everbeat.policy.actions.flags import action_flags, base_task, flags_for_ordering
from everbeat.policy.actions.ordering_rules import BOTH_ALONE, FIRST, PARTS, RULES, THEN
from everbeat.policy.actions.pairs import order_pair
from everbeat.policy.assign.colocation import (
    compatible_instance,
    instances_of,
    place_of,
)
from everbeat.policy.assign.lists import with_this
from everbeat.policy.plan.action import Because, Change
from everbeat.policy.plan.placing import assign_resource
from everbeat.policy.plan.table import Cause, CauseKind
from everbeat.policy.plan.words import (
    CLONE,
    FIRST_INTO_GRAPH,
    GROUP,
    ON_SAME_NODE,
    OPTIONAL,
    PRIMITIVE,
    PROBE_NEEDS_CONTAINER,
    PROMOTED,
    RUNNABLE,
    THEN_INTO_GRAPH,
    THEN_MUST_FOLLOW,
    THEN_MUST_FOLLOW_THERE,
    THEN_NEEDS_ENOUGH,
    THEN_NEEDS_FIRST,
    THEN_REPLACES_FIRST,
)
from everbeat.policy.score import INFINITY
from everbeat.policy.values import operation_key

if TYPE_CHECKING:
    from everbeat.policy.actions.ordering_rules import Rule
    from everbeat.policy.plan.action import Action, Relation
    from everbeat.policy.plan.node import Node
    from everbeat.policy.plan.plan import Plan
    from everbeat.policy.plan.resource import Resource

_DONE = {"stop": "stopped", "start": "running", "promote": "promoted", "demote": "demoted"}


def update_action(plan: Plan, then: Action) -> None:
    """Let everything that comes before an action have its say, until nothing changes."""
    last = then.flags
    if then.required_before > 0:
        then.runnable_before = 0
        then.flags &= ~RUNNABLE
    then_changed = False
    for relation in list(then.before):
        if relation.quiet_first == relation.action.flags and relation.quiet_then == then.flags:
            continue
        changed = _apply_relation(plan, then, relation)
        if changed & THEN:
            then_changed = True
        if changed & FIRST:
            first = relation.action
            for other in list(first.after):
                update_action(plan, other.action)
            update_action(plan, first)
    if then.required_before > 0:
        then_changed = then.flags != last
    if then_changed:
        if last & RUNNABLE and not then.flags & RUNNABLE:
            block_dependents(plan, then)
        update_action(plan, then)
        for other in list(then.after):
            update_action(plan, other.action)


def _group_place(action: Action, node: Node | None) -> Node | None:
    resource = action.resource
    if resource is not None and resource.variant == GROUP and action.task == "start":
        return place_of(resource)
    return node


def _apply_relation(plan: Plan, then: Action, relation: Relation) -> int:
    first = relation.action
    first_node = _group_place(first, first.node)
    then_node = _group_place(then, then.node)
    if (
        relation.flags & ON_SAME_NODE
        and first_node is not None
        and then_node is not None
        and first_node is not then_node
    ):
        relation.flags = 0
        return 0
    if first.resource is not None and relation.flags & THEN_REPLACES_FIRST and then.is_required:
        first.make_optional()
        if first.task == "reload-agent":
            first.resource.reload = False
    remapped = first
    if (
        first.resource is not None
        and then.resource is not None
        and first.resource is not then.resource
        and not _is_ancestor(first.resource, then.resource)
    ):
        remapped = _remap(first)
    if remapped is first:
        seen = flags_for_ordering(first, then_node)
        then_seen = flags_for_ordering(then, first_node)
        changed = _apply_rules(plan, first, then, seen, then_seen, relation)
        if changed == 0 and _depends_on_flags_alone(first, then, relation):
            relation.quiet_first, relation.quiet_then = first.flags, then.flags
        return changed
    if order_pair(remapped, then, relation.flags):
        relation.flags = 0
        return THEN
    return 0


def _depends_on_flags_alone(first: Action, then: Action, relation: Relation) -> bool:
    """Say whether an ordering is sure to do again what it did, while both actions' flags stay.

    Collectives look at their parts; an ordering that counts what is runnable counts every time.
    """
    return (
        first.resource is not None
        and first.resource.variant == PRIMITIVE
        and then.resource is not None
        and then.resource.variant == PRIMITIVE
        and not relation.flags & THEN_NEEDS_ENOUGH
    )


def _is_ancestor(ancestor: Resource, resource: Resource) -> bool:
    parent = resource.parent
    while parent is not None:
        if parent is ancestor:
            return True
        parent = parent.parent
    return False


def _remap(first: Action) -> Action:
    """Return the point at which all parts of a collective have done what an action asks for."""
    resource = first.resource
    assert resource is not None
    if resource.variant == PRIMITIVE or "notify" in first.key or first.interval_ms > 0:
        return first
    task = _DONE.get(first.task, first.task)
    if task not in _DONE.values():
        return first
    in_bundle = resource.top().bundle is not None
    if resource.notify and (resource.variant == CLONE or in_bundle):
        key = f"{resource.id}_confirmed-post_notify_{task}_0"
    else:
        key = operation_key(resource.id, task, 0)
    found = resource.actions_by_key.get(key.lower())
    return found[0] if found else first


def _apply_rules(
    plan: Plan, first: Action, then: Action, seen: int, then_seen: int, relation: Relation
) -> int:
    """Apply every rule of one relation; say which of the two actions changed."""
    node = then.node
    if relation.flags & THEN_MUST_FOLLOW_THERE:
        relation.flags &= ~THEN_MUST_FOLLOW_THERE
        relation.flags |= THEN_MUST_FOLLOW
        node = first.node
    asked = relation.flags
    if asked & PROBE_NEEDS_CONTAINER and then.resource is not None:
        if not seen & RUNNABLE and first.resource is not None and first.resource.active_on:
            relation.flags = 0  # the container runs: nothing to wait for
            return 0
        asked |= THEN_NEEDS_FIRST
    changed = 0
    for rule in RULES:
        if not asked & rule.asks:
            continue
        resource = first.resource if rule.side == FIRST else then.resource
        if rule.reach == PARTS:
            if resource is not None:
                changed |= _apply_to_parts(plan, rule, resource, first, then, node, seen)
        elif rule.reach == BOTH_ALONE or resource is None:
            changed |= _apply_to_two(plan, rule, first, then, seen)
    if asked & THEN_NEEDS_ENOUGH and then.resource is None and seen & RUNNABLE:
        changed |= _count_runnable(then)
    if asked & THEN_INTO_GRAPH and first.flags & RUNNABLE and not seen & OPTIONAL:
        then.always_in_graph = True
    if asked & FIRST_INTO_GRAPH and not then_seen & OPTIONAL:
        first.always_in_graph = True
    return changed


def _count_runnable(point: Action) -> int:
    """Count one more action that can be run before a point in the order; enough allow it."""
    point.runnable_before += 1
    if point.runnable_before < point.required_before or point.flags & RUNNABLE:
        return 0
    point.flags |= RUNNABLE
    return THEN


def _apply_to_two(plan: Plan, rule: Rule, first: Action, then: Action, seen: int) -> int:
    """Apply a rule to two actions; if the second is a part's, settle what comes before it."""
    first_before, then_before = first.flags, then.flags
    rule.apply(first, then, seen)
    changed = 0
    if then.flags != then_before:
        changed |= THEN
        owner = then.resource
        if rule.reach == PARTS and owner is not None and owner.parent is not None:
            update_action(plan, then)
    if first.flags != first_before:  # by the rule, or by what was settled just now
        changed |= FIRST
    return changed


def _apply_to_parts(
    plan: Plan,
    rule: Rule,
    resource: Resource,
    first: Action,
    then: Action,
    node: Node | None,
    seen: int,
) -> int:
    """Apply a rule to the actions of a resource of any kind, and to those of its parts."""
    if resource.variant == PRIMITIVE:
        return _apply_to_two(plan, rule, first, then, seen)
    if resource.variant == GROUP:
        changed = _apply_to_two(plan, rule, first, then, seen)
        for member in resource.children:
            own = newest_of_task(member, then.task, node)
            if own is not None:
                changed |= _apply_to_parts(plan, rule, member, first, own, node, seen)
        return changed
    if then.resource is None:
        return 0
    if _interleaves(first, then):
        return _apply_to_mates(plan, rule, first, then, node)
    changed = _apply_to_two(plan, rule, first, then, seen)
    for instance in instances_of(resource):
        own = newest_of_task(instance, then.task, node)
        if own is None or not action_flags(own, node) & RUNNABLE:
            continue
        own_changed = _apply_to_parts(plan, rule, instance, first, own, node, seen)
        changed |= own_changed
        if own_changed & THEN:
            for other in list(own.after):
                update_action(plan, other.action)
    return changed


def _interleaves(first: Action, then: Action) -> bool:
    a, b = first.resource, then.resource
    if a is None or b is None or a is b or a.variant < CLONE or b.variant < CLONE:
        return False
    decider = a if then.key.endswith(("_stop_0", "_demote_0")) else b
    return decider.meta.get("interleave", "").lower() in ("true", "yes", "on", "y", "1")


def _inside(container: Resource) -> Resource:
    parent = container.parent
    if parent is not None and parent.bundle is not None:
        for replica in parent.bundle.replicas:
            if replica.container is container and replica.child is not None:
                return replica.child
    return container


def _apply_to_mates(plan: Plan, rule: Rule, first: Action, then: Action, node: Node | None) -> int:
    """Apply a rule to each instance with the one instance that goes with it (interleave)."""
    assert first.resource is not None
    assert then.resource is not None
    current = first.key.endswith(("_stopped_0", "_demoted_0"))
    changed = 0
    first_task = base_task(first)
    for then_instance in instances_of(then.resource):
        mate = compatible_instance(plan, then_instance, first.resource, 0, current=current)
        if mate is None:
            if not current and rule.asks in (THEN_NEEDS_FIRST, THEN_MUST_FOLLOW):
                cause = Cause(CauseKind.NO_MATE, first.resource.id)
                if assign_resource(then_instance, None, cause, force=True, stop_if_fail=True):
                    changed |= THEN
            continue
        mate_owner, then_owner = mate, then_instance
        own_node = node
        if first.resource.bundle is not None:
            own_node = None
            if not first_task.startswith("stop"):
                mate_owner = _inside(mate)
        if then.resource.bundle is not None:
            own_node = None
            if then.task in ("promote", "promoted", "demote", "demoted"):
                then_owner = _inside(then_instance)
        mate_action = newest_of_task(mate_owner, first_task, own_node)
        own = newest_of_task(then_owner, then.task, own_node)
        if mate_action is None or own is None:
            continue
        if order_pair(mate_action, own, rule.asks):
            changed |= FIRST | THEN
        seen = action_flags(mate_action, own_node)
        changed |= _apply_to_parts(plan, rule, then_owner, mate_action, own, own_node, seen)
    return changed


def block_dependents(plan: Plan, action: Action) -> None:
    """Forbid what must be with a resource that cannot start or be promoted."""
    if action.flags & RUNNABLE or action.task not in ("start", "promote"):
        return
    if action.resource is None:
        return
    resource = action.resource.uber_parent()
    if resource.parent is not None:
        resource = resource.parent
    for child in resource.children:
        own = newest_of_task(child, action.task, None)
        if own is None or own.flags & RUNNABLE:
            return
    for record in with_this(resource):
        if record.score < INFINITY:
            continue
        if action.task == "promote" and record.primary_role != PROMOTED:
            continue
        task = "promote" if record.dependent_role == PROMOTED else "start"
        _block(plan, record.dependent, task, action)


def _block(plan: Plan, dependent: Resource, task: str, cause: Action) -> None:
    for action in reversed(list(dependent.actions)):
        if action.task != task or not action.flags & RUNNABLE:
            continue
        action.flags &= ~RUNNABLE
        assert cause.resource is not None
        action.because.append(Because(Change.UNRUNNABLE_BY_COLOCATION, cause.id, cause.resource.id))
        action.set_reason(f"colocation with {cause.resource.id}")
        block_dependents(plan, action)
        update_action(plan, action)
    for child in dependent.children:
        _block(plan, child, task, cause)
