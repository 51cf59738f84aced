"""Upgrading real documents gives what Pacemaker's scheduler saw of them, and changes it no more.

What the scheduler itself wrote into its copy is left out: connections of guest nodes, notes in the
history. So is the place of attribute sets among their siblings, which nobody reads.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from everbeat.cib.tree import Element, tree_from_text
from everbeat.cib.upgrade import CURRENT_SCHEMA, name_from_schema, upgrade_cib

SHARED = Path(os.environ.get("EVERBEAT_SHARED", Path(__file__).parents[2] / ".." / "shared"))
CASES = SHARED / "scheduler" / "cases"
SETS = ("meta_attributes", "instance_attributes", "utilization")
ROLES = {"Master": "Promoted", "Slave": "Unpromoted"}


def canonical(element: Element) -> object:
    attributes = dict(element.attributes)
    if element.tag == "lrm_rsc_op":
        for name in ("uname", "rsc-id", "op-restart-digest"):
            attributes.pop(name, None)
    if element.tag in ("rsc_location", "rsc_colocation", "rule"):
        attributes = {name: ROLES.get(text, text) for name, text in attributes.items()}
    children = [child for child in element.children if not is_internal(child)]
    children.sort(key=lambda child: SETS.index(child.tag) + 1 if child.tag in SETS else 0)
    return (element.tag, sorted(attributes.items()), [canonical(child) for child in children])


def is_internal(element: Element) -> bool:
    return element.tag == "primitive" and any(
        pair.get("name") == "internal_rsc"
        for metas in element.all("meta_attributes")
        for pair in metas.children
    )


@pytest.mark.skipif(not CASES.is_dir(), reason=f"no regression cases beside the tree ({CASES})")
def test_each_case_is_upgraded_to_what_the_scheduler_saw() -> None:
    different: list[str] = []
    paths = sorted((CASES / "xml").glob("*.xml"))
    assert paths
    for path in paths:
        upgraded = upgrade_cib(tree_from_text(path.read_bytes())).root
        expected = tree_from_text((CASES / "upgraded" / path.name).read_bytes())
        if canonical(upgraded) != canonical(expected):
            different.append(path.name)
        if upgraded.get("validate-with") != "none":
            assert upgraded.get("validate-with") == name_from_schema(CURRENT_SCHEMA)
            again = upgrade_cib(with_schema(upgraded, "pacemaker-1.0"))
            assert canonical(again.root) == canonical(upgraded), path.name
    assert different == []


def with_schema(root: Element, name: str) -> Element:
    return root.with_attributes({"validate-with": name})
