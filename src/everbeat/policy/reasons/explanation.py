"""Everything about one resource or a whole plan: placement, scores, actions, and what is not done.

Enters: a finished plan and its graph. Leaves: values for people and programs.

Not done, and worth asking about: a start, a move, a promotion, a recovery or a fencing that one
would expect, and every action that is wanted and cannot be run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from everbeat.policy.actions.fence import can_fence
from everbeat.policy.plan.placing import current_node
from everbeat.policy.plan.words import PROMOTED, ROLE_NAMES, STARTED, STOPPED, UNPROMOTED
from everbeat.policy.reasons.actions import Explainer, action_title
from everbeat.policy.reasons.placement import NodeScore, node_scores, placed_reason
from everbeat.policy.reasons.reason import Kind, Reason
from everbeat.policy.reasons.scores import configured, failure_reason, unmanaged_reason
from everbeat.policy.values import interval_ms

if TYPE_CHECKING:
    from everbeat.policy.emit.graph import Synapse
    from everbeat.policy.plan.action import Action
    from everbeat.policy.plan.node import Node
    from everbeat.policy.plan.resource import Resource

_OF_ROLES: Final = ("start", "stop", "promote", "demote")


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionReason:
    """An action of the graph and why it is there."""

    action: str
    task: str
    resource: str | None
    node: str | None
    is_pseudo: bool
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inaction:
    """Something that is not done although somebody might expect it."""

    what: str
    resource: str | None
    node: str | None
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """One single resource: where it runs and will run, as what, and why."""

    resource: str
    agent: str
    runs_on: tuple[str, ...]
    role: str
    will_run_on: str | None
    next_role: str
    placed: Reason
    places: tuple[NodeScore, ...]
    actions: tuple[ActionReason, ...]
    not_done: tuple[Inaction, ...]


def explain_resource(explainer: Explainer, graph: list[Synapse], resource: Resource) -> Explanation:
    """Explain one single resource."""
    plan, document = explainer.plan, explainer.document
    xml = resource.xml
    words = (xml.get("class"), xml.get("provider"), xml.get("type"))
    return Explanation(
        resource=resource.id,
        agent=":".join(word for word in words if word),
        runs_on=tuple(node.name for node in resource.active_on),
        role=ROLE_NAMES[resource.role],
        will_run_on=None if resource.assigned is None else resource.assigned.name,
        next_role=ROLE_NAMES[resource.next_role],
        placed=placed_reason(plan, document, resource),
        places=node_scores(plan, document, resource),
        actions=tuple(
            _action_reason(explainer, synapse.action)
            for synapse in graph
            if synapse.action.resource is resource
        ),
        not_done=tuple(_not_done(explainer, resource)),
    )


def explain_actions(explainer: Explainer, graph: list[Synapse]) -> tuple[ActionReason, ...]:
    """Explain every action of the graph, in its order."""
    return tuple(_action_reason(explainer, synapse.action) for synapse in graph)


def explain_inactions(explainer: Explainer) -> tuple[Inaction, ...]:
    """Return what is not done in the whole cluster: nodes first, then resources."""
    found = [inaction for node in explainer.plan.nodes for inaction in _of_node(explainer, node)]
    for resource in explainer.plan.resources:
        for primitive in resource.primitives():
            found += _not_done(explainer, primitive)
    return tuple(found)


def _action_reason(explainer: Explainer, action: Action) -> ActionReason:
    return ActionReason(
        action=action_title(action),
        task=action.task,
        resource=None if action.resource is None else action.resource.id,
        node=None if action.node is None else action.node.name,
        is_pseudo=action.is_pseudo,
        reasons=explainer.reasons(action),
    )


def _of_node(explainer: Explainer, node: Node) -> list[Inaction]:
    """Say why an unclean node is not fenced."""
    plan, document = explainer.plan, explainer.document
    fences = [a for a in plan.actions if a.task == "stonith" and a.node is node and a.in_graph]
    if not node.unclean or fences or node.is_guest():
        return []
    option = document.option("fencing-enabled", "stonith-enabled")
    if not plan.options.fencing_enabled:
        reason = Reason(kind=Kind.OPTION, subject=option, text="fencing is not enabled")
    elif not plan.have_fencing:
        reason = Reason(kind=Kind.OPTION, subject=option, text="there is no fence device")
    elif not can_fence(plan, node):
        policy = document.option("no-quorum-policy")
        reason = Reason(kind=Kind.QUORUM, subject=policy, text="the cluster has no quorum")
    else:
        text = "no resource is managed that it could endanger"
        reason = Reason(kind=Kind.NODE, subject=node.name, text=text)
    return [Inaction(what="not fenced", resource=None, node=node.name, reason=reason)]


def _not_done(explainer: Explainer, resource: Resource) -> list[Inaction]:
    found = _unrunnable(explainer, resource)
    for inaction in (
        _not_started(explainer, resource),
        _not_recovered(explainer, resource),
        _not_moved(explainer, resource),
        _not_moved_live(explainer, resource),
        _not_stopped(explainer, resource),
        _not_monitored(explainer, resource),
        _not_promoted(explainer, resource),
    ):
        if inaction is not None:
            found.append(inaction)
    return found


def _unrunnable(explainer: Explainer, resource: Resource) -> list[Inaction]:
    """Return the changes of role that are wanted and cannot be carried out."""
    found = []
    for action in resource.actions:
        if action.task not in _OF_ROLES or action.is_runnable or action.in_graph:
            continue
        if action.node is None:
            continue
        if action.is_optional and not (action.task == "start" and _is_to_start(resource)):
            continue
        reason = explainer.blocked(action)
        if reason is not None:
            node = None if action.node is None else action.node.name
            what = f"{action.task} is blocked"
            found.append(Inaction(what=what, resource=resource.id, node=node, reason=reason))
    return found


def _is_to_start(resource: Resource) -> bool:
    return resource.managed and not resource.active_on and resource.next_role >= STARTED


def _not_started(explainer: Explainer, resource: Resource) -> Inaction | None:
    if resource.active_on or resource.assigned is not None or resource.removed:
        return None
    reason = placed_reason(explainer.plan, explainer.document, resource)
    return Inaction(what="not started", resource=resource.id, node=None, reason=reason)


def _not_recovered(explainer: Explainer, resource: Resource) -> Inaction | None:
    plan, document = explainer.plan, explainer.document
    node = current_node(resource)
    name = None if node is None else node.name
    if resource.failure_ignored:
        failed = failure_reason(document, resource, node, "it failed, which is to be ignored")
        return Inaction(what="not recovered", resource=resource.id, node=name, reason=failed)
    if not resource.failed or resource.managed or not resource.active_on:
        return None
    reason = unmanaged_reason(plan, document, resource)
    return Inaction(what="not recovered", resource=resource.id, node=name, reason=reason)


def _not_moved(explainer: Explainer, resource: Resource) -> Inaction | None:
    """Say why a resource stays although another node could run it as well."""
    node = current_node(resource)
    if node is None or resource.assigned is not node:
        return None
    others = [
        other
        for other in explainer.plan.nodes
        if other is not node and other.is_available() and resource.table.get(other.index) >= 0
    ]
    if not others:
        return None
    reason = placed_reason(explainer.plan, explainer.document, resource)
    return Inaction(what="not moved", resource=resource.id, node=node.name, reason=reason)


def _not_moved_live(explainer: Explainer, resource: Resource) -> Inaction | None:
    """Say why a resource that may be moved while it runs is stopped and started instead."""
    node, assigned = current_node(resource), resource.assigned
    if not resource.allow_migrate or node is None or assigned is None or node is assigned:
        return None
    if any(action.task == "migrate_to" and action.in_graph for action in resource.actions):
        return None
    if resource.partial_target is not None:
        return None
    reason = explainer.why_not_live(resource, node)
    return Inaction(what="not moved live", resource=resource.id, node=node.name, reason=reason)


def _not_stopped(explainer: Explainer, resource: Resource) -> Inaction | None:
    """Say why a resource runs on although it is to be stopped."""
    node = current_node(resource)
    if node is None or resource.managed:
        return None
    if resource.meta.get("target-role", "").lower() != "stopped":
        return None
    reason = unmanaged_reason(explainer.plan, explainer.document, resource)
    return Inaction(what="not stopped", resource=resource.id, node=node.name, reason=reason)


def _not_monitored(explainer: Explainer, resource: Resource) -> Inaction | None:
    """Say why the monitors of a running resource do not run."""
    node = current_node(resource)
    if node is None or not (resource.maintenance or resource.blocked):
        return None
    if not any(interval_ms(op.get("interval")) for op in resource.operations):
        return None
    reason = unmanaged_reason(explainer.plan, explainer.document, resource)
    return Inaction(what="not monitored", resource=resource.id, node=node.name, reason=reason)


def _not_promoted(explainer: Explainer, resource: Resource) -> Inaction | None:
    node = resource.assigned
    if node is None or not resource.is_promotable_part():
        return None
    if resource.next_role in (PROMOTED, STOPPED) or resource.role > UNPROMOTED:
        return None
    reason = explainer.why_unpromoted(resource, node)
    if not reason.is_grounded:
        subject = configured(explainer.document, resource)
        reason = Reason(kind=Kind.CLONE, subject=subject, text=reason.text)
    return Inaction(what="not promoted", resource=resource.id, node=node.name, reason=reason)
