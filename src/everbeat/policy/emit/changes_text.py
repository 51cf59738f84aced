"""What a transition does, for people: one line for each node and resource that changes.

Reads:  a plan after all stages
Oracle: the block "Transition Summary" of every summary
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from everbeat.policy.actions.create import find_task_actions
from everbeat.policy.plan.placing import current_node
from everbeat.policy.plan.words import (
    BUNDLE,
    PRIMITIVE,
    PROMOTED,
    ROLE_NAMES,
    STARTED,
    STOPPED,
    UNPROMOTED,
)

if TYPE_CHECKING:
    from everbeat.policy.plan.action import Action
    from everbeat.policy.plan.node import Node
    from everbeat.policy.plan.plan import Plan
    from everbeat.policy.plan.resource import Resource


@final
class _Line:
    def __init__(self, change: str, name: str, details: str, suffix: str) -> None:
        self.change: Final = change
        self.name: Final = name
        self.details: Final = details
        self.suffix: Final = suffix


def change_lines(plan: Plan) -> list[str]:
    """Return the lines of the transition summary."""
    lines: list[str] = []
    for action in reversed(plan.actions):
        if action.resource is not None or action.is_optional or action.node is None:
            continue
        if action.task == "stonith" and action.reason:  # without a reason it is not told
            name = action.node.name
            connection = action.node.connection
            if connection is not None and connection.launcher is not None:
                name = f"{name} (resource: {connection.launcher.id})"
            operation = action.meta.get("stonith_action", "")
            lines.append(f"  * Fence ({operation}) {name} '{action.reason}'")
    found: list[_Line] = []
    for resource in plan.resources:
        _collect(resource, found)
    name_width, detail_width = 5, 5
    for line in found:
        if len(line.name) > name_width:
            name_width = len(line.name) + 2
        detail_width = max(detail_width, len(line.details))
    lines.extend(
        f"  * {line.change:<8}   {line.name:<{name_width}}   "
        f"( {line.details:>{detail_width}} ){line.suffix}"
        for line in found
    )
    return lines


def _collect(resource: Resource, found: list[_Line]) -> None:
    if resource.variant == BUNDLE:
        assert resource.bundle is not None
        for replica in resource.bundle.replicas:
            for part in (replica.ip, replica.container, replica.remote, replica.child):
                if part is not None:
                    _collect(part, found)
    elif resource.variant == PRIMITIVE:
        _Changes(resource, found).look()
    else:
        for child in resource.children:
            _collect(child, found)


def _oldest(resource: Resource, task: str, node: Node | None) -> Action | None:
    actions = find_task_actions(resource, task, node)
    return actions[0] if actions else None


@final
class _Changes:
    """Looks at one resource and says what changes for it."""

    def __init__(self, resource: Resource, found: list[_Line]) -> None:
        self._resource = resource
        self._found = found
        self._next = resource.assigned
        self._current = current_node(resource)
        self._role = (
            STARTED if self._current is not None and resource.role == STOPPED else resource.role
        )

    def look(self) -> None:
        """Add the lines of this resource."""
        resource, current, following = self._resource, self._current, self._next
        if resource.removed and not resource.active_on:
            return
        if not resource.managed or (current is None and following is None):
            return
        start = _oldest(resource, "start", following)
        stop_node = current
        if resource.stop_unexpected or start is None or not start.is_runnable:
            stop_node = None
        stop = _oldest(resource, "stop", stop_node)
        promote = _oldest(resource, "promote", following)
        demote = _oldest(resource, "demote", following)
        moving = current is not None and following is not None and current is not following
        if self._role == resource.next_role:
            self._same_role(start, stop, promote, demote, moving=moving)
        else:
            self._other_role(start, stop, promote, demote, moving=moving)

    def _same_role(
        self,
        start: Action | None,
        stop: Action | None,
        promote: Action | None,
        demote: Action | None,
        *,
        moving: bool,
    ) -> None:
        resource, current, following = self._resource, self._current, self._next
        arrive = _oldest(resource, "migrate_from", following)
        if (
            arrive is not None
            and arrive.is_runnable
            and following is not None
            and current is not None
        ):
            self._add("Migrate", current, following, start, None)
        elif resource.reload:
            self._add("Reload", current, following, start, None)
        elif start is None or start.is_optional:
            if demote is not None and promote is not None:
                if demote.is_required and promote.is_required:
                    self._add("Re-promote", current, following, promote, demote)
        elif not start.is_runnable:
            source = start if stop is None or stop.reason is None else stop
            self._add("Stop", current, None, stop, source)
        elif moving and current is not None:
            self._add("Recover" if resource.failed else "Move", current, following, stop, None)
        elif resource.failed:
            self._add("Recover", current, None, stop, None)
        else:
            self._add("Restart", current, following, start, None)

    def _other_role(
        self,
        start: Action | None,
        stop: Action | None,
        promote: Action | None,
        demote: Action | None,
        *,
        moving: bool,
    ) -> None:
        resource, current, following = self._resource, self._current, self._next
        blocked_start = start is not None and not start.is_runnable
        if stop is not None and (resource.next_role == STOPPED or blocked_start):
            for node in list(resource.active_on):
                own = _oldest(resource, "stop", node)
                source = own if own is not None and own.reason is not None else start
                self._add("Stop", node, None, own, source or own)
        elif stop is not None and resource.failed and resource.stop_if_failed:
            self._add("Recover", current, following, stop, start)
        elif moving:
            self._add("Move", current, following, stop, None)
        elif resource.reload:
            self._add("Reload", current, following, start, None)
        elif stop is not None and stop.is_required:
            self._add("Restart", current, following, start, None)
        elif self._role == PROMOTED:
            self._add("Demote", current, following, demote, None)
        elif resource.next_role == PROMOTED:
            self._add("Promote", current, following, promote, None)
        elif self._role <= STOPPED < resource.next_role:
            self._add("Start", current, following, start, None)

    def _add(
        self,
        change: str,
        origin: Node | None,
        target: Node | None,
        action: Action | None,
        source: Action | None,
    ) -> None:
        if action is None:
            return
        source = source or action
        resource = self._resource
        role, next_role = ROLE_NAMES[self._role], ROLE_NAMES[resource.next_role]
        needs_role = self._role > STARTED or resource.next_role > UNPROMOTED
        same_role = self._role == resource.next_role
        details = _details(
            origin, target, role, next_role, needs_role=needs_role, same_role=same_role
        )
        suffix = ""
        if source.reason is not None:
            suffix = f"  due to {source.reason}"
            if not action.is_runnable:
                suffix += " (blocked)"
        elif not action.is_runnable:
            suffix = "  blocked"
        self._found.append(_Line(change, resource.id, details, suffix))


def _details(
    origin: Node | None,
    target: Node | None,
    role: str,
    next_role: str,
    *,
    needs_role: bool,
    same_role: bool,
) -> str:
    if origin is None:
        destination = "" if target is None else target.name
        return f"{role} -> {next_role} {destination}" if needs_role else destination
    if target is None:
        return f"{role} {origin.name}" if needs_role else origin.name
    same_host = origin is target
    if needs_role and same_role and same_host:
        return f"{role} {origin.name}"
    if same_role and same_host:
        return origin.name
    if same_role:
        tail = f" {role}" if needs_role else ""
        return f"{origin.name} -> {target.name}{tail}"
    if same_host:
        return f"{role} -> {next_role} {origin.name}" if needs_role else origin.name
    if needs_role:
        return f"{role} {origin.name} -> {next_role} {target.name}"
    return f"{origin.name} -> {target.name}"
