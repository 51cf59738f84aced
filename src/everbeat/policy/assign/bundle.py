"""Placing a bundle: containers as instances, then addresses, connections and what runs inside."""

from __future__ import annotations

from typing import TYPE_CHECKING

from everbeat.policy.assign.colocation import (
    apply_colocation,
    host_of,
    instance_on,
    intersect,
    place_of,
)
from everbeat.policy.assign.compare import sort_nodes
from everbeat.policy.assign.instances import assign_instances, sort_instances
from everbeat.policy.plan.constraint import Colocation, record_colocation
from everbeat.policy.plan.placing import assign_resource
from everbeat.policy.plan.table import Cause, CauseKind
from everbeat.policy.plan.words import BUNDLE, CLONE, PROMOTED
from everbeat.policy.score import INFINITY
from everbeat.policy.unpack.failcounts import threshold_reached

if TYPE_CHECKING:
    from everbeat.policy.plan.node import Node
    from everbeat.policy.plan.plan import Plan
    from everbeat.policy.plan.resource import Replica, Resource

_OWN_NODE = Cause(CauseKind.BUNDLE_NODE)


def assign_bundle(plan: Plan, bundle: Resource, prefer: Node | None, *, stop_if_fail: bool) -> None:
    """Place a bundle's containers and what belongs to each.

    Asked for again on the way, it goes through its parts again: each of them knows whether it is
    placed, or being placed.
    """
    from everbeat.policy.assign.assign import assign, show_scores  # noqa: PLC0415 - a cycle

    parts = bundle.bundle
    assert parts is not None
    bundle.assigning = True
    show_scores(plan, bundle)
    containers = [r.container for r in parts.replicas if r.container is not None]
    sort_instances(plan, containers)
    assign_instances(plan, bundle, containers, parts.replica_count, parts.per_host)
    for replica in parts.replicas:
        _assign_replica(plan, bundle, replica, prefer, stop_if_fail=stop_if_fail)
    if parts.clone is not None:
        own = {r.node.index for r in parts.replicas if r.node is not None}
        table = parts.clone.table
        for index in table.nodes():
            table.set(index, 0 if index in own else -INFINITY, _OWN_NODE)
        assign(plan, parts.clone, prefer, stop_if_fail=stop_if_fail)
    bundle.is_assigned = True
    bundle.assigning = False


def _assign_replica(
    plan: Plan, bundle: Resource, replica: Replica, prefer: Node | None, *, stop_if_fail: bool
) -> None:
    from everbeat.policy.assign.assign import assign  # noqa: PLC0415 - a cycle

    assert bundle.bundle is not None
    if replica.ip is not None:
        assign(plan, replica.ip, prefer, stop_if_fail=stop_if_fail)
    assert replica.container is not None
    host = replica.container.assigned
    if replica.remote is not None and host is not None and host.is_remote:
        if host.connection is not None:
            record_colocation(
                Colocation(
                    "#replica-remote-with-host-remote",
                    replica.remote,
                    host.connection,
                    INFINITY,
                    influence=True,
                )
            )
    if replica.remote is not None:
        assign(plan, replica.remote, prefer, stop_if_fail=stop_if_fail)
    child, clone = replica.child, bundle.bundle.clone
    if child is None or clone is None or replica.node is None:
        return
    for index in child.table.nodes():
        if index != replica.node.index:
            child.table.set(index, -INFINITY, _OWN_NODE)
        elif not threshold_reached(plan, child, replica.node):
            child.table.set(index, INFINITY, _OWN_NODE)
    was_assigning = clone.assigning  # true where the clone asked for its bundle, by a colocation
    clone.assigning = True
    assign(plan, child, replica.node, stop_if_fail=stop_if_fail)
    clone.assigning = was_assigning


def bundle_as_primary(plan: Plan, dependent: Resource, bundle: Resource, record: Colocation) -> int:
    """Apply a colocation with a bundle."""
    parts = bundle.bundle
    assert parts is not None
    if not bundle.is_assigned:
        return 0
    if record.dependent.variant in (CLONE, BUNDLE):
        container = _compatible_container(plan, dependent, bundle)
        if container is not None:
            return apply_colocation(plan, dependent, container, record, for_dependent=True)
        if record.score >= INFINITY:
            cause = Cause(CauseKind.COLOCATION, record.id)
            assign_resource(dependent, None, cause, force=True, stop_if_fail=True)
        return 0
    places: list[Node] = []
    total = 0
    for replica in parts.replicas:
        container = replica.container
        assert container is not None
        if record.score < INFINITY:
            total += apply_colocation(plan, dependent, container, record, for_dependent=False)
            continue
        if container.assigned is None or container.blocked:
            continue
        if record.primary_role >= PROMOTED and (
            replica.child is None or replica.child.next_role < PROMOTED
        ):
            continue
        places.append(container.assigned)
    if record.score >= INFINITY:
        intersect(dependent, places, None, record)
    return total


def _compatible_container(plan: Plan, dependent: Resource, bundle: Resource) -> Resource | None:
    node = place_of(dependent)
    if node is not None:
        node = host_of(node)
    if node is not None:
        return instance_on(bundle, node, 0, current=False)
    for candidate in sort_nodes(plan, dependent.table.nodes(), dependent.table, None):
        host = host_of(candidate)
        found = None if host is None else instance_on(bundle, host, 0, current=False)
        if found is not None:
            return found
    return None
