"""The transition graph: which actions are in it, what each waits for, and its text.

Reads:  actions and their relations after all stages
Writes: which actions and inputs are graphed; for clones, their notifications
Oracle: exp files
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from everbeat.policy.actions.create import new_action
from everbeat.policy.actions.flags import action_flags
from everbeat.policy.actions.graphing import should_add, should_add_input
from everbeat.policy.actions.notify import create_notifications
from everbeat.policy.plan.words import BUNDLE, CLONE

if TYPE_CHECKING:
    from everbeat.policy.plan.action import Action, Relation
    from everbeat.policy.plan.plan import Plan
    from everbeat.policy.plan.resource import Resource


class Synapse:
    """One action of the graph and the actions it waits for."""

    def __init__(self, action: Action, inputs: list[Action]) -> None:
        self.action = action
        self.inputs = inputs


def build_graph(plan: Plan) -> list[Synapse]:
    """Choose the graph's actions, in the order in which they are written."""
    plan.recheck_in_graph = plan.recheck_by
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
