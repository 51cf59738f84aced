"""What a colocation does to its dependent: to where it may run, or to whether it is promoted.

`apply_colocation` asks the primary's kind. "Colocation with a promoted role" is decided here for
the dependent's side (`effect`, `_to_priority`), in `promotable.py` for a promotable primary.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from everbeat.policy.assign.compare import any_available, sort_nodes
from everbeat.policy.plan import words
from everbeat.policy.plan.placing import assign_resource
from everbeat.policy.plan.table import Cause, CauseKind
from everbeat.policy.plan.words import (
    BUNDLE,
    CLONE,
    GROUP,
    PRIMITIVE,
    PROMOTED,
    UNPROMOTED,
)
from everbeat.policy.score import INFINITY, add_scores
from everbeat.policy.unpack.locations import node_attribute_for

if TYPE_CHECKING:
    from everbeat.policy.plan.constraint import Colocation
    from everbeat.policy.plan.node import Node
    from everbeat.policy.plan.plan import Plan
    from everbeat.policy.plan.resource import Resource

NOTHING: Final = 0
LOCATION: Final = 1
ROLE: Final = 2


def apply_this_with(plan: Plan, record: Colocation, dependent: Resource) -> None:
    """Let one colocation of a resource change its table; the primary is placed first."""
    from everbeat.policy.assign.assign import assign  # noqa: PLC0415 - a cycle

    saved = None
    if record.dependent_role >= PROMOTED or -INFINITY < record.score < 0:
        saved = dependent.table.copy()
    if not record.primary.is_assigned:
        assign(plan, record.primary, None, stop_if_fail=True)
    apply_colocation(plan, dependent, record.primary, record, for_dependent=True)
    if saved is not None and not any_available(plan, dependent.table):
        dependent.table.restore(saved, Cause(CauseKind.COLOCATION_UNDONE, record.id))


def apply_colocation(
    plan: Plan, dependent: Resource, primary: Resource, record: Colocation, *, for_dependent: bool
) -> int:
    """Apply a colocation; return what it added to the dependent's wish to be promoted."""
    if for_dependent:
        if dependent.variant == GROUP:
            return _group_as_dependent(plan, dependent, primary, record)
        if dependent.variant in (CLONE, BUNDLE):
            return 0
    match primary.variant:
        case words.GROUP:
            return _group_as_primary(plan, dependent, primary, record)
        case words.CLONE:
            return _clone_as_primary(plan, dependent, primary, record)
        case words.BUNDLE:
            from everbeat.policy.assign.bundle import bundle_as_primary  # noqa: PLC0415

            return bundle_as_primary(plan, dependent, primary, record)
        case _:
            return _primitive_as_primary(plan, dependent, primary, record)


def effect(dependent: Resource, primary: Resource, record: Colocation, *, preview: bool) -> int:
    """Say whether a colocation speaks about the dependent's place or about its role, if at all."""
    if not preview and not primary.is_assigned:
        return NOTHING
    dependent_role, primary_role = dependent, primary
    parent = dependent.parent
    if (
        record.dependent_role >= UNPROMOTED
        and parent is not None
        and dependent.is_promotable_part()
        and dependent.is_assigned
    ):
        return ROLE
    if not preview and dependent.is_assigned:
        return NOTHING
    if record.dependent_role not in (0, _inside(dependent_role).next_role):
        return NOTHING
    if record.primary_role not in (0, _inside(primary_role).next_role):
        return NOTHING
    return LOCATION


def _inside(resource: Resource) -> Resource:
    """Return the resource whose role counts: for a bundle's container the one inside it."""
    top = resource.parent
    if top is not None and top.bundle is not None:
        for replica in top.bundle.replicas:
            if replica.container is resource and replica.child is not None:
                return replica.child
    return resource


def _primitive_as_primary(
    plan: Plan, dependent: Resource, primary: Resource, record: Colocation
) -> int:
    spoken = effect(dependent, primary, record, preview=False)
    if spoken == LOCATION:
        _to_scores(plan, dependent, primary, record)
    elif spoken == ROLE:
        return _to_priority(dependent, primary, record)
    return 0


def _to_scores(plan: Plan, dependent: Resource, primary: Resource, record: Colocation) -> None:
    table = dependent.table
    cause = Cause(CauseKind.COLOCATION, record.id)
    node = primary.assigned
    if node is None:
        if record.score < 0:
            return
        changed = [
            add_scores(s, -record.score) if table.has(i) else s for i, s in enumerate(table.scores)
        ]
    else:
        wanted = node_value(primary, node, record.attribute)
        changed = table.scores.copy()
        values = node_values(plan, dependent, record.attribute)
        for index in table.nodes():
            if values[index] == wanted:
                if record.score < INFINITY:
                    changed[index] = add_scores(changed[index], record.score)
            elif record.score >= INFINITY:
                changed[index] = -INFINITY
    if abs(record.score) >= INFINITY or any_open(plan, changed):
        table.take(changed, cause)


def any_open(plan: Plan, row: list[int]) -> bool:
    """Say whether anything may run anywhere, by this row of scores."""
    for index, score in enumerate(row):
        if score >= 0 and plan.nodes_by_index[index].is_available():
            return True
    return False


def node_value(resource: Resource, node: Node, attribute: str) -> str | None:
    """Return a node's value as a colocation of a resource sees it, in lower case.

    Nothing but what is inside a bundle can run on its nodes, so that their hosts count there.
    """
    bundle = resource.top().bundle
    if bundle is not None and bundle.clone is resource.uber_parent() and node.is_in_bundle():
        host = host_of(node)
        value = None if host is None else host.attributes.get(attribute)
    else:
        value = node_attribute_for(resource, node, attribute, assigned=True)
    return None if value is None else value.lower()


def node_values(plan: Plan, resource: Resource, attribute: str) -> list[str | None]:
    """Return every node's value, by index; where all nodes are members, one row serves all."""
    known = plan.attribute_values.get(attribute)
    if known is not None:
        return known
    row = [node_value(resource, node, attribute) for node in plan.nodes_by_index]
    if not any(node.is_remote for node in plan.nodes):
        plan.attribute_values[attribute] = row
    return row


def host_of(node: Node) -> Node | None:
    """Return where the container of a bundle's node was put; any other node is its own host."""
    if not node.is_in_bundle():
        return node
    connection = node.connection
    assert connection is not None
    assert connection.launcher is not None
    return connection.launcher.assigned


def _to_priority(dependent: Resource, primary: Resource, record: Colocation) -> int:
    if dependent.assigned is None:
        return 0
    factor = 1
    if primary.assigned is not None:
        if record.primary_role not in (0, _inside(primary).next_role):
            return 0
    mine = node_value(dependent, dependent.assigned, record.attribute)
    theirs = None
    if primary.assigned is not None:
        theirs = node_value(primary, primary.assigned, record.attribute)
    if mine != theirs:
        if record.score < INFINITY or record.dependent_role != PROMOTED:
            return 0
        factor = -1
    elif record.dependent_role == UNPROMOTED:
        factor = -1
    delta = factor * record.score
    dependent.priority = add_scores(delta, dependent.priority)
    return delta


def _group_as_dependent(plan: Plan, group: Resource, primary: Resource, record: Colocation) -> int:
    if group.collocated:
        delta = apply_colocation(plan, group.children[0], primary, record, for_dependent=True)
        group.priority = add_scores(delta, group.priority)
        return delta
    if abs(record.score) >= INFINITY:
        return 0
    for member in group.children:
        apply_colocation(plan, member, primary, record, for_dependent=True)
    return 0


def _group_as_primary(plan: Plan, dependent: Resource, group: Resource, record: Colocation) -> int:
    if not group.is_assigned:
        return 0
    if group.collocated:
        member = group.children[-1] if record.score >= INFINITY else group.children[0]
        return apply_colocation(plan, dependent, member, record, for_dependent=False)
    if record.score >= INFINITY:
        return 0
    return sum(
        apply_colocation(plan, dependent, member, record, for_dependent=False)
        for member in group.children
    )


def _clone_as_primary(plan: Plan, dependent: Resource, clone: Resource, record: Colocation) -> int:
    from everbeat.policy.assign.promotable import (  # noqa: PLC0415 - a cycle
        dependent_of_role,
        promotion_with_role,
    )

    if not clone.is_assigned:
        return 0
    if clone.promotable and record.primary_role != 0:
        if not dependent.is_assigned:
            dependent_of_role(plan, dependent, clone, record)
            return 0
        if record.dependent_role == PROMOTED:
            return promotion_with_role(plan, dependent, clone, record)
    if can_interleave(record):
        mate = compatible_instance(plan, dependent, clone, 0, current=False)
        if mate is not None:
            return apply_colocation(plan, dependent, mate, record, for_dependent=False)
        if record.score >= INFINITY:
            cause = Cause(CauseKind.COLOCATION, record.id)
            assign_resource(dependent, None, cause, force=True, stop_if_fail=True)
        return 0
    if record.score >= INFINITY:
        places = [
            place
            for instance in clone.children
            if not is_blocked(instance)
            for place in [place_of(instance)]
            if place is not None
        ]
        intersect(dependent, places, None, record)
        return 0
    return sum(
        apply_colocation(plan, dependent, instance, record, for_dependent=False)
        for instance in clone.children
    )


def can_interleave(record: Colocation) -> bool:
    """Say whether instances of the two sides go in pairs."""
    dependent, primary = record.dependent, record.primary
    if dependent.variant not in (CLONE, BUNDLE) or primary.variant not in (CLONE, BUNDLE):
        return False
    if dependent.meta.get("interleave", "").lower() not in ("true", "yes", "on", "1", "y"):
        return False
    return per_node_max(dependent) == per_node_max(primary)


def per_node_max(collective: Resource) -> int:
    """Return how many instances may run on one node."""
    if collective.bundle is not None:
        return collective.bundle.per_host
    return collective.clone_node_max


def intersect(
    dependent: Resource, places: list[Node], scores: dict[int, int] | None, record: Colocation
) -> None:
    """Ban a dependent from all nodes but these; with scores, add them there."""
    cause = Cause(CauseKind.COLOCATION, record.id)
    wanted = {node.index for node in places}
    for index in dependent.table.nodes():
        if index not in wanted:
            dependent.table.set(index, -INFINITY, cause)
        elif scores is not None:
            dependent.table.add(index, scores[index], cause)


def is_blocked(resource: Resource) -> bool:
    """Say whether any part of a resource is blocked."""
    return any(primitive.blocked for primitive in resource.primitives())


def place_of(instance: Resource) -> Node | None:
    """Return where an instance was put: where its first member is."""
    if instance.variant == PRIMITIVE:
        return instance.assigned
    for child in instance.children:
        node = place_of(child)
        if node is not None:
            return node
    return None


def current_place(instance: Resource) -> Node | None:
    """Return where an instance runs now, if on one node."""
    places = {node.index: node for part in instance.primitives() for node in part.active_on}
    return next(iter(places.values())) if len(places) == 1 else None


def role_of(instance: Resource, *, current: bool) -> int:
    """Return an instance's role: the greatest among its members."""
    if instance.variant == PRIMITIVE:
        return instance.role if current else instance.next_role
    return max((role_of(child, current=current) for child in instance.children), default=0)


def instances_of(collective: Resource) -> list[Resource]:
    """Return a clone's instances, or a bundle's containers."""
    if collective.bundle is None:
        return collective.children
    return [r.container for r in collective.bundle.replicas if r.container is not None]


def compatible_instance(
    plan: Plan, match: Resource, collective: Resource, role: int, *, current: bool
) -> Resource | None:
    """Return the instance that shares a node with another resource."""
    node = current_place(match) if current else place_of(match)
    if node is not None:
        return instance_on(collective, node, role, current=current)
    for candidate in sort_nodes(plan, match.table.nodes(), match.table, None):
        found = instance_on(collective, candidate, role, current=current)
        if found is not None:
            return found
    return None


def instance_on(collective: Resource, node: Node, role: int, *, current: bool) -> Resource | None:
    """Return the first unblocked instance on a node."""
    for instance in instances_of(collective):
        if role not in (0, role_of(_inside(instance), current=current)):
            continue
        if is_blocked(instance):
            continue
        place = current_place(instance) if current else place_of(instance)
        if place is node:
            return instance
    return None
