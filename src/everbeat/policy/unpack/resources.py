"""Resources as configured: primitives, groups, clones; templates applied, instances made.

Reads:  configuration/resources, rsc_defaults, plan.nodes
Writes: plan.resources and their tables
Oracle: the first block of every summary
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from everbeat.cib.tree import Element
from everbeat.cib.whole_numbers import integer_prefix
from everbeat.policy.plan import words
from everbeat.policy.plan.placing import score_on
from everbeat.policy.plan.resource import Resource
from everbeat.policy.plan.table import Cause, CauseKind
from everbeat.policy.plan.words import (
    BUNDLE,
    CLONE,
    GROUP,
    PRIMITIVE,
    PROBE_NEVER,
    ROLE_UNKNOWN,
    STOPPED,
    UNPROMOTED,
    role_from_text,
)
from everbeat.policy.score import INFINITY, score_from_text
from everbeat.policy.unpack.attributes import fill_meta, parameters_on, take_blocks
from everbeat.policy.unpack.bundles import unpack_bundle
from everbeat.policy.unpack.nodes import take_utilization
from everbeat.policy.unpack.remote_nodes import join_connections, resources_with_connections
from everbeat.policy.values import boolean_from_text, interval_ms, is_true

if TYPE_CHECKING:
    from everbeat.policy.plan.plan import Plan
    from everbeat.policy.unpack.rules_seam import RuleFacts

_VARIANTS = {
    "primitive": PRIMITIVE,
    "group": GROUP,
    "clone": CLONE,
    "master": CLONE,
    "bundle": BUNDLE,
}
_SYMMETRIC = Cause(CauseKind.SYMMETRIC_CLUSTER)
_CONNECTION = Cause(CauseKind.INTO_CONTAINER)
_UNIQUE_CLASSES = ("ocf", "stonith")
_PROMOTABLE_CLASS = "ocf"


def unpack_resources(plan: Plan, resources: Element | None) -> None:
    """Make every configured resource and sort the outermost ones by priority."""
    if resources is None:
        return
    for element in resources_with_connections(plan, resources):
        resource = unpack_resource(plan, element, None)
        if resource is not None:
            plan.resources.append(resource)
    join_connections(plan)
    plan.resources.sort(key=lambda resource: -resource.priority)
    if plan.options.have_watchdog:
        plan.have_fencing = True


def expand_template(plan: Plan, xml: Element) -> Element | None:
    """Apply the template a primitive names, own words after the template's; None: there is none."""
    name = xml.get("template")
    if name is None:
        return xml
    template = plan.elements_by_id.get(name)
    if template is None or template.tag != "template":
        return None
    plan.templates.setdefault(template.id, []).append(xml.id)
    attributes = {**template.attributes, **xml.attributes}
    attributes.pop("template", None)
    own = xml.first("operations")
    children = list(template.children)
    inherited = template.first("operations")
    added = list(xml.children)
    if own is not None and inherited is not None:
        known = {_operation_identity(op) for op in own.children}
        extra = [op for op in inherited.children if _operation_identity(op) not in known]
        children.remove(inherited)
        merged = own.with_children([*own.children, *extra])
        added = [merged if child is own else child for child in added]
    return Element("primitive", attributes, [*children, *added])


def _operation_identity(op: Element) -> tuple[str, str]:
    role = op.text("role", "Started").lower()
    if role in ("slave", "unpromoted"):
        role = "started"
    return op.text("name"), "promoted" if role == "master" else role


def unpack_resource(
    plan: Plan, xml: Element, parent: Resource | None, instance: int | None = None
) -> Resource | None:
    """Make one resource and those below it; None where the configuration of it is unusable."""
    variant = _VARIANTS.get(xml.tag)
    if variant is None:
        return None
    if variant == PRIMITIVE:
        expanded = expand_template(plan, xml)
        if expanded is None:
            return None
        xml = expanded
    name = xml.id if instance is None else f"{xml.id}:{instance}"
    resource = Resource(name, variant, xml, parent)
    if instance is not None:
        resource.meta["clone"] = str(instance)
    plan.resources_by_id.setdefault(name, resource)
    _take_operations(plan, resource)
    fill_meta(plan, resource, _section(plan, "rsc_defaults"))
    apply_meta(plan, resource)
    if not _unpack_variant(plan, resource, instance):
        _forget(plan, resource)
        return None
    if plan.options.symmetric:
        allow_all_nodes(plan, resource)
    elif resource.is_remote_connection() and "container" in resource.meta:
        for node in plan.nodes:
            score_on(resource, node, 0, _CONNECTION)
    take_utilization(plan, xml, resource.utilization)
    return resource


def _forget(plan: Plan, resource: Resource) -> None:
    """Leave nothing by which a resource that cannot be used could be found."""
    if plan.resources_by_id.get(resource.id) is resource:
        del plan.resources_by_id[resource.id]
    for child in resource.children:
        _forget(plan, child)


def _section(plan: Plan, tag: str) -> Element | None:
    configuration = plan.cib.first("configuration")
    return None if configuration is None else configuration.first(tag)


def _take_operations(plan: Plan, resource: Resource) -> None:
    for child in resource.xml.children:
        if child.tag != "operations":
            continue
        reference = child.get("id-ref")
        block = child if reference is None else plan.elements_by_id.get(reference)
        for op in [] if block is None else block.all("op"):
            target = op.get("id-ref")
            found = op if target is None else plan.elements_by_id.get(target)
            if found is not None:
                resource.operations.append(found)


def allow_all_nodes(plan: Plan, resource: Resource) -> None:
    """Let a resource run anywhere, with each node's own score."""
    for child in resource.children:
        allow_all_nodes(plan, child)
    if resource.exclusive_probes:
        return
    for node in plan.nodes:
        if node.probe_mode == PROBE_NEVER:
            continue
        if not resource.table.has(node.index):
            resource.table.put(node.index, node.base_score, node.probe_mode, _SYMMETRIC)


def apply_meta(plan: Plan, resource: Resource) -> None:
    """Turn the meta table into the resource's own fields."""
    meta, options = resource.meta, plan.options
    resource.priority = score_from_text(meta.get("priority"))
    resource.critical = _holds(meta.get("critical"), usually=True)
    resource.notify = is_true(meta.get("notify"))
    connection = resource.is_remote_connection()
    is_guest = connection and "container" in meta
    resource.allow_migrate = _holds(meta.get("allow-migrate"), usually=connection and not is_guest)
    managed = meta.get("is-managed")
    resource.managed = _holds(
        None if managed is None or managed.lower() == "default" else managed,
        usually=not options.maintenance_mode,
    )
    if options.maintenance_mode or is_true(meta.get("maintenance")):
        resource.managed = False
        resource.maintenance = True
    _apply_clone_meta(resource)
    multiple = meta.get("multiple-active", "stop_start")
    if multiple in ("stop_only", "block", "stop_unexpected"):
        resource.multiple_active = multiple
    resource.stickiness = score_from_text(meta.get("resource-stickiness"))
    threshold = score_from_text(meta.get("migration-threshold"), INFINITY)
    resource.migration_threshold = INFINITY if threshold < 0 else threshold
    resource.is_fence_device = resource.xml.get("class") == "stonith"
    if resource.is_fence_device:
        plan.have_fencing = True
    resource.is_internal = is_true(meta.get("internal_rsc"))
    _apply_requires(plan, resource)
    resource.failure_timeout_ms = interval_ms(meta.get("failure-timeout"))
    if connection and not is_guest:
        resource.reconnect_ms = interval_ms(
            parameters_on(plan, resource, None).get("reconnect_interval")
        )
        if resource.reconnect_ms:
            resource.failure_timeout_ms = resource.reconnect_ms
    resource.next_role = _wanted_role(resource)


def _holds(text: str | None, *, usually: bool) -> bool:
    """Read a meta attribute: what is no boolean is false, and only what is not there is usual."""
    return usually if text is None else is_true(text)


def _apply_clone_meta(resource: Resource) -> None:
    meta = resource.meta
    resource.promotable = resource.variant == CLONE and is_true(meta.get("promotable"))
    clone = resource.uber_parent()
    if clone.variant != CLONE:
        return
    if clone is not resource:
        resource.unique = clone.unique
        return
    unique = boolean_from_text(meta.get("globally-unique"))
    if unique is None:
        unique = (integer_prefix(meta.get("clone-node-max", "1")) or 1) > 1
    resource.unique = unique


def _apply_requires(plan: Plan, resource: Resource) -> None:
    options = plan.options
    requires = resource.meta.get("requires")
    quorum_by_default = resource.is_fence_device or resource.is_remote_connection()
    if requires not in ("nothing", "quorum", "fencing", "unfencing"):
        if quorum_by_default:
            requires = "quorum"
        elif options.unfencing_in_use:
            requires = "unfencing"
        elif options.fencing_enabled:
            requires = "fencing"
        else:
            requires = "nothing" if options.quorum_policy == "ignore" else "quorum"
    if requires == "unfencing" and (resource.is_fence_device or not options.fencing_enabled):
        requires = "quorum"
    resource.needs_fencing = requires in ("fencing", "unfencing")
    resource.needs_unfencing = requires == "unfencing"
    resource.needs_quorum = requires == "quorum"


def wanted_role(resource: Resource) -> int:
    """Return the role the configuration caps the resource at, or ROLE_UNKNOWN."""
    return _wanted_role(resource)


def _wanted_role(resource: Resource) -> int:
    role = role_from_text(resource.meta.get("target-role"))
    if role == STOPPED:
        return role
    if role == UNPROMOTED and resource.is_promotable_part():
        return role
    return ROLE_UNKNOWN


def _unpack_variant(plan: Plan, resource: Resource, instance: int | None) -> bool:
    match resource.variant:
        case words.PRIMITIVE:
            return True
        case words.GROUP:
            return _unpack_group(plan, resource, instance)
        case words.CLONE:
            return unpack_clone(plan, resource)
        case _:
            return unpack_bundle(plan, resource, unpack_resource)


def _unpack_group(plan: Plan, group: Resource, instance: int | None) -> bool:
    group.ordered = boolean_from_text(group.meta.get("ordered")) is not False
    group.collocated = boolean_from_text(group.meta.get("collocated")) is not False
    for child in group.xml.children:
        if child.tag != "primitive":
            continue
        member = unpack_resource(plan, _referred_to(plan, child), group, instance)
        if member is not None:
            group.children.append(member)
    return bool(group.children)


def unpack_clone(plan: Plan, clone: Resource) -> bool:
    """Make a clone's instances; False where it has nothing to clone or may not be cloned so."""
    meta = clone.meta
    child = next((c for c in clone.xml.children if c.tag in ("primitive", "group")), None)
    if child is None:
        return False
    clone.child_xml = child
    members = [child] if child.tag == "primitive" else child.all("primitive")
    expanded = [expand_template(plan, _referred_to(plan, member)) for member in members]
    classes = [_class_of(member) for member in expanded if member is not None]
    if clone.promotable and any(each != _PROMOTABLE_CLASS for each in classes):
        if "stonith" in classes:  # a device that cannot be used counts as fencing all the same
            plan.have_fencing = True
        return False
    is_single = any(each not in _UNIQUE_CLASSES for each in classes)
    is_forced = is_single and clone.unique
    clone.unique = clone.unique and not is_single
    node_max = integer_prefix(meta.get("clone-node-max", "1")) or 1
    clone.clone_node_max = node_max if clone.unique else 1
    written_max = meta.get("clone-max")
    clone_max = integer_prefix(written_max) if written_max is not None else None
    clone.clone_max = max(1, len(plan.nodes)) if clone_max is None or clone_max < 0 else clone_max
    if is_forced:  # there can be no two instances on a node
        clone.clone_max = min(clone.clone_max, len(plan.nodes))
    if clone.promotable:
        clone.promoted_max = _count(meta, "promoted-max", "master-max")
        clone.promoted_node_max = _count(meta, "promoted-node-max", "master-node-max")
    clone.ordered = is_true(meta.get("ordered"))
    meta.setdefault("resource-stickiness", "1")
    meta["globally-unique"] = "true" if clone.unique else "false"
    for number in range(clone.clone_max):
        if add_instance(plan, clone, number) is None:
            return False
    if clone.clone_max == 0:
        instance = add_instance(plan, clone, 0)
        if instance is not None:
            mark_removed(instance)
    if is_forced and clone.children:
        _leave_unique(clone.children[-1])
    return True


def _leave_unique(part: Resource) -> None:
    """Leave what could be unique so, in the last instance of a clone that cannot be unique.

    The reference engine takes uniqueness back from earlier instances as it makes a later one.
    """
    part.unique = not part.is_primitive() or _class_of(part.xml) in _UNIQUE_CLASSES
    for child in part.children:
        _leave_unique(child)


def _referred_to(plan: Plan, member: Element) -> Element:
    reference = member.get("id-ref")
    return member if reference is None else plan.elements_by_id.get(reference, member)


def _class_of(primitive: Element) -> str:
    return primitive.text("class").lower()


def _count(meta: dict[str, str], name: str, old_name: str) -> int:
    value = integer_prefix(meta.get(name, meta.get(old_name, "1")))
    return 1 if value is None else value


def add_instance(plan: Plan, clone: Resource, number: int) -> Resource | None:
    """Make one more instance of a clone."""
    assert clone.child_xml is not None
    instance = unpack_resource(plan, clone.child_xml, clone, number)
    if instance is not None:
        clone.children.append(instance)
    return instance


def mark_removed(resource: Resource) -> None:
    """Flag a resource, and those below it, as no longer configured."""
    resource.removed = True
    for child in resource.children:
        mark_removed(child)


def operation_defaults(plan: Plan, facts: RuleFacts) -> dict[str, str]:
    """Return op_defaults as they are for one operation."""
    found: dict[str, str] = {}
    section = _section(plan, "op_defaults")
    if section is not None:
        take_blocks(plan, section, "meta_attributes", facts, found)
    return found
