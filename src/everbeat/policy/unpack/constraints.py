"""Constraints in document order, with tags and templates written out as sets.

Reads:  configuration/constraints, plan.resources, plan.tags
Writes: location records, colocations, orderings, ticket uses
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from everbeat.cib.tree import Element
from everbeat.policy.unpack.colocations import unpack_colocation
from everbeat.policy.unpack.locations import unpack_location
from everbeat.policy.unpack.orderings import unpack_ordering
from everbeat.policy.unpack.tickets import unpack_ticket_use

if TYPE_CHECKING:
    from everbeat.policy.plan.plan import Plan


def unpack_constraints(plan: Plan, constraints: Element | None) -> None:
    """Take every constraint into account."""
    if constraints is None:
        return
    for element in constraints.children:
        match element.tag:
            case "rsc_location":
                unpack_location(plan, _with_sets(plan, element, (("rsc", "role", ""),)))
            case "rsc_colocation":
                sides = (("rsc", "rsc-role", ""), ("with-rsc", "with-rsc-role", ""))
                unpack_colocation(plan, _with_sets(plan, element, sides))
            case "rsc_order":
                sides = (("first", "", "first-action"), ("then", "", "then-action"))
                unpack_ordering(plan, _with_sets(plan, element, sides))
            case "rsc_ticket":
                unpack_ticket_use(plan, _with_sets(plan, element, (("rsc", "rsc-role", ""),)))
            case _:
                pass


def _members(plan: Plan, name: str | None) -> list[str] | None:
    """Return the resources a tag or template stands for; None for a resource's own name."""
    if name is None or name in plan.resources_by_id:
        return None
    if name in plan.templates:
        return plan.templates[name]
    return plan.tags.get(name)


def _with_sets(plan: Plan, element: Element, sides: tuple[tuple[str, str, str], ...]) -> Element:
    if element.first("resource_set") is not None:
        return _expand_references(plan, element)
    known = [_members(plan, element.get(side)) is not None for side, _, _ in sides]
    if not any(known):
        return element
    if element.tag == "rsc_colocation" and all(known):
        return element  # two templates or tags cannot be colocated: neither names a resource
    attributes = dict(element.attributes)
    sets: list[Element] = []
    for side, role, action in sides:
        name = attributes.get(side)
        if name is None:
            continue
        members = _members(plan, name)
        if members is None and len(sides) == 1:
            continue
        own: dict[str, str] = {"id": name}
        if members is not None:
            own["sequential"] = "false"
        for source, target in ((role, "role"), (action, "action")):
            if source and source in attributes:
                own[target] = attributes.pop(source)
        del attributes[side]
        refs = [Element("resource_ref", {"id": m}, []) for m in members or [name]]
        sets.append(Element("resource_set", own, refs))
    if element.tag == "rsc_order" and "action" in sets[0].attributes and len(sets) == 2:
        if "action" not in sets[1].attributes:
            sets[1] = sets[1].with_attributes({"action": sets[0].attributes["action"]})
    return Element(element.tag, attributes, [*element.children, *sets])


def _expand_references(plan: Plan, element: Element) -> Element:
    changed = False
    children: list[Element] = []
    for child in element.children:
        if child.tag != "resource_set":
            children.append(child)
            continue
        reference = child.get("id-ref")
        block = child if reference is None else plan.elements_by_id.get(reference, child)
        refs: list[Element] = []
        for ref in block.all("resource_ref"):
            members = _members(plan, ref.id)
            if members is None:
                refs.append(ref)
            else:
                refs.extend(Element("resource_ref", {"id": m}, []) for m in members)
                changed = True
        changed |= block is not child
        children.append(block.with_children(refs))
    return element.with_children(children) if changed else element
