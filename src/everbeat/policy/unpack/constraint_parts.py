"""What constraints have in common: the resource a name means, the members of a set."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from everbeat.cib.tree import Element
    from everbeat.policy.plan.plan import Plan
    from everbeat.policy.plan.resource import Resource


def constrained_resource(plan: Plan, name: str | None) -> Resource | None:
    """Find the resource a constraint names; a name known from history means the whole clone."""
    if name is None:
        return None
    found = plan.resources_by_id.get(name)
    if found is not None:
        return found
    known = plan.resources_by_history_id.get(name)
    if known:
        return known[0].uber_parent()
    return None


def set_members(plan: Plan, resource_set: Element) -> list[Resource]:
    """Return the resources of a set, in order, up to the first name that is unknown."""
    found: list[Resource] = []
    for ref in resource_set.all("resource_ref"):
        resource = constrained_resource(plan, ref.id)
        if resource is None:
            break
        found.append(resource)
    return found


def is_known_set(plan: Plan, resource_set: Element) -> bool:
    """Say whether a set names only resources that there are, and is one itself."""
    if resource_set.get("id-ref") is not None:
        return False
    return len(set_members(plan, resource_set)) == len(resource_set.all("resource_ref"))
