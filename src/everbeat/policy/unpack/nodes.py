"""Nodes as configured: members of the cluster and bare remote nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from everbeat.cib.whole_numbers import integer_prefix
from everbeat.policy.score import score_from_text
from everbeat.policy.unpack.attributes import take_blocks
from everbeat.policy.unpack.rules_seam import RuleFacts

if TYPE_CHECKING:
    from everbeat.cib.tree import Element
    from everbeat.policy.plan.node import Node
    from everbeat.policy.plan.plan import Plan


def unpack_nodes(plan: Plan, nodes: Element | None) -> None:
    """Enter every configured node."""
    if nodes is None:
        return
    for element in nodes.children:
        if element.tag != "node":
            continue
        kind = element.text("type", "member").lower()
        if kind not in ("member", "remote"):
            return
        name = element.text("uname") or element.id
        score = score_from_text(element.get("score"))
        node = plan.add_node(element.id, name, score, is_remote=kind == "remote")
        node.is_dc = element.id == plan.cib.get("dc-uuid")
        prepare_node(plan, node)
        identify_node(plan, node)
        facts = RuleFacts(node_attributes=node.attributes)
        take_blocks(plan, element, "instance_attributes", facts, node.attributes)
        settle_site(node)
        take_utilization(plan, element, node.utilization)
        node.free = node.utilization.copy()


def prepare_node(plan: Plan, node: Node) -> None:
    """Give a node the state it has before anything is heard of it."""
    node.unclean = (
        plan.options.fencing_enabled and plan.options.startup_fencing and not node.is_remote
    )
    node.attributes["#kind"] = "remote" if node.is_remote else "cluster"


def identify_node(plan: Plan, node: Node) -> None:
    """Enter who a node is, for rules to ask: known of configured nodes and of those that report.

    A remote node that only its connection names has no name, to rules, before it has reported.
    """
    node.attributes["#uname"] = node.name
    node.attributes["#id"] = node.id
    node.attributes["#is_dc"] = "true" if node.is_dc else "false"
    cluster_name = plan.options.text("cluster-name")
    if cluster_name:
        node.attributes["#cluster-name"] = cluster_name


def settle_site(node: Node) -> None:
    """Let a node's site be that of its attributes, else its cluster."""
    site = node.attributes.get("site-name") or node.attributes.get("#cluster-name")
    if site is not None and "#site-name" not in node.attributes:
        node.attributes["#site-name"] = site


def take_utilization(plan: Plan, element: Element, into: dict[str, int]) -> None:
    """Read capacities or needs as whole numbers; anything else counts as 0."""
    found: dict[str, str] = {}
    take_blocks(plan, element, "utilization", RuleFacts(), found)
    for name, value in found.items():
        into[name] = integer_prefix(value) or 0
