"""Which colocations count for a resource: its own, its parents', and some of its members'."""

from __future__ import annotations

from typing import TYPE_CHECKING

from everbeat.policy.plan.constraint import Colocation, insert_this_with, insert_with_this
from everbeat.policy.plan.words import CLONE, GROUP, PRIMITIVE
from everbeat.policy.score import INFINITY

if TYPE_CHECKING:
    from everbeat.policy.plan.resource import Resource


def this_with(resource: Resource) -> list[Colocation]:
    """Return what the resource wants to be with."""
    found: list[Colocation] = []
    _add_this_with(resource, resource, found)
    return found


def with_this(resource: Resource) -> list[Colocation]:
    """Return what wants to be with the resource."""
    found: list[Colocation] = []
    _add_with_this(resource, resource, found)
    return found


def _merge_this(into: list[Colocation], added: list[Colocation]) -> None:
    """Join two lists; into a filled one only the first of the others goes, repeatedly."""
    if not into:
        into.extend(added)
        return
    for _ in added:
        insert_this_with(into, added[0])


def _merge_with(into: list[Colocation], added: list[Colocation]) -> None:
    if not into:
        into.extend(added)
        return
    for _ in added:
        insert_with_this(into, added[0])


def _add_this_with(resource: Resource, asking: Resource, found: list[Colocation]) -> None:
    if resource.variant == PRIMITIVE:
        if resource is not asking:
            for record in resource.this_with:
                if record.explicit:
                    insert_this_with(found, record)
            return
        _merge_this(found, resource.this_with)
        if resource.parent is not None:
            _add_this_with(resource.parent, asking, found)
    elif resource.variant == GROUP:
        _add_group_this_with(resource, asking, found)
    elif resource.variant == CLONE:
        _merge_this(found, resource.this_with)
        if resource.parent is not None:
            _add_this_with(resource.parent, asking, found)
    elif _bundle_shares(resource, asking):
        _merge_this(found, resource.this_with)


def _add_group_this_with(group: Resource, asking: Resource, found: list[Colocation]) -> None:
    if asking is group or asking is group.children[0]:
        _merge_this(found, group.this_with)
        if group.parent is not None:
            _add_this_with(group.parent, asking, found)
        if group.collocated:
            for member in group.children:
                if member is not asking:
                    _add_this_with(member, asking, found)
        return
    for member in group.children:
        if member is asking:
            return
        if not member.managed:
            for record in group.this_with:
                if record.score >= INFINITY:
                    insert_this_with(found, record)
            return


def _add_with_this(resource: Resource, asking: Resource, found: list[Colocation]) -> None:
    if resource.variant == PRIMITIVE:
        if resource is not asking:
            for record in resource.with_this:
                if record.explicit:
                    insert_with_this(found, record)
            return
        _merge_with(found, resource.with_this)
        if resource.parent is not None:
            _add_with_this(resource.parent, asking, found)
    elif resource.variant == GROUP:
        if asking is not resource and asking is not resource.children[-1]:
            return
        _merge_with(found, resource.with_this)
        if resource.parent is not None:
            _add_with_this(resource.parent, asking, found)
        if resource.collocated:
            for member in resource.children:
                if member is not asking:
                    _add_with_this(member, asking, found)
    elif resource.variant == CLONE:
        _merge_with(found, resource.with_this)
        if resource.parent is not None:
            _add_with_this(resource.parent, asking, found)
    elif _bundle_shares(resource, asking):
        _merge_with(found, resource.with_this)


def _bundle_shares(bundle: Resource, asking: Resource) -> bool:
    parts = bundle.bundle
    assert parts is not None
    if asking is bundle or any(asking is replica.container for replica in parts.replicas):
        return True
    clone = parts.clone
    if clone is None or not clone.promotable:
        return False
    if asking is clone:
        return clone.promotion_sorted
    return asking.parent is clone and asking.is_assigned


def has_influence(record: Colocation) -> bool:
    """Say whether the dependent's wishes count for the primary's place."""
    dependent, primary = record.dependent, record.primary
    if (
        dependent.variant == PRIMITIVE
        and dependent.is_remote_connection()
        and dependent.allows_nested_remote
        and not primary.failed
        and len(primary.active_on) == 1
    ):
        return False
    return record.influence or not primary.active_on
