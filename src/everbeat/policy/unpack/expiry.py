"""Whether a failed entry of a history is too old to count, and when its fail count must be cleared.

Reads:  fail counts, failure-timeout
Writes: clear_failcount actions
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from everbeat.cib.whole_numbers import integer_prefix
from everbeat.policy.actions.create import new_action
from everbeat.policy.plan.orders import record_ordering
from everbeat.policy.plan.plan import DeferredCheck
from everbeat.policy.plan.words import IN_THIS_ORDER
from everbeat.policy.unpack.failcounts import fail_count, raw_fail_count
from everbeat.policy.unpack.operation_order import interval_of
from everbeat.policy.values import operation_key, seconds_from_ms

if TYPE_CHECKING:
    from everbeat.cib.tree import Element
    from everbeat.policy.plan.action import Action
    from everbeat.policy.plan.node import Node
    from everbeat.policy.plan.plan import Plan
    from everbeat.policy.plan.resource import Resource

_NOT_INSTALLED = 7
PARAMETERS_CHANGED = "resource parameters have changed"


def judge_expiry(
    plan: Plan, resource: Resource, node: Node, entry: Element, status: int, rc: int
) -> bool:
    """Say whether an entry expired; ask for clearing of fail counts that go with it."""
    if status == _NOT_INSTALLED:
        return False
    changed = integer_prefix(entry.text("last-rc-change"))
    expired = False
    clear_reason: str | None = None
    if resource.failure_timeout_ms > 0 and changed is not None:
        timeout = seconds_from_ms(resource.failure_timeout_ms)
        unexpired, last = fail_count(plan, resource, node, effective=True, entry=entry)
        timeout_now = seconds_from_ms(resource.failure_timeout_ms)
        expired = (
            timeout_now > 0
            and plan.now >= changed + timeout
            and not _waits_for_fencing(plan, resource, entry)
        )
        if unexpired and plan.now < last + timeout + 1:
            plan.recheck_at(last + timeout + 1)
        if expired:
            plain, _ = raw_fail_count(resource, node)
            if plain > 0:
                if unexpired == 0:
                    clear_reason = "it expired"
                else:
                    expired = False
            elif entry.id.endswith("_last_failure_0") and resource.reconnect_ms:
                clear_reason = "reconnect interval is set"
    if not expired and _parameters_changed(plan, resource, node, entry):
        clear_reason = PARAMETERS_CHANGED
    if clear_reason is not None:
        clear_fail_count(plan, resource, node, clear_reason)
    if (
        expired
        and entry.text("operation") == "monitor"
        and interval_of(entry) == 0
        and rc in (0, 7, 8, 190, 191)
    ):
        return False
    return expired


def _waits_for_fencing(plan: Plan, resource: Resource, entry: Element) -> bool:
    if not (resource.reconnect_ms and plan.options.fencing_enabled):
        return False
    if entry.text("operation") != "monitor" or interval_of(entry) == 0:
        return False
    remote = plan.node_named(resource.id)
    return remote is not None and not remote.remote_fenced


def _parameters_changed(plan: Plan, resource: Resource, node: Node, entry: Element) -> bool:
    if not entry.id.endswith("_last_failure_0"):
        return False
    if entry.text("operation") not in ("start", "monitor"):
        return False
    from everbeat.policy.actions.digests import (  # noqa: PLC0415 - a cycle
        MATCH,
        UNKNOWN,
        compare_digest,
        waits_for_address,
    )

    if waits_for_address(plan, resource):
        plan.deferred_checks.append(DeferredCheck(resource, node, entry, of_failure=True))
        return False
    return compare_digest(plan, resource, node, entry) not in (MATCH, UNKNOWN)


def clear_fail_count(plan: Plan, resource: Resource, node: Node, reason: str) -> Action:
    """Ask for a resource's fail counts on a node to be cleared."""
    key = operation_key(resource.id, "clear_failcount", 0)
    action = new_action(plan, resource, key, "clear_failcount", node, optional=False)
    action.meta["op_no_wait"] = "true"
    action.set_reason(reason)
    if plan.options.fencing_enabled and resource.reconnect_ms:
        from everbeat.policy.actions.fence import fence_action  # noqa: PLC0415 - a cycle

        remote = plan.node_named(resource.id)
        if remote is not None:
            fence = fence_action(plan, remote, None, None, optional=True, priority_delay=False)
            record_ordering(plan, first_action=fence, then_action=action, flags=IN_THIS_ORDER)
    return action
