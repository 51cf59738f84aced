"""Fencing: the actions themselves, when a node may be fenced, and what marks one for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from everbeat.policy.actions.create import new_action

if TYPE_CHECKING:
    from everbeat.policy.plan.action import Action
    from everbeat.policy.plan.node import Node
    from everbeat.policy.plan.plan import Plan


def fence_node(plan: Plan, node: Node, reason: str, *, priority_delay: bool) -> None:
    """Mark a node as one that must be fenced.

    Its fencing is only asked for by the stage `fencing`: a remote node may still be found clean.
    """
    connection = node.connection
    if connection is not None and connection.launcher is not None:
        launcher = connection.launcher
        if not launcher.failed and launcher.managed:
            node.remote_reset = True
            launcher.failed = True
            launcher.stop_if_failed = True
        return
    if node.is_remote:
        if connection is None or connection.managed:
            node.remote_reset = True
        node.unclean = True
        node.unclean_reason = node.unclean_reason or reason
        fence_action(plan, node, None, reason, optional=True, priority_delay=False)
    elif not node.unclean:
        node.unclean = True
        node.unclean_reason = reason
        fence_action(plan, node, None, reason, optional=True, priority_delay=priority_delay)


def can_fence(plan: Plan, node: Node, inside: tuple[Node, ...] = ()) -> bool:
    """Say whether a node could be fenced if it had to be; guests `inside` each other cannot."""
    connection = node.connection
    if connection is not None and connection.launcher is not None:
        if node in inside:
            return False
        guests = (*inside, node)
        return all(
            host.online or can_fence(plan, host, guests) for host in connection.launcher.active_on
        )
    if not plan.options.fencing_enabled or not plan.have_fencing:
        return False
    if plan.have_quorum or plan.options.quorum_policy == "ignore":
        return True
    if not node.online:
        return False
    if connection is not None and not plan.options.fence_remote_without_quorum:
        hosts = [plan.nodes_by_index[index] for index in connection.table.nodes()]
        return all(host.online for host in hosts)
    return True


def fence_action(
    plan: Plan,
    node: Node,
    operation: str | None,
    reason: str | None,
    *,
    optional: bool,
    priority_delay: bool,
) -> Action:
    """Return the action that fences a node, made now if there is none."""
    operation = operation or plan.options.fencing_action
    key = f"stonith-{node.name}-{operation}"
    known = plan.actions_by_key.get(key.lower())
    if known:
        action = known[0]
    else:
        action = new_action(plan, None, key, "stonith", node, optional=True)
        action.on_dc = True
        action.meta["on_node"] = node.name
        action.meta["on_node_uuid"] = node.id
        action.meta["stonith_action"] = operation
        if plan.options.unfencing_in_use:
            from everbeat.policy.actions.unfencing import enter_digests  # noqa: PLC0415 - a cycle

            enter_digests(plan, action, node)
    if plan.options.priority_fencing_delay > 0 and (
        priority_delay or "priority-fencing-delay" in action.meta
    ):
        action.meta["priority-fencing-delay"] = str(_delay(plan, node))
    if not optional and can_fence(plan, node):
        action.require()
        action.set_reason(reason)
    elif reason is not None and action.reason is None:
        action.set_reason(reason)
    return action


def _delay(plan: Plan, target: Node) -> int:
    if target.is_remote or target.online:
        return 0
    members = [node for node in plan.nodes if not node.is_remote]
    online = sum(node.online for node in members)
    highest = max(node.priority for node in members)
    lowest = min(node.priority for node in members)
    if online > len(members) // 2 or lowest == highest or target.priority < highest:
        return 0
    return plan.options.priority_fencing_delay
