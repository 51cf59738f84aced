"""What a resource's history on a node comes to: where it runs, and what is done about failures.

Reads:  the role and what failures ask for, from `operation_history`
Writes: active nodes, failed flags, required stops, fencing
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from everbeat.policy.actions.create import find_task_actions, task_action
from everbeat.policy.actions.fence import fence_node
from everbeat.policy.plan import words
from everbeat.policy.plan.placing import score_everywhere, score_on
from everbeat.policy.plan.table import Cause, CauseKind
from everbeat.policy.plan.words import (
    BUNDLE,
    GROUP,
    ON_FAIL_BLOCK,
    ON_FAIL_DEMOTE,
    ON_FAIL_IGNORE,
    PRIMITIVE,
    PROMOTED,
    ROLE_UNKNOWN,
    STARTED,
    STOPPED,
)
from everbeat.policy.score import INFINITY

if TYPE_CHECKING:
    from everbeat.policy.plan.node import Node
    from everbeat.policy.plan.plan import Plan
    from everbeat.policy.plan.resource import Resource
    from everbeat.policy.unpack.operation_history import HistoryState

_FAILED = Cause(CauseKind.FAILED_THERE)
_NOT_MANAGED = Cause(CauseKind.NOT_MANAGED)
_MULTIPLE = Cause(CauseKind.ACTIVE_ON_SEVERAL)


def apply_state(plan: Plan, resource: Resource, node: Node, told: HistoryState) -> None:
    """Take over what the history of a resource on a node came to."""
    if resource.role != ROLE_UNKNOWN:
        _mark_probed(resource, node)
    if resource.role > STOPPED and not node.online and not node.maintenance and resource.managed:
        _fence_for_active(plan, resource, node)
    on_fail = ON_FAIL_IGNORE if node.unclean else told.on_fail
    _answer_failure(plan, resource, node, on_fail)
    if resource.is_remote_connection() and resource.failed:
        remote = plan.node_named(resource.id)
        if remote is not None and remote.unclean:
            remote.unseen = False
    if resource.role > STOPPED:
        failed = told.on_fail != ON_FAIL_IGNORE
        add_running(plan, resource, node, failed=False, counts=not failed)
        if on_fail in (ON_FAIL_DEMOTE, ON_FAIL_BLOCK):
            resource.failed = True
        elif on_fail != ON_FAIL_IGNORE:
            resource.failed = True
            resource.stop_if_failed = True
    elif resource.history_id is not None and ":" in resource.history_id:
        resource.history_id = None
    else:
        for stop in find_task_actions(resource, "stop", node):
            stop.make_optional()
    if resource.partial_source is not None and resource.role == STOPPED:
        resource.role = STARTED


def _mark_probed(resource: Resource, node: Node) -> None:
    part: Resource | None = resource
    while part is not None:
        if node not in part.probed_nodes:
            part.probed_nodes.append(node)
        if part.unique:
            return
        part = part.parent


def _fence_for_active(plan: Plan, resource: Resource, node: Node) -> None:
    reason = f"{resource.id} is thought to be active there"
    if node.is_guest():
        resource.failed = True
        resource.stop_if_failed = True
    elif not plan.options.fencing_enabled:
        return
    elif node.is_remote and node.connection is not None and not node.connection.failed:
        node.unseen = True
        reason = (
            f"{resource.id} is active there (fencing will be revoked if remote connection can "
            "be re-established elsewhere)"
        )
    fence_node(plan, node, reason, priority_delay=False)


def _answer_failure(plan: Plan, resource: Resource, node: Node, on_fail: int) -> None:
    match on_fail:
        case words.ON_FAIL_DEMOTE:
            resource.failed = True
            task_action(plan, resource, "demote", node, optional=False)
        case words.ON_FAIL_FENCE:
            fence_node(plan, node, f"{resource.id} failed there", priority_delay=False)
        case words.ON_FAIL_STANDBY:
            node.standby = True
            node.standby_on_fail = True
        case words.ON_FAIL_BLOCK:
            resource.managed = False
            resource.blocked = True
        case words.ON_FAIL_BAN:
            score_on(resource, node, -INFINITY, _FAILED)
        case words.ON_FAIL_STOP:
            resource.next_role = STOPPED
        case words.ON_FAIL_RESTART:
            _restart(plan, resource, node)
        case words.ON_FAIL_RESTART_CONTAINER:
            _restart_container(plan, resource, node)
        case words.ON_FAIL_RESET_REMOTE:
            _reset_remote(plan, resource, node)
        case _:
            assert on_fail == ON_FAIL_IGNORE


def _restart(plan: Plan, resource: Resource, node: Node) -> None:
    if resource.role > STOPPED:
        resource.failed = True
        resource.stop_if_failed = True
        task_action(plan, resource, "stop", node, optional=False)


def _restart_container(plan: Plan, resource: Resource, node: Node) -> None:
    resource.failed = True
    resource.stop_if_failed = True
    launcher = resource.launcher
    if launcher is not None and resource.top().variant == BUNDLE:
        if launcher not in plan.containers_to_stop:
            plan.containers_to_stop.insert(0, launcher)
    elif launcher is not None:
        task_action(plan, launcher, "stop", node, optional=False)
    elif resource.role > STOPPED:
        task_action(plan, resource, "stop", node, optional=False)


def _reset_remote(plan: Plan, resource: Resource, node: Node) -> None:
    resource.failed = True
    resource.stop_if_failed = True
    if plan.options.fencing_enabled:
        remote = plan.node_named(resource.id)
        if remote is not None and not remote.remote_fenced:
            fence_node(plan, remote, "remote connection is unrecoverable", priority_delay=False)
    if resource.role > STOPPED:
        task_action(plan, resource, "stop", node, optional=False)
    if resource.reconnect_ms:
        resource.next_role = STOPPED


def add_running(
    plan: Plan, resource: Resource, node: Node, *, failed: bool = False, counts: bool = True
) -> None:
    """Note that a resource runs on a node."""
    if node in resource.active_on:
        return
    resource.active_on.append(node)
    if failed:
        resource.failed = True
        resource.stop_if_failed = True
    if resource.variant == PRIMITIVE:
        node.running.append(resource)
        _raise_priority(resource, node, counts=counts and not failed)
        if node.maintenance:
            resource.managed = False
            resource.maintenance = True
        if not resource.managed:
            score_on(resource, node, INFINITY, _NOT_MANAGED)
            parent = resource.parent
            while parent is not None:
                if node not in parent.active_on:
                    parent.active_on.append(node)
                parent = parent.parent
            return
        _settle_multiple(plan, resource)
    if resource.parent is not None:
        add_running(plan, resource.parent, node)


def _raise_priority(resource: Resource, node: Node, *, counts: bool) -> None:
    if resource.priority == 0 or not counts:
        return
    extra = 1 if resource.role == PROMOTED else 0
    node.priority += resource.priority + extra
    if node.is_guest():
        assert node.connection is not None
        assert node.connection.launcher is not None
        for host in node.connection.launcher.active_on:
            host.priority += resource.priority + extra


def _settle_multiple(plan: Plan, resource: Resource) -> None:
    clean = [n for n in resource.active_on if n.online and not n.unclean]
    count = len(resource.active_on) if resource.needs_fencing else len(clean)
    if count <= 1:
        return
    if resource.multiple_active == "stop_only":
        score_everywhere(plan, resource, -INFINITY, _MULTIPLE)
    elif resource.multiple_active == "block":
        _block(resource)
        parent = resource.parent
        if parent is not None and parent.variant in (GROUP, BUNDLE):
            if parent.multiple_active == "block":
                for child in parent.children:
                    _block(child)


def _block(resource: Resource) -> None:
    resource.managed = False
    resource.blocked = True
