"""What ran on a node: every resource's history entries, and the resource each of them belongs to.

Reads:  node_state/lrm/lrm_resources
Writes: resource roles and places, removed resources, the operations already running
Oracle: the first resource list of every summary
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from everbeat.cib.tree import Element
from everbeat.policy.actions.create import new_action
from everbeat.policy.plan.placing import score_everywhere
from everbeat.policy.plan.table import Cause, CauseKind
from everbeat.policy.plan.words import CLONE, PRIMITIVE, ROLE_UNKNOWN
from everbeat.policy.score import INFINITY
from everbeat.policy.unpack.operation_history import HistoryState, unpack_entry
from everbeat.policy.unpack.operation_order import (
    interval_of,
    sorted_entries,
    start_and_stop_index,
)
from everbeat.policy.unpack.remote_nodes import add_remote_node
from everbeat.policy.unpack.resource_state import apply_state
from everbeat.policy.values import base_name, epoch_from_text, operation_key

if TYPE_CHECKING:
    from everbeat.policy.plan.node import Node
    from everbeat.policy.plan.plan import Plan
    from everbeat.policy.plan.resource import Resource

_REMOVED = Cause(CauseKind.NOT_CONFIGURED)


def unpack_node_history(plan: Plan, node: Node, state: Element) -> None:
    """Read all histories of one node's report."""
    for lrm in state.all("lrm"):
        for block in lrm.all("lrm_resources"):
            for history in block.all("lrm_resource"):
                _unpack_history(plan, node, history)
            _join_launchers(plan, block)


def _join_launchers(plan: Plan, block: Element) -> None:
    """Tie removed connections to their launchers, which history names."""
    for history in block.all("lrm_resource"):
        launcher = plan.resources_by_id.get(history.text("container"))
        resource = plan.resources_by_id.get(history.id)
        if launcher is None or resource is None:
            continue
        if resource.removed and resource.parent is None and resource.launcher is None:
            resource.launcher = launcher
            launcher.launched.append(resource)


def _unpack_history(plan: Plan, node: Node, history: Element) -> None:
    has_operations = any(child.tag == "lrm_rsc_op" for child in history.children)
    if not has_operations and not plan.options.shutdown_lock:
        return
    resource = _find(plan, node, history)
    if not has_operations:
        if resource is not None:
            _take_lock(plan, resource, node, history)
        return
    if resource is None:
        resource = _make_removed(plan, history)
        if resource is None:
            return
    _take_lock(plan, resource, node, history)
    before = resource.role
    resource.role = ROLE_UNKNOWN
    entries = sorted_entries(history)
    told = HistoryState()
    for entry in entries:
        unpack_entry(plan, resource, node, entry, told)
    _take_running_recurring(plan, resource, node, entries)
    apply_state(plan, resource, node, told)
    _cap_role(resource)
    resource.role = max(resource.role, before)


def _cap_role(resource: Resource) -> None:
    from everbeat.policy.unpack.resources import wanted_role  # noqa: PLC0415 - a cycle

    wanted = wanted_role(resource)
    if wanted != ROLE_UNKNOWN and (
        resource.next_role == ROLE_UNKNOWN or wanted < resource.next_role
    ):
        resource.next_role = wanted


def _take_lock(plan: Plan, resource: Resource, node: Node, history: Element) -> None:
    """Take over a shutdown lock that history recorded."""
    if not plan.options.shutdown_lock:
        return
    written = history.get("shutdown-lock")
    if written is None:
        return
    since = epoch_from_text(written, 0)
    limit = plan.options.shutdown_lock_limit
    if since == 0:
        return
    if limit > 0 and plan.now > since + limit:
        key = operation_key(resource.id, "lrm_delete", 0)
        action = new_action(plan, resource, key, "lrm_delete", node, optional=False)
        action.set_reason("shutdown lock expired", overwrite=True)
        return
    resource.lock_node = node
    resource.lock_time = since


def _find(plan: Plan, node: Node, history: Element) -> Resource | None:
    name = history.id
    resource = plan.resources_by_id.get(name)
    if resource is None or resource.variant != PRIMITIVE:
        resource = None
    if resource is None or (resource.removed and resource.parent is None):
        known = plan.resources_by_history_id.get(name)
        resource = known[0] if known else resource
    if resource is None:
        first = plan.resources_by_id.get(f"{base_name(name)}:0")
        if first is not None and not first.unique and first.variant == PRIMITIVE:
            resource = first
    if resource is None:
        return None
    clone = resource.uber_parent()
    if clone.variant == CLONE and not clone.unique and not resource.unique:
        resource = _find_instance(plan, node, clone, name)
    if resource is not None and name not in (resource.id, resource.history_id):
        resource.history_id = name
        plan.resources_by_history_id.setdefault(name, []).append(resource)
    return resource


def _member(instance: Resource, name: str) -> Resource | None:
    wanted = base_name(name)
    for primitive in instance.primitives():
        if base_name(primitive.id) == wanted:
            return primitive
    return None


def _places(instance: Resource) -> list[Node]:
    places: list[Node] = []
    for primitive in instance.primitives():
        for node in primitive.active_on:
            if node not in places:
                places.append(node)
        if primitive.pending_node is not None and primitive.pending_node not in places:
            places.append(primitive.pending_node)
    return places


def _find_instance(plan: Plan, node: Node, clone: Resource, name: str) -> Resource | None:
    if clone.parent is not None and clone.parent.bundle is not None:
        for replica in clone.parent.bundle.replicas:
            if replica.node is node:
                return replica.child
        return None  # the replica is no longer configured, nor is what ran in it
    found: Resource | None = None
    spare: Resource | None = None
    skip_spare = False
    for instance in clone.children:
        places = _places(instance)
        if places:
            if places[0] is node:
                found = _member(instance, name)
                if found is not None and found.active_on:
                    found = None
                    skip_spare = True
        elif not skip_spare and spare is None and not _is_blocked(instance):
            spare = _member(instance, name)
            if spare is not None and spare.pending_node not in (None, node):
                spare = None
        if found is not None:
            break
    if found is None and not skip_spare:
        found = spare
    if (
        found is not None
        and not found.needs_fencing
        and (not node.online or node.unclean)
        and not node.is_guest()
        and clone.clone_max != len(plan.nodes)
    ):
        found = None
    return found if found is not None else _surplus_instance(plan, clone, name)


def _is_blocked(resource: Resource) -> bool:
    return any(primitive.blocked for primitive in resource.primitives())


def _surplus_instance(plan: Plan, clone: Resource, name: str) -> Resource | None:
    from everbeat.policy.unpack.resources import add_instance, mark_removed  # noqa: PLC0415 - a cycle

    instance = add_instance(plan, clone, len(clone.children))
    if instance is None:
        return None
    mark_removed(instance)
    return _member(instance, name)


def _make_removed(plan: Plan, history: Element) -> Resource | None:
    from everbeat.policy.unpack.resources import unpack_resource  # noqa: PLC0415 - a cycle

    attributes = {"id": history.id}
    for name in ("class", "provider", "type"):
        if history.get(name) is not None:
            attributes[name] = history.text(name)
    xml = Element("primitive", attributes, [])
    resource = unpack_resource(plan, xml, None)
    if resource is None:
        return None
    if resource.is_remote_connection():
        if plan.node_named(resource.id) is None:
            add_remote_node(plan, resource.id)
        node = plan.node_named(resource.id)
        assert node is not None
        node.connection = resource
        node.shutdown = True
        plan.have_remote_nodes = True
    resource.removed = True
    plan.resources.append(resource)
    if plan.options.stop_removed:
        score_everywhere(plan, resource, -INFINITY, _REMOVED)
    else:
        resource.managed = False
    return resource


def _take_running_recurring(
    plan: Plan, resource: Resource, node: Node, entries: list[Element]
) -> None:
    start, stop = start_and_stop_index(entries)
    if not node.online:
        return
    for index, entry in enumerate(entries):
        if start < stop and index <= stop:
            continue
        if index < start:
            continue
        interval = interval_of(entry)
        if interval == 0 or entry.text("op-status") == "-1":
            continue
        task = entry.text("operation")
        key = operation_key(resource.id, task, interval)
        new_action(plan, resource, key, task, node, optional=True)
