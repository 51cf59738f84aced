"""Stage `assign`: choose a node for every resource.

Reads:  tables after node criteria, colocations, roles
Writes: resource.assigned, resource.next_role; the lines of the scores output
Oracle: scores of every case

A primitive is placed here; groups too, member by member. Clones and bundles have their own modules.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from everbeat.policy.assign.bundle import assign_bundle
from everbeat.policy.assign.clone import assign_clone
from everbeat.policy.assign.colocation import apply_this_with, place_of
from everbeat.policy.assign.compare import sort_nodes
from everbeat.policy.assign.lists import this_with, with_this
from everbeat.policy.assign.utilization import ban_insufficient, sort_for_utilization
from everbeat.policy.assign.wishes import add_dependent_scores
from everbeat.policy.plan import words
from everbeat.policy.plan.placing import assign_resource, current_node, score_everywhere
from everbeat.policy.plan.table import Cause, CauseKind
from everbeat.policy.plan.words import BUNDLE, CLONE, GROUP, PRIMITIVE, STOPPED
from everbeat.policy.score import INFINITY, render_score

if TYPE_CHECKING:
    from everbeat.policy.plan.constraint import Colocation
    from everbeat.policy.plan.node import Node
    from everbeat.policy.plan.plan import Plan
    from everbeat.policy.plan.resource import Resource

_NAMES = {PRIMITIVE: "primitive", GROUP: "group", CLONE: "clone", BUNDLE: "bundle"}


def assign_all(plan: Plan) -> None:
    """Place every resource, connections to remote nodes first."""
    if plan.options.placement != "default":
        sort_for_utilization(plan)
    if plan.have_remote_nodes:
        for resource in plan.resources:
            if resource.is_remote_connection():
                assign(plan, resource, resource.partial_target, stop_if_fail=True)
    for resource in plan.resources:
        assign(plan, resource, None, stop_if_fail=True)


def assign(
    plan: Plan, resource: Resource, prefer: Node | None, *, stop_if_fail: bool
) -> Node | None:
    """Place one resource of any kind; return its node, if it has one."""
    match resource.variant:
        case words.GROUP:
            return _assign_group(plan, resource, prefer, stop_if_fail=stop_if_fail)
        case words.CLONE:
            assign_clone(plan, resource, prefer, stop_if_fail=stop_if_fail)
            return None
        case words.BUNDLE:
            assign_bundle(plan, resource, prefer, stop_if_fail=stop_if_fail)
            return None
        case _:
            return _assign_primitive(plan, resource, prefer, stop_if_fail=stop_if_fail)


def show_scores(plan: Plan, resource: Resource, kind: str | None = None) -> None:
    """Write a resource's table, and recursively its children's, to the scores output."""
    if resource.removed:
        return
    name = kind or _NAMES[resource.variant]
    for node in plan.nodes:
        score = resource.table.get(node.index)
        if resource.table.has(node.index):
            plan.score_lines.append(
                f"pcmk__{name}_assign: {resource.id} allocation score on {node.name}: "
                f"{render_score(score)}"
            )
    for child in resource.children:
        show_scores(plan, child, name)


def _is_mandatory(record: Colocation) -> bool:
    return abs(record.score) >= INFINITY


def _assign_group(
    plan: Plan, group: Resource, prefer: Node | None, *, stop_if_fail: bool
) -> Node | None:
    if group.is_assigned:
        return place_of(group)
    if group.assigning:
        return None
    group.assigning = True
    group.role = group.children[0].role
    show_scores(plan, group)
    first: Node | None = None
    for member in group.children:
        node = assign(plan, member, prefer, stop_if_fail=stop_if_fail)
        if first is None:
            first = node
    group.next_role = group.children[0].next_role
    group.assigning = False
    group.is_assigned = True
    return first if group.collocated else None


def _assign_primitive(
    plan: Plan, resource: Resource, prefer: Node | None, *, stop_if_fail: bool
) -> Node | None:
    parent = resource.parent
    if parent is not None and not parent.assigning:
        assign(plan, parent, prefer, stop_if_fail=stop_if_fail)
    if resource.is_assigned:
        return resource.assigned
    if resource.assigning:
        return None
    resource.assigning = True
    _apply_colocations(plan, resource)
    if resource.next_role == STOPPED:
        score_everywhere(plan, resource, -INFINITY, Cause(CauseKind.WANTED_STOPPED))
    elif (
        resource.next_role > resource.role
        and not plan.have_quorum
        and plan.options.quorum_policy == "freeze"
    ):
        resource.next_role = resource.role
    show_scores(plan, resource)
    if plan.options.fencing_enabled and not plan.have_fencing:
        resource.managed = False
    if not resource.managed:
        resource.next_role = resource.role
        node = current_node(resource)
        assign_resource(
            resource, node, Cause(CauseKind.NOT_MANAGED), force=True, stop_if_fail=stop_if_fail
        )
    elif plan.options.stop_all:
        assign_resource(
            resource, None, Cause(CauseKind.STOP_ALL), force=True, stop_if_fail=stop_if_fail
        )
    elif not resource.is_assigned:
        _choose(plan, resource, prefer, stop_if_fail=stop_if_fail)
    resource.assigning = False
    if resource.is_remote_connection():
        _settle_connection(plan, resource)
    return resource.assigned


def _apply_colocations(plan: Plan, resource: Resource) -> None:
    wants = this_with(resource)
    wanted_by = with_this(resource)
    for mandatory in (True, False):
        for record in wants:
            if _is_mandatory(record) == mandatory:
                apply_this_with(plan, record, resource)
        for record in wanted_by:
            if _is_mandatory(record) == mandatory:
                add_dependent_scores(plan, record, resource)


def _choose(plan: Plan, resource: Resource, prefer: Node | None, *, stop_if_fail: bool) -> None:
    capable = ban_insufficient(plan, resource)
    if capable is not None and prefer is None:
        prefer = capable
    table = resource.table
    current = current_node(resource)
    ranked = sort_nodes(plan, table.nodes(), table, current)
    chosen: Node | None = None
    cause = Cause(CauseKind.BEST_SCORE)
    if prefer is not None and table.has(prefer.index) and ranked:
        score = table.scores[prefer.index]
        if score >= _effective(table.scores[ranked[0].index], ranked[0]) and score >= 0:
            if prefer.is_available():
                chosen = prefer
                cause = Cause(CauseKind.PREFERRED)
    if chosen is None and ranked:
        chosen = ranked[0]
        parent = resource.parent
        if not (parent is not None and parent.variant == CLONE and parent.unique):
            if table.scores[chosen.index] > 0 and chosen.is_available():
                stay = _stay_if_equal(resource, ranked, current)
                if stay is not None:
                    chosen, cause = stay, Cause(CauseKind.ALREADY_THERE)
    assign_resource(resource, chosen, cause, force=False, stop_if_fail=stop_if_fail)


def _effective(score: int, node: Node) -> int:
    return score if node.is_available() else -INFINITY


def _stay_if_equal(resource: Resource, ranked: list[Node], current: Node | None) -> Node | None:
    if current is None or not current.is_available() or current.base_score < 0:
        return None
    best = resource.table.scores[ranked[0].index]
    for node in ranked[1:]:
        if resource.table.scores[node.index] != best or not node.is_available():
            break
        if node is current:
            return node
    return None


def _settle_connection(plan: Plan, connection: Resource) -> None:
    node = plan.node_named(connection.id)
    if node is None or not node.is_remote:
        return
    if connection.assigned is not None and connection.next_role != STOPPED:
        node.online = True
        if node.unseen:
            node.unclean = False
    else:
        node.shutdown = True
