"""Stage `orderings`: spread ordering records over actions and let flags settle.

Reads:  plan.orderings, all actions
Writes: relations between actions; which actions are required, runnable, migratable, and why
Oracle: graphs of every case

Invariant: after the stage nothing changes any flag any more, in the order in which it was asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from everbeat.policy.actions.create import find_actions, new_action
from everbeat.policy.actions.graphing import may_add_input
from everbeat.policy.actions.pairs import order_pair
from everbeat.policy.actions.probe_orders import order_probes
from everbeat.policy.actions.update import block_dependents, update_action
from everbeat.policy.assign.colocation import role_of
from everbeat.policy.plan.words import (
    FREE_CAPACITY,
    MAY_ORDER_GUEST,
    STOPPED,
    THEN_MUST_FOLLOW,
    UNPROMOTED,
)
from everbeat.policy.values import operation_key, parse_operation_key

if TYPE_CHECKING:
    from everbeat.policy.plan.action import Action
    from everbeat.policy.plan.constraint import OrderRecord
    from everbeat.policy.plan.plan import Plan
    from everbeat.policy.plan.resource import Resource


def apply_orderings(plan: Plan) -> None:
    """Apply every ordering, then settle all flags."""
    for record in plan.orderings:
        _apply_record(plan, record)
    for action in reversed(list(plan.actions)):
        block_dependents(plan, action)
    order_probes(plan)
    for action in reversed(list(plan.actions)):
        update_action(plan, action)
    _drop_invalid(plan)


def _apply_record(plan: Plan, record: OrderRecord) -> None:
    if record.first_resource is not None:
        _apply_from_resource(plan, record, record.first_resource)
    elif record.then_resource is not None:
        _apply_to_resource(record, record.first_action, record.then_resource, record.flags)
    else:
        order_pair(record.first_action, record.then_action, record.flags)


def _actions_of(resource: Resource, key: str | None, action: Action | None) -> list[Action]:
    if action is not None:
        return [action]
    if key is None:
        return []
    found = find_actions(resource, key, None)
    if found:
        return found
    parsed = parse_operation_key(key)
    if parsed is None:
        return []
    return find_actions(resource, operation_key(resource.id, parsed[1], parsed[2]), None)


def _apply_from_resource(plan: Plan, record: OrderRecord, first: Resource) -> None:
    firsts = _actions_of(first, record.first_key, record.first_action)
    then = record.then_resource
    if not firsts:
        if first is then or record.first_key is None:
            return
        parsed = parse_operation_key(record.first_key)
        if parsed is None:
            return
        _, task, interval = parsed
        role = role_of(first, current=True)
        if (task == "stop" and role == STOPPED) or (task == "demote" and role == UNPROMOTED):
            return
        key = operation_key(first.id, task, interval)
        firsts = [new_action(plan, first, key, task, None, optional=True)]
    for action in firsts:
        if then is None:
            order_pair(action, record.then_action, record.flags)
        else:
            _apply_to_resource(record, action, then, record.flags)


def _apply_to_resource(
    record: OrderRecord, first: Action | None, then: Resource, flags: int
) -> None:
    thens = _actions_of(then, record.then_key, record.then_action)
    if first is not None and first.resource is then and first.migration_abort:
        flags &= ~THEN_MUST_FOLLOW
    for action in thens:
        if first is not None:
            order_pair(first, action, flags)
        elif flags & THEN_MUST_FOLLOW:
            action.forbid()


def _drop_invalid(plan: Plan) -> None:
    for action in reversed(plan.actions):
        for relation in action.before:
            first = relation.action
            if not relation.flags & MAY_ORDER_GUEST and _is_own_guest(action, first):
                relation.flags = 0
            if (
                relation.flags == FREE_CAPACITY
                and action.task == "migrate_to"
                and _closes_loop(action, first)
            ):
                relation.flags = 0


def _is_own_guest(action: Action, first: Action) -> bool:
    if first.resource is None or first.node is None or not first.node.is_guest():
        return False
    connection = first.node.connection
    assert connection is not None
    return action.resource is not None and action.resource in (connection, connection.launcher)


def _closes_loop(target: Action, first: Action) -> bool:
    seen: set[int] = set()
    stack = [first]
    while stack:
        action = stack.pop()
        if action is target:
            return True
        if action.id in seen:
            continue
        seen.add(action.id)
        stack.extend(r.action for r in action.before if may_add_input(action, r))
    return False
