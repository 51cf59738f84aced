"""From a document to a plan with everything known in it, before any stage has run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from everbeat.policy.plan.plan import Plan
from everbeat.policy.unpack.attributes import take_blocks
from everbeat.policy.unpack.nodes import unpack_nodes
from everbeat.policy.unpack.options import Options
from everbeat.policy.unpack.resources import unpack_resources
from everbeat.policy.unpack.rules_seam import RuleFacts
from everbeat.policy.unpack.status import unpack_status

if TYPE_CHECKING:
    from everbeat.cib.tree import Element


def plan_from_cib(cib: Element, now: int) -> Plan:
    """Read options, nodes, resources, tags and what is known of their state."""
    configuration = cib.first("configuration")
    elements: dict[str, Element] = {}
    if configuration is not None:
        _index(configuration, elements)
    written: dict[str, str] = {}
    plan = Plan(cib, Options({}, cib), now)
    plan.elements_by_id = elements
    if configuration is not None:
        config = configuration.first("crm_config")
        if config is not None:
            first = "cib-bootstrap-options"
            take_blocks(plan, config, "cluster_property_set", RuleFacts(), written, first)
    recheck = plan.recheck_by
    plan = Plan(cib, Options(written, cib), now)
    plan.elements_by_id = elements
    plan.recheck_by = recheck
    if configuration is not None:
        unpack_nodes(plan, configuration.first("nodes"))
        unpack_resources(plan, configuration.first("resources"))
        _unpack_tags(plan, configuration.first("tags"))
    unpack_status(plan, cib.first("status"))
    return plan


def _index(element: Element, into: dict[str, Element]) -> None:
    name = element.get("id")
    if name is not None:
        into.setdefault(name, element)
    for child in element.children:
        _index(child, into)


def _unpack_tags(plan: Plan, tags: Element | None) -> None:
    if tags is None:
        return
    for tag in tags.all("tag"):
        plan.tags[tag.id] = [ref.id for ref in tag.all("obj_ref")]
