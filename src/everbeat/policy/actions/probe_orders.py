"""Orderings that probes add: what waits for a restart waits for the probe too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from everbeat.policy.actions.create import find_actions, find_task_actions, is_active
from everbeat.policy.actions.pairs import order_pair
from everbeat.policy.assign.colocation import compatible_instance
from everbeat.policy.plan.words import (
    CLONE,
    FREE_CAPACITY,
    GIVE_WAY,
    GROUP,
    IN_THIS_ORDER,
    ON_SAME_NODE,
    PRIMITIVE,
    THEN_MUST_FOLLOW,
    THEN_NEEDS_FIRST,
    UNLESS_FIRST_MIGRATES,
)
from everbeat.policy.values import is_true

if TYPE_CHECKING:
    from everbeat.policy.plan.action import Action, Relation
    from everbeat.policy.plan.constraint import OrderRecord
    from everbeat.policy.plan.plan import Plan
    from everbeat.policy.plan.resource import Resource


def order_probes(plan: Plan) -> None:
    """Order probes before starts and restarts that depend on what they find."""
    for top in plan.resources:
        for resource in top.primitives():
            for probe in find_task_actions(resource, "monitor", None):
                for relation in list(probe.after):
                    _order_start(probe, relation)
                    _order_restart(plan, probe, relation.action, set())
    for record in plan.orderings:
        _order_by_record(record)


def _order_start(probe: Action, relation: Relation) -> None:
    after = relation.action
    owner = after.resource
    assert probe.resource is not None
    if (
        owner is None
        or owner.variant in (PRIMITIVE, GROUP)
        or probe.is_runnable
        or relation.flags & THEN_NEEDS_FIRST
        or probe.resource.top() is not owner
        or after.task != "start"
    ):
        return
    for other in list(after.after):
        then = other.action
        if then.resource is None or then.task != "start":
            continue
        if is_active(then.resource) or then.resource.top() is not owner:
            continue
        order_pair(probe, then, IN_THIS_ORDER | THEN_NEEDS_FIRST)


def _order_restart(plan: Plan, probe: Action, after: Action, visited: set[int]) -> None:
    if after.id in visited:
        return
    visited.add(after.id)
    owner = after.resource
    if owner is not None and owner.variant == PRIMITIVE and owner is not probe.resource:
        tasks = {"start": "stop", "promote": "demote"}.get(after.task)
        if tasks is not None:
            for then in find_task_actions(owner, tasks, None):
                if not then.is_pseudo:
                    order_pair(probe, then, IN_THIS_ORDER)
    interleaved = False
    mate: Resource | None = None
    assert probe.resource is not None
    if owner is not None and owner.variant >= CLONE and is_true(owner.meta.get("interleave")):
        interleaved = True
        mate = compatible_instance(plan, probe.resource, owner, 0, current=False)
    for relation in list(after.after):
        then = relation.action
        if not relation.flags & THEN_MUST_FOLLOW:
            part = then.resource
            if (
                owner is None
                or owner.variant == PRIMITIVE
                or probe.resource.parent is owner
                or part is None
                or part.variant > GROUP
                or part.parent is not owner
            ):
                continue
            if interleaved and part is not mate:
                continue
        _order_restart(plan, probe, then, visited)


def _order_by_record(record: OrderRecord) -> None:
    first = record.first_resource
    if record.flags == 0 or first is None or first is record.then_resource:
        return
    if record.first_action is not None:
        if record.first_action.task != "stop":
            return
    elif record.first_key is None or not record.first_key.endswith("_stop_0"):
        return
    then_task = record.then_action.task if record.then_action is not None else ""
    is_stop = then_task == "stop" or (record.then_key or "").endswith("_stop_0")
    if first.launcher is not None and first.launcher is record.then_resource and is_stop:
        return
    flags = IN_THIS_ORDER
    flags |= record.flags & (UNLESS_FIRST_MIGRATES | ON_SAME_NODE)
    if record.flags in (GIVE_WAY, FREE_CAPACITY):
        flags = record.flags
    probes = find_task_actions(first, "monitor", None)
    if not probes:
        return
    thens: list[Action] = []
    if record.then_action is not None:
        thens = [record.then_action]
    elif record.then_resource is not None and record.then_key is not None:
        thens = find_actions(record.then_resource, record.then_key, None)
    for probe in probes:
        for then in thens:
            if then.meta.get("stonith_action") == "on" and then.node is probe.node:
                continue
            if then.task == "do_shutdown" and then.node is not probe.node:
                continue
            order_pair(probe, then, flags)
