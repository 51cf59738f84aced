"""Notifications: telling the instances of a clone what its other instances are about to do or did.

Reads:  actions of a clone's instances
Writes: notification points around the clone's own actions, and at graph creation one action
        for each instance to be told
Oracle: cases with notify
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from everbeat.policy.actions.create import new_action, newest_of_task
from everbeat.policy.actions.pairs import order_pair
from everbeat.policy.plan.placing import current_node
from everbeat.policy.plan.words import (
    IN_THIS_ORDER,
    OPTIONAL,
    PROMOTED,
    PSEUDO,
    RUNNABLE,
    STOPPED,
    THEN_MUST_FOLLOW,
    UNPROMOTED,
)
from everbeat.policy.score import INFINITY

if TYPE_CHECKING:
    from everbeat.policy.plan.action import Action
    from everbeat.policy.plan.node import Node
    from everbeat.policy.plan.plan import Plan
    from everbeat.policy.plan.resource import Resource


@final
class NotifyData:
    """The notification points around one task of a clone."""

    def __init__(self, task: str) -> None:
        self.task: Final = task
        self.pre: Action | None = None
        self.pre_done: Action | None = None
        self.post: Action | None = None
        self.post_done: Action | None = None
        self.keys: dict[str, str] = {}
        self.entries: dict[str, list[tuple[Resource, Node | None]]] = {}


def _point(
    plan: Plan, resource: Resource, kind: str, task: str, key_task: str, *, like: Action
) -> Action:
    key = f"{resource.id}_{kind}_notify_{key_task}_0"
    name = "notified" if kind.startswith("confirmed") else "notify"
    action = new_action(plan, resource, key, name, None, optional=like.is_optional)
    action.flags |= PSEUDO
    action.meta["notify_key_type"] = kind
    action.meta["notify_key_operation"] = key_task
    action.meta["notify_type"] = kind.removeprefix("confirmed-")
    action.meta["notify_operation"] = task
    return action


def make_notify_data(
    plan: Plan, resource: Resource, task: str, action: Action | None, complete: Action
) -> NotifyData:
    """Create the notification points around an action and its completion."""
    data = NotifyData(task)
    if action is not None:
        data.pre = _point(plan, resource, "pre", task, action.task, like=action)
        data.pre.allow()
        data.pre_done = _point(plan, resource, "confirmed-pre", task, action.task, like=action)
        data.pre_done.allow()
        order_pair(data.pre, data.pre_done, IN_THIS_ORDER)
        order_pair(data.pre_done, action, IN_THIS_ORDER)
    data.post = _point(plan, resource, "post", task, complete.task, like=complete)
    data.post.priority = INFINITY
    data.post_done = _point(plan, resource, "confirmed-post", task, complete.task, like=complete)
    data.post_done.priority = INFINITY
    for point in (data.post, data.post_done):
        point.flags = (point.flags & ~RUNNABLE) | (complete.flags & RUNNABLE)
    order_pair(complete, data.post, THEN_MUST_FOLLOW)
    order_pair(data.post, data.post_done, THEN_MUST_FOLLOW)
    if data.pre_done is not None:
        order_pair(data.pre_done, data.post, IN_THIS_ORDER)
    resource.notify_data[task] = data
    return data


def _data(resource: Resource, task: str) -> NotifyData | None:
    found = resource.notify_data.get(task)
    return found if isinstance(found, NotifyData) else None


def order_promotion_notices(clone: Resource) -> None:
    """Order the notification points of a promotable clone's tasks."""
    start, stop = _data(clone, "start"), _data(clone, "stop")
    promote, demote = _data(clone, "promote"), _data(clone, "demote")
    assert start is not None
    assert stop is not None
    assert promote is not None
    assert demote is not None
    order_pair(stop.post_done, promote.pre, IN_THIS_ORDER)
    order_pair(start.post_done, promote.pre, IN_THIS_ORDER)
    order_pair(demote.post_done, promote.pre, IN_THIS_ORDER)
    order_pair(demote.post_done, start.pre, IN_THIS_ORDER)
    order_pair(demote.post_done, stop.pre, IN_THIS_ORDER)


def create_notifications(plan: Plan, clone: Resource) -> None:
    """Create one action for each instance to be told, for every task of a clone."""
    for task in ("start", "stop", "promote", "demote"):
        data = _data(clone, task)
        if data is None:
            continue
        _collect(clone, data)
        _fill_keys(plan, clone, data)
        _require_points(data)
        for primitive in clone.primitives():
            _notify_instance(plan, primitive, data)


def notify_implied_stop(plan: Plan, resource: Resource, node: Node, fence: Action) -> None:
    """Tell the other instances of a clone that one stopped because its node was fenced."""
    data = make_notify_data(plan, resource, "stop", None, fence)
    clone = resource.uber_parent()
    data.keys["notify_stop_resource"] = resource.id
    data.keys["notify_stop_uname"] = node.name
    for primitive in clone.primitives():
        _notify_instance(plan, primitive, data)


_LISTS: Final = (
    "stop",
    "start",
    "demote",
    "promote",
    "active",
    "unpromoted",
    "promoted",
    "inactive",
)


def _collect(clone: Resource, data: NotifyData) -> None:
    data.entries = {name: [] for name in _LISTS}
    for primitive in clone.primitives():
        node = primitive.active_on[0] if primitive.active_on else None
        entry = (primitive, node)
        if primitive.role > STOPPED:
            data.entries["active"].append(entry)
        else:
            data.entries["inactive"].append(entry)
        if primitive.role == UNPROMOTED:
            data.entries["unpromoted"].append(entry)
        elif primitive.role == PROMOTED:
            data.entries["promoted"].append(entry)
        for action in primitive.actions:
            if action.is_optional or action.node is None or action.task not in _LISTS[:4]:
                continue
            stops_unclean = action.task == "stop" and action.node.unclean
            if action.is_runnable or stops_unclean:
                data.entries[action.task].append((primitive, action.node))


def _texts(entries: list[tuple[Resource, Node | None]], *, nodeless: bool) -> tuple[str, str]:
    usable = [entry for entry in entries if nodeless or entry[1] is not None]
    usable.sort(key=lambda entry: (entry[0].id, "" if entry[1] is None else entry[1].id))
    ids: list[str] = []
    names: list[str] = []
    for resource, node in usable:
        if resource.id in ids:
            continue
        ids.append(resource.id)
        if node is not None:
            names.append(node.name)
    return " ".join(ids) or " ", " ".join(names) or " "


def _fill_keys(plan: Plan, clone: Resource, data: NotifyData) -> None:
    keys = data.keys
    for name in ("stop", "start", "demote", "promote", "active"):
        ids, nodes = _texts(data.entries[name], nodeless=False)
        keys[f"notify_{name}_resource"] = ids
        keys[f"notify_{name}_uname"] = nodes
    for name, old in (("unpromoted", "slave"), ("promoted", "master")):
        ids, nodes = _texts(data.entries[name], nodeless=False)
        for word in (name, old):
            keys[f"notify_{word}_resource"] = ids
            keys[f"notify_{word}_uname"] = nodes
    keys["notify_inactive_resource"] = _texts(data.entries["inactive"], nodeless=True)[0]
    allowed = [n.name for n in plan.nodes if clone.table.has(n.index)]
    keys["notify_available_uname"] = " ".join(allowed) or " "
    every = " ".join(node.name for node in plan.nodes)
    if clone.meta.get("container-attribute-target") == "host":
        keys["notify_all_hosts"] = " ".join(_host_name(node) for node in plan.nodes)
    keys["notify_all_uname"] = every


def _host_name(node: Node) -> str:
    connection = node.connection
    if connection is None or connection.launcher is None:
        return node.name
    host = current_node(connection.launcher)
    return node.name if host is None else host.name


def _require_points(data: NotifyData) -> None:
    if data.entries[data.task]:
        for point in (data.pre, data.pre_done, data.post, data.post_done):
            if point is not None:
                point.require()


def _notify_instance(plan: Plan, instance: Resource, data: NotifyData) -> None:
    for action in instance.actions:
        if (
            action.is_required
            and action.node is not None
            and action.task in ("start", "stop", "promote", "demote")
        ):
            action.meta.update(data.keys)
    if data.task in ("start", "promote", "demote") and not data.entries[data.task]:
        return
    start = newest_of_task(instance, "start", None)
    stop = newest_of_task(instance, "stop", None)
    if data.task in ("stop", "demote"):
        if instance.role == STOPPED:
            return
        for node in instance.active_on:
            if stop is not None and stop.is_pseudo and (node.unclean or node.remote_reset):
                continue
            _notify_on(plan, instance, node, data, data.pre, data.pre_done)
            if data.task == "demote" or stop is None or stop.is_optional:
                _notify_post(plan, instance, node, data)
        return
    if instance.next_role == STOPPED:
        return
    if start is not None and start.node is not None and start.node.connection is not None:
        remote_start = newest_of_task(start.node.connection, "start", None)
        if remote_start is not None and not remote_start.is_runnable:
            return
    if instance.assigned is None:
        return
    if data.task != "start" or start is None or start.is_optional:
        _notify_on(plan, instance, instance.assigned, data, data.pre, data.pre_done)
    _notify_post(plan, instance, instance.assigned, data)


def _notify_on(
    plan: Plan,
    instance: Resource,
    node: Node,
    data: NotifyData,
    point: Action | None,
    done: Action | None,
) -> Action | None:
    if point is None or done is None or not node.online or not point.is_runnable:
        return None
    kind, task = point.meta["notify_type"], point.meta["notify_operation"]
    key = f"{instance.id}_{kind}_notify_{task}_0"
    action = new_action(plan, instance, key, "notify", node, optional=point.flags & OPTIONAL != 0)
    for name, value in point.meta.items():
        action.meta.setdefault(name, value)
    action.meta.update(data.keys)
    order_pair(point, action, IN_THIS_ORDER)
    order_pair(action, done, IN_THIS_ORDER)
    return action


def _notify_post(plan: Plan, instance: Resource, node: Node, data: NotifyData) -> None:
    action = _notify_on(plan, instance, node, data, data.post, data.post_done)
    if action is not None:
        action.priority = INFINITY
    if data.post_done is None:
        return
    for recurring in instance.actions:
        if recurring.meta.get("interval", "0") != "0" and recurring.task != "cancel":
            order_pair(data.post_done, recurring, IN_THIS_ORDER)
