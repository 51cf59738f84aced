"""Stage `configuration changes`: what history was made of parameters that are no longer the same.

Reads:  histories, digests
Writes: restarts, reloads, cancelled operations, cleanups
Oracle: cases with op digests
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from everbeat.policy.actions.create import change_task, new_action, task_action
from everbeat.policy.actions.digests import (
    MATCH,
    MISMATCH,
    RESTART,
    UNKNOWN,
    compare_digest,
    only_secrets_differ,
    waits_for_address,
)
from everbeat.policy.actions.operations import find_operation
from everbeat.policy.actions.unfencing import trigger_unfencing
from everbeat.policy.plan.orders import order_tasks, record_ordering
from everbeat.policy.plan.plan import DeferredCheck
from everbeat.policy.plan.words import (
    IN_THIS_ORDER,
    REASON_CHANGED,
    REASON_MAINTENANCE,
    THEN_REPLACES_FIRST,
)
from everbeat.policy.unpack.expiry import PARAMETERS_CHANGED, clear_fail_count
from everbeat.policy.unpack.failcounts import fail_count
from everbeat.policy.unpack.operation_order import (
    interval_of,
    sorted_entries,
    start_and_stop_index,
)
from everbeat.policy.values import operation_key

if TYPE_CHECKING:
    from everbeat.cib.tree import Element
    from everbeat.policy.plan.action import Action
    from everbeat.policy.plan.node import Node
    from everbeat.policy.plan.plan import Plan
    from everbeat.policy.plan.resource import Resource


def check_config_changes(plan: Plan) -> None:
    """Compare every history with the configuration of now."""
    histories = _histories(plan)
    if not histories:
        return
    by_id: dict[str, list[Resource]] = {}
    for resource in plan.all_resources():
        for name in {resource.id, resource.history_id}:
            if name is not None:
                by_id.setdefault(name, []).insert(0, resource)
    for node in plan.nodes:
        if not (node.maintenance or node.is_available()):
            continue
        for history in histories.get(node.name.lower(), ()):
            if not any(child.tag == "lrm_rsc_op" for child in history.children):
                continue
            for resource in by_id.get(history.id, ()):
                if resource.is_primitive():
                    _check_history(plan, resource, node, history)


def _histories(plan: Plan) -> dict[str, list[Element]]:
    found: dict[str, list[Element]] = {}
    status = plan.cib.first("status")
    for state in [] if status is None else status.all("node_state"):
        into = found.setdefault(state.text("uname").lower(), [])
        for lrm in state.all("lrm"):
            for block in lrm.all("lrm_resources"):
                into.extend(block.all("lrm_resource"))
    return found


def _agent_changed(resource: Resource, history: Element) -> bool:
    return any(
        resource.xml.get(name) != history.get(name) for name in ("class", "type", "provider")
    )


def _check_history(plan: Plan, resource: Resource, node: Node, history: Element) -> None:
    if resource.removed:
        parent = resource.uber_parent()
        if parent is resource or parent.unique:
            _clean_up(plan, resource, node)
        return
    changed = _agent_changed(resource, history)
    if node not in resource.active_on:
        if changed:
            _clean_up(plan, resource, node)
        return
    if changed:
        trigger_unfencing(plan, resource, node, "Device definition changed")
        task_action(plan, resource, "stop", node, optional=False)
        resource.start_pending = True
        _clean_up(plan, resource, node)
    entries = sorted_entries(history)
    start, stop = start_and_stop_index(entries)
    if start < stop:
        return
    for index, entry in enumerate(entries):
        if index >= start:
            _check_entry(plan, resource, node, entry)


def _check_entry(plan: Plan, resource: Resource, node: Node, entry: Element) -> None:
    task, interval = entry.text("operation"), interval_of(entry)
    if interval > 0 and (resource.maintenance or node.maintenance):
        cancel_operation(plan, resource, entry, node, REASON_MAINTENANCE)
        return
    if interval == 0 and task not in ("monitor", "start", "promote", "migrate_from"):
        return
    if waits_for_address(plan, resource):
        plan.deferred_checks.append(DeferredCheck(resource, node, entry, of_failure=False))
    else:
        _check_running(plan, resource, node, entry)


def _check_running(plan: Plan, resource: Resource, node: Node, entry: Element) -> None:
    if check_operation(plan, resource, node, entry):
        count, _ = fail_count(plan, resource, node, effective=True)
        if count:
            clear_fail_count(plan, resource, node, "action definition changed")


def check_deferred(plan: Plan) -> None:
    """Compare the parameters of connections whose address was not known before placement."""
    for check in plan.deferred_checks:
        if not check.of_failure:
            _check_running(plan, check.resource, check.node, check.entry)
        elif compare_digest(plan, check.resource, check.node, check.entry) in (MISMATCH, RESTART):
            clear_fail_count(plan, check.resource, check.node, PARAMETERS_CHANGED)


def _clean_up(plan: Plan, resource: Resource, node: Node) -> None:
    if resource.failed or node.unclean or not node.online:
        return
    task_action(plan, resource, "delete", node, optional=False)
    order_tasks(plan, resource, "stop", resource, "delete", IN_THIS_ORDER)
    order_tasks(plan, resource, "delete", resource, "start", IN_THIS_ORDER)


def cancel_operation(
    plan: Plan, resource: Resource, entry: Element, node: Node, reason: str
) -> None:
    """Cancel a recurring operation that history shows."""
    task, interval = entry.text("operation"), interval_of(entry)
    action = make_cancel(plan, resource, task, interval, node)
    action.set_reason(reason)
    action.meta["call-id"] = entry.text("call-id")
    record_ordering(
        plan,
        first_resource=resource,
        first_key=operation_key(resource.id, "stop", 0),
        then_action=action,
        flags=IN_THIS_ORDER,
    )


def make_cancel(plan: Plan, resource: Resource, task: str, interval: int, node: Node) -> Action:
    """Turn a recurring operation's action into its cancellation."""
    key = operation_key(resource.id, task, interval)
    action = new_action(plan, resource, key, "cancel", node, optional=False)
    action.cancelled_task = task
    change_task(action, "cancel")
    action.meta["operation"] = task
    action.meta["interval"] = str(interval)
    return action


def check_operation(plan: Plan, resource: Resource, node: Node, entry: Element) -> bool:
    """Compare one entry's parameters with those of now; say whether they changed."""
    task, interval = entry.text("operation"), interval_of(entry)
    if interval > 0 and find_operation(resource, task, interval, with_disabled=False) is None:
        if plan.options.cancel_removed:
            cancel_operation(plan, resource, entry, node, "removed")
        return True
    result = compare_digest(plan, resource, node, entry)
    if result != MATCH and only_secrets_differ(plan, resource, node, entry):
        return False
    effective_task = task
    if interval == 0 and task in ("monitor", "migrate_from", "promote"):
        effective_task = "start"
    if result == RESTART:
        _force_restart(plan, resource, effective_task, interval)
        trigger_unfencing(plan, resource, node, "Device parameters changed")
        return True
    if result not in (MISMATCH, UNKNOWN):
        return False
    if interval > 0:
        key = operation_key(resource.id, effective_task, interval)
        action = new_action(plan, resource, key, effective_task, node, optional=True)
        action.reschedule = True
    elif entry.get("op-restart-digest") is not None:
        trigger_unfencing(plan, resource, node, "Device parameters changed (reload)")
        _reload(plan, resource, node)
    else:
        trigger_unfencing(plan, resource, node, "Device parameters changed")
        _force_restart(plan, resource, effective_task, interval)
    return True


def _force_restart(plan: Plan, resource: Resource, task: str, interval: int) -> None:
    key = operation_key(resource.id, task, interval)
    action = new_action(plan, resource, key, task, None, optional=False)
    action.set_reason(REASON_CHANGED, overwrite=True)


def _reload(plan: Plan, resource: Resource, node: Node) -> None:
    if not resource.managed or resource.failed:
        return
    if resource.start_pending:
        task_action(plan, resource, "stop", node, optional=False)
        return
    resource.reload = True
    action = task_action(plan, resource, "reload-agent", node, optional=False)
    action.set_reason(REASON_CHANGED)
    for task in ("stop", "demote"):
        record_ordering(
            plan,
            first_action=action,
            then_resource=resource,
            then_key=operation_key(resource.id, task, 0),
            flags=IN_THIS_ORDER | THEN_REPLACES_FIRST,
        )
