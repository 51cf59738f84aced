"""The transition graph: which actions are in it, what each waits for, and its text.

Reads:  actions and their relations after all stages
Writes: which actions and inputs are graphed; for clones, their notifications
Oracle: exp files
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from everbeat.policy.actions.create import new_action
from everbeat.policy.actions.flags import action_flags
from everbeat.policy.actions.notify import create_notifications
from everbeat.policy.plan.action import Relation
from everbeat.policy.plan.words import (
    BUNDLE,
    CLONE,
    FIRST_IMPLIES_THEN_GRAPHED,
    IF_FIRST_UNMIGRATABLE,
    IF_ON_SAME_NODE_OR_TARGET,
    IF_REQUIRED_ON_SAME_NODE,
    MIN_RUNNABLE,
    ORDERED,
    THEN_IMPLIES_FIRST_GRAPHED,
    UNMIGRATABLE_THEN_BLOCKS,
)

if TYPE_CHECKING:
    from everbeat.policy.plan.action import Action
    from everbeat.policy.plan.plan import Plan
    from everbeat.policy.plan.resource import Resource

_WEAK = ORDERED | FIRST_IMPLIES_THEN_GRAPHED | THEN_IMPLIES_FIRST_GRAPHED


class Synapse:
    """One action of the graph and the actions it waits for."""

    def __init__(self, action: Action, inputs: list[Action]) -> None:
        self.action = action
        self.inputs = inputs


def build_graph(plan: Plan) -> list[Synapse]:
    """Choose the graph's actions, in the order in which they are written."""
    graph: list[Synapse] = []
    for resource in plan.resources:
        _add_resource(plan, resource, graph)
    if any(node.is_remote and node.maintenance != node.remote_maintenance for node in plan.nodes):
        action = new_action(
            plan, None, "maintenance_nodes", "maintenance_nodes", None, optional=False
        )
        action.make_pseudo()
        action.always_in_graph = True
    for action in reversed(plan.actions):
        _add_action(action, graph)
    return graph


def _add_resource(plan: Plan, resource: Resource, graph: list[Synapse]) -> None:
    if resource.variant == CLONE:
        for action in reversed(resource.actions):
            action_flags(action, None)
        if resource.notify:
            create_notifications(plan, resource)
        for child in resource.children:
            _add_resource(plan, child, graph)
    elif resource.variant == BUNDLE:
        _add_bundle(plan, resource, graph)
        return
    for action in reversed(list(resource.actions)):
        _add_action(action, graph)
    for child in resource.children:
        _add_resource(plan, child, graph)


def _add_bundle(plan: Plan, bundle: Resource, graph: list[Synapse]) -> None:
    parts = bundle.bundle
    assert parts is not None
    if parts.clone is not None:
        _add_resource(plan, parts.clone, graph)
    for replica in parts.replicas:
        for part in (replica.ip, replica.container, replica.remote):
            if part is not None:
                _add_resource(plan, part, graph)


def _merge_inputs(action: Action) -> None:
    """Sort what comes before an action by number, and join relations with the same action."""
    if action.inputs_merged:
        return
    action.inputs_merged = True
    merged: list[Relation] = []
    for relation in sorted(action.before, key=lambda relation: relation.action.id):
        if merged and merged[-1].action is relation.action:
            merged[-1].flags |= relation.flags
            merged[-1].graphed = False
        else:
            merged.append(relation)
    action.before = merged


def should_add(action: Action) -> bool:
    """Say whether an action belongs into the graph."""
    if not action.is_runnable:
        return False
    if action.is_optional and not action.always_in_graph:
        return False
    resource = action.resource
    if resource is not None and not resource.managed and action.task != "monitor":
        if action.meta.get("interval", "0") == "0":
            return False
    if action.is_pseudo or action.task in ("stonith", "do_shutdown"):
        return True
    node = action.node
    if node is None:
        return False
    if action.on_dc:
        return True
    if node.is_guest() and not node.remote_reset:
        return True
    return node.online and not node.unclean


def _add_action(action: Action, graph: list[Synapse]) -> None:
    _merge_inputs(action)
    if action.in_graph or not should_add(action):
        return
    action.in_graph = True
    inputs: list[Action] = []
    for relation in action.before:
        if should_add_input(action, relation):
            relation.graphed = True
            inputs.append(relation.action)
    graph.append(Synapse(action, inputs))


def should_add_input(action: Action, relation: Relation) -> bool:
    """Say whether an action of the graph waits for another one; may drop the ordering."""
    first, flags = relation.action, relation.flags
    if relation.graphed:
        return True
    if flags == 0:
        return False
    if not first.is_runnable and flags & ~_WEAK == 0:
        return False
    if not first.is_runnable and flags & (MIN_RUNNABLE | UNMIGRATABLE_THEN_BLOCKS):
        return False
    if flags & IF_FIRST_UNMIGRATABLE and first.is_migratable:
        return False
    if flags == ORDERED and first.is_migratable and first.key.endswith("_stop_0"):
        return False
    if flags == IF_ON_SAME_NODE_OR_TARGET:
        return _is_for_node(action, relation)
    if flags == IF_REQUIRED_ON_SAME_NODE:
        apart = first.node is not None and action.node is not None and first.node is not action.node
        if apart or first.is_optional:
            relation.flags = 0
            return False
        return True
    if (
        first.resource is not None
        and first.resource is not action.resource
        and first.resource.failed
        and not first.resource.managed
        and first.key.endswith("_stop_0")
        and action.resource is not None
        and action.resource.variant == CLONE
    ):
        return False
    if first.is_optional and not first.always_in_graph and not first.in_graph:
        return first.counts_as_added or should_add(first)
    return True


def _is_for_node(action: Action, relation: Relation) -> bool:
    first = relation.action
    if action.task == "migrate_to" and action.resource is not None:
        if first.node is not action.resource.assigned:
            relation.flags = 0
            return False
        return True
    if first.node is not action.node or first.is_optional:
        relation.flags = 0
        return False
    return True
