"""Live migrations in histories: two nodes tell of one move, and either may have gone on since.

Reads:  the raw status of both nodes
Writes: roles, dangling sources, partial migrations
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from everbeat.policy.plan.words import STARTED, STOPPED
from everbeat.policy.unpack.operation_order import compare_age, interval_of

if TYPE_CHECKING:
    from everbeat.cib.tree import Element
    from everbeat.policy.plan.node import Node
    from everbeat.policy.plan.plan import Plan
    from everbeat.policy.plan.resource import Resource


def entries_of(plan: Plan, resource_id: str, node_name: str) -> list[Element]:
    """Return a resource's raw entries on a node."""
    status = plan.cib.first("status")
    for state in [] if status is None else status.all("node_state"):
        if state.text("uname").lower() != node_name.lower():
            continue
        for lrm in state.all("lrm"):
            for block in lrm.all("lrm_resources"):
                for history in block.all("lrm_resource"):
                    if history.id == resource_id:
                        return history.all("lrm_rsc_op")
    return []


def _find(
    plan: Plan,
    resource: Resource,
    node: str,
    task: str,
    *,
    source: str | None = None,
    target: str | None = None,
) -> Element | None:
    for entry in entries_of(plan, resource.id, node):
        if entry.text("operation") != task:
            continue
        if source is not None and entry.text("migrate_source").lower() != source.lower():
            continue
        if target is not None and entry.text("migrate_target").lower() != target.lower():
            continue
        return entry
    return None


def _succeeded(entry: Element | None) -> bool:
    return entry is not None and entry.text("op-status") == "0" and entry.text("rc-code") == "0"


def _other_after(plan: Plan, resource: Resource, node: str, entry: Element) -> bool:
    for other in entries_of(plan, resource.id, node):
        if other is entry or other.text("operation") not in (
            "start",
            "stop",
            "migrate_to",
            "migrate_from",
        ):
            continue
        if compare_age(other, entry) > 0:
            return True
    return False


def _not_running_after(plan: Plan, resource: Resource, node: str, entry: Element) -> bool:
    for other in entries_of(plan, resource.id, node):
        if (
            other.text("operation") == "monitor"
            and other.text("rc-code") == "7"
            and other.text("op-status") == "0"
            and interval_of(other) == 0
            and compare_age(other, entry) > 0
        ):
            return True
    return False


def _newer_state(
    plan: Plan, resource: Resource, node: str, to: Element | None, come: Element | None
) -> bool:
    """Say whether the node's history went on after the migration."""
    entry = come if come is not None else to
    assert entry is not None
    if come is not None and to is not None and come.text("migrate_source").lower() == node.lower():
        entry = to
    return _other_after(plan, resource, node, entry) or _not_running_after(
        plan, resource, node, entry
    )


def _unknown_on(plan: Plan, resource: Resource, node: str) -> bool:
    return all(e.text("rc-code") == "193" for e in entries_of(plan, resource.id, node))


def _ends(entry: Element) -> tuple[str, str] | None:
    source, target = entry.get("migrate_source"), entry.get("migrate_target")
    if source is None or target is None:
        return None
    return source, target


def _not_migratable(resource: Resource) -> None:
    resource.failed = True
    resource.stop_if_failed = True
    resource.allow_migrate = False


def _run_as_failed(plan: Plan, resource: Resource, node: Node) -> None:
    from everbeat.policy.unpack.resource_state import add_running  # noqa: PLC0415 - a cycle

    add_running(plan, resource, node, failed=True)


def migrate_to_succeeded(plan: Plan, resource: Resource, node: Node, entry: Element) -> None:
    """Take a migration that left this node well."""
    from everbeat.policy.unpack.resource_state import add_running  # noqa: PLC0415 - a cycle

    ends = _ends(entry)
    if ends is None or ends[0].lower() != node.name.lower():
        return
    source, target_name = ends
    moved_on = _other_after(plan, resource, source, entry)
    come = _find(plan, resource, target_name, "migrate_from", source=source)
    if come is not None and moved_on:
        return
    newer_target = _newer_state(plan, resource, target_name, entry, come)
    if moved_on and newer_target:
        return
    if _succeeded(come):
        resource.role = STOPPED
        resource.dangling_sources.insert(0, node)
        return
    resource.role = STARTED
    target = plan.node_named(target_name)
    active_on_target = not newer_target and target is not None and target.online
    if come is not None and come.text("op-status") != "-1":
        if active_on_target and target is not None:
            _run_as_failed(plan, resource, target)
        else:
            _not_migratable(resource)
        return
    if target is not None and target.online and _unknown_on(plan, resource, target_name):
        return
    if active_on_target and target is not None:
        add_running(plan, resource, target)
        if node.online:
            resource.partial_target = target
            resource.partial_source = node
    elif not moved_on:
        _not_migratable(resource)


def migrate_to_failed(plan: Plan, resource: Resource, node: Node, entry: Element) -> None:
    """Take a migration that did not leave this node."""
    from everbeat.policy.unpack.resource_state import add_running  # noqa: PLC0415 - a cycle

    ends = _ends(entry)
    if ends is None or ends[0].lower() != node.name.lower():
        return
    source, target_name = ends
    resource.role = STARTED
    come = _find(plan, resource, target_name, "migrate_from", source=source)
    if not _succeeded(come):
        come = None
    target = plan.node_named(target_name)
    if not _unknown_on(plan, resource, target_name) and not _newer_state(
        plan, resource, target_name, entry, come
    ):
        if target is not None and target.online:
            add_running(plan, resource, target)
    elif not _other_after(plan, resource, source, entry):
        resource.dangling_sources.insert(0, node)


def migrate_from_failed(plan: Plan, resource: Resource, node: Node, entry: Element) -> None:
    """Take a migration that did not arrive on this node."""
    ends = _ends(entry)
    if ends is None or ends[1].lower() != node.name.lower():
        return
    source_name, target = ends
    resource.role = STARTED
    to = _find(plan, resource, source_name, "migrate_to", target=target)
    if not _succeeded(to):
        to = None
    source = plan.node_named(source_name)
    if (
        source is not None
        and source.online
        and not _unknown_on(plan, resource, source_name)
        and not _newer_state(plan, resource, source_name, to, entry)
    ):
        _run_as_failed(plan, resource, source)
