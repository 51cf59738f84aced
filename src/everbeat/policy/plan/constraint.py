"""Wishes about resources, ready for use: locations, colocations, orderings, tickets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from everbeat.policy.plan.table import CauseKind
from everbeat.policy.plan.words import CLONE

if TYPE_CHECKING:
    from everbeat.policy.plan.action import Action
    from everbeat.policy.plan.node import Node
    from everbeat.policy.plan.resource import Resource


@final
class LocationRecord:
    """Scores of some nodes for one resource; `role` 0 means whatever role."""

    def __init__(
        self,
        record_id: str,
        resource: Resource,
        role: int,
        mode: int,
        kind: CauseKind = CauseKind.LOCATION,
    ) -> None:
        self.id: Final = record_id
        self.resource: Final = resource
        self.role: Final = role
        self.mode: Final = mode
        self.kind: Final = kind
        self.nodes: list[tuple[Node, int]] = []

    def add(self, node: Node, score: int) -> None:
        """Enter one node."""
        self.nodes.append((node, score))


@final
class Colocation:
    """`dependent` goes where `primary` is, with a score; roles 0 mean whatever role."""

    def __init__(
        self,
        record_id: str,
        dependent: Resource,
        primary: Resource,
        score: int,
        dependent_role: int = 0,
        primary_role: int = 0,
        attribute: str = "#uname",
        *,
        influence: bool,
        explicit: bool = False,
    ) -> None:
        self.id: Final = record_id
        self.dependent: Final = dependent
        self.primary: Final = primary
        self.score: Final = score
        self.dependent_role: Final = dependent_role
        self.primary_role: Final = primary_role
        self.attribute: Final = attribute
        self.influence: Final = influence
        self.explicit: Final = explicit


def _goes_before(a: Resource, b: Resource) -> bool:
    """Compare two records of a list by the resource at their far end; equals go in front."""
    if a.priority != b.priority:
        return a.priority > b.priority
    if a.variant != b.variant:
        return a.variant > b.variant
    if a.variant == CLONE and a.promotable != b.promotable:
        return a.promotable
    return a.id <= b.id


def insert_this_with(records: list[Colocation], record: Colocation) -> None:
    """Enter a record, by its primary, into a list of what a resource wants to be with."""
    for index, other in enumerate(records):
        if _goes_before(record.primary, other.primary):
            records.insert(index, record)
            return
    records.append(record)


def insert_with_this(records: list[Colocation], record: Colocation) -> None:
    """Enter a record, by its dependent, into a list of what wants to be with a resource."""
    for index, other in enumerate(records):
        if _goes_before(record.dependent, other.dependent):
            records.insert(index, record)
            return
    records.append(record)


def record_colocation(colocation: Colocation) -> None:
    """Enter a colocation at both of its ends, unless its score is 0."""
    if colocation.score == 0:
        return
    insert_this_with(colocation.dependent.this_with, colocation)
    insert_with_this(colocation.primary.with_this, colocation)


@final
class OrderRecord:
    """One ordering before it is spread over actions: per side a resource and key, or an action."""

    def __init__(
        self,
        first_resource: Resource | None,
        first_key: str | None,
        first_action: Action | None,
        then_resource: Resource | None,
        then_key: str | None,
        then_action: Action | None,
        flags: int,
    ) -> None:
        self.first_resource: Final = first_resource
        self.first_key: Final = first_key
        self.first_action: Final = first_action
        self.then_resource: Final = then_resource
        self.then_key: Final = then_key
        self.then_action: Final = then_action
        self.flags: Final = flags


@final
class Ticket:
    """A ticket and what is known of it."""

    def __init__(self, ticket_id: str) -> None:
        self.id: Final = ticket_id
        self.granted = False
        self.standby = False


@final
class TicketUse:
    """A resource's dependence on a ticket."""

    def __init__(
        self, record_id: str, resource: Resource, ticket: Ticket, policy: str, role: int
    ) -> None:
        self.id: Final = record_id
        self.resource: Final = resource
        self.ticket: Final = ticket
        self.policy: Final = policy
        self.role: Final = role
