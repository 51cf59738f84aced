"""The form of a CIB: elements, attributes, ids and references.

Enters: the document as text, as written and as upgraded. Leaves: a report for every problem, with
its line. What is found here keeps a cluster from taking the document, unless `validate-with` is
`none`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from everbeat.cib.schema.grammar import FORMS, FREE_IDS, NOT_FOLLOWED, REFERENCES, VALUES
from everbeat.cib.schema.limits import check_limits
from everbeat.cib.schema.places import walk
from everbeat.cib.schema.words import hint
from everbeat.model.reports import Severity

if TYPE_CHECKING:
    from everbeat.cib.schema.places import Sheet
    from everbeat.cib.tree import Element
    from everbeat.cib.upgrade import Upgraded
    from everbeat.model.reports import Report

_ID: Final = re.compile(r"[^\W\d][\w.·-]*")


def refusals(sheet: Sheet, written: Element, upgraded: Upgraded) -> list[Report]:
    """Return what keeps a document from being decided on; nothing if it can be."""
    is_checked = True
    for report in upgraded.reports:
        if report.code == "schema-unknown":
            remedy = 'validate-with="pacemaker-4.0" or an older schema of Pacemaker'
            sheet.report("schema-unknown", report.summary, remedy, written)
            return sheet.reports
        is_checked = is_checked and report.code != "schema-none"
    if is_checked:
        check_form(sheet, upgraded.root)
    check_limits(sheet, upgraded.root)
    return [report for report in sheet.reports if report.severity is Severity.ERROR]


def check_form(sheet: Sheet, cib: Element) -> None:
    """Report everything that is wrong with the form of an upgraded document."""
    for section in cib.children:
        if section.tag not in ("configuration", "status"):
            text = f"<{section.tag}> is not a part of a CIB"
            sheet.report("element-unknown", text, "<configuration> and <status>", section, cib)
    configuration = cib.first("configuration")
    if configuration is None:
        text = "the CIB has no <configuration>"
        sheet.report("child-missing", text, "<configuration> with <crm_config>, <nodes>, …", cib)
        return
    _check_element(sheet, configuration, cib)
    known = _check_ids(sheet, configuration)
    _check_references(sheet, configuration, known)
    _check_contents(sheet, configuration)


def _check_element(sheet: Sheet, element: Element, parent: Element) -> None:
    form = FORMS[element.tag]
    for attribute, value in element.attributes.items():
        if attribute not in form.takes:
            text = f"<{element.tag}> has no attribute {attribute}"
            near = hint(attribute, form.takes)
            sheet.report("attribute-unknown", text, near, element, parent)
        allowed = VALUES.get((element.tag, attribute))
        if allowed is not None and value not in allowed:
            text = f"{attribute}={value!r} of <{element.tag}> is none of its words"
            sheet.report("attribute-value", text, " | ".join(allowed), element, parent)
    is_reference = "id-ref" in element.attributes
    for attribute in form.needs:
        if attribute not in element.attributes and not is_reference:
            text = f"<{element.tag}> lacks the attribute {attribute}"
            remedy = f'<{element.tag} {attribute}="…">'
            sheet.report("attribute-missing", text, remedy, element, parent)
    for child in element.children:
        if child.tag not in form.holds:
            text = f"<{child.tag}> may not stand in <{element.tag}>"
            sheet.report("element-unknown", text, hint(child.tag, form.holds), child, element)
        else:
            _check_element(sheet, child, element)


def _check_ids(sheet: Sheet, configuration: Element) -> dict[str, Element]:
    """Report ids that are malformed or not unique; return all ids, each with its first element."""
    first: dict[str, Element] = {}
    for element in walk(configuration):
        element_id = element.get("id")
        if element_id is None or element.tag in FREE_IDS:
            continue
        if _ID.fullmatch(element_id) is None:
            text = f"id={element_id!r} is no id"
            sheet.report("id-malformed", text, "letters, digits, . _ -; a letter first", element)
        other = first.setdefault(element_id, element)
        if other is not element:
            text = f"the id {element_id} of <{element.tag}> is taken by <{other.tag}>"
            line = sheet.line_of(other)
            sheet.report("id-twice", f"{text} in line {line}", f"{element_id}-2", element)
    return first


def _check_references(sheet: Sheet, configuration: Element, known: dict[str, Element]) -> None:
    for element in walk(configuration):
        for attribute in REFERENCES.get(element.tag, ()):
            target = element.get(attribute)
            if target is not None and target not in known:
                text = f"{attribute}={target!r} of <{element.tag}> refers to nothing"
                remedy = hint(target, known)
                sheet.report("reference-unknown", f"{text} and is ignored", remedy, element)
        target = element.get("id-ref")
        if target is not None:
            _check_id_ref(sheet, element, target, known)


def _check_id_ref(sheet: Sheet, element: Element, target: str, known: dict[str, Element]) -> None:
    """Report an `id-ref` that names no other element of its kind, or is not followed."""
    text = f"id-ref={target!r} of <{element.tag}> refers to"
    found = known.get(target)
    if found is not None and found.tag == element.tag and "id-ref" not in found.attributes:
        if element.tag in NOT_FOLLOWED:
            text = f"{text} a set, and has no effect: only Pacemaker 2 followed it"
            remedy = f'<{element.tag} id="…"> with the nvpairs of {target}'
            sheet.report("reference-not-followed", text, remedy, element)
        return
    what = "nothing"
    if found is element:
        what = "itself"
    elif found is not None and found.tag == element.tag:
        what = f"<{found.tag}> that is a reference itself"
    elif found is not None:
        what = f"<{found.tag}>"
    alike = [
        name
        for name, one in known.items()
        if one.tag == element.tag and "id-ref" not in one.attributes
    ]
    remedy = hint(target, alike) or f'<{element.tag} id="{target}">, or delete the reference'
    sheet.report("reference-unknown", f"{text} {what} and is ignored", remedy, element)


def _check_contents(sheet: Sheet, configuration: Element) -> None:
    """Report elements that lack what they are about."""
    for element in walk(configuration):
        missing = _missing_of(element)
        if missing is not None:
            text = f"<{element.tag} id={element.id!r}> has no {missing}"
            sheet.report("child-missing", text, f"a {missing} inside", element)


def _missing_of(element: Element) -> str | None:
    tags = {child.tag for child in element.children}
    match element.tag:
        case "group" if "primitive" not in tags:
            return "primitive"
        case "clone" if not tags & {"primitive", "group"}:
            return "primitive or group"
        case "bundle" if not tags & {"docker", "podman"}:
            return "docker or podman"
        case "primitive" if element.get("template") is None and element.get("id-ref") is None:
            for attribute in ("class", "type"):
                if element.get(attribute) is None:
                    return attribute
        case "rsc_colocation" if "resource_set" not in tags:
            return _lacking(element, "rsc", "with-rsc")
        case "rsc_order" if "resource_set" not in tags:
            return _lacking(element, "first", "then")
        case "rsc_ticket" if "resource_set" not in tags:
            return _lacking(element, "rsc")
        case "rsc_location":
            return _location_lacks(element, tags)
        case "nvpair" if element.get("id-ref") is None:
            return _lacking(element, "name")
        case _:
            pass
    return None


def _lacking(element: Element, *attributes: str) -> str | None:
    return next((name for name in attributes if element.get(name) is None), None)


def _location_lacks(element: Element, tags: set[str]) -> str | None:
    if "resource_set" not in tags and _lacking(element, "rsc") and _lacking(element, "rsc-pattern"):
        return "rsc"
    if "rule" in tags:
        return None
    return _lacking(element, "node", "score")
