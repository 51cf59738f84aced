"""Colocation constraints, single and in sets.

Reads:  one rsc_colocation
Writes: this_with and with_this lists, and for bans of company the orderings that go with them
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from everbeat.policy.plan.constraint import Colocation, record_colocation
from everbeat.policy.plan.orders import order_tasks
from everbeat.policy.plan.words import (
    GIVE_WAY,
    PROMOTED,
    ROLE_UNKNOWN,
    STARTED,
    UNPROMOTED,
    role_from_text,
)
from everbeat.policy.score import INFINITY, score_from_text
from everbeat.policy.unpack.constraint_parts import constrained_resource, set_members
from everbeat.policy.values import boolean_from_text

if TYPE_CHECKING:
    from everbeat.cib.tree import Element
    from everbeat.policy.plan.plan import Plan
    from everbeat.policy.plan.resource import Resource


def colocation_role(text: str | None) -> int:
    """Read the role a colocation is about; `Started` means whatever role."""
    role = role_from_text(text)
    return ROLE_UNKNOWN if role == STARTED else role


def unpack_colocation(plan: Plan, element: Element) -> None:
    """Take one colocation constraint into account."""
    score = score_from_text(element.get("score"), 0)
    sets = element.all("resource_set")
    if sets:
        previous: Element | None = None
        for block in sets:
            _inside_set(plan, element, block, score)
            if previous is not None:
                _between_sets(plan, element, previous, block, score)
            previous = block
        return
    dependent = constrained_resource(plan, element.get("rsc"))
    primary = constrained_resource(plan, element.get("with-rsc"))
    if dependent is None or primary is None:
        return
    dependent_role = colocation_role(element.get("rsc-role"))
    primary_role = colocation_role(element.get("with-rsc-role"))
    attribute = element.text("node-attribute", "#uname")
    _record(
        plan,
        element,
        element.id,
        dependent,
        primary,
        score,
        dependent_role,
        primary_role,
        attribute,
    )


def _record(
    plan: Plan,
    element: Element,
    record_id: str,
    dependent: Resource,
    primary: Resource,
    score: int,
    dependent_role: int,
    primary_role: int,
    attribute: str = "#uname",
) -> None:
    influence = boolean_from_text(element.get("influence"))
    if influence is None:
        influence = dependent.critical
    colocation = Colocation(
        record_id,
        dependent,
        primary,
        score,
        dependent_role,
        primary_role,
        attribute,
        influence=influence,
        explicit=True,
    )
    record_colocation(colocation)
    if score <= -INFINITY:
        _order_apart(plan, dependent, dependent_role, primary, primary_role)
        _order_apart(plan, primary, primary_role, dependent, dependent_role)


def _order_apart(
    plan: Plan, loser: Resource, loser_role: int, winner: Resource, winner_role: int
) -> None:
    losing = ["demote"] if loser_role == PROMOTED else ["stop"]
    if loser_role == UNPROMOTED:
        losing.append("promote")
    gaining = ["promote"] if winner_role == PROMOTED else ["start"]
    if winner_role == UNPROMOTED:
        gaining.append("demote")
    for lose in losing:
        for gain in gaining:
            order_tasks(plan, loser, lose, winner, gain, GIVE_WAY)


def _is_sequential(block: Element) -> bool:
    return boolean_from_text(block.get("sequential")) is not False


def _inside_set(plan: Plan, element: Element, block: Element, score: int) -> None:
    if block.get("score") is not None:
        score = score_from_text(block.get("score"))
    if score == 0 or not _is_sequential(block):
        return
    role = colocation_role(block.get("role"))
    members = set_members(plan, block)
    if score > 0:
        for earlier, later in zip(members, members[1:], strict=False):
            dependent, primary = later, earlier
            if block.get("ordering") not in (None, "group"):
                dependent, primary = earlier, later
            _record(plan, element, block.id, dependent, primary, score, role, role)
        return
    for index, member in enumerate(members):
        for earlier in members[:index]:
            _record(plan, element, block.id, member, earlier, score, role, role)


def _between_sets(
    plan: Plan, element: Element, dependents: Element, primaries: Element, score: int
) -> None:
    dependent_role = colocation_role(dependents.get("role"))
    primary_role = colocation_role(primaries.get("role"))
    first = [ref.id for ref in dependents.all("resource_ref")]
    second = [ref.id for ref in primaries.all("resource_ref")]
    if _is_sequential(dependents):
        first = first[:1]
    if _is_sequential(primaries):
        second = second[-1:]
    for dependent_name in first:
        dependent = constrained_resource(plan, dependent_name)
        for primary_name in second:
            primary = constrained_resource(plan, primary_name)
            if dependent is None or primary is None:
                continue
            _record(
                plan, element, element.id, dependent, primary, score, dependent_role, primary_role
            )
