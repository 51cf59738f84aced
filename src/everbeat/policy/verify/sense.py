"""Whether a CIB makes sense as a whole: fencing, quorum, nodes, options, constraints.

Enters: a sheet and the upgraded document, whose form is good. Leaves: reports on the sheet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from everbeat.cib.schema.document import check_form
from everbeat.cib.schema.limits import check_limits
from everbeat.cib.schema.places import walk
from everbeat.cib.schema.status import check_status
from everbeat.cib.schema.words import hint
from everbeat.cib.upgrade import CURRENT_SCHEMA, Upgraded, name_from_schema
from everbeat.model.reports import Severity
from everbeat.policy.values import boolean_from_text
from everbeat.policy.verify.constraints import check_constraints
from everbeat.policy.verify.options import check_meta_attributes, check_operations, check_options

if TYPE_CHECKING:
    from everbeat.cib.schema.places import Sheet
    from everbeat.cib.tree import Element
    from everbeat.model.reports import Report

_FENCING_NAMES: Final = ("fencing-enabled", "stonith-enabled")


def check_cib(sheet: Sheet, written: Element, upgraded: Upgraded) -> list[Report]:
    """Report every problem of a document, in the order of its lines."""
    check_upgrade(sheet, written, upgraded)
    check_form(sheet, upgraded.root)
    check_limits(sheet, upgraded.root)
    check_status(sheet, upgraded.root)
    configuration = upgraded.root.first("configuration")
    is_readable = all(report.code != "number-too-large" for report in sheet.reports)
    if configuration is not None and is_readable:
        check_sense(sheet, configuration)
    return sorted(sheet.reports, key=lambda report: report.place.line)


def check_upgrade(sheet: Sheet, written: Element, upgraded: Upgraded) -> None:
    """Report what the schema of the document means for it."""
    name = name_from_schema(CURRENT_SCHEMA)
    for report in upgraded.reports:
        if report.code in ("schema-none", "schema-unknown"):
            sheet.report(report.code, report.summary, f'validate-with="{name}"', written)
        elif report.severity is Severity.WARNING:
            sheet.report("upgrade-loses", report.summary, report.remedy, written)
    count = sum(report.severity is Severity.INFO for report in upgraded.reports)
    if count:
        old = written.get("validate-with") or "of Heartbeat 2"
        text = f"schema {old}: read as {name}, {count} things are written otherwise there"
        sheet.report("schema-old", text, "", written)


def check_sense(sheet: Sheet, configuration: Element) -> None:
    """Report what is well-formed and surely not meant."""
    _check_fencing(sheet, configuration)
    _check_nodes(sheet, configuration)
    _check_topology(sheet, configuration)
    check_options(sheet, configuration)
    check_meta_attributes(sheet, configuration)
    check_operations(sheet, configuration)
    check_constraints(sheet, configuration)


def _option(configuration: Element, *names: str) -> tuple[str | None, list[Element]]:
    """Return a cluster option's value and where it stands."""
    section = configuration.first("crm_config")
    for option_set in [] if section is None else section.children:
        for pair in option_set.all("nvpair"):
            if pair.get("name") in names:
                return pair.get("value"), [pair, option_set]
    return None, [configuration if section is None else section]


def _check_fencing(sheet: Sheet, configuration: Element) -> None:
    value, where = _option(configuration, *_FENCING_NAMES)
    watchdog, _ = _option(configuration, "have-watchdog")
    resources = configuration.first("resources")
    every = [] if resources is None else walk(resources)
    has_device = any(element.get("class") == "stonith" for element in every)
    is_enabled = boolean_from_text(value) is not False
    has_resources = any(element.tag == "primitive" for element in every)
    if not has_resources:
        return
    if is_enabled and not has_device and boolean_from_text(watchdog) is not True:
        text = "fencing is enabled and there is no fence device: no resource will be started"
        remedy = "a primitive of class stonith, or fencing-enabled=false (unsafe)"
        sheet.report("fencing-no-device", text, remedy, *where)
    elif not is_enabled:
        text = "fencing is switched off: data may be written by two nodes at once"
        sheet.report("fencing-disabled", text, "fencing-enabled=true and a device", *where)
        policy, there = _option(configuration, "no-quorum-policy")
        if policy == "ignore":
            text = "without quorum and without fencing both halves of a split run everything"
            sheet.report("quorum-ignored", text, "no-quorum-policy=stop, or fencing", *there)


def _check_nodes(sheet: Sheet, configuration: Element) -> None:
    nodes = configuration.first("nodes")
    found = [] if nodes is None else nodes.all("node")
    if not found:
        where = configuration if nodes is None else nodes
        sheet.report("nodes-none", "no node is configured", "<node id= uname=>", where)
    seen: dict[str, Element] = {}
    for node in found:
        name = node.get("uname") or node.id
        other = seen.setdefault(name.lower(), node)
        if other is not node:
            text = f"nodes {other.id} and {node.id} have the same name {name}"
            sheet.report("node-twice", text, f"remove node {node.id}", node)


def _check_topology(sheet: Sheet, configuration: Element) -> None:
    topology = configuration.first("fencing-topology")
    if topology is None:
        return
    resources = configuration.first("resources")
    known = {element.id for element in ([] if resources is None else walk(resources))}
    for level in topology.children:
        for device in level.text("devices").split(","):
            name = device.strip()
            if name and name not in known:
                text = f"fencing level {level.id} names device {name}, which does not exist"
                sheet.report("topology-device-unknown", text, hint(name, known), level)
