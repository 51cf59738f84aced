"""Upgrading documents of schema 2.x beside Pacemaker 2.1.5, which stops at 3.x.

Ids that an upgrade makes up differ, and so does the place of what it adds; both are left out.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from everbeat.cib.draft import draft_from_tree, tree_from_draft
from everbeat.cib.transformation import ChangeLog
from everbeat.cib.tree import Element, render_tree, tree_from_text
from everbeat.cib.upgrade import TRANSFORMATIONS, upgrade_cib

if TYPE_CHECKING:
    from pathlib import Path

OPTIONS = [
    *["cluster-delay", "transition_idle_timeout", "no_quorum_policy", "no-quorum-policy"],
    *["default-resource-stickiness", "default_resource_stickiness", "is-managed-default"],
    *["default-action-timeout", "default-migration-threshold", "symmetric_cluster"],
    *["default-resource-failure-stickiness", "stop_orphan_resources", "remove_after_stop"],
    *["startup_fencing", "cluster_recheck_interval", "dc_deadtime", "election_timeout"],
    *["shutdown_escalation", "expected-quorum-votes", "notification-agent", "batch-limit"],
    *["pe_error_series_max", "custom-thing", "crmd-integration-timeout"],
]
METAS = ["isolation", "target-role", "resource-failure-stickiness", "priority", "requires"]
OPERATION_VALUES = ["timeout", "on-fail", "start-delay", "own", "OCF_CHECK_LEVEL", "requires"]

pytestmark = pytest.mark.real


class OldDocument:
    """A random document of schema 2.5."""

    def __init__(self, seed: int) -> None:
        self.source = random.Random(seed)  # noqa: S311 - test input, to be the same each time
        self.count = 0

    def id(self, prefix: str) -> str:
        self.count += 1
        return f"{prefix}{self.count}"

    def some(self, names: list[str], share: float) -> list[str]:
        return [name for name in names if self.source.random() < share]

    def values(self, tag: str, names: list[str]) -> Element:
        pairs = [
            Element("nvpair", {"id": self.id("v"), "name": name, "value": f"{index}"}, [])
            for index, name in enumerate(names)
        ]
        return Element(tag, {"id": self.id("s")}, pairs)

    def sets(self, *kinds: tuple[str, list[str], float]) -> list[Element]:
        made = []
        for tag, names, share in kinds:
            chosen = self.some(names, share)
            if chosen:
                made.append(self.values(tag, chosen))
        return made

    def primitive(self) -> Element:
        operations = []
        for name in self.some(["start", "stop", "promote"], 0.7):
            attributes = {"id": self.id("o"), "name": name, "interval": "0"}
            if self.source.random() < 0.4:
                attributes["requires"] = self.source.choice(["nothing", "quorum"])
            inner = self.sets(
                ("meta_attributes", ["on-fail", "timeout"], 0.3),
                ("instance_attributes", OPERATION_VALUES, 0.3),
            )
            operations.append(Element("op", attributes, inner))
        children = self.sets(
            ("meta_attributes", METAS, 0.4), ("instance_attributes", ["ip", "target-role"], 0.4)
        )
        if operations:
            children.append(Element("operations", {}, operations))
        attributes = {"id": self.id("p"), "class": "ocf", "provider": "pacemaker", "type": "Dummy"}
        return Element("primitive", attributes, children)

    def cib(self) -> Element:
        options = self.values("cluster_property_set", self.some(OPTIONS, 0.4))
        node = {"id": "1", "uname": "n1", "type": self.source.choice(["normal", "member"])}
        resources = [self.primitive() for _ in range(4)]
        colocation = {
            "id": "c1", "rsc": resources[0].id, "with-rsc": resources[1].id,
            self.source.choice(["score", "score-attribute"]): "10",
        }  # fmt: skip
        sections = [
            Element("crm_config", {}, [options]),
            Element("nodes", {}, [Element("node", node, [])]),
            Element("resources", {}, resources),
            Element("constraints", {}, [Element("rsc_colocation", colocation, [])]),
        ]
        defaults = self.some(["resource-stickiness", "is-managed"], 0.3)
        if defaults:
            made = self.values("meta_attributes", defaults)
            sections.append(Element("rsc_defaults", {}, [made]))
        head = {
            "validate-with": "pacemaker-2.5", "crm_feature_set": "3.0.9", "epoch": "1",
            "num_updates": "0", "admin_epoch": "0",
        }  # fmt: skip
        return Element(
            "cib", head, [Element("configuration", {}, sections), Element("status", {}, [])]
        )


def pacemakers_upgrade(folder: Path, cib: Element) -> Element:
    program = shutil.which("crm_simulate", path="/usr/sbin:/usr/bin")
    if program is None:
        pytest.skip("Debian's pacemaker-cli-utils with its crm_simulate is not installed")
    old, new = folder / "old.xml", folder / "new.xml"
    old.write_text(render_tree(cib))
    result = subprocess.run(
        [program, "-x", str(old), "-SQ", "-I", str(new)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        stdin=subprocess.DEVNULL,
        env={"TZ": "UTC", "PATH": os.defpath, "CIB_shadow_dir": str(folder)},
    )
    assert result.returncode == 0, result.stderr
    return tree_from_text(new.read_bytes())


def upgraded_to_3(cib: Element) -> Element:
    draft = draft_from_tree(cib)
    for transformation in TRANSFORMATIONS:
        if transformation.schema == (3, 0):
            transformation.apply(draft, ChangeLog())
    return tree_from_draft(draft)


def meaning(element: Element) -> object:
    """Return what a document says: effective values of sets, first of a name; no made-up ids."""
    tables: dict[str, dict[str, str]] = {}
    others = []
    for child in element.children:
        if child.tag.endswith("_attributes") or child.tag == "cluster_property_set":
            table = tables.setdefault(child.tag, {})
            for pair in child.children:
                table.setdefault(pair.text("name"), pair.text("value"))
        else:
            others.append(meaning(child))
    attributes = {k: v for k, v in element.attributes.items() if k != "validate-with"}
    if element.tag == "configuration":
        others.sort(key=str)
    shown = sorted((tag, sorted(table.items())) for tag, table in tables.items() if table)
    return (element.tag, sorted(attributes.items()), shown, others)


@pytest.mark.parametrize("seed", range(25))
def test_an_old_document_says_the_same_after_either_upgrade(tmp_path: Path, seed: int) -> None:
    cib = OldDocument(seed).cib()
    assert meaning(upgraded_to_3(cib)) == meaning(pacemakers_upgrade(tmp_path, cib)), render_tree(
        cib
    )


SCHEMA_3_DOCUMENT = """
<cib validate-with="pacemaker-3.9" crm_feature_set="3.17.0" epoch="1" num_updates="0"
     admin_epoch="0" execution-date="1568993000"><configuration>
<crm_config><cluster_property_set id="options">
<nvpair id="o1" name="stonith-enabled" value="false"/>
<nvpair id="o2" name="no-quorum-policy" value="ignore"/></cluster_property_set></crm_config>
<nodes><node id="1" uname="n1"/><node id="2" uname="n2"/></nodes>
<resources>
<primitive id="a" class="ocf" provider="pacemaker" type="Dummy"/>
<primitive id="b" class="ocf" provider="pacemaker" type="Dummy"/>
<primitive id="c" class="ocf" provider="pacemaker" type="Dummy"/>
<master id="m"><meta_attributes id="mm"><nvpair id="mm1" name="clone-max" value="2"/>
</meta_attributes><primitive id="s" class="ocf" provider="pacemaker" type="Stateful"/></master>
</resources>
<constraints>
<rsc_location id="l1" rsc="a" node="n2" score="50"><lifetime>
<rule id="l1r" score="INFINITY"><date_expression id="l1d" {}/></rule></lifetime></rsc_location>
<rsc_location id="l2" rsc="b">
<rule id="l2a" score="7"><expression id="l2ae" attribute="#uname" operation="eq" value="n1"/></rule>
<rule id="l2b" score="9"><expression id="l2be" attribute="#uname" operation="eq" value="n2"/></rule>
<lifetime><rule id="l2r" score="INFINITY"><date_expression id="l2d" operation="gt"
 start="2019-01-01"/></rule></lifetime>
</rsc_location>
<rsc_location id="l3" rsc="m"><rule id="l3a" role="Master" score="33">
<expression id="l3e" attribute="#uname" operation="eq" value="n2"/></rule></rsc_location>
<rsc_colocation id="k" rsc="c" with-rsc="m" with-rsc-role="Master" score="INFINITY"/>
</constraints></configuration><status>
<node_state id="1" uname="n1" in_ccm="true" crmd="online" join="member" expected="member"/>
<node_state id="2" uname="n2" in_ccm="true" crmd="online" join="member" expected="member"/>
</status></cib>
"""


def scores(folder: Path, cib: Element) -> list[str]:
    program = shutil.which("crm_simulate", path="/usr/sbin:/usr/bin")
    if program is None:
        pytest.skip("Debian's pacemaker-cli-utils with its crm_simulate is not installed")
    path = folder / "cib.xml"
    path.write_text(render_tree(cib))
    result = subprocess.run(
        [program, "-x", str(path), "-sRQ"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        stdin=subprocess.DEVNULL,
        env={"TZ": "UTC", "PATH": os.defpath, "CIB_shadow_dir": str(folder)},
    )
    assert result.returncode == 0, result.stderr
    return sorted(result.stdout.splitlines())


@pytest.mark.parametrize(
    "date", ['operation="gt" start="2019-01-01"', 'operation="lt" end="2019-01-01"']
)
def test_an_upgrade_to_4_0_leaves_all_scores_as_they_are(tmp_path: Path, date: str) -> None:
    old = tree_from_text(SCHEMA_3_DOCUMENT.replace("{}", date).strip())
    upgraded = upgrade_cib(old)
    assert {report.code for report in upgraded.reports} == {
        "upgrade-lifetimes",
        "upgrade-location-rules",
        "upgrade-masters",
        "upgrade-roles",
    }
    new = upgraded.root.with_attributes({"validate-with": "pacemaker-3.9"})
    assert scores(tmp_path, new) == scores(tmp_path, old)
    assert len(scores(tmp_path, old)) > 8
