"""From Pacemaker 1.0 to 2.10 to Pacemaker 3.0: defaults have their own sections, names have dashes.

Source: behaviour of Pacemaker 2.1.5's own upgrade of such documents; a test runs it beside ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from everbeat.cib.transformation import (
    ChangeLog,
    Transformation,
    add_pair,
    configuration_of,
    new_pair,
    pair_named,
    within,
)

if TYPE_CHECKING:
    from everbeat.cib.draft import Draft

SCHEMA: Final = (3, 0)
RENAMED_OPTIONS: Final = {
    "transition_idle_timeout": "cluster-delay",
    **{
        name.replace("-", "_"): name
        for name in (
            "no-quorum-policy",
            "stonith-enabled",
            "stonith-action",
            "symmetric-cluster",
            "stop-orphan-resources",
            "stop-orphan-actions",
            "remove-after-stop",
            "startup-fencing",
            "cluster-recheck-interval",
            "dc-deadtime",
            "election-timeout",
            "shutdown-escalation",
        )
    },
}
MOVED_OPTIONS: Final = {
    "default-resource-stickiness": ("rsc_defaults", "resource-stickiness"),
    "default_resource_stickiness": ("rsc_defaults", "resource-stickiness"),
    "is-managed-default": ("rsc_defaults", "is-managed"),
    "is_managed_default": ("rsc_defaults", "is-managed"),
    "default-action-timeout": ("op_defaults", "timeout"),
    "default_action_timeout": ("op_defaults", "timeout"),
}
DROPPED_OPTIONS: Final = frozenset(
    {
        "default-resource-failure-stickiness",
        "default_resource_failure_stickiness",
        "default-migration-threshold",
        "default_migration_threshold",
        "expected-quorum-votes",
        "notification-agent",
        "notification-recipient",
    }
)
_OPERATION_METAS: Final = frozenset(
    {"timeout", "on-fail", "start-delay", "interval-origin", "role", "record-pending", "enabled"}
)
_ISOLATION_METAS: Final = frozenset(
    {"isolation", "isolation-host", "isolation-instance", "isolation-wrapper"}
)
_REQUIRES_PLACES: Final = ("op", "meta_attributes", "instance_attributes")
_OPERATION_OWNERS: Final = frozenset({"primitive", "template"})


def rename_options(cib: Draft, log: ChangeLog) -> None:
    """Write the options that had underscores with dashes."""
    for options in within(cib, "crm_config", {"cluster_property_set"}):
        for pair in options.all("nvpair"):
            old = pair.attributes.get("name", "")
            new = RENAMED_OPTIONS.get(old)
            if new is not None:
                pair.attributes["name"] = new
                log.changed(pair, f"{old} is called {new}")


def move_options_to_defaults(cib: Draft, log: ChangeLog) -> None:
    """Move options about resources and operations to rsc_defaults and op_defaults."""
    configuration = configuration_of(cib)
    if configuration is None:
        return
    for options in list(within(cib, "crm_config", {"cluster_property_set"})):
        for pair in options.all("nvpair"):
            old = pair.attributes.get("name", "")
            if old not in MOVED_OPTIONS:
                continue
            section_name, new = MOVED_OPTIONS[old]
            options.children.remove(pair)
            pair.attributes["name"] = new
            defaults = configuration.first_or_new(section_name)
            if pair_named(defaults, "meta_attributes", new) is None:
                add_pair(cib, defaults, "meta_attributes", pair)
            log.changed(pair, f"{old} is {new} in {section_name}")


def drop_options(cib: Draft, log: ChangeLog) -> None:
    """Drop options without a successor."""
    for options in within(cib, "crm_config", {"cluster_property_set"}):
        for pair in options.all("nvpair"):
            if pair.attributes.get("name") in DROPPED_OPTIONS:
                options.children.remove(pair)
                log.lost(pair, f"{pair.attributes['name']} is not known any more")


def rename_node_type(cib: Draft, log: ChangeLog) -> None:
    """Call normal nodes members."""
    for node in within(cib, "nodes", {"node"}):
        if node.attributes.get("type") == "normal":
            node.attributes["type"] = "member"
            log.changed(node, "the type normal is called member")


def drop_resource_metas(cib: Draft, log: ChangeLog) -> None:
    """Drop resource-failure-stickiness of primitives and templates."""
    for resource in within(cib, "resources", _OPERATION_OWNERS):
        for metas in resource.all("meta_attributes"):
            for pair in metas.all("nvpair"):
                if pair.attributes.get("name") == "resource-failure-stickiness":
                    metas.children.remove(pair)
                    log.lost(resource, "resource-failure-stickiness is not known any more")


def stop_isolated_resources(cib: Draft, log: ChangeLog) -> None:
    """Drop isolation, and stop its resources: they must not start outside their container.

    Pacemaker stops them only where isolation is the first value of its set.
    """
    for resource in within(cib, "resources", _OPERATION_OWNERS):
        for metas in resource.all("meta_attributes"):
            isolation = [
                pair
                for pair in metas.all("nvpair")
                if pair.attributes.get("name") in _ISOLATION_METAS
            ]
            if not isolation:
                continue
            metas.children[:] = [child for child in metas.children if child not in isolation]
            pair = new_pair(cib, f"{resource.id}-isolation", "target-role", "Stopped")
            metas.children.insert(0, pair)
            log.lost(resource, "isolation is not known any more; the resource stays stopped")


def move_requires_to_resource(cib: Draft, log: ChangeLog) -> None:
    """Move requires of start and promote to the resource; drop it at other operations.

    What an operation's attribute says beats its metas, those its parameters, and within one kind
    the last operation wins.
    """
    for resource in within(cib, "resources", _OPERATION_OWNERS):
        taken: list[Draft] = []
        for operations in resource.all("operations"):
            for operation in operations.all("op"):
                taken += _taken_requires(cib, operation, log)
        for kind in _REQUIRES_PLACES:
            pairs = [pair for pair in taken if pair.tag == kind]
            if pairs and pair_named(resource, "meta_attributes", "requires") is None:
                pairs[-1].tag = "nvpair"
                add_pair(cib, resource, "meta_attributes", pairs[-1])


def move_operation_parameters_to_metas(cib: Draft, log: ChangeLog) -> None:
    """Move what an operation's parameters said of the operation to its meta_attributes."""
    for operation in within(cib, "resources", {"op"}):
        for parameters in operation.all("instance_attributes"):
            for pair in parameters.all("nvpair"):
                name = pair.attributes.get("name", "")
                if name not in _OPERATION_METAS:
                    continue
                parameters.children.remove(pair)
                is_defined = name in operation.attributes
                if not is_defined and pair_named(operation, "meta_attributes", name) is None:
                    add_pair(cib, operation, "meta_attributes", pair)
                log.changed(operation, f"{name} is a meta attribute of the operation")
            if not parameters.children and "id-ref" not in parameters.attributes:
                operation.children.remove(parameters)


def drop_colocation_score_attributes(cib: Draft, log: ChangeLog) -> None:
    """Drop what never had an effect at colocations."""
    for colocation in within(cib, "constraints", {"rsc_colocation"}):
        for name in ("score-attribute", "score-attribute-mangle"):
            if colocation.attributes.pop(name, None) is not None:
                log.lost(colocation, f"{name} was never in effect")


def _taken_requires(cib: Draft, operation: Draft, log: ChangeLog) -> list[Draft]:
    """Remove requires from an operation; return what counts, its tag telling where it stood."""
    taken: list[Draft] = []
    value = operation.attributes.pop("requires", None)
    if value is not None:
        pair = new_pair(cib, f"{operation.id}-requires", "requires", value)
        pair.tag = "op"
        taken.append(pair)
    for values in operation.all("meta_attributes", "instance_attributes"):
        found = [pair for pair in values.all("nvpair") if pair.attributes.get("name") == "requires"]
        values.children[:] = [child for child in values.children if child not in found]
        for pair in found:
            pair.tag = values.tag
        taken += found
        if found and not values.children:
            operation.children.remove(values)
    if not taken:
        return []
    if operation.attributes.get("name") not in ("start", "promote"):
        log.lost(operation, "requires had an effect at start and promote only")
        return []
    log.changed(operation, "requires is a meta attribute of the resource")
    return taken


TRANSFORMATIONS: Final = (
    Transformation("option-names", SCHEMA, rename_options),
    Transformation("options-to-defaults", SCHEMA, move_options_to_defaults),
    Transformation("dropped-options", SCHEMA, drop_options),
    Transformation("node-types", SCHEMA, rename_node_type),
    Transformation("dropped-metas", SCHEMA, drop_resource_metas),
    Transformation("isolation", SCHEMA, stop_isolated_resources),
    Transformation("requires", SCHEMA, move_requires_to_resource),
    Transformation("operation-parameters", SCHEMA, move_operation_parameters_to_metas),
    Transformation("colocation-score", SCHEMA, drop_colocation_score_attributes),
)
