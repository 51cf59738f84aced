"""The state of nodes and resources as text: the lists at the head and the foot of a summary.

Reads:  a plan after unpacking
Oracle: first and last block of every summary
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from everbeat.policy.actions.create import is_active
from everbeat.policy.plan import words
from everbeat.policy.plan.placing import current_node
from everbeat.policy.plan.words import (
    EXIT_TEXTS,
    PRIMITIVE,
    PROMOTED,
    ROLE_NAMES,
    STARTED,
    STOPPED,
    UNPROMOTED,
    role_from_text,
)
from everbeat.policy.stages.node_criteria import node_colour
from everbeat.policy.values import base_name

if TYPE_CHECKING:
    from everbeat.policy.plan.node import Node
    from everbeat.policy.plan.plan import Plan
    from everbeat.policy.plan.resource import Resource

_PENDING = {
    "start": "Starting",
    "stop": "Stopping",
    "promote": "Promoting",
    "demote": "Demoting",
    "migrate_to": "Migrating",
    "migrate_from": "Migrating",
}


def status_lines(plan: Plan) -> list[str]:
    """Return the lists of nodes and resources."""
    lines = ["  * Node List:", *_node_lines(plan), ""] if plan.nodes else []
    lines.append("  * Full List of Resources:")
    found = len(lines)
    for resource in plan.resources:
        if resource.removed and not is_active(resource, everywhere=True):
            continue
        _resource_lines(plan, resource, "    ", lines)
    if len(lines) == found:
        lines.append("    * No resources")
    return lines


def _kind(node: Node) -> str:
    if node.is_guest():
        return "Guest"
    return "Remote" if node.is_remote else ""


def _node_state(node: Node) -> str:
    if node.unclean:
        if node.online:
            return "UNCLEAN (online)"
        return "UNCLEAN (pending)" if node.pending else "UNCLEAN (offline)"
    if node.pending:
        return "pending"
    if node.standby_on_fail and node.online:
        return "standby (on-fail)"
    if node.standby:
        if not node.online:
            return "OFFLINE (standby)"
        return "standby (with active resources)" if node.running else "standby"
    if node.maintenance:
        return "maintenance" if node.online else "OFFLINE (maintenance)"
    return "online" if node.online else "OFFLINE"


def _node_lines(plan: Plan) -> list[str]:
    lines: list[str] = []
    lists: dict[str, list[str]] = {}
    for node in plan.nodes:
        state, colour = _node_state(node), node_colour(plan, node)
        if state in ("online", "OFFLINE") and colour is None:
            word = "Online" if node.online else "OFFLINE"
            lists.setdefault(_kind(node) + word, []).append(node.name)
            continue
        health = "" if colour is None else f" (health is {colour})"
        lines.append(f"    * {_kind(node)}Node {node.name}: {state}{health}")
    lines.extend(
        f"    * {title}: [ {' '.join(lists[title])} ]"
        for title in ("Online", "OFFLINE", "RemoteOnline", "RemoteOFFLINE", "GuestOnline")
        if title in lists
    )
    return lines


def _agent(resource: Resource) -> str:
    xml = resource.xml
    provider = xml.get("provider")
    middle = f"{provider}:" if provider else ""
    return f"{xml.text('class')}:{middle}{xml.text('type')}"


def _wanted(resource: Resource) -> str | None:
    return resource.meta.get("target-role")


def _probe_failure(plan: Plan, name: str, node: Node | None) -> int | None:
    for failure in plan.failed_operations:
        if not failure.is_masked_probe:
            continue
        if node is not None and failure.node is not node:
            continue
        if name in (failure.resource_id, base_name(failure.resource_id)):
            return failure.rc
    return None


def printable_id(resource: Resource) -> str:
    """Return a resource's name for people: without a number where instances are alike."""
    return resource.id if resource.unique else resource.xml_id


def _shown_node(resource: Resource) -> Node | None:
    """Return the node a resource is shown on: where it runs, else where something is under way."""
    return current_node(resource) or resource.pending_node


def primitive_text(plan: Plan, resource: Resource, name: str, node: Node | None) -> str:
    """Return one resource's line without its bullet; `node` is where its container or it is."""
    is_multiple = len(resource.active_on) > 1
    node = None if is_multiple else node or resource.lock_node
    words: list[str] = []
    if resource.removed:
        words.append(" ORPHANED")
    role = resource.role
    if role == STARTED and resource.is_promotable_part():
        role = UNPROMOTED
    if resource.failed:
        words.append(" FAILED" + (" Promoted" if role == PROMOTED else ""))
    else:
        words.append(" " + _PENDING.get(resource.pending_task or "", ROLE_NAMES[role]))
    if node is not None:
        words.append(" " + node.name)
    if role == STOPPED:
        rc = _probe_failure(plan, resource.id, node)
        if rc is not None:
            words.append(f" ({EXIT_TEXTS.get(rc, 'error')})")
    flags = _flags(resource, node)
    if flags:
        words.append(f" ({', '.join(flags)})")
    if is_multiple:
        words.append(f" [ {' '.join(n.name for n in resource.active_on)} ]")
    return f"{name}\t({_agent(resource)}):\t{''.join(words)}"


def _flags(resource: Resource, node: Node | None) -> list[str]:
    flags: list[str] = []
    if node is not None and not node.online and node.unclean:
        flags.append("UNCLEAN")
    if node is not None and node is resource.lock_node:
        flags.append("LOCKED")
    if resource.pending_task == "monitor":
        flags.append("Monitoring")
    wanted = role_from_text(_wanted(resource))
    if wanted == STOPPED:
        flags.append("disabled")
    elif wanted == UNPROMOTED and resource.is_promotable_part():
        flags.append(f"target-role:{_wanted(resource)}")
    if resource.blocked:
        flags.append("blocked")
    elif resource.maintenance:
        flags.append("maintenance")
    elif not resource.managed:
        flags.append("unmanaged")
    if resource.failure_ignored:
        flags.append("failure ignored")
    return flags


def _resource_lines(plan: Plan, resource: Resource, indent: str, lines: list[str]) -> None:
    match resource.variant:
        case words.GROUP:
            _group_lines(plan, resource, indent, lines)
        case words.CLONE:
            _clone_lines(plan, resource, indent, lines)
        case words.BUNDLE:
            _bundle_lines(plan, resource, indent, lines)
        case _:
            if not resource.is_internal:
                node = _shown_node(resource)
                text = primitive_text(plan, resource, printable_id(resource), node)
                lines.append(f"{indent}* {text}")


def _state_words(resource: Resource) -> list[str]:
    words: list[str] = []
    if is_disabled(resource):
        words.append("disabled")
    if resource.maintenance:
        words.append("maintenance")
    elif not resource.managed:
        words.append("unmanaged")
    return words


def _in_parentheses(words: list[str]) -> str:
    return f" ({', '.join(words)})" if words else ""


def _group_lines(plan: Plan, group: Resource, indent: str, lines: list[str]) -> None:
    lines.append(f"{indent}* Resource Group: {group.id}{_in_parentheses(_state_words(group))}:")
    lines.extend(
        f"{indent}  * {primitive_text(plan, member, printable_id(member), _shown_node(member))}"
        for member in group.children
    )


def _is_unmanaged_or_failed(instance: Resource) -> bool:
    return any(not p.managed or p.failed or p.removed for p in instance.primitives())


def _role(instance: Resource) -> int:
    return max(p.role for p in instance.primitives())


def _clone_lines(plan: Plan, clone: Resource, indent: str, lines: list[str]) -> None:
    assert clone.child_xml is not None
    words: list[str] = []
    if clone.promotable:
        words.append("promotable")
    if clone.unique:
        words.append("unique")
    words += _state_words(clone)
    title = f"{indent}* Clone Set: {clone.id} [{clone.child_xml.id}]{_in_parentheses(words)}:"
    lines.append(title)
    inner = indent + "  "
    promoted: list[Node] = []
    started: list[Node] = []
    for instance in clone.children:
        primitives = instance.primitives()
        some = any(is_active(p) for p in primitives)
        every = all(is_active(p) for p in primitives)
        if clone.unique or instance.pending_task is not None:
            _resource_lines(plan, instance, inner, lines)
        elif not some:
            continue
        elif _is_unmanaged_or_failed(instance) or not every:
            _resource_lines(plan, instance, inner, lines)
        else:
            node = _only_node(primitives)
            if node is None or (not node.online and node.unclean):
                _resource_lines(plan, instance, inner, lines)
            elif _role(instance) > UNPROMOTED:
                promoted.append(node)
            else:
                started.append(node)
    _name_list(inner, "Promoted", promoted, lines)
    _name_list(inner, _started_word(clone), started, lines)
    if not clone.unique and clone.clone_max > len(promoted) + len(started):
        _stopped_lines(plan, clone, inner, lines)


def _only_node(primitives: list[Resource]) -> Node | None:
    """Return the one node on which all these run, or None where they run on several."""
    node = primitives[0].active_on[0]
    return node if all(other is node for p in primitives for other in p.active_on) else None


def _started_word(clone: Resource) -> str:
    if not clone.promotable:
        return "Started"
    if _wanted_of_instances(clone) == UNPROMOTED:
        return "Unpromoted (target-role)"
    return "Unpromoted"


def _name_list(indent: str, title: str, nodes: list[Node], lines: list[str]) -> None:
    if nodes:
        names = " ".join(n.name for n in sorted(nodes, key=lambda n: n.order))
        lines.append(f"{indent}* {title}: [ {names} ]")


def _stopped_lines(plan: Plan, clone: Resource, indent: str, lines: list[str]) -> None:
    assert clone.child_xml is not None
    texts: dict[str, list[Node]] = {}
    disabled = _wanted_of_instances(clone) == STOPPED
    for node in _possible_nodes(plan, clone):
        if node in clone.active_on:
            continue
        if any(node in p.active_on for p in clone.primitives()):
            continue
        text = "Stopped (disabled)" if disabled else "Stopped"
        rc = _probe_failure(plan, clone.child_xml.id, node)
        if rc is not None:
            text = f"Stopped ({EXIT_TEXTS.get(rc, 'error')})"
        texts.setdefault(text, []).append(node)
    for text in sorted(texts):
        _name_list(indent, text, texts[text], lines)


def _wanted_of_instances(clone: Resource) -> int:
    """Return the role the clone, or where it says nothing its first instance, shall have."""
    text = _wanted(clone)
    if text is None and clone.children:
        text = _wanted(clone.children[0])
    return role_from_text(text)


def _possible_nodes(plan: Plan, clone: Resource) -> list[Node]:
    """Return the nodes of a clone's table; those probed where it is empty (asymmetric clusters)."""
    if clone.table.nodes():
        return [node for node in plan.nodes if clone.table.has(node.index)]
    return [node for node in plan.nodes if node in clone.probed_nodes]


def _bundle_lines(plan: Plan, bundle: Resource, indent: str, lines: list[str]) -> None:
    parts = bundle.bundle
    assert parts is not None
    several = " set" if parts.replica_count > 1 else ""
    words = " (unique)" if bundle.unique else ""
    if bundle.maintenance:
        words += " (maintenance)"
    elif not bundle.managed:
        words += " (unmanaged)"
    lines.append(f"{indent}* Container bundle{several}: {bundle.id} [{parts.image}]{words}:")
    for replica in parts.replicas:
        container = replica.container
        assert container is not None
        shown = replica.child or container
        name = replica.remote.id if replica.remote is not None else container.id
        if replica.address is not None:
            name = f"{name} ({replica.address})"
        text = primitive_text(plan, shown, name, current_node(container))
        lines.append(f"{indent}  * {text}")


def is_disabled(resource: Resource) -> bool:
    """Say whether a resource shall be stopped, or, where it could be promoted, never be so."""
    wanted = role_from_text(_wanted(resource))
    return wanted == STOPPED or (wanted == UNPROMOTED and resource.is_promotable_part())


def counts(plan: Plan) -> tuple[int, int, int]:
    """Return how many resources there are, how many are disabled, how many blocked."""
    total = disabled = blocked = 0
    for resource in plan.all_resources():
        if resource.variant != PRIMITIVE:
            continue
        if resource.removed and resource.role <= STOPPED:
            continue
        total += 1
        disabled += is_disabled(resource)
        blocked += resource.blocked
    return total, disabled, blocked
