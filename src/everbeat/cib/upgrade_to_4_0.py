"""From Pacemaker 3.x to 4.0: promotable clones, one rule for each location, no more lifetime.

Not done, since nobody can tell the difference: sorting the sets of an element by score, dropping
the second value of a name in a set, spelling out id-refs. The engine reads all that anyway.

Source: behaviour and release notes of Pacemaker 3.0.
"""

from __future__ import annotations

from typing import Final

from everbeat.cib.draft import Draft
from everbeat.cib.transformation import (
    ChangeLog,
    Transformation,
    free_id,
    new_pair,
    section,
    within,
)

SCHEMA: Final = (4, 0)
RENAMED_OPTIONS: Final = {
    "crmd-finalization-timeout": "join-finalization-timeout",
    "crmd-integration-timeout": "join-integration-timeout",
    "crmd-transition-delay": "transition-delay",
}
FENCING_LEVEL_MAX: Final = 9
_DROPPED_METAS: Final = frozenset({"restart-type", "can_fail", "role_after_failure"})
_DROPPED_CLASSES: Final = frozenset({"nagios", "upstart"})
_REFERENCES: Final = ("rsc", "with-rsc", "first", "then")
_OLD_ROLES: Final = {"master": "Promoted", "slave": "Unpromoted"}
_ROLE_ATTRIBUTES: Final = ("role", "rsc-role", "with-rsc-role")


def rename_options(cib: Draft, log: ChangeLog) -> None:
    """Rename and drop options; a stonith-action poweroff is off (fencing-action never knew it)."""
    for options in within(cib, "crm_config", {"cluster_property_set"}):
        for pair in options.all("nvpair"):
            name = pair.attributes.get("name", "")
            if name in RENAMED_OPTIONS:
                pair.attributes["name"] = RENAMED_OPTIONS[name]
                log.changed(pair, f"{name} is called {RENAMED_OPTIONS[name]}")
            elif name == "remove-after-stop":
                options.children.remove(pair)
                log.lost(pair, "remove-after-stop is not known any more")
            elif name == "stonith-action" and pair.attributes.get("value") == "poweroff":
                pair.attributes["value"] = "off"
                log.changed(pair, "poweroff is called off")


def replace_ping_nodes(cib: Draft, log: ChangeLog) -> None:
    """Make ping nodes members that may run nothing."""
    constraints = section(cib, "constraints")
    for node in within(cib, "nodes", {"node"}):
        if node.attributes.get("type") != "ping" or constraints is None:
            continue
        node.attributes["type"] = "member"
        constraints.children.append(
            Draft(
                "rsc_location",
                {
                    "id": free_id(cib, f"ping-node-{node.id}"),
                    "rsc-pattern": ".*",
                    "node": node.attributes.get("uname", ""),
                    "score": "-INFINITY",
                    "resource-discovery": "never",
                },
            )
        )
        log.changed(node, "a ping node is a member that runs nothing")


def replace_masters(cib: Draft, log: ChangeLog) -> None:
    """Make masters promotable clones."""
    for master in within(cib, "resources", {"master"}):
        master.tag = "clone"
        pair = new_pair(cib, f"{master.id}-promotable", "promotable", "true")
        set_id = free_id(cib, f"{master.id}-promotable-meta")
        master.children.insert(0, Draft("meta_attributes", {"id": set_id}, [pair]))
        log.changed(master, "master is a clone that is promotable")


def rename_bundle_masters(cib: Draft, log: ChangeLog) -> None:
    """Say promoted-max for masters."""
    for bundle in within(cib, "resources", {"bundle"}):
        for container in bundle.all("docker", "podman"):
            if container.rename("masters", "promoted-max"):
                log.changed(bundle, "masters is called promoted-max")


def replace_lifetimes(cib: Draft, log: ChangeLog) -> None:
    """Make the lifetime of a location part of its rules; drop it elsewhere."""
    constraints = section(cib, "constraints")
    if constraints is None:
        return
    for constraint in list(constraints.children):
        for lifetime in constraint.all("lifetime"):
            constraint.children.remove(lifetime)
            if constraint.tag != "rsc_location":
                log.lost(constraint, "lifetime had an effect at locations only")
                continue
            _limit_location(cib, constraint, lifetime)
            log.changed(constraint, "lifetime is part of the rule")


def split_locations(cib: Draft, log: ChangeLog) -> None:
    """Make one location of each rule."""
    constraints = section(cib, "constraints")
    if constraints is None:
        return
    for location in constraints.all("rsc_location"):
        rules = location.all("rule")
        if len(rules) < 2:
            continue
        position = constraints.children.index(location) + 1
        for rule in reversed(rules[1:]):
            location.children.remove(rule)
            others = [child for child in location.children if child.tag != "rule"]
            attributes = {**location.attributes, "id": free_id(cib, f"{location.id}-{rule.id}")}
            constraints.children.insert(
                position, Draft("rsc_location", attributes, [*_copies(cib, others), rule])
            )
        log.changed(location, f"{len(rules)} rules are {len(rules)} locations")


def drop_unsupported_resources(cib: Draft, log: ChangeLog) -> None:
    """Drop nagios and upstart resources and rkt bundles with all that refers to them."""
    resources = section(cib, "resources")
    if resources is None:
        return
    dropped: set[str] = set()
    _drop_resources(resources, dropped, log)
    if dropped:
        _drop_references(cib, dropped, log)


def drop_metas(cib: Draft, log: ChangeLog) -> None:
    """Drop metas without a successor."""
    for name in ("resources", "rsc_defaults", "op_defaults"):
        for metas in within(cib, name, {"meta_attributes"}):
            for pair in metas.all("nvpair"):
                if pair.attributes.get("name") in _DROPPED_METAS:
                    metas.children.remove(pair)
                    log.lost(metas, f"{pair.attributes['name']} is not known any more")
    for operation in within(cib, "resources", {"op"}):
        for name in ("can_fail", "role_after_failure", "role-after-failure"):
            if operation.attributes.pop(name, None) is not None:
                log.lost(operation, f"{name} is not known any more")


def drop_high_fencing_levels(cib: Draft, log: ChangeLog) -> None:
    """Drop fencing levels that were never used."""
    for topology in within(cib, "fencing-topology", {"fencing-topology"}):
        for level in topology.all("fencing-level"):
            index = level.attributes.get("index", "")
            if index.isdecimal() and int(index) > FENCING_LEVEL_MAX:
                topology.children.remove(level)
                log.lost(level, f"levels above {FENCING_LEVEL_MAX} are never used")


def drop_moon(cib: Draft, log: ChangeLog) -> None:
    """Drop the phase of the moon."""
    for spec in cib.walk({"date_spec"}):
        if spec.attributes.pop("moon", None) is not None:
            log.lost(spec, "the moon is not looked at any more")


def rename_roles(cib: Draft, log: ChangeLog) -> None:
    """Say Promoted and Unpromoted for Master and Slave in constraints.

    Pacemaker leaves them. Operations and target-role keep their word here too: graphs and status
    lists show it as it was written.
    """
    tags = {"rule", "rsc_location", "rsc_colocation", "resource_set", "rsc_ticket"}
    for element in within(cib, "constraints", tags):
        for attribute in _ROLE_ATTRIBUTES:
            old = element.attributes.get(attribute, "")
            new = _OLD_ROLES.get(old.lower())
            if new is not None:
                element.attributes[attribute] = new
                log.changed(element, f"{old} is called {new}")


def _limit_location(cib: Draft, location: Draft, lifetime: Draft) -> None:
    """And the lifetime's rules with each rule of the location, or with its node and score."""
    limits = lifetime.all("rule")
    for limit in limits:
        limit.attributes.pop("role", None)
    rules = location.all("rule")
    if not rules:
        rules = [_rule_of_node(cib, location)]
        location.children.append(rules[0])
    for rule in rules:
        inner = Draft(
            "rule",
            {
                "id": free_id(cib, f"{rule.id}-lifetime"),
                "score": "INFINITY",  # a rule must have one; that of an inner rule means nothing
                "boolean-op": rule.attributes.get("boolean-op", "and"),
            },
            list(rule.children),
        )
        rule.attributes["boolean-op"] = "and"
        is_first = rule is rules[0]
        rule.children[:] = [inner, *(limits if is_first else _copies(cib, limits))]


def _rule_of_node(cib: Draft, location: Draft) -> Draft:
    """Return the rule that says what the location's node and score said, and take them out."""
    node = location.attributes.pop("node", "")
    attributes = {"id": free_id(cib, f"{location.id}-rule")}
    for name in ("score", "role"):
        value = location.attributes.pop(name, None)
        if value is not None:
            attributes[name] = value
    expression = {
        "id": free_id(cib, f"{location.id}-node"),
        "attribute": "#uname",
        "operation": "eq",
        "value": node,
    }
    return Draft("rule", attributes, [Draft("expression", expression)])


def _copies(cib: Draft, elements: list[Draft]) -> list[Draft]:
    """Copy elements under new ids."""
    copies = []
    for element in elements:
        attributes = dict(element.attributes)
        if element.id:
            attributes["id"] = free_id(cib, f"{element.id}-copy")
        copies.append(Draft(element.tag, attributes, _copies(cib, element.children)))
    return copies


def _drop_resources(owner: Draft, dropped: set[str], log: ChangeLog) -> None:
    for resource in list(owner.children):
        is_unsupported = (
            resource.tag in ("primitive", "template")
            and resource.attributes.get("class") in _DROPPED_CLASSES
        ) or (resource.tag == "bundle" and resource.first("rkt") is not None)
        is_unsupported = is_unsupported or resource.attributes.get("template") in dropped
        if not is_unsupported and resource.tag in ("group", "clone", "master"):
            members = len(resource.all("primitive", "group"))
            _drop_resources(resource, dropped, log)
            is_unsupported = members > 0 and not resource.all("primitive", "group")
        if is_unsupported:
            owner.children.remove(resource)
            for each in resource.walk({"primitive", "template", "bundle", "group", resource.tag}):
                dropped.add(each.id)
            log.lost(resource, "resources of this kind are not supported any more")


def _drop_references(cib: Draft, dropped: set[str], log: ChangeLog) -> None:
    constraints = section(cib, "constraints")
    for constraint in [] if constraints is None else list(constraints.children):
        for resource_set in constraint.all("resource_set"):
            had_members = bool(resource_set.children)
            _drop_where(resource_set, "resource_ref", "id", dropped)
            if had_members and not resource_set.children:
                constraint.children.remove(resource_set)
        has_lost_side = any(constraint.attributes.get(name) in dropped for name in _REFERENCES)
        has_sides = any(name in constraint.attributes for name in (*_REFERENCES, "rsc-pattern"))
        if has_lost_side or not (has_sides or constraint.all("resource_set")):
            assert constraints is not None
            constraints.children.remove(constraint)
            log.lost(constraint, "refers to a resource that was dropped")
    tags = section(cib, "tags")
    for tag in [] if tags is None else list(tags.children):
        _drop_where(tag, "obj_ref", "id", dropped)
        if not tag.children and tags is not None:
            tags.children.remove(tag)


def _drop_where(owner: Draft, child_tag: str, attribute: str, values: set[str]) -> None:
    owner.children[:] = [
        child
        for child in owner.children
        if child.tag != child_tag or child.attributes.get(attribute) not in values
    ]


TRANSFORMATIONS: Final = (
    Transformation("option-names", SCHEMA, rename_options),
    Transformation("ping-nodes", SCHEMA, replace_ping_nodes),
    Transformation("masters", SCHEMA, replace_masters),
    Transformation("bundle-masters", SCHEMA, rename_bundle_masters),
    Transformation("lifetimes", SCHEMA, replace_lifetimes),
    Transformation("location-rules", SCHEMA, split_locations),
    Transformation("dropped-resources", SCHEMA, drop_unsupported_resources),
    Transformation("dropped-metas", SCHEMA, drop_metas),
    Transformation("fencing-levels", SCHEMA, drop_high_fencing_levels),
    Transformation("moon", SCHEMA, drop_moon),
    Transformation("roles", SCHEMA, rename_roles),
)
