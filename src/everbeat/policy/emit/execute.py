"""A simulated execution: every action of a graph succeeds at once, and the status shows it.

Enters: a plan and its graph. Leaves: a line for each action, and the document as it is afterwards.
Oracle: the block "Executing Cluster Transition" of every summary
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from everbeat.cib.tree import Element
from everbeat.cib.whole_numbers import integer_prefix
from everbeat.policy.actions.digests import digest_of_operation
from everbeat.policy.emit.graph_xml import history_key
from everbeat.policy.emit.status_text import printable_id
from everbeat.policy.simulation.inject import with_result

if TYPE_CHECKING:
    from collections.abc import Sequence

    from everbeat.policy.emit.graph import Synapse
    from everbeat.policy.plan.action import Action
    from everbeat.policy.plan.node import Node
    from everbeat.policy.plan.plan import Plan
    from everbeat.policy.plan.resource import Resource
    from everbeat.policy.simulation.injections import OperationResult

_UUID: Final = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"  # of injected operations in stored CIBs, too


@final
class Execution:
    """What a simulated execution did.

    `failed` is the action it ended at, if it was to fail; `stuck` are those that wait for each
    other in a loop, or for what lies in one.
    """

    def __init__(
        self,
        lines: list[str],
        cib: Element,
        failed: Action | None = None,
        stuck: list[Synapse] | None = None,
    ) -> None:
        self.lines: Final = lines
        self.cib: Final = cib
        self.failed: Final = failed
        self.stuck: Final = stuck or []


def execute(
    plan: Plan, graph: list[Synapse], failures: Sequence[OperationResult] = ()
) -> Execution:
    """Execute a graph in its own order, pass after pass; one of `failures` ends it."""
    state = _Status(plan)
    lines: list[str] = []
    confirmed: set[int] = set()
    waiting = graph
    progress = True
    while waiting and progress:
        progress = False
        left: list[Synapse] = []
        for synapse in waiting:
            if all(first.id in confirmed for first in synapse.inputs):
                lines.append(_fire(plan, state, synapse.action))
                failure = _failure_of(plan, synapse.action, failures)
                if failure is not None:
                    return _failed(plan, state, synapse.action, failure, lines)
                confirmed.add(synapse.action.id)
                progress = True
            else:
                left.append(synapse)
        waiting = left
    return Execution(lines, state.document(), stuck=waiting)


def _failure_of(
    plan: Plan, action: Action, failures: Sequence[OperationResult]
) -> OperationResult | None:
    """Return the result an action is to fail with, whatever name its resource was given by."""
    resource, node = action.resource, action.node
    if resource is None or node is None or action.is_pseudo:
        return None
    names = (_history_name(plan, resource), resource.id)
    for failure in failures:
        if (
            failure.resource in names
            and failure.task == action.task
            and failure.interval_ms == action.interval_ms
            and failure.node.lower() == node.name.lower()
        ):
            return failure
    return None


def _failed(
    plan: Plan, state: _Status, action: Action, failure: OperationResult, lines: list[str]
) -> Execution:
    lines.append(f"Pretending action {action.id} failed with rc={failure.rc}")
    changes: list[str] = []
    cib = with_result(plan, state.document(), failure, plan.now, changes)
    lines += [f"  * {change}" for change in changes]
    return Execution(lines, cib, action)


def _history_name(plan: Plan, resource: Resource) -> str:
    """Return the name under which the simulated executor keeps a resource."""
    xml_id = resource.xml_id if not resource.unique else resource.id
    if resource.removed and resource.history_id is not None:
        xml_id = resource.history_id
    if _is_known(plan, xml_id):
        return xml_id
    if not resource.unique:
        long_id = resource.id
        if resource.history_id is not None and resource.history_id != resource.xml_id:
            long_id = resource.history_id
        if _is_known(plan, long_id):
            return long_id
    return xml_id


def _is_known(plan: Plan, name: str) -> bool:
    """Say whether a resource has this id, or has it in history still."""
    named = plan.resources_by_history_id.get(name, ())
    return name in plan.resources_by_id or any(found.history_id == name for found in named)


def _fire(plan: Plan, state: _Status, action: Action) -> str:
    node, resource = action.node, action.resource
    if action.is_pseudo:
        where = f" on {node.name}" if action.task == "stonith" and node is not None else ""
        return f"  * Pseudo action:   {history_key(action)[0]}{where}"
    assert node is not None
    if action.task == "stonith":
        operation = action.meta.get("stonith_action", "")
        if operation != "on":
            state.fence(node)
        return f"  * Fencing {node.name} ({operation})"
    if action.task in ("do_shutdown", "clear_failcount", "lrm_delete"):
        name = "" if resource is None else f" for {printable_id(resource)}"
        return f"  * Cluster action:  {action.task}{name} on {node.name}"
    assert resource is not None
    name = _history_name(plan, resource)
    interval = action.interval_ms
    shown = f"{action.task}={interval}" if interval > 0 else action.task
    if action.task != "delete":
        state.record(resource, name, action, node)
    return f"  * Resource action: {name:<15} {shown} on {node.name}"


@final
class _Histories:
    """What one node's executor knows of resources, in order and by id."""

    def __init__(self, block: Element) -> None:
        self.block: Final = block
        self.children: Final = list(block.children)
        self._places: Final[dict[str, int]] = {}
        for place, child in enumerate(self.children):
            self._places.setdefault(child.id, place)

    def find(self, *names: str) -> Element | None:
        """Return the history under the first of these names that is known."""
        for name in names:
            if name in self._places:
                return self.children[self._places[name]]
        return None

    def put(self, history: Element) -> None:
        """Enter a history, in place of the one with its id."""
        place = self._places.setdefault(history.id, len(self.children))
        if place < len(self.children):
            self.children[place] = history
        else:
            self.children.append(history)


@final
class _Status:
    """The status section while actions change it: entries by node and resource."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._states: list[Element] = []
        self._others: list[Element] = []
        self._places: dict[int, int] = {}  # node: its state
        self._histories: dict[int, _Histories] = {}  # state: what is not in it yet
        status = plan.cib.first("status")
        for child in [] if status is None else status.children:
            if child.tag == "node_state":
                self._states.append(child)
            else:
                self._others.append(child)

    def _index(self, node: Node) -> int:
        place = self._places.get(node.index)
        if place is None:
            place = self._places[node.index] = self._find(node)
        return place

    def _find(self, node: Node) -> int:
        for index, state in enumerate(self._states):
            if state.id == node.id or state.text("uname").lower() == node.name.lower():
                return index
        attributes = {"id": node.id, "uname": node.name}
        if node.is_remote:
            attributes["remote_node"] = "true"
        else:
            attributes |= {
                "in_ccm": "true",
                "crmd": "online",
                "join": "member",
                "expected": "member",
            }
        self._states.append(Element("node_state", attributes, []))
        return len(self._states) - 1

    def fence(self, node: Node) -> None:
        """Take a node away, and all that was known of what ran on it."""
        index = self._index(node)
        state = self._states[index]
        kept = [c for c in state.children if c.tag not in ("lrm", "transient_attributes")]
        self._histories.pop(index, None)
        down = {"in_ccm": "false", "crmd": "offline", "join": "down", "expected": "down"}
        self._states[index] = state.with_children(kept).with_attributes(down)

    def record(self, resource: Resource, name: str, action: Action, node: Node) -> None:
        """Enter the success of an operation."""
        index = self._index(node)
        histories = self._histories.get(index)
        if histories is None:
            lrm = self._states[index].first("lrm")
            block = None if lrm is None else lrm.first("lrm_resources")
            histories = _Histories(block or Element("lrm_resources", {}, []))
            self._histories[index] = histories
        history = histories.find(name, resource.id)
        if history is None:
            attributes = {"id": name}
            for word in ("class", "provider", "type"):
                if resource.xml.get(word) is not None:
                    attributes[word] = resource.xml.text(word)
            history = Element("lrm_resource", attributes, [])
        entries = _with_entry(self._plan, history, name, action, node)
        histories.put(history.with_children(entries))

    def document(self) -> Element:
        """Return the whole document with the status as it is now."""
        for index, histories in self._histories.items():
            state = self._states[index]
            lrm = state.first("lrm") or Element("lrm", {"id": state.id}, [])
            block = histories.block.with_children(histories.children)
            self._states[index] = _replaced(state, lrm, _replaced(lrm, histories.block, block))
        self._histories.clear()
        status = Element("status", {}, [*self._others, *self._states])
        old = self._plan.cib.first("status")
        if old is None:
            return self._plan.cib.with_children([*self._plan.cib.children, status])
        return _replaced(self._plan.cib, old, status)


def _replaced(parent: Element, old: Element, new: Element) -> Element:
    if any(child is old for child in parent.children):
        return parent.with_children([new if child is old else child for child in parent.children])
    return parent.with_children([*parent.children, new])


def _entry_id(name: str, action: Action) -> str:
    if action.task == "notify":
        return history_key(action)[0]
    if action.task in ("migrate_to", "migrate_from") or action.interval_ms > 0:
        task = action.cancelled_task or action.task
        return f"{name}_{task}_{action.interval_ms}"
    return f"{name}_last_0"


def _with_entry(
    plan: Plan, history: Element, name: str, action: Action, node: Node
) -> list[Element]:
    entry_id = _entry_id(name, action)
    last = max((integer_prefix(e.text("call-id")) or 0 for e in history.children), default=0)
    changes = (integer_prefix(e.text("last-rc-change")) or 0 for e in history.children)
    rc = action.meta.get("op_target_rc", "0")
    task = "start" if action.task == "reload-agent" else action.task
    attributes = {
        "id": entry_id,
        "operation_key": f"{name}_{task}_{action.interval_ms}",
        "operation": task,
        "transition-key": f"{action.id}:-1:{rc}:{_UUID}",
        "transition-magic": f"0:{rc};{action.id}:-1:{rc}:{_UUID}",
        "call-id": str(max(0, last) + 1),
        "rc-code": rc,
        "op-status": "0",
        "interval": str(action.interval_ms),
        "last-rc-change": str(max([plan.now, *changes])),
        "on_node": node.name,
    }
    for word in ("migrate_source", "migrate_target"):
        if word in action.meta:
            attributes[word] = action.meta[word]
    resource = action.resource
    if resource is not None and task != "cancel":
        interval = action.interval_ms
        attributes["op-digest"] = digest_of_operation(plan, resource, node, task, interval)
    entry = Element("lrm_rsc_op", attributes, [])
    entries = [entry if old.id == entry_id else old for old in history.children]
    return entries if entry in entries else [*entries, entry]
