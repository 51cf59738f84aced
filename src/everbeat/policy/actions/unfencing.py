"""Unfencing: nodes that must be switched on by a device before resources may run there."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from everbeat.policy.plan.action import Action
    from everbeat.policy.plan.node import Node
    from everbeat.policy.plan.plan import Plan
    from everbeat.policy.plan.resource import Resource


def enter_digests(plan: Plan, action: Action, node: Node) -> None:
    """Enter what the unfencing devices are made of, so that a change can be seen."""
    from everbeat.policy.actions.digests import digest_for_unfencing  # noqa: PLC0415 - a cycle

    every: list[str] = []
    secure: list[str] = []
    for device in reversed(plan.all_resources()):
        if not device.is_fence_device or not _provides(device):
            continue
        agent = device.xml.text("type")
        digest, secure_digest = digest_for_unfencing(plan, device, node)
        entry = f"{device.id}:{agent}:{digest},"
        _compare(plan, action, node, device, entry, f"{device.id}:{agent}:{secure_digest},")
        every.append(entry)
        secure.append(f"{device.id}:{agent}:{secure_digest},")
    action.meta["digests-all"] = "".join(every)
    action.meta["digests-secure"] = "".join(secure)


def _provides(device: Resource) -> bool:
    return device.meta.get("provides") == "unfencing"


def _compare(
    plan: Plan, action: Action, node: Node, device: Resource, entry: str, secure: str
) -> None:
    known = node.attributes.get("#digests-all")
    if known is None or entry.rstrip(",") in known:
        return
    if secure.rstrip(",") in (node.attributes.get("#digests-secure") or ""):
        plan.notices.append(
            f"Only 'private' parameters to {device.id} for unfencing {node.name} changed"
        )
        return
    action.require()
    plan.notices.append(
        f"Parameters to {device.id} for unfencing {node.name} changed, try '{secure.rstrip(',')}'"
    )
    plan.notices.append(
        f"notice: Unfencing node {node.name} because the definition of {device.id} changed"
    )


def trigger_unfencing(plan: Plan, resource: Resource | None, node: Node, reason: str) -> None:
    """Ask for unfencing of a node; for a resource's sake only if it is a fence device."""
    from everbeat.policy.actions.fence import fence_action  # noqa: PLC0415 - a cycle

    if not plan.options.unfencing_in_use:
        return
    if resource is not None and not resource.is_fence_device:
        return
    if node.online and not node.unclean and not node.shutdown:
        fence_action(plan, node, "on", reason, optional=False, priority_delay=False)


def unfence_before(plan: Plan, resource: Resource, node: Node, action: Action, flags: int) -> None:
    """Put unfencing of a node before an action on it, and ask for it where it is due."""
    from everbeat.policy.actions.fence import fence_action  # noqa: PLC0415 - a cycle
    from everbeat.policy.actions.pairs import order_pair  # noqa: PLC0415 - a cycle

    if not plan.options.unfencing_in_use:
        return
    if not (resource.needs_unfencing or resource.is_fence_device):
        return
    unfence = fence_action(plan, node, "on", None, optional=True, priority_delay=False)
    order_pair(unfence, action, flags)
    if node.attributes.get("#node-unfenced", "0") == "0":
        trigger_unfencing(plan, None, node, f"required by {resource.id} {action.task}")
