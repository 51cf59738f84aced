"""Whether constraints make sense: whom they name, and whether they can all be kept.

Reads:  nodes, resources and constraints of an upgraded document
Loops are named with every resource in them, once each.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from everbeat.cib.schema.places import walk
from everbeat.cib.schema.words import hint
from everbeat.policy.score import INFINITY, score_from_text
from everbeat.policy.verify.loops import find_loops
from everbeat.policy.verify.options import is_score
from everbeat.rules.reading import read_rule

if TYPE_CHECKING:
    from everbeat.cib.schema.places import Sheet
    from everbeat.cib.tree import Element

_RESOURCE_TAGS: Final = frozenset(("primitive", "group", "clone", "bundle"))
_PROMOTED: Final = frozenset(("promoted", "master"))
_PROMOTIONS: Final = frozenset(("promote", "demote"))


@dataclass(frozen=True, slots=True)
class _Pair:
    """Two resources tied by a constraint: `first` is depended on, `then` depends."""

    element: Element
    first: str
    then: str
    score: int


def check_constraints(sheet: Sheet, configuration: Element) -> None:
    """Report constraints that name nobody, change nothing or contradict each other."""
    constraints = configuration.first("constraints")
    if constraints is None:
        return
    resources = _resources(configuration)
    nodes = _node_names(configuration)
    for element in constraints.children:
        _check_scores(sheet, element)
        _check_rules(sheet, element)
        _check_inside(sheet, element, resources)
        _check_roles(sheet, element, resources)
    _check_locations(sheet, constraints, resources, nodes)
    colocations = _colocations(constraints)
    orders = _orders(constraints)
    _check_itself(sheet, [*colocations, *orders])
    _check_stopped(sheet, colocations, orders, resources)
    _check_contradictions(sheet, colocations)
    together = [pair for pair in colocations if pair.score > 0]
    _check_loops(sheet, "colocation-loop", "placed with", together)
    _check_loops(sheet, "order-loop", "ordered after", orders)


@dataclass(frozen=True, slots=True)
class _Resources:
    by_id: dict[str, Element]
    parents: dict[str, Element]


def _resources(configuration: Element) -> _Resources:
    by_id: dict[str, Element] = {}
    parents: dict[str, Element] = {}
    section = configuration.first("resources")
    for element in [] if section is None else walk(section):
        if element.tag not in _RESOURCE_TAGS:
            continue
        by_id.setdefault(element.id, element)
        for child in element.children:
            if child.tag in _RESOURCE_TAGS:
                parents.setdefault(child.id, element)
    return _Resources(by_id, parents)


def _node_names(configuration: Element) -> set[str]:
    """Return the names of all nodes in lower case: members, remote nodes, guests."""
    names: set[str] = set()
    nodes = configuration.first("nodes")
    for node in [] if nodes is None else nodes.all("node"):
        names.add((node.get("uname") or node.id).lower())
    for element in walk(configuration):
        if element.tag == "nvpair" and element.get("name") == "remote-node":
            names.add(element.text("value").lower())
        elif element.tag == "primitive" and element.get("type") == "remote":
            names.add(element.id.lower())
        elif element.tag == "bundle":
            names.update(f"{element.id}-{number}".lower() for number in range(100))
    return names


def _check_scores(sheet: Sheet, element: Element) -> None:
    for part in walk(element):
        score = part.get("score")
        if score is not None and not is_score(score):
            text = f"score={score!r} of {part.id or part.tag} is no score"
            remedy = "a whole number, INFINITY or -INFINITY"
            sheet.report("score-malformed", text, remedy, part, element)


def _check_rules(sheet: Sheet, constraint: Element) -> None:
    for rule in constraint.all("rule"):
        for report in read_rule(rule).reports:
            if rule.get("id-ref") is None:
                sheet.report("rule-unreadable", report.summary, report.remedy, rule, constraint)


def _named(element: Element) -> list[tuple[str, Element]]:
    """Return every resource a constraint names, with the element that names it."""
    attributes = ("rsc", "with-rsc", "first", "then")
    found = [(element.text(name), element) for name in attributes if element.get(name) is not None]
    for resource_set in element.all("resource_set"):
        found += [(reference.id, reference) for reference in resource_set.all("resource_ref")]
    return found


def _check_inside(sheet: Sheet, element: Element, resources: _Resources) -> None:
    for name, place in _named(element):
        inner = name
        while inner in resources.parents:
            parent = resources.parents[inner]
            if parent.tag == "clone":
                text = f"{element.id} names {name}, which is inside clone {parent.id}"
                sheet.report("constraint-inside-clone", text, parent.id, place, element)
                break
            inner = parent.id


def _check_roles(sheet: Sheet, element: Element, resources: _Resources) -> None:
    sides = (
        ("rsc", ("rsc-role", "role")),
        ("with-rsc", ("with-rsc-role",)),
        ("first", ("first-action",)),
        ("then", ("then-action",)),
    )
    for side, attributes in sides:
        target = resources.by_id.get(element.text(side))
        if target is None:
            continue
        for attribute in attributes:
            word = element.text(attribute).lower()
            if word in _PROMOTED | _PROMOTIONS and not _is_promotable(target, resources):
                text = f"{element.id}: {attribute}={element.text(attribute)!r}, "
                text += f"and {target.id} cannot be promoted"
                remedy = f"promotable=true for {target.id}, or no {attribute}"
                sheet.report("role-not-promotable", text, remedy, element)


def _is_promotable(resource: Element, resources: _Resources) -> bool:
    part: Element | None = resource
    while part is not None:
        if part.tag == "bundle":
            return True
        for meta in part.all("meta_attributes"):
            for pair in meta.all("nvpair"):
                if pair.get("name") == "promotable" or pair.get("id-ref") is not None:
                    return True
        if any(meta.get("id-ref") is not None for meta in part.all("meta_attributes")):
            return True
        part = resources.parents.get(part.id)
    return False


# ------------------------------------------------------------------------------------ locations


def _check_locations(
    sheet: Sheet, constraints: Element, resources: _Resources, nodes: set[str]
) -> None:
    seen: dict[tuple[str, str, str, str], Element] = {}
    banned: dict[str, dict[str, Element]] = {}
    for element in constraints.all("rsc_location"):
        node = element.get("node")
        if node is None:
            continue
        resource, name = element.text("rsc"), node.lower()
        if name not in nodes:
            text = f"{element.id} names node {node}, which does not exist"
            sheet.report("node-unknown", text, hint(name, nodes), element)
        score = score_from_text(element.get("score"))
        if score == 0 and element.get("resource-discovery") in (None, "always"):
            text = f"{element.id} has score 0 and changes nothing"
            remedy = "another score, or resource-discovery"
            sheet.report("location-nothing", text, remedy, element)
        key = (resource, name, element.text("role"), element.text("resource-discovery"))
        other = seen.setdefault(key, element)
        if other is not element and resource and other.text("score") == element.text("score"):
            text = f"{element.id} says the same as {other.id}"
            sheet.report("location-twice", text, f"remove {element.id}", element)
        if score <= -INFINITY and element.get("role") is None:
            banned.setdefault(resource, {})[name] = element
    for resource, bans in banned.items():
        if resource in resources.by_id and nodes and nodes <= bans.keys():
            last = list(bans.values())[-1]
            names = " ".join(ban.id for ban in bans.values())
            text = f"{resource} is banned from every node by {names}"
            sheet.report("location-everywhere", text, "keep one node at least", last)


# ----------------------------------------------------------------------- colocations and orders


def _colocations(constraints: Element) -> list[_Pair]:
    """Return who is placed with whom; of resource sets, each with the one before it."""
    pairs: list[_Pair] = []
    for element in constraints.all("rsc_colocation"):
        score = score_from_text(element.get("score"), INFINITY)
        if element.get("rsc") is not None:
            if element.get("node-attribute") in (None, "#uname"):
                pairs.append(_Pair(element, element.text("with-rsc"), element.text("rsc"), score))
            continue
        for resource_set in element.all("resource_set"):
            names = [reference.id for reference in resource_set.all("resource_ref")]
            if resource_set.get("sequential") in (None, "true", "1"):
                pairs += [
                    _Pair(element, a, b, score) for a, b in zip(names, names[1:], strict=False)
                ]
    return pairs


def _orders(constraints: Element) -> list[_Pair]:
    """Return who starts after whom, where that is mandatory."""
    pairs: list[_Pair] = []
    for element in constraints.all("rsc_order"):
        if element.text("kind", "Mandatory") != "Mandatory":
            continue
        if element.get("first") is not None:
            actions = {element.get("first-action"), element.get("then-action")}
            if actions <= {None, "start"}:
                pairs.append(_Pair(element, element.text("first"), element.text("then"), INFINITY))
            continue
        names = [
            reference.id
            for resource_set in element.all("resource_set")
            if resource_set.get("sequential") in (None, "true", "1")
            for reference in resource_set.all("resource_ref")
        ]
        pairs += [_Pair(element, a, b, INFINITY) for a, b in zip(names, names[1:], strict=False)]
    return pairs


def _check_itself(sheet: Sheet, pairs: list[_Pair]) -> None:
    for pair in pairs:
        if pair.first == pair.then:
            text = f"{pair.element.id} ties {pair.first} to itself"
            remedy = f"remove {pair.element.id}"
            sheet.report("constraint-of-itself", text, remedy, pair.element)
        if pair.element.tag == "rsc_colocation" and pair.score == 0:
            text = f"{pair.element.id} has score 0 and changes nothing"
            sheet.report("colocation-nothing", text, "another score", pair.element)


def _check_stopped(
    sheet: Sheet, colocations: list[_Pair], orders: list[_Pair], resources: _Resources
) -> None:
    together = [pair for pair in colocations if pair.score >= INFINITY]
    for pair in (*together, *orders):
        stopped = _stays_stopped(pair.first, resources)
        if stopped is not None and _stays_stopped(pair.then, resources) is None:
            text = (
                f"{pair.then} waits for {pair.first} ({pair.element.id}), which is to stay stopped"
            )
            remedy = f"target-role=Started for {stopped}"
            sheet.report("constraint-of-stopped", text, remedy, pair.element)


def _stays_stopped(name: str, resources: _Resources) -> str | None:
    """Return the resource, itself or above it, whose target-role is Stopped."""
    part = resources.by_id.get(name)
    while part is not None:
        for meta in part.all("meta_attributes"):
            for pair in meta.all("nvpair"):
                if pair.get("name") == "target-role" and pair.text("value").lower() == "stopped":
                    return part.id if meta.first("rule") is None else None
        part = resources.parents.get(part.id)
    return None


def _check_contradictions(sheet: Sheet, colocations: list[_Pair]) -> None:
    strong = [pair for pair in colocations if abs(pair.score) >= INFINITY]
    known: dict[frozenset[str], _Pair] = {}
    for pair in strong:
        if pair.element.get("rsc-role") or pair.element.get("with-rsc-role"):
            continue
        other = known.setdefault(frozenset((pair.first, pair.then)), pair)
        if (other.score > 0) != (pair.score > 0):
            text = f"{other.element.id} and {pair.element.id} contradict each other: "
            text += f"{pair.then} and {pair.first} cannot be together and apart"
            remedy = f"remove {pair.element.id} or {other.element.id}"
            sheet.report("colocation-contradiction", text, remedy, pair.element)


def _check_loops(sheet: Sheet, code: str, verb: str, pairs: list[_Pair]) -> None:
    edges: dict[str, list[str]] = {}
    elements: dict[tuple[str, str], Element] = {}
    for pair in pairs:
        if pair.first != pair.then:
            edges.setdefault(pair.first, []).append(pair.then)
            elements.setdefault((pair.first, pair.then), pair.element)
    for loop in find_loops(edges):
        closed = [*loop, loop[0]]
        steps = list(zip(closed, closed[1:], strict=False))
        ids = " ".join(dict.fromkeys(elements[step].id for step in steps))
        text = f"{' -> '.join(closed)}: each {verb} the one before ({ids})"
        sheet.report(code, text, "remove one of them", elements[steps[-1]])
