"""Fail counts: how often a resource failed on a node, when last, and whether that still counts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from everbeat.policy.plan.words import PRIMITIVE
from everbeat.policy.score import add_scores, score_from_text
from everbeat.policy.unpack.operation_order import interval_of, transition_key
from everbeat.policy.values import epoch_from_text, interval_ms, seconds_from_ms

if TYPE_CHECKING:
    from everbeat.cib.tree import Element
    from everbeat.policy.plan.node import Node
    from everbeat.policy.plan.plan import Plan
    from everbeat.policy.plan.resource import Resource


def _attribute_pattern(resource: Resource, prefix: str) -> re.Pattern[str]:
    name = resource.name_in_history()
    if not resource.unique:
        head, colon, tail = name.rpartition(":")
        name = head if colon and tail.isdecimal() else name
        name += "(:[0-9]+)?"
    try:
        return re.compile(f"^{prefix}-{name}#.+_[0-9]+$")
    except re.error:
        return re.compile(f"^{prefix}-{re.escape(name)}#.+_[0-9]+$")


def raw_fail_count(resource: Resource, node: Node) -> tuple[int, int]:
    """Return the sum of all fail counts and the time of the last failure (0: none)."""
    if not any(name.startswith(("fail-count-", "last-failure-")) for name in node.attributes):
        return 0, 0
    counts = _attribute_pattern(resource, "fail-count")
    times = _attribute_pattern(resource, "last-failure")
    count = last = 0
    for name, value in node.attributes.items():
        if counts.match(name):
            count = add_scores(count, score_from_text(value))
        elif times.match(name):
            last = max(last, epoch_from_text(value, 0))
    return count, last


def fail_count(
    plan: Plan,
    resource: Resource,
    node: Node,
    *,
    effective: bool,
    launched: bool = False,
    entry: Element | None = None,
) -> tuple[int, int]:
    """Return fail count and time of the last failure; `effective` leaves out expired ones."""
    count, last = raw_fail_count(resource, node)
    if (
        count > 0
        and resource.failure_timeout_ms > 0
        and _blocks_on_fail(plan, resource, node, entry)
    ):
        resource.failure_timeout_ms = 0
    if effective and count > 0 and last > 0 and resource.failure_timeout_ms > 0:
        if plan.now > last + seconds_from_ms(resource.failure_timeout_ms):
            count = 0
    if launched and resource.launched and resource.top().bundle is None:
        for filler in resource.launched:
            filler_count, filler_last = fail_count(plan, filler, node, effective=effective)
            count += filler_count
            last = max(last, filler_last)
    return count, last


def _blocks_on_fail(plan: Plan, resource: Resource, node: Node, entry: Element | None) -> bool:
    if resource.variant != PRIMITIVE:
        return False
    blocking = [op for op in resource.operations if op.get("on-fail") == "block"]
    for op in blocking:
        if entry is not None:
            if _matches_failure(resource, op, entry):
                return True
        elif any(_matches_failure(resource, op, e) for e in _entries(plan, resource, node)):
            return True
    return False


def _entries(plan: Plan, resource: Resource, node: Node) -> list[Element]:
    status = plan.cib.first("status")
    for state in [] if status is None else status.all("node_state"):
        if state.text("uname").lower() != node.name.lower():
            continue
        for lrm in state.all("lrm"):
            for block in lrm.all("lrm_resources"):
                for history in block.all("lrm_resource"):
                    if history.id == resource.id:
                        return history.all("lrm_rsc_op")
    return []


def _matches_failure(resource: Resource, op: Element, entry: Element) -> bool:
    name, interval = op.text("name"), interval_ms(op.get("interval"))
    if entry.text("operation") != name or interval_of(entry) != interval:
        return False
    if entry.id == f"{resource.id}_last_failure_0":
        return True
    if entry.id != f"{resource.id}_{name}_{interval}":
        return False
    return entry.text("rc-code") != str(transition_key(entry).target_rc)


def threshold_reached(plan: Plan, resource: Resource, node: Node) -> bool:
    """Say whether a resource failed too often on a node to stay there."""
    if resource.migration_threshold == 0 or resource.failure_ignored:
        return False
    count, _ = fail_count(plan, resource, node, effective=True, launched=True)
    return count > 0 and resource.migration_threshold - count <= 0
