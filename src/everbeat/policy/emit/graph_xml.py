"""The transition graph as text, as controllers read it.

Reads:  the graph, resources' parameters and metas
Oracle: exp files
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from everbeat.cib.tree import render_attribute
from everbeat.policy.plan.placing import current_node
from everbeat.policy.plan.words import CLONE, PRIMITIVE
from everbeat.policy.unpack.attributes import parameters_on
from everbeat.policy.values import operation_key

if TYPE_CHECKING:
    from everbeat.policy.emit.graph import Synapse
    from everbeat.policy.plan.action import Action
    from everbeat.policy.plan.node import Node
    from everbeat.policy.plan.plan import Plan
    from everbeat.policy.plan.resource import Resource

FEATURE_SET: Final = "3.20.1"
"""The version of the graph's language; agents are told it."""
_REAL_CLUSTER_TASKS: Final = ("stonith", "do_shutdown", "clear_failcount", "lrm_delete")


def render_graph(plan: Plan, graph: list[Synapse]) -> str:
    """Write the whole graph."""
    options = plan.options
    head: dict[str, str] = {
        "cluster-delay": options.time_as_written("cluster-delay", "60s"),
        "fencing-timeout": options.time_as_written("fencing-timeout", "60s"),
        "failed-stop-offset": "INFINITY",
        "failed-start-offset": "INFINITY" if options.start_failure_is_fatal else "1",
        "batch-limit": str(options.batch_limit),
        "transition_id": "1",
    }
    if options.migration_limit > 0:
        head["migration-limit"] = str(options.migration_limit)
    if plan.recheck_in_graph > 0:
        head["recheck-by"] = str(plan.recheck_in_graph)
    lines: list[str] = []
    if not graph:
        return f"<transition_graph{_attributes(head)}/>\n"
    lines.append(f"<transition_graph{_attributes(head)}>")
    for number, synapse in enumerate(graph):
        _render_synapse(plan, synapse, number, lines)
    lines.append("</transition_graph>")
    return "\n".join(lines) + "\n"


def _attributes(pairs: dict[str, str]) -> str:
    return "".join(f' {name}="{render_attribute(value)}"' for name, value in pairs.items())


def _render_synapse(plan: Plan, synapse: Synapse, number: int, lines: list[str]) -> None:
    action = synapse.action
    priority = action.priority
    if action.resource is not None:
        priority = max(priority, action.resource.priority)
    extra = f' priority="{priority}"' if priority > 0 else ""
    lines.append(f'  <synapse id="{number}"{extra}>')
    lines.append("    <action_set>")
    _render_action(plan, synapse, lines)
    lines.append("    </action_set>")
    if not synapse.inputs:
        lines.append("    <inputs/>")
    else:
        lines.append("    <inputs>")
        for first in synapse.inputs:
            tag, attributes = describe(first)
            lines.append("      <trigger>")
            lines.append(f"        <{tag}{_attributes(attributes)}/>")
            lines.append("      </trigger>")
        lines.append("    </inputs>")
    lines.append("  </synapse>")


def describe(action: Action) -> tuple[str, dict[str, str]]:
    """Return the element name of an action and the attributes that identify it."""
    attributes: dict[str, str] = {}
    tag = "rsc_op"
    if action.is_pseudo:
        tag = "pseudo_event"
    elif action.task in _REAL_CLUSTER_TASKS:
        tag = "crm_event"
        if action.task == "lrm_delete":
            attributes["mode"] = "cib"
    attributes["id"] = str(action.id)
    attributes["operation"] = action.task
    key, internal = history_key(action)
    attributes["operation_key"] = key
    if internal is not None:
        attributes["internal_operation_key"] = internal
    node = action.node
    is_guest_fencing = action.task == "stonith" and node is not None
    if node is not None and (tag != "pseudo_event" or is_guest_fencing):
        attributes["on_node"] = node.name
        attributes["on_node_uuid"] = node.id
        if tag == "rsc_op" or (tag == "crm_event" and action.task != "stonith"):
            router = router_of(action)
            if router is not None:
                attributes["router_node"] = router.name
    return tag, attributes


def _add_lock(action: Action, attributes: dict[str, str]) -> None:
    """Tell the executor to keep, or to go on keeping, a resource for a node that shut down."""
    node, resource = action.node, action.resource
    if resource is None or resource.lock_node is None or node is not resource.lock_node:
        return
    if not action.is_pseudo and (action.task == "stop" or not node.shutdown):
        attributes["shutdown-lock"] = str(resource.lock_time)


def history_key(action: Action) -> tuple[str, str | None]:
    """Return an action's name for the executor, and the real one where that differs."""
    resource = action.resource
    if resource is None or resource.history_id is None or resource.unique:
        return action.key, None
    if resource.history_id == resource.id:
        return action.key, None
    task = action.cancelled_task or action.task
    if task == "notify" and "notify_type" in action.meta:
        key = operation_key(
            resource.history_id,
            f"{action.meta['notify_type']}_notify_{action.meta['notify_operation']}",
            0,
        )
    else:
        key = operation_key(resource.history_id, task, action.interval_ms)
    return key, action.key


def router_of(action: Action) -> Node | None:
    """Return the host of the connection through which an action on a remote node goes."""
    node = action.node
    if node is None or not node.is_remote or node.connection is None:
        return None
    connection = node.connection
    task = action.task
    if task == "notify":
        task = action.meta.get("notify_operation", task)
    began = current_node(connection)
    ended = connection.assigned
    if began is None or ended is None or began is ended:
        return ended if began is None else began
    migrating = connection.partial_source is not None and connection.launcher is None
    if task in ("cancel", "stop", "demote", "migrate_to", "migrate_from") and not migrating:
        return began
    return ended


def _render_action(plan: Plan, synapse: Synapse, lines: list[str]) -> None:
    action = synapse.action
    tag, attributes = describe(action)
    _add_lock(action, attributes)
    lines.append(f"      <{tag}{_attributes(attributes)}>")
    resource = action.resource
    if resource is not None and not action.is_pseudo:
        lines.append(f"        <{resource.xml.tag}{_attributes(_identity(resource))}/>")
    parameters = _parameters(plan, action)
    digits = {n: v for n, v in parameters.items() if n[:1].isdigit()}
    plain = {n: parameters[n] for n in sorted(parameters) if n not in digits}
    if not digits:
        lines.append(f"        <attributes{_attributes(plain)}/>")
    else:
        lines.append(f"        <attributes{_attributes(plain)}>")
        lines.extend(
            f'          <param name="{render_attribute(n)}" value="{render_attribute(v)}"/>'
            for n, v in digits.items()
        )
        lines.append("        </attributes>")
    _render_downed(plan, synapse, lines)
    if action.task == "maintenance_nodes":
        _render_maintenance(plan, lines)
    lines.append(f"      </{tag}>")


def _identity(resource: Resource) -> dict[str, str]:
    identity: dict[str, str] = {}
    if resource.removed and resource.history_id is not None:
        identity["id"] = resource.history_id
        identity["long-id"] = resource.id
    elif not resource.unique:
        identity["id"] = resource.xml_id
        history_id = resource.history_id
        if history_id is not None and history_id != resource.xml_id:
            identity["long-id"] = history_id
        else:
            identity["long-id"] = resource.id
    else:
        identity["id"] = resource.id
    for name in ("class", "provider", "type"):
        value = resource.xml.get(name)
        if value is not None:
            identity[name] = value
    return identity


def _parameters(plan: Plan, action: Action) -> dict[str, str]:
    found: dict[str, str] = {"crm_feature_set": FEATURE_SET, **action.extra}
    resource, node = action.resource, action.node
    if resource is not None and (node is not None or resource.variant == PRIMITIVE):
        for name, value in parameters_on(plan, resource, node).items():
            found.setdefault(name, value)
        if found.get("addr") == "#uname" and resource.is_remote_connection():
            from everbeat.policy.actions.digests import container_host  # noqa: PLC0415

            host = container_host(resource)
            if host is not None:
                found["addr"] = host.name
    for name, value in action.meta.items():
        if "#" in name or ":" in name:
            continue
        found.setdefault("CRM_meta_" + name.replace("-", "_"), value)
    if node is not None and (not action.is_pseudo or action.task == "stonith"):
        found.setdefault("CRM_meta_on_node", node.name)
        found.setdefault("CRM_meta_on_node_uuid", node.id)
    part = resource
    while part is not None:
        _graph_meta(part, found)
        part = part.parent
    if resource is not None and node is not None:
        _guest_meta(resource, action, found)
    return found


def _flag(value: bool) -> str:  # noqa: FBT001 - a boolean is what is rendered
    return "true" if value else "false"


def _graph_meta(resource: Resource, found: dict[str, str]) -> None:
    if resource.variant == PRIMITIVE:
        number = resource.meta.get("clone")
        if number is not None:
            found["CRM_meta_clone"] = number
        remote = resource.meta.get("remote-node")
        if remote is not None:
            found["CRM_meta_remote_node"] = remote
        part: Resource | None = resource
        while part is not None:
            if part.launcher is not None:
                found["CRM_meta_container"] = part.launcher.id
                break
            part = part.parent
        parent = resource.parent
        if parent is not None and parent.bundle is not None:
            return
        top = resource.top()
        if top.bundle is not None:
            for replica in top.bundle.replicas:
                if replica.child is resource and replica.address is not None:
                    found["pcmk_external_ip"] = replica.address
    elif resource.variant == CLONE:
        found["CRM_meta_globally_unique"] = _flag(resource.unique)
        found["CRM_meta_notify"] = _flag(resource.notify)
        found["CRM_meta_clone_max"] = str(resource.clone_max)
        found["CRM_meta_clone_node_max"] = str(resource.clone_node_max)
        if resource.promotable:
            for word in ("promoted", "master"):
                found[f"CRM_meta_{word}_max"] = str(resource.promoted_max)
                found[f"CRM_meta_{word}_node_max"] = str(resource.promoted_node_max)


def _guest_meta(resource: Resource, action: Action, found: dict[str, str]) -> None:
    node = action.node
    assert node is not None
    if not node.is_guest() or node.connection is None or node.connection.launcher is None:
        return
    launcher = node.connection.launcher
    task = action.task
    if task in ("notify", "notified"):
        task = action.meta.get("notify_operation", task)
    host: Node | None = None
    if task in ("stop", "stopped", "demote", "demoted"):
        host = current_node(launcher)
    elif task in ("start", "running", "monitor", "promote", "promoted"):
        host = launcher.assigned
    if host is None:
        return
    target = resource.meta.get("container-attribute-target")
    if target is not None:
        found["CRM_meta_container_attribute_target"] = target
    found["CRM_meta_physical_host"] = host.name


def _render_downed(plan: Plan, synapse: Synapse, lines: list[str]) -> None:
    action = synapse.action
    names: list[str] = []
    node = action.node
    if action.is_pseudo and action.task != "stonith":
        return
    if action.task == "do_shutdown" and node is not None:
        names.append(node.id)
    elif action.task == "stonith" and node is not None:
        if action.meta.get("stonith_action") in ("off", "reboot", "poweroff"):
            names.append(node.id)
            for running in node.running:  # with it go the guests whose connections it holds
                if running.is_remote_connection() and running.launcher is not None:
                    guest = plan.node_named(running.id)
                    if guest is not None:
                        names.append(guest.id)
    elif (
        action.resource is not None
        and action.resource.is_remote_connection()
        and action.task == "stop"
    ):
        moves = any(
            first.action.resource is action.resource and first.action.task == "migrate_from"
            for first in action.before
        )
        if not moves:
            names.append(action.resource.id)
    if names:
        lines.append("        <downed>")
        lines.extend(f'          <node id="{render_attribute(name)}"/>' for name in names)
        lines.append("        </downed>")


def _render_maintenance(plan: Plan, lines: list[str]) -> None:
    lines.append("        <maintenance>")
    for node in plan.nodes:
        if node.is_remote and node.maintenance != node.remote_maintenance:
            state = "1" if node.maintenance else "0"
            lines.append(
                f'          <node id="{render_attribute(node.id)}" node_in_maintenance="{state}"/>'
            )
    lines.append("        </maintenance>")
