"""Stage `node_criteria`: everything that speaks for or against a node before placement begins.

Reads:  location records, stickiness, fail counts, shutdown locks, health attributes
Writes: resource tables
Oracle: the `..._assign` lines of every scores file
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from everbeat.policy.actions.create import new_action
from everbeat.policy.plan import words
from everbeat.policy.plan.constraint import LocationRecord
from everbeat.policy.plan.placing import score_on
from everbeat.policy.plan.table import Cause, CauseKind
from everbeat.policy.plan.words import (
    GROUP,
    PRIMITIVE,
    PROBE_ALWAYS,
    PROBE_EXCLUSIVE,
    PROMOTED,
    UNPROMOTED,
)
from everbeat.policy.score import INFINITY, add_scores, score_from_text
from everbeat.policy.unpack.failcounts import threshold_reached
from everbeat.policy.values import epoch_from_text, is_true, operation_key

if TYPE_CHECKING:
    from everbeat.policy.plan.node import Node
    from everbeat.policy.plan.plan import Plan
    from everbeat.policy.plan.resource import Resource

_STICKINESS = Cause(CauseKind.STICKINESS)
_THRESHOLD = Cause(CauseKind.MIGRATION_THRESHOLD)
_EXCLUSIVE = Cause(CauseKind.EXCLUSIVE_DISCOVERY)
_LOCK = Cause(CauseKind.SHUTDOWN_LOCK)


def apply_health(plan: Plan) -> None:
    """Turn health attributes of nodes into location records."""
    strategy = plan.options.health_strategy
    if strategy == "none":
        return
    for node in plan.nodes:
        health = node_health(plan, node)
        if health == 0:
            continue
        for resource in plan.resources:
            if health < 0 and is_true(resource.meta.get("allow-unhealthy-nodes")):
                continue
            record = LocationRecord(strategy, resource, 0, PROBE_ALWAYS, CauseKind.HEALTH)
            record.add(node, health)
            plan.locations.insert(0, record)
            resource.locations.insert(0, record)


def health_colours(plan: Plan) -> dict[str, int]:
    """Return the scores of the three colours under the strategy in force."""
    options = plan.options
    match options.health_strategy:
        case "migrate-on-red":
            return {"red": -INFINITY, "yellow": 0, "green": 0}
        case "only-green":
            return {"red": -INFINITY, "yellow": -INFINITY, "green": 0}
        case "progressive" | "custom":
            return {
                "red": options.health_red,
                "yellow": options.health_yellow,
                "green": options.health_green,
            }
        case _:
            return {"red": 0, "yellow": 0, "green": 0}


def node_health(plan: Plan, node: Node) -> int:
    """Return the sum of a node's health attributes."""
    colours = health_colours(plan)
    total = plan.options.health_base if plan.options.health_strategy == "progressive" else 0
    for name, value in node.attributes.items():
        if name.startswith("#health"):
            colour = colours.get(value.lower())
            total = add_scores(total, score_from_text(value) if colour is None else colour)
    return total


def node_colour(plan: Plan, node: Node) -> str | None:
    """Return RED or YELLOW where a node's health is to be shown; None where it is well."""
    if plan.options.health_strategy == "none":
        return None
    colours = health_colours(plan)
    values = [v for n, v in node.attributes.items() if n.startswith("#health")]
    scores = [colours.get(v.lower(), score_from_text(v)) for v in values]
    words = [v.lower() for v in values]
    plain = [s for s, w in zip(scores, words, strict=True) if w not in ("red", "yellow")]
    if "red" in words or any(score <= colours["red"] for score in plain):
        return "RED"
    has_yellow = colours["yellow"] != colours["green"]
    if "yellow" in words or (has_yellow and any(score <= colours["yellow"] for score in plain)):
        return "YELLOW"
    return None


def apply_node_criteria(plan: Plan) -> None:
    """Apply shutdown locks, location constraints, stickiness and bans after failures."""
    if plan.options.shutdown_lock:
        for resource in plan.resources:
            _lock(plan, resource)
    for record in list(plan.locations):
        apply_location(record.resource, record)
    for resource in plan.resources:
        _stick(plan, resource)
    for node in plan.nodes:
        for resource in plan.resources:
            _ban_after_failures(plan, resource, node)
            _keep_exclusive(resource, node)


def _lock(plan: Plan, resource: Resource) -> None:
    if resource.variant == GROUP:
        for child in resource.children:
            _lock(plan, child)
        return
    if resource.variant != PRIMITIVE or resource.is_fence_device:
        return
    if resource.is_remote_connection():
        return
    if resource.lock_node is not None:
        if resource.active_on:
            key = operation_key(resource.id, "lrm_delete", 0)
            node = resource.lock_node
            action = new_action(plan, resource, key, "lrm_delete", node, optional=False)
            action.set_reason("history cleared", overwrite=True)
            resource.lock_node = None
            resource.lock_time = 0
    elif len(resource.active_on) == 1:
        node = resource.active_on[0]
        if node.shutdown and not node.unclean:
            since = epoch_from_text(node.attributes.get("shutdown"), plan.now)
            resource.lock_node, resource.lock_time = node, since
    if resource.lock_node is None:
        return
    limit = plan.options.shutdown_lock_limit
    if limit > 0:
        plan.recheck_at(resource.lock_time + limit + 1)
    for node in plan.nodes:
        if node is not resource.lock_node:
            score_on(resource, node, -INFINITY, _LOCK)


def apply_location(resource: Resource, record: LocationRecord) -> None:
    """Add a location record to a resource's table and to those of its parts."""
    match resource.variant:
        case words.GROUP:
            _apply_own(resource, record)
            _apply_to_members(resource, record)
        case words.CLONE:
            _apply_own(resource, record)
            for instance in resource.children:
                apply_location(instance, record)
        case words.BUNDLE:
            _apply_to_bundle(resource, record)
        case _:
            _apply_own(resource, record)


def _apply_own(resource: Resource, record: LocationRecord) -> None:
    if record.role not in (0, resource.next_role):
        return
    table = resource.table
    cause = Cause(record.kind, record.id)
    for node, score in record.nodes:
        if table.has(node.index):
            table.add(node.index, score, cause)
        else:
            table.put(node.index, score, node.probe_mode, cause)
        if table.modes[node.index] < record.mode:
            table.modes[node.index] = record.mode
            if record.mode == PROBE_EXCLUSIVE:
                resource.exclusive_probes = True  # so for each part the record reaches


def _apply_to_members(group: Resource, record: LocationRecord) -> None:
    for position, member in enumerate(group.children):
        if position == 0 or not group.collocated:
            apply_location(member, record)
            continue
        empty = LocationRecord(record.id, group, record.role, record.mode, record.kind)
        for node, _ in record.nodes:
            empty.add(node, 0)
        apply_location(member, empty)


def _apply_to_bundle(bundle: Resource, record: LocationRecord) -> None:
    parts = bundle.bundle
    assert parts is not None
    _apply_own(bundle, record)
    for replica in parts.replicas:
        if replica.container is not None:
            apply_location(replica.container, record)
        if replica.ip is not None:
            apply_location(replica.ip, record)
    if parts.clone is not None and record.role in (PROMOTED, UNPROMOTED):
        apply_location(parts.clone, record)
        parts.clone.locations.insert(0, record)


def _stick(plan: Plan, resource: Resource) -> None:
    for child in resource.children:
        _stick(plan, child)
    if resource.variant != PRIMITIVE or not resource.managed or resource.stickiness < 1:
        return
    if len(resource.active_on) != 1:
        return
    node = resource.active_on[0]
    if not plan.options.symmetric and not resource.table.has(node.index):
        return
    score_on(resource, node, resource.stickiness, _STICKINESS)


def _ban_after_failures(plan: Plan, resource: Resource, node: Node) -> None:
    for child in resource.children:
        _ban_after_failures(plan, child, node)
    if resource.variant != PRIMITIVE:
        return
    for action in resource.actions_by_task.get("clear_failcount", ()):
        if action.node is node:
            return
    if threshold_reached(plan, resource, node):
        owner = resource if resource.unique else resource.uber_parent()
        score_on(owner, node, -INFINITY, _THRESHOLD)


def _keep_exclusive(resource: Resource, node: Node) -> None:
    if not (resource.exclusive_probes or resource.uber_parent().exclusive_probes):
        return
    for child in resource.children:
        _keep_exclusive(child, node)
    table = resource.table
    if table.has(node.index) and table.mode(node.index) != PROBE_EXCLUSIVE:
        table.set(node.index, -INFINITY, _EXCLUSIVE)
