"""Why a resource was put on a node, or nowhere: the scores that decided, and what they rest on.

Reads:  score tables with their ledgers, node states, after all stages
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from everbeat.policy.plan.table import CauseKind
from everbeat.policy.plan.words import CLONE, PRIMITIVE, STOPPED
from everbeat.policy.reasons.reason import Kind, Reason
from everbeat.policy.reasons.scores import (
    Term,
    configured,
    decisive,
    stopped_reason,
    terms_of,
    unmanaged_reason,
)
from everbeat.policy.score import render_score

if TYPE_CHECKING:
    from everbeat.policy.plan.node import Node
    from everbeat.policy.plan.plan import Plan
    from everbeat.policy.plan.resource import Resource
    from everbeat.policy.reasons.document import Document


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeScore:
    """A node as a place for a resource: `score` None where it is out of question."""

    node: str
    is_available: bool
    score: int | None
    terms: tuple[Term, ...]
    why_not: Reason | None  # None where it may run there


def node_scores(plan: Plan, document: Document, resource: Resource) -> tuple[NodeScore, ...]:
    """Return every node with its score for a resource, best first."""
    found = []
    for node in plan.nodes:
        terms = terms_of(plan, document, resource, node)
        found.append(
            NodeScore(
                node=node.name,
                is_available=node.is_available(),
                score=resource.table.get(node.index) if terms else None,
                terms=terms,
                why_not=why_not(plan, document, resource, node),
            )
        )
    return tuple(sorted(found, key=lambda place: (place.score is None, -(place.score or 0))))


def why_not(plan: Plan, document: Document, resource: Resource, node: Node) -> Reason | None:
    """Say why a resource cannot run on a node, or None if it can."""
    if resource.assigned is node:
        return None
    state = node_reason(plan, document, node)
    if state is not None:
        return state
    terms = terms_of(plan, document, resource, node)
    if not terms:
        text = f"{node.name} is not among the nodes it may run on"
        if not plan.options.symmetric:
            text += " (symmetric-cluster is off and no constraint names it)"
            return Reason(kind=Kind.OPTION, subject=document.option("symmetric-cluster"), text=text)
        return Reason(kind=Kind.RESOURCE, subject=configured(document, resource), text=text)
    if resource.table.get(node.index) >= 0:
        return None
    term = decisive(terms)
    assert term is not None
    return term.reason


def node_reason(plan: Plan, document: Document, node: Node) -> Reason | None:
    """Say why a node can run nothing, or None if it can."""
    text: str | None = None
    if node.unclean:
        why = unclean_why(plan, node)
        text = f"{node.name} is unclean" + (f": {why}" if why else "")
    elif node.shutdown and node.online:
        subject = document.attribute(node, "shutdown") or node.name
        return Reason(kind=Kind.ATTRIBUTE, subject=subject, text=f"{node.name} shuts down")
    elif not node.online:
        text = f"{node.name} is offline"
    elif node.pending:
        text = f"{node.name} is still joining"
    elif node.standby_on_fail:
        text = f"{node.name} is on standby after a failure (on-fail=standby)"
    elif node.standby:
        subject = document.attribute(node, "standby") or node.name
        return Reason(kind=Kind.ATTRIBUTE, subject=subject, text=f"{node.name} is on standby")
    elif node.maintenance:
        subject = document.attribute(node, "maintenance") or node.name
        return Reason(kind=Kind.ATTRIBUTE, subject=subject, text=f"{node.name} is in maintenance")
    return None if text is None else Reason(kind=Kind.NODE, subject=node.name, text=text)


def unclean_why(plan: Plan, node: Node) -> str | None:
    """Return what marked a node for fencing, in words, or None for nothing particular."""
    for key, actions in plan.actions_by_key.items():
        if key.startswith(f"stonith-{node.name}-".lower()) and actions[0].node is node:
            if actions[0].reason and actions[0].meta.get("stonith_action") != "on":
                return actions[0].reason
    return None


def placed_reason(plan: Plan, document: Document, resource: Resource) -> Reason:
    """Say why a resource was put where it was put; nowhere counts."""
    node = resource.assigned
    if node is None:
        return nowhere_reason(plan, document, resource)
    if not resource.managed:
        text = f"it stays on {node.name}"
        behind = unmanaged_reason(plan, document, resource)
        return Reason(kind=Kind.PLACEMENT, subject=node.name, text=text, because=(behind,))
    score = resource.table.get(node.index)
    others = [n for n in plan.nodes if n is not node and _may_run(resource, n)]
    text = f"{node.name} is the best node (score {render_score(score)})"
    if not others:
        text = f"{node.name} is the only node it may run on"
        return _placement(node, text, _bans(plan, document, resource))
    best = max(others, key=lambda n: (resource.table.get(n.index), n.name))
    second = resource.table.get(best.index)
    if second < score:
        text += f", {best.name} has {render_score(second)}"
        return _placement(node, text, _difference(plan, document, resource, node, best))
    return _placement(node, text, (_tie_break(document, resource, node),))


def _placement(node: Node, text: str, because: tuple[Reason, ...]) -> Reason:
    return Reason(kind=Kind.PLACEMENT, subject=node.name, text=text, because=because)


def _may_run(resource: Resource, node: Node) -> bool:
    score = resource.table.get(node.index)
    return resource.table.has(node.index) and score >= 0 and node.is_available()


def _bans(plan: Plan, document: Document, resource: Resource) -> tuple[Reason, ...]:
    """Return why each other node is out of question; where there is none, the cluster's size."""
    found: list[Reason] = []
    for node in plan.nodes:
        reason = why_not(plan, document, resource, node)
        if reason is not None and reason not in found:
            found.append(reason)
    if found:
        return tuple(found)
    return (
        Reason(
            kind=Kind.RESOURCE,
            subject=configured(document, resource),
            text="the cluster has no other",
        ),
    )


def _difference(
    plan: Plan, document: Document, resource: Resource, node: Node, other: Node
) -> tuple[Reason, ...]:
    """Return the causes one node has more of than another, largest first."""
    mine = _sums(terms_of(plan, document, resource, node))
    theirs = _sums(terms_of(plan, document, resource, other))
    gains = [
        (mine.get(reason, 0) - theirs.get(reason, 0), reason)
        for reason in dict.fromkeys((*mine, *theirs))
    ]
    gains = [(gain, reason) for gain, reason in gains if gain > 0]
    gains.sort(key=lambda pair: -pair[0])
    if not gains:
        return _bans(plan, document, resource)
    return tuple(reason for _, reason in gains)


def _sums(terms: tuple[Term, ...]) -> dict[Reason, int]:
    sums: dict[Reason, int] = {}
    for term in terms:
        sums[term.reason] = sums.get(term.reason, 0) + term.amount
    return sums


def _tie_break(document: Document, resource: Resource, node: Node) -> Reason:
    cause = resource.placement_cause
    if cause is not None and cause.kind is CauseKind.ALREADY_THERE:
        text = f"of equal nodes it stays on {node.name}, where it runs"
    elif cause is not None and cause.kind is CauseKind.PREFERRED:
        text = f"of equal nodes {node.name} was asked for, by its clone or for its room"
    else:
        text = f"of equal nodes {node.name} had least to run, or comes first by its name"
    return Reason(kind=Kind.RESOURCE, subject=configured(document, resource), text=text)


def nowhere_reason(plan: Plan, document: Document, resource: Resource) -> Reason:
    """Say why a resource has no node."""
    if not resource.managed:
        return unmanaged_reason(plan, document, resource)
    if plan.options.stop_all or resource.removed:
        return stopped_reason(plan, document, resource)
    wanted_stopped = [e for e in resource.table.ledger if e.cause.kind is CauseKind.WANTED_STOPPED]
    if wanted_stopped:
        return stopped_reason(plan, document, resource)
    limit = _instance_limit(document, resource)
    if limit is not None:
        return limit
    if not plan.nodes:
        return Reason(
            kind=Kind.RESOURCE,
            subject=configured(document, resource),
            text="the cluster has no nodes",
        )
    text = "no node may run it"
    return Reason(
        kind=Kind.PLACEMENT, subject="nowhere", text=text, because=_bans(plan, document, resource)
    )


def _instance_limit(document: Document, resource: Resource) -> Reason | None:
    """Say that an instance of a clone was one too many, or None."""
    top = resource.uber_parent()
    if top.variant != CLONE or resource.variant != PRIMITIVE:
        return None
    placed = sum(
        any(part.assigned is not None for part in instance.primitives())
        for instance in top.children
    )
    if placed < 1 or resource.next_role > STOPPED:
        return None
    if placed >= top.clone_max:
        text = f"all {top.clone_max} instances of {top.xml_id} have a place (clone-max)"
        subject = document.meta(resource, "clone-max") or top.xml_id
    else:
        return None
    return Reason(kind=Kind.CLONE, subject=subject, text=text)
