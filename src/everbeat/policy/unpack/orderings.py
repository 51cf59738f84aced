"""Ordering constraints, single and in sets.

Reads:  one rsc_order
Writes: ordering records; for `require-all=false` and clone-min a point of its own
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from everbeat.cib.whole_numbers import integer_prefix
from everbeat.policy.actions.create import new_action
from everbeat.policy.plan.orders import order_tasks, record_ordering
from everbeat.policy.plan.words import (
    CLONE,
    FIRST_MUST_PRECEDE,
    IN_THIS_ORDER,
    NOT_SYMMETRICAL,
    PSEUDO,
    SERIALIZE,
    THEN_INTO_GRAPH,
    THEN_MUST_FOLLOW,
    THEN_NEEDS_ENOUGH,
    THEN_NEEDS_FIRST,
)
from everbeat.policy.score import score_from_text
from everbeat.policy.unpack.constraint_parts import (
    constrained_resource,
    is_known_set,
    set_members,
)
from everbeat.policy.values import boolean_from_text, operation_key

if TYPE_CHECKING:
    from everbeat.cib.tree import Element
    from everbeat.policy.plan.action import Action
    from everbeat.policy.plan.plan import Plan
    from everbeat.policy.plan.resource import Resource

_OPTIONAL, _MANDATORY, _SERIALIZE = "optional", "mandatory", "serialize"
_ASYMMETRIC, _SYMMETRIC, _INVERSE = "asymmetric", "symmetric", "inverse"
_INVERSES = {
    "start": "stop",
    "stop": "start",
    "promote": "demote",
    "demote": "promote",
    "started": "stopped",
    "stopped": "started",
    "promoted": "demoted",
    "demoted": "promoted",
}


def _kind(element: Element) -> str:
    written = element.get("kind")
    if written is None:
        score = element.get("score")
        return _OPTIONAL if score is not None and score_from_text(score) == 0 else _MANDATORY
    low = written.lower()
    return low if low in (_OPTIONAL, _MANDATORY, _SERIALIZE) else _MANDATORY


def _symmetry(element: Element, kind: str, inherited: str | None) -> str:
    written = boolean_from_text(element.get("symmetrical"))
    if kind == _SERIALIZE:
        return _ASYMMETRIC
    if written is not None:
        return _SYMMETRIC if written else _ASYMMETRIC
    return inherited or _SYMMETRIC


def _flags(kind: str, first_task: str, symmetry: str) -> int:
    if kind == _OPTIONAL:
        return IN_THIS_ORDER
    if kind == _SERIALIZE:
        return SERIALIZE
    if symmetry == _ASYMMETRIC:
        return IN_THIS_ORDER | NOT_SYMMETRICAL
    if symmetry == _INVERSE:
        return IN_THIS_ORDER | FIRST_MUST_PRECEDE
    flags = IN_THIS_ORDER | THEN_MUST_FOLLOW
    if first_task in ("start", "migrate_from", "promote"):
        flags |= THEN_NEEDS_FIRST
    return flags


def unpack_ordering(plan: Plan, element: Element) -> None:
    """Take one ordering constraint into account."""
    sets = element.all("resource_set")
    if sets:
        _unpack_sets(plan, element, sets)
        return
    first = constrained_resource(plan, element.get("first"))
    then = constrained_resource(plan, element.get("then"))
    if first is None or then is None:
        return
    first_task = element.text("first-action", "start")
    then_task = element.text("then-action", first_task)
    kind = _kind(element)
    symmetry = _symmetry(element, kind, None)
    flags = _flags(kind, first_task, symmetry)
    minimum = _minimum(element, first)
    if minimum is not None:
        _order_minimum(plan, element, first, first_task, then, then_task, flags, minimum)
    else:
        order_tasks(plan, first, first_task, then, then_task, flags)
    if symmetry != _SYMMETRIC:
        return
    first_inverse, then_inverse = _INVERSES.get(first_task), _INVERSES.get(then_task)
    if first_inverse is not None and then_inverse is not None:
        flags = _flags(kind, first_inverse, _INVERSE)
        order_tasks(plan, then, then_inverse, first, first_inverse, flags)


def _minimum(element: Element, first: Resource) -> int | None:
    if first.variant != CLONE:
        return None
    written = first.meta.get("clone-min")
    if written is not None:
        value = integer_prefix(written)
        return value or None
    return 1 if boolean_from_text(element.get("require-all")) is False else None


def _point(plan: Plan, key: str, minimum: int) -> Action:
    action = new_action(plan, None, key, key, None, optional=True)
    action.flags |= PSEUDO
    action.allow()
    action.required_before = minimum
    return action


def _order_minimum(
    plan: Plan,
    element: Element,
    first: Resource,
    first_task: str,
    then: Resource,
    then_task: str,
    flags: int,
    minimum: int,
) -> None:
    point = _point(plan, f"clone-one-or-more:{element.id}", minimum)
    for instance in first.children:
        record_ordering(
            plan,
            first_resource=instance,
            first_key=operation_key(instance.id, first_task, 0),
            then_action=point,
            flags=THEN_NEEDS_ENOUGH | THEN_INTO_GRAPH,
        )
    record_ordering(
        plan,
        first_action=point,
        then_resource=then,
        then_key=operation_key(then.id, then_task, 0),
        flags=flags | THEN_NEEDS_FIRST,
    )


def _unpack_sets(plan: Plan, element: Element, sets: list[Element]) -> None:
    kind = _kind(element)
    symmetry = _symmetry(element, kind, None)
    previous: Element | None = None
    for block in sets:
        if not is_known_set(plan, block):
            return  # what comes after an unknown name is ignored with it
        _order_inside(plan, block, kind, symmetry)
        if previous is not None:
            _order_sets(plan, previous, block, kind, symmetry)
            if symmetry == _SYMMETRIC:
                _order_sets(plan, block, previous, kind, _INVERSE)
        previous = block


def _order_inside(plan: Plan, block: Element, kind: str, symmetry: str) -> None:
    if block.get("kind") is not None:
        kind = _kind(block)
    symmetry = _symmetry(block, kind, symmetry)
    task = block.text("action", "start")
    members = set_members(plan, block)
    if len(members) < 2:
        return
    flags = _flags(kind, task, symmetry)
    if kind == _SERIALIZE:
        for index, member in enumerate(members):
            for later in members[index + 1 :]:
                order_tasks(plan, member, task, later, task, flags)
        return
    if boolean_from_text(block.get("sequential")) is False:
        return
    for earlier, later in zip(members, members[1:], strict=False):
        order_tasks(plan, earlier, task, later, task, flags)
    inverse = _INVERSES.get(task)
    if symmetry == _ASYMMETRIC or inverse is None:
        return
    flags = _flags(kind, inverse, _INVERSE)
    for earlier, later in zip(members, members[1:], strict=False):
        order_tasks(plan, later, inverse, earlier, inverse, flags)


def _order_sets(plan: Plan, first: Element, then: Element, kind: str, symmetry: str) -> None:
    first_task, then_task = first.text("action", "start"), then.text("action", "start")
    if symmetry == _INVERSE:
        inverted = _INVERSES.get(first_task), _INVERSES.get(then_task)
        if inverted[0] is None or inverted[1] is None:
            return
        first_task, then_task = inverted[0], inverted[1]
    flags = _flags(kind, first_task, symmetry)
    firsts, thens = set_members(plan, first), set_members(plan, then)
    require_all = boolean_from_text(first.get("require-all")) is not False
    if first_task in ("stop", "demote"):
        require_all = True
    if not require_all:
        point = _point(plan, f"one-or-more:{first.id}", 1)
        for member in firsts:
            record_ordering(
                plan,
                first_resource=member,
                first_key=operation_key(member.id, first_task, 0),
                then_action=point,
                flags=THEN_NEEDS_ENOUGH | THEN_INTO_GRAPH,
            )
        for member in thens:
            record_ordering(
                plan,
                first_action=point,
                then_resource=member,
                then_key=operation_key(member.id, then_task, 0),
                flags=flags | THEN_NEEDS_FIRST,
            )
        return
    inverse = symmetry == _INVERSE
    if boolean_from_text(first.get("sequential")):
        firsts = firsts[:1] if inverse else firsts[-1:]
    if boolean_from_text(then.get("sequential")):
        thens = thens[-1:] if inverse else thens[:1]
    for one in firsts:
        for other in thens:
            order_tasks(plan, one, first_task, other, then_task, flags)
