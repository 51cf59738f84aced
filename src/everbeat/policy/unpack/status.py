"""The state of the nodes, as their last reports give it, and in which order histories are read.

Reads:  status/node_state, status/tickets
Writes: node state, tickets; then, through `history`, the state of every resource
Oracle: node lists of every summary
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from everbeat.cib.whole_numbers import integer_prefix
from everbeat.policy.actions.create import task_action
from everbeat.policy.actions.fence import fence_node
from everbeat.policy.plan.constraint import Ticket
from everbeat.policy.plan.words import STARTED, STOPPED
from everbeat.policy.score import INFINITY
from everbeat.policy.unpack.attributes import take_blocks
from everbeat.policy.unpack.history import unpack_node_history
from everbeat.policy.unpack.nodes import identify_node, settle_site, take_utilization
from everbeat.policy.unpack.rules_seam import RuleFacts
from everbeat.policy.values import boolean_from_text, is_true

if TYPE_CHECKING:
    from everbeat.cib.tree import Element
    from everbeat.policy.plan.node import Node
    from everbeat.policy.plan.plan import Plan


def unpack_status(plan: Plan, status: Element | None) -> None:
    """Read what is known of nodes, then what ran on them."""
    if status is None:
        return
    states: list[Element] = []
    for element in status.children:
        if element.tag == "tickets":
            _unpack_tickets(plan, element)
        elif element.tag == "ticket_state":
            _unpack_ticket(plan, element)
        elif element.tag == "node_state" and element.get("id") is not None:
            states.append(element)
            node = plan.node_with(element.get("id"), element.get("uname"))
            if node is not None and not node.is_remote:
                unpack_node_state(plan, node, element)
    _unpack_histories(plan, states)


def _unpack_tickets(plan: Plan, element: Element) -> None:
    for child in element.children:
        if child.tag == "ticket_state":
            _unpack_ticket(plan, child)


def _unpack_ticket(plan: Plan, element: Element) -> None:
    ticket = plan.tickets.setdefault(element.id, Ticket(element.id))
    ticket.granted = is_true(element.get("granted"))
    ticket.standby = is_true(element.get("standby"))


def _take_capacities(plan: Plan, node: Node, block: Element) -> None:
    """Take over capacities that were measured rather than configured."""
    measured: dict[str, int] = {}
    take_utilization(plan, block, measured)
    node.utilization.update(measured)
    node.free.update(measured)


def _take_transient(plan: Plan, node: Node, element: Element) -> None:
    found: dict[str, str] = {}
    facts = RuleFacts(node_attributes=node.attributes)
    for block in element.all("transient_attributes"):
        take_blocks(plan, block, "instance_attributes", facts, found)
        _take_capacities(plan, node, block)
    node.attributes.update(found)


def _time(text: str | None, now: int) -> int:
    value = boolean_from_text(text)
    if value is not None and text not in ("0", "1"):
        return now if value else 0
    if text in ("0", "1"):
        return now if text == "1" else 0
    number = integer_prefix(text) if text is not None else None
    return -1 if number is None else number


def _online_time(text: str | None, now: int) -> int:
    if text in (None, "offline"):
        return 0
    if text == "online":
        return now
    return integer_prefix(text or "") or 0


def unpack_node_state(plan: Plan, node: Node, element: Element) -> None:
    """Judge a member of the cluster by its report."""
    node.unclean = False
    node.unseen = False
    _take_transient(plan, node, element)
    if is_true(node.attributes.get("standby")):
        node.standby = True
    if is_true(node.attributes.get("maintenance")):
        node.maintenance = True
    when_member = _time(element.get("in_ccm"), plan.now)
    when_online = _online_time(element.get("crmd"), plan.now)
    join = element.get("join")
    expected = element.get("expected")
    shutdown = node.attributes.get("shutdown")
    if shutdown is not None and shutdown != "0":
        node.shutdown = True
    elif expected == "member":
        node.expected_up = True
    if not plan.options.fencing_enabled:
        node.online = when_member > 0 and when_online > 0 and join == "member"
        if when_member > 0 and when_online <= 0 and node.expected_up:
            fence_node(plan, node, "peer is unexpectedly down", priority_delay=False)
    else:
        node.online = _is_online(plan, node, when_member, when_online, join, expected)
    if not node.online or node.shutdown:
        node.base_score = -INFINITY
    if node.online and not plan.have_quorum and plan.options.quorum_policy == "fence":
        fence_node(plan, node, "cluster does not have quorum", priority_delay=False)


def _is_online(
    plan: Plan,
    node: Node,
    when_member: int,
    when_online: int,
    join: str | None,
    expected: str | None,
) -> bool:
    terminate = node.attributes.get("terminate")
    wants_end = is_true(terminate) or (integer_prefix(terminate or "0") or 0) > 0
    if node.shutdown:
        return when_online > 0
    if when_member < 0:
        fence_node(plan, node, "peer has not been seen by the cluster", priority_delay=False)
        return False
    if join == "banned":
        fence_node(plan, node, "peer failed Pacemaker membership criteria", priority_delay=False)
    elif wants_end:
        if when_member <= 0 and when_online <= 0 and join == "down":
            return False
        fence_node(plan, node, "fencing was requested", priority_delay=False)
    elif expected in (None, "down"):
        limit = plan.options.node_pending_timeout
        if limit > 0 and when_member > 0 and when_online <= 0:
            if plan.now >= when_member + limit:
                reason = "peer pending timed out on joining the process group"
                fence_node(plan, node, reason, priority_delay=False)
                return when_member > 0
            plan.recheck_at(when_member + limit)
        if when_member > 0 or when_online > 0:
            node.standby = True
            node.pending = True
    elif when_member <= 0:
        fence_node(plan, node, "peer is no longer part of the cluster", priority_delay=True)
    elif when_online <= 0:
        fence_node(plan, node, "peer process is no longer available", priority_delay=False)
    elif join in ("pending", "down"):
        node.standby = True
        node.pending = True
    elif join != "member":
        fence_node(plan, node, "peer was in an unknown state", priority_delay=False)
    return when_member > 0


def _unpack_histories(plan: Plan, states: list[Element]) -> None:
    """Read histories, those of remote nodes after those that tell of their connections.

    A connection found in a history may make the node of a later one known.
    """
    progress = True
    while progress:
        progress = _read_histories(plan, states, only_ready=True)
    if plan.options.fencing_enabled:
        _read_histories(plan, states, only_ready=False)
    for container in plan.containers_to_stop:
        task_action(plan, container, "stop", None, optional=False)
    for node in plan.nodes:
        connection = node.connection
        if connection is None:
            continue
        if node.shutdown:
            connection.next_role = STOPPED
        elif not node.history_unpacked:
            settle_remote_state(node)


def _read_histories(plan: Plan, states: list[Element], *, only_ready: bool) -> bool:
    progress = False
    for element in states:
        node = plan.node_with(element.get("id"), element.get("uname"))
        if node is None or node.history_unpacked:
            continue
        if not only_ready or _may_read_now(plan, node):
            _read_history(plan, node, element)
            progress = True
    return progress


def _may_read_now(plan: Plan, node: Node) -> bool:
    connection = node.connection
    if node.is_guest():
        assert connection is not None
        assert connection.launcher is not None
        return connection.role == STARTED and connection.launcher.role == STARTED
    if node.is_remote:
        if connection is None:
            return False
        return plan.options.shutdown_lock or connection.role == STARTED
    return plan.options.fencing_enabled or plan.options.shutdown_lock or node.online


def _read_history(plan: Plan, node: Node, element: Element) -> None:
    node.history_unpacked = True
    if node.is_remote:
        settle_remote_state(node)
        _unpack_remote_state(plan, node, element)
    unpack_node_history(plan, node, element)


def _unpack_remote_state(plan: Plan, node: Node, element: Element) -> None:
    if is_true(element.get("node_in_maintenance")):
        node.remote_maintenance = True
    if not node.remote_reset:
        node.unclean = False
        node.unseen = False
    identify_node(plan, node)
    _take_transient(plan, node, element)
    settle_site(node)
    shutdown = node.attributes.get("shutdown")
    if shutdown is not None and shutdown != "0":
        node.shutdown = True
    if is_true(node.attributes.get("standby")):
        node.standby = True
    connection = node.connection
    if is_true(node.attributes.get("maintenance")) or (
        connection is not None and not connection.managed
    ):
        node.maintenance = True
    discovery = boolean_from_text(node.attributes.get("resource-discovery-enabled"))
    if discovery is False and (node.is_guest() or plan.options.fencing_enabled):
        node.discovery_enabled = False
    if is_true(element.get("node_fenced")):
        node.remote_fenced = True


def settle_remote_state(node: Node) -> None:
    """Judge a remote or guest node by its connection."""
    connection = node.connection
    if connection is None:
        node.online = False
        return
    launcher = connection.launcher
    host = None
    if launcher is not None and len(connection.active_on) == 1:
        host = connection.active_on[0]
    if connection.role == STARTED:
        node.online = True
        if connection.next_role == STOPPED:
            node.shutdown = True
    if launcher is not None and launcher.failed:
        node.online = False
        node.remote_reset = True
    elif connection.failed:
        node.online = False
    elif connection.role == STOPPED or (launcher is not None and launcher.role == STOPPED):
        node.online = False
        node.remote_reset = False
    elif host is not None and not host.online and host.unclean:
        node.online = False
        node.remote_reset = True
