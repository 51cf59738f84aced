"""Put events into a document: nodes, tickets, quorum and results that have not happened.

Enters: the tree of a document, the plan made from it (for names), and events. Leaves: the tree
afterwards and a line for each change; an event that names what does not exist is left out and
listed in `refused`.
Oracle: crm_simulate 2.1.5, `Performing Requested Modifications` and the document it saves
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from everbeat.cib.tree import Element
from everbeat.cib.whole_numbers import integer_prefix
from everbeat.policy.simulation.injections import (
    Injection,
    NodeChange,
    NodeEvent,
    OperationResult,
    QuorumEvent,
    TicketChange,
    TicketEvent,
    WatchdogEvent,
)
from everbeat.policy.values import operation_key

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from everbeat.policy.plan.plan import Plan
    from everbeat.policy.plan.resource import Resource

_UUID: Final = "00000000-0000-0000-0000-000000000000"
_NOT_RUNNING: Final = 7
_ORDER: Final = (QuorumEvent, WatchdogEvent, NodeEvent, TicketEvent, OperationResult)
_NODE_LINES: Final = {
    NodeChange.UP: "Bringing node {} online",
    NodeChange.DOWN: "Taking node {} offline",
    NodeChange.FAIL: "Failing node {}",
}
_NODE_STATES: Final = {
    NodeChange.UP: {"in_ccm": "true", "crmd": "online", "join": "member", "expected": "member"},
    NodeChange.DOWN: {"in_ccm": "false", "crmd": "offline", "join": "down", "expected": "down"},
    NodeChange.FAIL: {"in_ccm": "false", "crmd": "online", "join": "member", "expected": "member"},
}
_TICKET_LINES: Final = {
    TicketChange.GRANT: "Granting ticket {}",
    TicketChange.REVOKE: "Revoking ticket {}",
    TicketChange.STANDBY: "Making ticket {} standby",
    TicketChange.ACTIVATE: "Activating ticket {}",
}
_TICKET_STATES: Final = {
    TicketChange.GRANT: {"granted": "true"},
    TicketChange.REVOKE: {"granted": "false"},
    TicketChange.STANDBY: {"standby": "true"},
    TicketChange.ACTIVATE: {"standby": "false"},
}


@final
class Injected:
    """The document afterwards, a line for each change, and what could not be done."""

    def __init__(self, cib: Element, lines: list[str], refused: list[str]) -> None:
        self.cib: Final = cib
        self.lines: Final = lines
        self.refused: Final = refused


def inject(plan: Plan, injections: Sequence[Injection], now: int) -> Injected:
    """Apply events: quorum, watchdog, nodes, tickets, results; each kind in the order given."""
    cib = plan.cib
    lines: list[str] = []
    refused: list[str] = []
    ordered = sorted(injections, key=_rank)
    coming = {
        event.node.lower()
        for event in ordered
        if isinstance(event, NodeEvent) and event.change is NodeChange.UP
    }
    for event in ordered:
        problem = _problem_of(plan, event, coming)
        if problem is not None:
            refused.append(problem)
            continue
        match event:
            case QuorumEvent(text):
                lines.append(f"Setting quorum: {text}")
                cib = cib.with_attributes({"have-quorum": text})
            case WatchdogEvent(text):
                lines.append(f"Setting watchdog: {text}")
                cib = _with_option(cib, "have-watchdog", text)
            case NodeEvent(change, node):
                lines.append(_NODE_LINES[change].format(node))
                cib = _with_node_state(plan, cib, change, node)
            case TicketEvent(change, ticket):
                lines.append(_TICKET_LINES[change].format(ticket))
                cib = _with_ticket(cib, ticket, _TICKET_STATES[change])
            case OperationResult():
                lines.append(f"Injecting {event.words} into the configuration")
                cib = with_result(plan, cib, event, now, lines)
    return Injected(cib, lines, refused)


def _rank(event: Injection) -> int:
    kind = _ORDER.index(type(event))
    if isinstance(event, NodeEvent):
        return kind * 10 + list(NodeChange).index(event.change)
    if isinstance(event, TicketEvent):
        return kind * 10 + list(TicketChange).index(event.change)
    return kind * 10


def _problem_of(plan: Plan, event: Injection, coming: set[str]) -> str | None:
    """Say why an event cannot be; a node that is not there yet may come, and nothing else."""
    names = " ".join(node.name for node in plan.nodes)
    match event:
        case NodeEvent(_, ""):
            return f"a node has a name; nodes are: {names}"
        case NodeEvent(_, node) if node.lower() not in coming and plan.node_named(node) is None:
            return f"there is no node {node}; nodes are: {names}"
        case TicketEvent(_, ""):
            return "a ticket has a name"
        case OperationResult() if plan.node_named(event.node) is None:
            return f"{event.words}: there is no node {event.node}; nodes are: {names}"
        case OperationResult() if resource_of(plan, event.resource) is None:
            return f"{event.words}: there is no single resource {event.resource}"
        case _:
            return None


def resource_of(plan: Plan, name: str) -> Resource | None:
    """Find a single resource by its id, by an instance's, or by its name in the history."""
    resource = plan.resources_by_id.get(name)
    if resource is None:
        resource = next(iter(plan.resources_by_history_id.get(name, ())), None)
    if resource is None:
        resource = next(
            (r for r in plan.all_resources() if r.is_primitive() and r.xml_id == name), None
        )
    return resource if resource is not None and resource.is_primitive() else None


def with_result(
    plan: Plan, cib: Element, event: OperationResult, now: int, lines: list[str]
) -> Element:
    """Return the document with an operation's result in it: history and, after a failure, counts.

    The resource and the node exist. Lines for fail counts go to `lines`.
    """
    resource = resource_of(plan, event.resource)
    node = plan.node_named(event.node)
    assert resource is not None
    assert node is not None
    status = cib.first("status") or Element("status", {}, [])
    state = _state_of(status, node.id, node.name)
    new_state = state or Element("node_state", _fresh_state(node.id, node.name), [])
    is_failure = event.rc != 0 and not (event.rc == _NOT_RUNNING and event.interval_ms == 0)
    if is_failure:
        new_state = _with_fail_count(new_state, node.id, event, now, lines)
    new_state = _with_history(new_state, resource, event, now)
    status_after = replaced(status, state, new_state)
    return replaced(cib, cib.first("status"), status_after)


# -------------------------------------------------------------------- trees with a part replaced


def replaced(parent: Element, old: Element | None, new: Element) -> Element:
    """Return the parent with `new` in the place of `old`, or as the last child."""
    if old is None:
        return parent.with_children([*parent.children, new])
    return parent.with_children([new if child is old else child for child in parent.children])


def _part(
    parent: Element, tag: str, attributes: Mapping[str, str]
) -> tuple[Element | None, Element]:
    """Return the first child with a tag twice, or None and a fresh one."""
    old = parent.first(tag)
    return old, old or Element(tag, attributes, [])


def _with_option(cib: Element, name: str, value: str) -> Element:
    configuration_old, configuration = _part(cib, "configuration", {})
    options_old, options = _part(configuration, "crm_config", {})
    set_old, option_set = _part(options, "cluster_property_set", {"id": "cib-bootstrap-options"})
    old = next((pair for pair in option_set.children if pair.get("name") == name), None)
    pair = Element("nvpair", {"id": f"{option_set.id}-{name}", "name": name, "value": value}, [])
    if old is not None:
        pair = old.with_attributes({"value": value})
    options = replaced(options, set_old, replaced(option_set, old, pair))
    return replaced(cib, configuration_old, replaced(configuration, options_old, options))


# ------------------------------------------------------------------------------ nodes and tickets


def _state_of(status: Element, node_id: str, name: str) -> Element | None:
    for state in status.all("node_state"):
        if state.id.lower() == node_id.lower() or state.text("uname").lower() == name.lower():
            return state
    return None


def _fresh_state(node_id: str, name: str) -> dict[str, str]:
    return {"id": node_id, "uname": name} | _NODE_STATES[NodeChange.UP]


def _with_node_state(plan: Plan, cib: Element, change: NodeChange, name: str) -> Element:
    node = plan.node_named(name)
    node_id = name if node is None else node.id
    if node is None:
        cib = _with_node(cib, name)
    status_old, status = _part(cib, "status", {})
    state = _state_of(status, node_id, name)
    new = state or Element("node_state", {"id": node_id, "uname": name}, [])
    if change is NodeChange.DOWN:
        gone = ("lrm", "transient_attributes")
        new = new.with_children([child for child in new.children if child.tag not in gone])
    new = new.with_attributes(_NODE_STATES[change])
    return replaced(cib, status_old, replaced(status, state, new))


def _with_node(cib: Element, name: str) -> Element:
    """Enter a node nobody knew; a second event about it finds it there."""
    configuration_old, configuration = _part(cib, "configuration", {})
    nodes_old, nodes = _part(configuration, "nodes", {})
    if any(node.text("uname").lower() == name.lower() for node in nodes.children):
        return cib
    nodes = replaced(nodes, None, Element("node", {"id": name, "uname": name}, []))
    return replaced(cib, configuration_old, replaced(configuration, nodes_old, nodes))


def _with_ticket(cib: Element, name: str, changes: Mapping[str, str]) -> Element:
    status_old, status = _part(cib, "status", {})
    tickets_old, tickets = _part(status, "tickets", {})
    old = next((ticket for ticket in tickets.children if ticket.id == name), None)
    ticket = (old or Element("ticket_state", {"id": name}, [])).with_attributes(changes)
    tickets = replaced(tickets, old, ticket)
    return replaced(cib, status_old, replaced(status, tickets_old, tickets))


# ----------------------------------------------------------------------------- operations' results


def _with_fail_count(
    state: Element, node_id: str, event: OperationResult, now: int, lines: list[str]
) -> Element:
    transient_old, transient = _part(state, "transient_attributes", {"id": node_id})
    values_old, values = _part(transient, "instance_attributes", {"id": node_id})
    suffix = f"{event.resource}#{event.task}_{event.interval_ms}"
    count_name = f"fail-count-{suffix}"
    old = next((pair for pair in values.children if pair.get("name") == count_name), None)
    count = 1 if old is None else (integer_prefix(old.text("value")) or 0) + 1
    for name, value, shown in (
        (count_name, str(count), "value++"),
        (f"last-failure-{suffix}", str(now), str(now)),
    ):
        values = _with_attribute(values, node_id, name, value)
        lines.append(f"Injecting attribute {name}={shown} into /node_state '{node_id}'")
    return replaced(state, transient_old, replaced(transient, values_old, values))


def _with_attribute(values: Element, node_id: str, name: str, value: str) -> Element:
    old = next((pair for pair in values.children if pair.get("name") == name), None)
    if old is not None:
        return replaced(values, old, old.with_attributes({"value": value}))
    safe = name.replace("#", ".").replace(":", ".")
    pair = {"id": f"{node_id}-{safe}", "name": name, "value": value}
    return replaced(values, None, Element("nvpair", pair, []))


def _with_history(state: Element, resource: Resource, event: OperationResult, now: int) -> Element:
    lrm_old, lrm = _part(state, "lrm", {"id": state.id})
    block_old, block = _part(lrm, "lrm_resources", {})
    known = (event.resource, resource.id, resource.history_id, resource.xml_id)
    old = next((history for history in block.children if history.id in known), None)
    history = old or Element("lrm_resource", _agent_of(event.resource, resource), [])
    is_failed = event.rc != 0
    entry_ids = [f"{history.id}_last_failure_0"] if is_failed else []
    if event.interval_ms == 0:
        entry_ids.append(f"{history.id}_last_0")
    elif not is_failed:
        entry_ids.append(operation_key(history.id, event.task, event.interval_ms))
    last = max((integer_prefix(e.text("call-id")) or 0 for e in history.children), default=0)
    for entry_id in entry_ids:
        entry = _entry(entry_id, history.id, event, max(0, last) + 1, now)
        before = next((e for e in history.children if e.id == entry_id), None)
        history = replaced(history, before, entry)
    block = replaced(block, old, history)
    return replaced(state, lrm_old, replaced(lrm, block_old, block))


def _agent_of(name: str, resource: Resource) -> dict[str, str]:
    words = ("class", "provider", "type")
    agent = {word: resource.xml.text(word) for word in words if resource.xml.get(word) is not None}
    return {"id": name, **agent}


def _entry(entry_id: str, name: str, event: OperationResult, call_id: int, now: int) -> Element:
    key = f"{call_id}:-1:0:{_UUID}"
    attributes = {
        "id": entry_id,
        "operation_key": operation_key(name, event.task, event.interval_ms),
        "operation": event.task,
        "transition-key": key,
        "transition-magic": f"0:{event.rc};{key}",
        "exit-reason": "" if event.rc == 0 else "simulated",
        "call-id": str(call_id),
        "rc-code": str(event.rc),
        "op-status": "0",
        "interval": str(event.interval_ms),
        "last-rc-change": str(now),
        "on_node": event.node,
    }
    return Element("lrm_rsc_op", attributes, [])
