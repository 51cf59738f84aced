"""Sets of name-value pairs: which set speaks first, and which of its pairs count.

Among sets of equal score the last one of the document is asked first; whoever is asked first about
a name decides it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from everbeat.policy.score import score_from_text
from everbeat.policy.unpack.rules_seam import RuleFacts, rules_pass

if TYPE_CHECKING:
    from everbeat.cib.tree import Element
    from everbeat.policy.plan.node import Node
    from everbeat.policy.plan.plan import Plan
    from everbeat.policy.plan.resource import Resource


def take_blocks(
    plan: Plan,
    element: Element,
    tag: str,
    facts: RuleFacts,
    into: dict[str, str],
    first_id: str | None = None,
) -> None:
    """Enter the pairs of an element's sets into a dictionary, overwriting nothing.

    A set that only refers to another one says nothing: the reference engine of version 3 does not
    follow the reference of a set, as that of version 2 did.
    """
    sets = [
        child
        for child in reversed(element.children)
        if child.tag == tag and child.get("id-ref") is None
    ]
    sets.sort(key=lambda block: _rank(block, first_id))
    for block in sets:
        if not rules_pass(plan, block, facts):
            continue
        for pair in block.children:
            if pair.tag == "nvpair":
                _take_pair(plan, pair, into)


def _rank(block: Element, first_id: str | None) -> int:
    if first_id is not None and block.id == first_id:
        return -(1 << 40)
    return -score_from_text(block.get("score"))


def _resolved(plan: Plan, element: Element) -> Element:
    reference = element.get("id-ref")
    return element if reference is None else plan.elements_by_id.get(reference, element)


def _take_pair(plan: Plan, pair: Element, into: dict[str, str]) -> None:
    pair_name = pair.get("name")
    pair = _resolved(plan, pair)
    name = pair_name or pair.get("name")
    value = pair.get("value")
    if name is None or value is None or value == "#default" or name in into:
        return
    into[name] = value


def agent_of(resource: Resource) -> tuple[str, str, str]:
    """Return class, provider and type of a resource's agent."""
    xml = resource.xml
    return xml.text("class"), xml.text("provider"), xml.text("type")


def parameters_on(plan: Plan, resource: Resource, node: Node | None) -> dict[str, str]:
    """Return a resource's instance parameters as they are on a node, or without one."""
    index = -1 if node is None else node.index
    known = resource.parameters.get(index)
    if known is not None:
        return known
    attributes = None if node is None else node.attributes
    facts = RuleFacts(node_attributes=attributes)
    found: dict[str, str] = {}
    take_blocks(plan, resource.xml, "instance_attributes", facts, found)
    if resource.parent is not None:
        for name, value in parameters_on(plan, resource.parent, node).items():
            found.setdefault(name, value)
    resource.parameters[index] = found
    return found


def fill_meta(plan: Plan, resource: Resource, defaults: Element | None) -> None:
    """Fill a resource's meta table: its own words, its parents', the defaults, inherited ones."""
    meta = resource.meta
    for name, value in resource.xml.attributes.items():
        meta.setdefault(name, value)
    agent = None
    if not resource.children and resource.xml.tag == "primitive":
        agent = agent_of(resource)
    facts = RuleFacts(agent=agent)
    take_blocks(plan, resource.xml, "meta_attributes", facts, meta)
    parent = resource.parent
    while parent is not None:
        take_blocks(plan, parent.xml, "meta_attributes", facts, meta)
        parent = parent.parent
    if defaults is not None:
        take_blocks(plan, defaults, "meta_attributes", facts, meta)
    if resource.parent is not None:
        for name, value in resource.parent.meta.items():
            meta.setdefault(name, value)
