"""Letting flags settle: what one action's state does to the actions ordered with it.

`update_action` visits what comes before an action; `apply_flags` applies one relation; `_update`
does it for the kind of the later action's resource. Every change keeps its cause in `because`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from everbeat.policy.actions.create import newest_of_task
from everbeat.policy.actions.flags import action_flags, base_task, flags_for_ordering
from everbeat.policy.actions.pairs import order_pair
from everbeat.policy.assign.colocation import (
    compatible_instance,
    instances_of,
    place_of,
    role_of,
)
from everbeat.policy.assign.lists import with_this
from everbeat.policy.plan.action import Because
from everbeat.policy.plan.placing import assign_resource
from everbeat.policy.plan.table import Cause
from everbeat.policy.plan.words import (
    ASYMMETRIC,
    CLONE,
    FIRST_ELSE_THEN,
    FIRST_IMPLIES_SAME_NODE_THEN,
    FIRST_IMPLIES_THEN,
    FIRST_IMPLIES_THEN_GRAPHED,
    GROUP,
    IF_ON_SAME_NODE,
    INTERMEDIATE_STOP,
    MIGRATABLE,
    MIN_RUNNABLE,
    NESTED_REMOTE_PROBE,
    OPTIONAL,
    ORDERED,
    PRIMITIVE,
    PROMOTED,
    PROMOTED_THEN_IMPLIES_FIRST,
    PSEUDO,
    RUNNABLE,
    STARTED,
    STOPPED,
    THEN_CANCELS_FIRST,
    THEN_IMPLIES_FIRST,
    THEN_IMPLIES_FIRST_GRAPHED,
    UNMIGRATABLE_THEN_BLOCKS,
    UNRUNNABLE_FIRST_BLOCKS,
)
from everbeat.policy.score import INFINITY
from everbeat.policy.values import operation_key

if TYPE_CHECKING:
    from everbeat.policy.plan.action import Action, Relation
    from everbeat.policy.plan.node import Node
    from everbeat.policy.plan.plan import Plan
    from everbeat.policy.plan.resource import Resource

FIRST_CHANGED = 1
THEN_CHANGED = 2
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
        if changed & THEN_CHANGED:
            then_changed = True
        if changed & FIRST_CHANGED:
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
        relation.flags & IF_ON_SAME_NODE
        and first_node is not None
        and then_node is not None
        and first_node is not then_node
    ):
        relation.flags = 0
        return 0
    if first.resource is not None and relation.flags & THEN_CANCELS_FIRST and then.is_required:
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
        first_flags = flags_for_ordering(first, then_node)
        then_flags = flags_for_ordering(then, first_node)
        changed = apply_flags(plan, first, then, first_flags, then_flags, relation)
        if changed == 0 and _depends_on_flags_alone(first, then, relation):
            relation.quiet_first, relation.quiet_then = first.flags, then.flags
        return changed
    if order_pair(remapped, then, relation.flags):
        relation.flags = 0
        return THEN_CHANGED
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
        and not relation.flags & MIN_RUNNABLE
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


def _note(changed: Action, change: str, cause: Action) -> None:
    changed.because.append(Because(change, cause.id, cause.key))
    if changed.resource is not None and changed.resource is cause.resource:
        return
    who = f"{cause.resource.id} " if cause.resource is not None else ""
    if changed.reason is None:
        changed.reason = f"{change} {who}{cause.task}"


def _require(action: Action, cause: Action) -> None:
    if action.flags & OPTIONAL:
        action.flags &= ~OPTIONAL
        _note(action, "required", cause)


def _forbid(action: Action, cause: Action) -> None:
    if action.flags & RUNNABLE:
        action.flags &= ~RUNNABLE
        _note(action, "unrunnable", cause)


def _unmigratable(action: Action, cause: Action) -> None:
    if action.flags & MIGRATABLE:
        action.flags &= ~MIGRATABLE
        _note(action, "unmigrateable", cause)


def apply_flags(
    plan: Plan, first: Action, then: Action, first_flags: int, then_flags: int, relation: Relation
) -> int:
    """Apply one relation; say which of the two actions changed."""
    changed = 0
    node = then.node
    if relation.flags & FIRST_IMPLIES_SAME_NODE_THEN:
        relation.flags &= ~FIRST_IMPLIES_SAME_NODE_THEN
        relation.flags |= FIRST_IMPLIES_THEN
        node = first.node
    kind = relation.flags
    owner = then.resource
    if kind & FIRST_IMPLIES_THEN:
        if owner is not None:
            changed |= _update(
                plan, owner, first, then, node, first_flags & OPTIONAL, OPTIONAL, FIRST_IMPLIES_THEN
            )
        elif not first_flags & OPTIONAL and then.flags & OPTIONAL:
            _require(then, first)
            changed |= THEN_CHANGED
    if kind & INTERMEDIATE_STOP and owner is not None:
        changed |= _update(
            plan, owner, first, then, node, first_flags, OPTIONAL | RUNNABLE, INTERMEDIATE_STOP
        )
    if kind & THEN_IMPLIES_FIRST:
        if first.resource is not None:
            changed |= _update(
                plan, first.resource, first, then, node, first_flags, OPTIONAL, THEN_IMPLIES_FIRST
            )
        elif not first_flags & OPTIONAL and first.flags & RUNNABLE:
            _forbid(first, then)
            changed |= FIRST_CHANGED
    if kind & PROMOTED_THEN_IMPLIES_FIRST and owner is not None:
        changed |= _update(
            plan,
            owner,
            first,
            then,
            node,
            first_flags & OPTIONAL,
            OPTIONAL,
            PROMOTED_THEN_IMPLIES_FIRST,
        )
    if kind & MIN_RUNNABLE:
        if owner is not None:
            changed |= _update(plan, owner, first, then, node, first_flags, RUNNABLE, MIN_RUNNABLE)
        elif first_flags & RUNNABLE:
            then.runnable_before += 1
            if then.runnable_before >= then.required_before and not then.flags & RUNNABLE:
                then.flags |= RUNNABLE
                changed |= THEN_CHANGED
    if kind & NESTED_REMOTE_PROBE and owner is not None:
        if not first_flags & RUNNABLE and first.resource is not None and first.resource.active_on:
            relation.flags = 0
            return changed
        changed |= _update(
            plan, owner, first, then, node, first_flags, RUNNABLE, UNRUNNABLE_FIRST_BLOCKS
        )
    if kind & UNRUNNABLE_FIRST_BLOCKS:
        if owner is not None:
            changed |= _update(
                plan, owner, first, then, node, first_flags, RUNNABLE, UNRUNNABLE_FIRST_BLOCKS
            )
        elif not first_flags & RUNNABLE and then.flags & RUNNABLE:
            _forbid(then, first)
            changed |= THEN_CHANGED
    for flag, mask in (
        (UNMIGRATABLE_THEN_BLOCKS, OPTIONAL),
        (FIRST_ELSE_THEN, OPTIONAL),
        (ORDERED, RUNNABLE),
        (ASYMMETRIC, RUNNABLE),
    ):
        if kind & flag and owner is not None:
            changed |= _update(plan, owner, first, then, node, first_flags, mask, flag)
    if first.flags & RUNNABLE and kind & FIRST_IMPLIES_THEN_GRAPHED and not first_flags & OPTIONAL:
        then.always_in_graph = True
    if kind & THEN_IMPLIES_FIRST_GRAPHED and not then_flags & OPTIONAL:
        first.always_in_graph = True
    if (
        kind & (FIRST_IMPLIES_THEN | THEN_IMPLIES_FIRST | INTERMEDIATE_STOP)
        and first.resource is not None
        and not first.resource.managed
        and first.resource.blocked
        and not first.flags & RUNNABLE
        and first.task == "stop"
    ):
        if then.flags & RUNNABLE:
            then.flags &= ~RUNNABLE
            then.because.append(Because("unrunnable", first.id, first.key))  # no reason shown
            changed |= THEN_CHANGED
    return changed


def _update(
    plan: Plan,
    resource: Resource,
    first: Action,
    then: Action,
    node: Node | None,
    flags: int,
    mask: int,
    kind: int,
) -> int:
    """Apply one kind of ordering to the actions of a resource of any kind."""
    if resource.variant == PRIMITIVE:
        return _update_pair(plan, first, then, flags, mask, kind)
    if resource.variant == GROUP:
        changed = _update_pair(plan, first, then, flags, mask, kind)
        for member in resource.children:
            own = newest_of_task(member, then.task, node)
            if own is not None:
                changed |= _update(plan, member, first, own, node, flags, mask, kind)
        return changed
    if then.resource is None:
        return 0
    if _interleaves(first, then):
        return _update_interleaved(plan, first, then, node, mask, kind)
    changed = _update_pair(plan, first, then, flags, mask, kind)
    for instance in instances_of(resource):
        own = newest_of_task(instance, then.task, node)
        if own is None or not action_flags(own, node) & RUNNABLE:
            continue
        own_changed = _update(plan, instance, first, own, node, flags, mask, kind)
        changed |= own_changed
        if own_changed & THEN_CHANGED:
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


def _update_interleaved(
    plan: Plan, first: Action, then: Action, node: Node | None, mask: int, kind: int
) -> int:
    assert first.resource is not None
    assert then.resource is not None
    current = first.key.endswith(("_stopped_0", "_demoted_0"))
    changed = 0
    first_task = base_task(first)
    for then_instance in instances_of(then.resource):
        mate = compatible_instance(plan, then_instance, first.resource, 0, current=current)
        if mate is None:
            if not current and kind & (UNRUNNABLE_FIRST_BLOCKS | FIRST_IMPLIES_THEN):
                cause = Cause("no instance to go with", first.resource.id)
                if assign_resource(then_instance, None, cause, force=True, stop_if_fail=True):
                    changed |= THEN_CHANGED
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
        if order_pair(mate_action, own, kind):
            changed |= FIRST_CHANGED | THEN_CHANGED
        flags = action_flags(mate_action, own_node)
        changed |= _update(plan, then_owner, mate_action, own, own_node, flags, mask, kind)
    return changed


def _update_pair(plan: Plan, first: Action, then: Action, flags: int, mask: int, kind: int) -> int:
    """Apply one kind of ordering to two actions."""
    first_before, then_before = first.flags, then.flags
    owner = then.resource
    if kind & ASYMMETRIC and owner is not None and not first.flags & RUNNABLE:
        _block_asymmetric(first, then, owner)
    if kind & THEN_IMPLIES_FIRST and not then.flags & OPTIONAL:
        if mask & OPTIONAL and not flags & OPTIONAL and first.flags & OPTIONAL:
            _require(first, then)
        if flags & MIGRATABLE and not then.flags & MIGRATABLE:
            _unmigratable(first, then)
    if (
        kind & PROMOTED_THEN_IMPLIES_FIRST
        and owner is not None
        and role_of(owner, current=True) == PROMOTED
        and mask & OPTIONAL
        and not then.flags & OPTIONAL
    ):
        _require(first, then)
        if first.flags & MIGRATABLE and not then.flags & MIGRATABLE:
            _unmigratable(first, then)
    if kind & UNMIGRATABLE_THEN_BLOCKS and mask & OPTIONAL:
        if then.flags & (MIGRATABLE | RUNNABLE) != MIGRATABLE | RUNNABLE:
            _forbid(first, then)
        if not then.flags & OPTIONAL:
            _require(first, then)
    if kind & FIRST_ELSE_THEN and mask & OPTIONAL and not first.flags & RUNNABLE:
        _unmigratable(then, first)
        then.flags &= ~PSEUDO
    if (
        kind & UNRUNNABLE_FIRST_BLOCKS
        and mask & RUNNABLE
        and then.flags & RUNNABLE
        and not flags & RUNNABLE
    ):
        _forbid(then, first)
        _unmigratable(then, first)
    if (
        kind & FIRST_IMPLIES_THEN
        and mask & OPTIONAL
        and then.flags & OPTIONAL
        and not flags & OPTIONAL
        and not first.flags & MIGRATABLE
    ):
        _require(then, first)
    if kind & INTERMEDIATE_STOP:
        _settle_restart(first, then, mask)
    changed = 0
    if then.flags != then_before:
        changed |= THEN_CHANGED
        if owner is not None and owner.parent is not None:
            update_action(plan, then)
    if first.flags != first_before:
        changed |= FIRST_CHANGED
    return changed


def _block_asymmetric(first: Action, then: Action, owner: Resource) -> None:
    role = role_of(owner, current=True)
    if then.flags & OPTIONAL:
        if role == STOPPED and then.task == "stop":
            return
        if (
            role >= STARTED
            and then.task == "start"
            and len(owner.active_on) == 1
            and owner.active_on[0] is then.node
        ):
            return
    if not then.flags & RUNNABLE and not then.flags & OPTIONAL:
        return
    _require(then, first)
    _forbid(then, first)


def _settle_restart(first: Action, then: Action, mask: int) -> None:
    optional_case = mask & OPTIONAL and not then.flags & OPTIONAL
    runnable_case = (
        mask & RUNNABLE
        and not then.flags & RUNNABLE
        and then.resource is not None
        and then.resource.managed
        and first.resource is then.resource
    )
    if not optional_case and not runnable_case:
        return
    if first.flags & RUNNABLE:
        _require(first, then)
    if not then.flags & OPTIONAL:
        _require(first, then)
    if not then.flags & MIGRATABLE:
        _unmigratable(first, then)
    if not first.flags & OPTIONAL and not first.flags & RUNNABLE:
        _forbid(then, first)


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
        action.because.append(Because("colocation", cause.id, cause.resource.id))
        action.set_reason(f"colocation with {cause.resource.id}")
        block_dependents(plan, action)
        update_action(plan, action)
    for child in dependent.children:
        _block(plan, child, task, cause)
