"""From the CIB of Heartbeat 2 and Pacemaker 0.6 to Pacemaker 1.0.

Names got dashes, sets lost their `attributes` element, what configures the cluster's handling of a
resource moved from attributes and parameters to meta_attributes, and constraints say first/then
and rsc/with-rsc instead of from/to.

Source: the formats of Heartbeat 2 and Pacemaker 1.0 as known, stated by our own tests; no tool of
today upgrades these documents, so nothing else judges this step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from everbeat.cib.draft import Draft
from everbeat.cib.transformation import (
    RESOURCE_TAGS,
    SET_TAGS,
    ChangeLog,
    Transformation,
    add_pair,
    new_pair,
    pair_named,
    within,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

SCHEMA: Final = (1, 0)
META_NAMES: Final = frozenset(
    {
        "target-role",
        "is-managed",
        "restart-type",
        "multiple-active",
        "resource-stickiness",
        "resource-failure-stickiness",
        "migration-threshold",
        "failure-timeout",
        "priority",
        "allow-migrate",
    }
)
_COLLECTIVE_META_NAMES: Final = META_NAMES | {
    "ordered",
    "collocated",
    "interleave",
    "notify",
    "globally-unique",
    "clone-max",
    "clone-node-max",
    "master-max",
    "master-node-max",
}
_RESOURCE_ATTRIBUTES: Final = frozenset({"id", "class", "provider", "type", "description"})
_OBSOLETE_CIB_ATTRIBUTES: Final = (
    "ignore_dtd",
    "generated",
    "num_peers",
    "ccm_transition",
    "cib_feature_revision",
)
_DASHED_TAGS: Final = frozenset({"rule", "expression", "date_expression", "op", "cib"})
_STATUS_DASHED: Final = {
    "rc_code": "rc-code",
    "op_status": "op-status",
    "call_id": "call-id",
    "transition_key": "transition-key",
    "transition_magic": "transition-magic",
    "op_digest": "op-digest",
    "op_restart_digest": "op-restart-digest",
    "op_force_restart": "op-force-restart",
    "last_run": "last-run",
    "last_rc_change": "last-rc-change",
    "exec_time": "exec-time",
    "queue_time": "queue-time",
    "origin": "crm-debug-origin",
}


def unwrap_attributes(cib: Draft, log: ChangeLog) -> None:
    """Put the nvpairs of a set directly into it."""
    for attribute_set in cib.walk(SET_TAGS):
        for wrapper in attribute_set.all("attributes"):
            position = attribute_set.children.index(wrapper)
            attribute_set.children[position : position + 1] = wrapper.children
            log.changed(attribute_set, "values stand directly in the set")


def rename_tags(cib: Draft, log: ChangeLog) -> None:
    """Call master_slave master."""
    for resource in within(cib, "resources", {"master_slave"}):
        resource.tag = "master"
        log.changed(resource, "master_slave is called master")


def rename_attributes(cib: Draft, log: ChangeLog) -> None:
    """Write attributes of rules, operations and the document with dashes."""
    for element in cib.walk(_DASHED_TAGS):
        if element.tag == "cib":
            for name in _OBSOLETE_CIB_ATTRIBUTES:
                element.attributes.pop(name, None)
        for name in list(element.attributes):
            if "_" in name and name not in ("crm_feature_set", "num_updates", "admin_epoch"):
                element.rename(name, name.replace("_", "-"))
                log.changed(element, f"{name} is written with dashes")


def modernize_operations(cib: Draft, log: ChangeLog) -> None:
    """Say requires for prereq and enabled for disabled."""
    for operation in within(cib, "resources", {"op"}):
        if operation.rename("prereq", "requires"):
            log.changed(operation, "prereq is called requires")
        disabled = operation.attributes.pop("disabled", None)
        if disabled is not None:
            is_disabled = disabled.lower() in ("true", "yes", "on", "y", "1")
            operation.attributes.setdefault("enabled", "false" if is_disabled else "true")
            log.changed(operation, "disabled is called enabled, with the opposite value")


def rename_options(cib: Draft, log: ChangeLog) -> None:
    """Write cluster options with dashes."""
    for options in within(cib, "crm_config", {"cluster_property_set"}):
        for pair in options.all("nvpair"):
            _dash_name(pair, log)


def move_attributes_to_metas(cib: Draft, log: ChangeLog) -> None:
    """Move what the XML attributes of a resource configured to its meta_attributes."""
    for resource in within(cib, "resources", RESOURCE_TAGS):
        allowed = META_NAMES if resource.tag == "primitive" else _COLLECTIVE_META_NAMES
        for name in list(resource.attributes):
            meta_name = name.replace("_", "-")
            if name in _RESOURCE_ATTRIBUTES or meta_name not in allowed:
                continue
            value = resource.attributes.pop(name)
            if pair_named(resource, "meta_attributes", meta_name) is None:
                pair = new_pair(cib, f"{resource.id}-{meta_name}", meta_name, value)
                add_pair(cib, resource, "meta_attributes", pair)
            log.changed(resource, f"{name} is a meta attribute")


def move_parameters_to_metas(cib: Draft, log: ChangeLog) -> None:
    """Move metas that stood among the parameters, and write all metas with dashes."""
    for resource in within(cib, "resources", RESOURCE_TAGS):
        allowed = META_NAMES if resource.tag == "primitive" else _COLLECTIVE_META_NAMES
        for pair in _pairs(resource, "meta_attributes"):
            _dash_name(pair, log)
        for parameters in resource.all("instance_attributes"):
            for pair in parameters.all("nvpair"):
                meta_name = pair.attributes.get("name", "").replace("_", "-")
                if meta_name not in allowed:
                    continue
                parameters.children.remove(pair)
                pair.attributes["name"] = meta_name
                if pair_named(resource, "meta_attributes", meta_name) is None:
                    _add_beside(cib, resource, parameters, pair)
                log.changed(resource, f"the parameter {meta_name} is a meta attribute")


def rename_order_sides(cib: Draft, log: ChangeLog) -> None:
    """Say first and then for from and to; `after` (the default) puts `to` first."""
    for order in within(cib, "constraints", {"rsc_order"}):
        if "from" not in order.attributes or "to" not in order.attributes:
            continue
        attributes = order.attributes
        subject, target = attributes.pop("from"), attributes.pop("to")
        action = attributes.pop("action", None)
        target_action = attributes.pop("to_action", action)
        is_after = attributes.pop("type", "after").lower() != "before"
        attributes["first"] = target if is_after else subject
        attributes["then"] = subject if is_after else target
        first_action = target_action if is_after else action
        then_action = action if is_after else target_action
        if first_action is not None:
            attributes["first-action"] = first_action
        if then_action is not None:
            attributes["then-action"] = then_action
        log.changed(order, "from and to are called first and then")


def rename_colocation_sides(cib: Draft, log: ChangeLog) -> None:
    """Say rsc and with-rsc for from and to."""
    names = {
        "from": "rsc",
        "to": "with-rsc",
        "from_role": "rsc-role",
        "to_role": "with-rsc-role",
        "from_instance": "rsc-instance",
        "to_instance": "with-rsc-instance",
        "node_attribute": "node-attribute",
    }
    for colocation in within(cib, "constraints", {"rsc_colocation"}):
        renamed = [colocation.rename(old, new) for old, new in names.items()]
        symmetrical = colocation.attributes.pop("symmetrical", None)
        if any(renamed):
            log.changed(colocation, "from and to are called rsc and with-rsc")
        if symmetrical is not None:
            log.lost(colocation, "symmetrical was never in effect")


def rename_history_attributes(cib: Draft, log: ChangeLog) -> None:
    """Write the attributes of the operation history with dashes."""
    status = cib.first("status")
    if status is None:
        return
    for operation in status.walk({"lrm_rsc_op"}):
        renamed = [operation.rename(old, new) for old, new in _STATUS_DASHED.items()]
        if any(renamed):
            log.changed(operation, "attributes are written with dashes")


def _pairs(owner: Draft, set_tag: str) -> Iterator[Draft]:
    for attribute_set in owner.all(set_tag):
        yield from attribute_set.all("nvpair")


def _dash_name(pair: Draft, log: ChangeLog) -> None:
    name = pair.attributes.get("name", "")
    if "_" in name:
        pair.attributes["name"] = name.replace("_", "-")
        log.changed(pair, f"{name} is written with dashes")


def _add_beside(cib: Draft, resource: Draft, parameters: Draft, pair: Draft) -> None:
    """Add a meta that came from a set: one with a rule keeps its rule."""
    if parameters.first("rule") is None:
        add_pair(cib, resource, "meta_attributes", pair)
        return
    rules = [_copy(cib, rule) for rule in parameters.all("rule")]
    attributes = {"id": f"{parameters.id}-{pair.attributes['name']}"}
    if "score" in parameters.attributes:
        attributes["score"] = parameters.attributes["score"]
    resource.children.append(Draft("meta_attributes", attributes, [*rules, pair]))


def _copy(cib: Draft, element: Draft) -> Draft:
    attributes = dict(element.attributes)
    if element.id:
        attributes["id"] = f"{element.id}-meta"
    return Draft(element.tag, attributes, [_copy(cib, child) for child in element.children])


TRANSFORMATIONS: Final = (
    Transformation("sets", SCHEMA, unwrap_attributes),
    Transformation("tags", SCHEMA, rename_tags),
    Transformation("attribute-names", SCHEMA, rename_attributes),
    Transformation("operations", SCHEMA, modernize_operations),
    Transformation("option-names", SCHEMA, rename_options),
    Transformation("resource-attributes", SCHEMA, move_attributes_to_metas),
    Transformation("metas-among-parameters", SCHEMA, move_parameters_to_metas),
    Transformation("order-sides", SCHEMA, rename_order_sides),
    Transformation("colocation-sides", SCHEMA, rename_colocation_sides),
    Transformation("history", SCHEMA, rename_history_attributes),
)
