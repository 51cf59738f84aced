"""Where in a document a decision comes from: options, meta attributes, constraints, history.

Only looks up; nothing is decided here. Indexes are built once for a plan.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from everbeat.policy.unpack.operation_order import interval_of
from everbeat.policy.values import interval_ms

if TYPE_CHECKING:
    from collections.abc import Iterator

    from everbeat.cib.tree import Element
    from everbeat.policy.plan.node import Node
    from everbeat.policy.plan.plan import Plan
    from everbeat.policy.plan.resource import Resource


@final
class Document:
    """A plan's document, with what reasons look for in it."""

    def __init__(self, plan: Plan) -> None:
        self._plan: Final = plan
        configuration = plan.cib.first("configuration")
        self._configuration: Final = configuration
        self._ids: Final = frozenset(_ids(plan.cib))
        constraints = None if configuration is None else configuration.first("constraints")
        self.constraints: Final = [] if constraints is None else list(constraints.children)
        self._histories: Final = _histories_by_node(plan)

    # ------------------------------------------------------------------------- configuration

    def option(self, *names: str) -> str:
        """Return the id of the cluster option's nvpair, or the first name where it is unset."""
        section = None if self._configuration is None else self._configuration.first("crm_config")
        for option_set in [] if section is None else section.children:
            for pair in option_set.children:
                if pair.get("name") in names:
                    return pair.id
        return names[0]

    def meta(self, resource: Resource, name: str) -> str | None:
        """Return the id of the nvpair that sets a meta attribute of a resource or above it."""
        part: Resource | None = resource
        while part is not None:
            found = _pair(part.xml, "meta_attributes", name) or self._template_meta(part, name)
            if found is not None and self.exists(found):
                return found
            part = part.parent
        if resource.is_internal and resource.launcher is not None:
            return self.meta(resource.launcher, name)  # a guest's connection is written there
        defaults = (
            None if self._configuration is None else self._configuration.first("rsc_defaults")
        )
        return None if defaults is None else _pair(defaults, "meta_attributes", name)

    def _template_meta(self, resource: Resource, name: str) -> str | None:
        template = self._plan.elements_by_id.get(resource.xml.text("template"))
        return None if template is None else _pair(template, "meta_attributes", name)

    def operation(self, resource: Resource, name: str, interval: int) -> str | None:
        """Return the id of the configured operation."""
        for op in resource.operations:
            if op.text("name") == name and interval_ms(op.get("interval")) == interval:
                return op.id
        return None

    def order(self, first: Resource, then: Resource) -> Element | None:
        """Return an ordering constraint between two resources or what contains them."""
        for element in self.constraints:
            if element.tag != "rsc_order":
                continue
            firsts, thens = _sides(element, "first", "then")
            if self._is_named(first, firsts) and self._is_named(then, thens):
                return element
            symmetric = element.text("symmetrical", "true").lower() not in ("false", "0", "no")
            if symmetric and self._is_named(then, firsts) and self._is_named(first, thens):
                return element
        return None

    def colocation(self, one: Resource, other: Resource) -> Element | None:
        """Return a colocation constraint between two resources, whichever depends."""
        for element in self.constraints:
            if element.tag != "rsc_colocation":
                continue
            here, there = _sides(element, "rsc", "with-rsc")
            if self._is_named(one, here) and self._is_named(other, there):
                return element
            if self._is_named(other, here) and self._is_named(one, there):
                return element
        return None

    def _is_named(self, resource: Resource, names: list[str]) -> bool:
        """Say whether one of the names is a resource, an ancestor, its template or a tag of it."""
        part: Resource | None = resource
        while part is not None:
            if part.id in names or part.xml_id in names or part.xml.text("template") in names:
                return True
            tags = [tag for tag, tagged in self._plan.tags.items() if part.xml_id in tagged]
            if any(tag in names for tag in tags):
                return True
            part = part.parent
        return False

    def exists(self, element_id: str) -> bool:
        """Say whether an element of the document has this id."""
        return element_id in self._ids

    def element(self, element_id: str) -> Element | None:
        """Return the element with this id."""
        return self._plan.elements_by_id.get(element_id)

    # -------------------------------------------------------------------------------- status

    def histories(self, resource: Resource, node: Node) -> list[Element]:
        """Return what is recorded of a resource on a node."""
        names = {resource.id, resource.xml_id, resource.history_id}
        found = [h for h in self._histories.get(node.name.lower(), []) if h.id in names]
        return found or [
            h
            for h in self._histories.get(node.name.lower(), [])
            if h.id.partition(":")[0] == resource.xml_id
        ]

    def entry(self, resource: Resource, node: Node, *tasks: str) -> Element | None:
        """Return a resource's newest entry on a node, of one of these tasks if any is given."""
        found: Element | None = None
        for history in self.histories(resource, node):
            for entry in history.children:
                if tasks and entry.text("operation") not in tasks:
                    continue
                if found is None or _call_of(entry) >= _call_of(found):
                    found = entry
        return found

    def recurring(self, resource: Resource, node: Node, task: str, interval: int) -> Element | None:
        """Return the entry of a recurring operation."""
        for history in self.histories(resource, node):
            for entry in history.children:
                if entry.text("operation") == task and interval_of(entry) == interval:
                    return entry
        return None

    def failure(self, resource: Resource, node: Node | None) -> Element | None:
        """Return the newest recorded failure of a resource, on a node if one is given."""
        names = {resource.id, resource.xml_id, resource.history_id}
        found: Element | None = None
        for failed in self._plan.failed_operations:
            if failed.resource_id not in names or (node is not None and failed.node is not node):
                continue
            if found is None or _call_of(failed.xml) >= _call_of(found):
                found = failed.xml
        return found

    def node_state(self, node: Node) -> Element | None:
        """Return what the status says of a node."""
        status = self._plan.cib.first("status")
        for state in [] if status is None else status.all("node_state"):
            if state.id == node.id or state.text("uname").lower() == node.name.lower():
                return state
        return None

    def attribute(self, node: Node, *names: str) -> str | None:
        """Return the id of the nvpair that gives a node an attribute, the passing one first."""
        state = self.node_state(node)
        transient = None if state is None else state.first("transient_attributes")
        found = None if transient is None else _pair(transient, "instance_attributes", *names)
        if found is not None or self._configuration is None:
            return found
        nodes = self._configuration.first("nodes")
        for element in [] if nodes is None else nodes.children:
            if element.id == node.id or element.text("uname").lower() == node.name.lower():
                return _pair(element, "instance_attributes", *names)
        return None


def _ids(element: Element) -> Iterator[str]:
    stack = [element]
    while stack:
        top = stack.pop()
        stack.extend(top.children)
        if top.id:
            yield top.id


def _pair(owner: Element, set_tag: str, *names: str) -> str | None:
    for attribute_set in owner.children:
        if attribute_set.tag != set_tag:
            continue
        for pair in attribute_set.children:
            if pair.get("name") in names:
                return pair.id
    return None


def _call_of(entry: Element) -> int:
    text = entry.text("call-id")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else -1


def _sides(element: Element, first: str, then: str) -> tuple[list[str], list[str]]:
    """Return the names on both sides of a constraint; of sets, all names on both."""
    sets = element.all("resource_set")
    if not sets:
        return [element.text(first)], [element.text(then)]
    names = [reference.id for one in sets for reference in _references(one)]
    return names, names


def _references(resource_set: Element) -> Iterator[Element]:
    for child in resource_set.children:
        if child.tag == "resource_ref":
            yield child


def _histories_by_node(plan: Plan) -> dict[str, list[Element]]:
    found: dict[str, list[Element]] = {}
    status = plan.cib.first("status")
    for state in [] if status is None else status.all("node_state"):
        node = plan.node_with(state.get("id"), state.get("uname"))
        name = (node.name if node is not None else state.text("uname")).lower()
        for lrm in state.all("lrm"):
            for block in lrm.all("lrm_resources"):
                found.setdefault(name, []).extend(block.children)
    return found
