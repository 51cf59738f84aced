"""Ticket constraints: what happens to a resource whose ticket is not here.

Reads:  one rsc_ticket, plan.tickets
Writes: bans, fencing, blocks, at once
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from everbeat.policy.actions.fence import fence_node
from everbeat.policy.plan.constraint import Ticket, TicketUse
from everbeat.policy.plan.placing import score_everywhere
from everbeat.policy.plan.table import Cause, CauseKind
from everbeat.policy.plan.words import PROMOTED, ROLE_UNKNOWN, STARTED, role_from_text
from everbeat.policy.score import INFINITY
from everbeat.policy.unpack.constraint_parts import (
    constrained_resource,
    is_known_set,
    set_members,
)

if TYPE_CHECKING:
    from everbeat.cib.tree import Element
    from everbeat.policy.plan.plan import Plan
    from everbeat.policy.plan.resource import Resource


def unpack_ticket_use(plan: Plan, element: Element) -> None:
    """Take one ticket constraint into account."""
    name = element.text("ticket")
    ticket = plan.tickets.setdefault(name, Ticket(name))
    uses: list[tuple[Resource, str | None]] = []
    sets = element.all("resource_set")
    if sets:
        for block in sets:
            uses += [(resource, block.get("role")) for resource in set_members(plan, block)]
            if not is_known_set(plan, block):
                break  # what comes after an unknown name is ignored with it
    else:
        resource = constrained_resource(plan, element.get("rsc"))
        if resource is not None:
            uses.append((resource, element.get("rsc-role")))
    for resource, written in uses:
        role = role_from_text(written)
        if role == STARTED:
            role = ROLE_UNKNOWN
        policy = element.text("loss-policy").lower()
        if policy == "fence" and not plan.options.fencing_enabled:
            policy = "stop"
        if policy not in ("stop", "demote", "fence", "freeze"):
            policy = "demote" if role == PROMOTED else "stop"
        use = TicketUse(element.id, resource, ticket, policy, role)
        resource.tickets.append(use)
        if not ticket.granted or ticket.standby:
            _answer(plan, resource, use)


def _answer(plan: Plan, resource: Resource, use: TicketUse) -> None:
    for child in resource.children:
        _answer(plan, child, use)
    if resource.children:
        return
    cause = Cause(CauseKind.TICKET, use.ticket.id)
    if not use.ticket.granted and resource.active_on:
        _lose(plan, resource, use, cause)
    elif use.role != PROMOTED or use.policy == "stop":
        score_everywhere(plan, resource, -INFINITY, cause)


def _lose(plan: Plan, resource: Resource, use: TicketUse, cause: Cause) -> None:
    role_matches = use.role in (ROLE_UNKNOWN, resource.role)
    match use.policy:
        case "stop":
            score_everywhere(plan, resource, -INFINITY, cause)
        case "demote":
            if use.role != PROMOTED:
                score_everywhere(plan, resource, -INFINITY, cause)
        case "fence":
            if role_matches:
                score_everywhere(plan, resource, -INFINITY, cause)
                for node in resource.active_on:
                    fence_node(plan, node, "deadman ticket was lost", priority_delay=False)
        case _:
            if role_matches:
                resource.managed = False
                resource.blocked = True
