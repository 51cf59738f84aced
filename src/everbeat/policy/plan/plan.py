"""The plan: all state of one run of the engine. It is born and dies in `schedule`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from everbeat.policy.plan.node import Node

if TYPE_CHECKING:
    from everbeat.cib.tree import Element
    from everbeat.policy.plan.action import Action
    from everbeat.policy.plan.constraint import LocationRecord, OrderRecord, Ticket
    from everbeat.policy.plan.resource import Resource
    from everbeat.policy.unpack.options import Options


@final
class FailedOperation:
    """A failed entry of the history, kept for display and expiry."""

    def __init__(
        self, key: str, node: Node, resource_id: str, xml: Element, rc: int, *, probe: bool
    ) -> None:
        self.key: Final = key
        self.node: Final = node
        self.resource_id: Final = resource_id
        self.xml: Final = xml
        self.rc: Final = rc
        self.is_masked_probe: Final = probe


@final
class DeferredCheck:
    """A history entry to compare with the parameters of now once containers are placed."""

    def __init__(self, resource: Resource, node: Node, entry: Element, *, of_failure: bool) -> None:
        self.resource: Final = resource
        self.node: Final = node
        self.entry: Final = entry
        self.of_failure: Final = of_failure  # the entry of the last failure, not of what runs


@final
class Plan:
    """Nodes, resources, constraints, actions and what they came to."""

    def __init__(self, cib: Element, options: Options, now: int) -> None:
        self.cib: Final = cib
        self.options: Final = options
        self.now: Final = now
        self.elements_by_id: dict[str, Element] = {}
        self.nodes: list[Node] = []  # in natural order of names
        self.nodes_by_index: list[Node] = []
        self.nodes_by_name: dict[str, Node] = {}
        self.nodes_by_id: dict[str, Node] = {}
        self.resources: list[Resource] = []  # the outermost ones, in order of processing
        self.resources_by_id: dict[str, Resource] = {}
        self.resources_by_history_id: dict[str, list[Resource]] = {}
        self.tags: dict[str, list[str]] = {}
        self.templates: dict[str, list[str]] = {}
        self.tickets: dict[str, Ticket] = {}
        self.locations: list[LocationRecord] = []  # newest first
        self.orderings: list[OrderRecord] = []
        self.attribute_values: dict[str, list[str | None]] = {}  # by node, as colocations ask
        self.actions: list[Action] = []  # in order of creation
        self.actions_by_key: dict[str, list[Action]] = {}  # those without a resource
        self.failed_operations: list[FailedOperation] = []
        self.containers_to_stop: list[Resource] = []
        self.deferred_checks: list[DeferredCheck] = []
        self.have_quorum = cib.get("have-quorum") in ("1", "true", "yes")
        self.have_fencing = False
        self.have_remote_nodes = False
        self.recheck_by = 0
        self.recheck_in_graph = 0  # as it was known when the graph was begun
        self.score_lines: list[str] = []
        self.notices: list[str] = []

    def add_node(self, node_id: str, name: str, base_score: int, *, is_remote: bool) -> Node:
        """Enter a node; the list stays in natural order of names."""
        node = Node(len(self.nodes_by_index), node_id, name, base_score, is_remote=is_remote)
        self.nodes_by_index.append(node)
        self.nodes_by_name.setdefault(name.lower(), node)
        self.nodes_by_id.setdefault(node_id.lower(), node)
        position = 0
        while position < len(self.nodes) and self.nodes[position].order < node.order:
            position += 1
        self.nodes.insert(position, node)
        return node

    def node_named(self, name: str | None) -> Node | None:
        """Find a node by name, whatever the case of letters."""
        return None if name is None else self.nodes_by_name.get(name.lower())

    def node_with(self, node_id: str | None, name: str | None) -> Node | None:
        """Find a node by id, else by name."""
        if node_id is not None:
            node = self.nodes_by_id.get(node_id.lower())
            if node is not None:
                return node
        return self.node_named(name)

    def all_resources(self) -> list[Resource]:
        """Return every resource, depth first in order of processing."""
        found: list[Resource] = []
        for top in self.resources:
            _collect(top, found)
        return found

    def recheck_at(self, when: int) -> None:
        """Ask to be run again at this time, unless an earlier one is known."""
        if when > self.now and (self.recheck_by == 0 or when < self.recheck_by):
            self.recheck_by = when


def _collect(resource: Resource, found: list[Resource]) -> None:
    found.append(resource)
    for child in resource.children:
        _collect(child, found)
