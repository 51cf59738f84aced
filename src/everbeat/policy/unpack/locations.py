"""Location constraints: from elements to scores per node.

Reads:  one rsc_location, node attributes
Writes: plan.locations, resource.locations, exclusive probing
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from everbeat.policy.plan.constraint import LocationRecord
from everbeat.policy.plan.words import (
    PROBE_ALWAYS,
    PROBE_EXCLUSIVE,
    PROBE_NEVER,
    PROMOTED,
    ROLE_UNKNOWN,
    STOPPED,
    role_from_text,
)
from everbeat.policy.score import score_from_text
from everbeat.policy.unpack.attributes import parameters_on
from everbeat.policy.unpack.constraint_parts import (
    constrained_resource,
    is_known_set,
    set_members,
)
from everbeat.policy.unpack.rules_seam import RuleFacts, expand_submatches, rule_passes

if TYPE_CHECKING:
    from everbeat.cib.tree import Element
    from everbeat.policy.plan.node import Node
    from everbeat.policy.plan.plan import Plan
    from everbeat.policy.plan.resource import Resource

_MODES = {"never": PROBE_NEVER, "exclusive": PROBE_EXCLUSIVE}


def unpack_location(plan: Plan, element: Element) -> None:
    """Take one location constraint into account."""
    pattern = element.get("rsc-pattern")
    if pattern is not None:
        _unpack_pattern(plan, element, pattern)
        return
    sets = element.all("resource_set")
    if not sets:
        resource = constrained_resource(plan, element.get("rsc"))
        if resource is not None:
            _apply(plan, element, resource, element.get("role"), element.get("score"), None)
        return
    for block in sets:
        for resource in set_members(plan, block):
            role = block.get("role") or element.get("role")
            _apply(plan, element, resource, role, block.get("score") or element.get("score"), None)
        if not is_known_set(plan, block):
            return  # what comes after an unknown name is ignored with it


def _unpack_pattern(plan: Plan, element: Element, pattern: str) -> None:
    inverted = pattern.startswith("!")
    try:
        compiled = re.compile(pattern[1:] if inverted else pattern)
    except re.error:
        return
    for resource in plan.resources:
        match = compiled.search(resource.id)
        if (match is None) != inverted:
            continue
        submatches = None
        if match is not None:
            submatches = [match.group(0), *(group or "" for group in match.groups())]
        role, score = element.get("role"), element.get("score")
        _apply(plan, element, resource, role, score, submatches)


def _filter_role(text: str | None) -> int:
    role = role_from_text(text)
    return role if role in (PROMOTED, STOPPED) else ROLE_UNKNOWN


def _apply(
    plan: Plan,
    element: Element,
    resource: Resource,
    role: str | None,
    score: str | None,
    submatches: list[str] | None,
) -> None:
    mode = _MODES.get(element.text("resource-discovery"), PROBE_ALWAYS)
    if mode == PROBE_EXCLUSIVE:
        resource.exclusive_probes = True
    name = element.get("node")
    if name is not None and score is not None:
        node = plan.node_named(name)
        if node is None:
            return
        record = LocationRecord(element.id, resource, _filter_role(role), mode)
        record.add(node, score_from_text(score))
        _enter(plan, record)
        return
    for rule in element.all("rule"):
        reference = rule.get("id-ref")
        _apply_rule(
            plan,
            plan.elements_by_id.get(reference, rule) if reference else rule,
            resource,
            role,
            mode,
            submatches,
        )


def _apply_rule(
    plan: Plan,
    rule: Element,
    resource: Resource,
    role: str | None,
    mode: int,
    submatches: list[str] | None,
) -> None:
    record = LocationRecord(rule.id, resource, _filter_role(rule.get("role") or role), mode)
    attribute = rule.get("score-attribute")
    if attribute is not None:
        attribute = expand_submatches(attribute, submatches)
    for node in plan.nodes:
        facts = RuleFacts(
            node_attributes=node.attributes,
            parameters=parameters_on(plan, resource, node),
            meta=resource.meta,
            submatches=submatches,
        )
        if not rule_passes(plan, rule, facts):
            continue
        if attribute is None:
            record.add(node, score_from_text(rule.get("score")))
            continue
        value = node_attribute_for(resource, node, attribute, assigned=False)
        if value is not None:
            record.nodes.insert(0, (node, score_from_text(value)))
    if record.nodes:
        _enter(plan, record)


def node_attribute_for(resource: Resource, node: Node, name: str, *, assigned: bool) -> str | None:
    """Return a node attribute as a resource sees it: of the guest's host where it says so.

    With `assigned` the host is where the guest was put, else where it runs now.
    """
    if node.is_guest() and resource.meta.get("container-attribute-target") == "host":
        connection = node.connection
        assert connection is not None
        assert connection.launcher is not None
        launcher = connection.launcher
        host = launcher.assigned
        if not assigned:
            host = launcher.active_on[0] if launcher.active_on else None
        return None if host is None else host.attributes.get(name)
    return node.attributes.get(name)


def _enter(plan: Plan, record: LocationRecord) -> None:
    plan.locations.insert(0, record)
    record.resource.locations.insert(0, record)
