"""Remote and guest nodes: nodes that exist because a resource connects them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from everbeat.cib.tree import Element
from everbeat.policy.unpack.nodes import prepare_node

if TYPE_CHECKING:
    from everbeat.policy.plan.plan import Plan
    from everbeat.policy.plan.resource import Resource


def resources_with_connections(plan: Plan, resources: Element) -> list[Element]:
    """Enter the nodes resources connect; return the resources with the connections of guests."""
    found = list(resources.children)
    position = 0
    while position < len(found):
        element = found[position]
        position += 1
        if element.tag == "primitive" and _is_connection(element):
            if plan.node_named(element.id) is None:
                add_remote_node(plan, element.id)
        elif element.tag == "primitive":
            _look_for_guest(plan, element, found)
        elif element.tag == "group":  # a connection in a group is one to no node
            for member in element.all("primitive"):
                _look_for_guest(plan, member, found)
    return found


def _is_connection(xml: Element) -> bool:
    agent = (xml.get("class"), xml.get("provider"), xml.get("type"))
    return agent == ("ocf", "pacemaker", "remote")


def _look_for_guest(plan: Plan, xml: Element, found: list[Element]) -> None:
    words: dict[str, str] = {}
    for block in xml.all("meta_attributes"):
        for pair in block.all("nvpair"):
            words[pair.text("name")] = pair.text("value")
    name = words.get("remote-node")
    if name is None or any(element.id == name for element in found):
        return
    known = plan.elements_by_id.get(name)
    if known is not None and known.tag == "primitive":
        return
    found.append(_connection(name, xml.id, words))
    if plan.node_named(name) is None:
        add_remote_node(plan, name)


def add_remote_node(plan: Plan, name: str) -> None:
    """Enter a remote node that only its connection names."""
    node = plan.add_node(name, name, 0, is_remote=True)
    prepare_node(plan, node)


def _connection(name: str, launcher: str, words: dict[str, str]) -> Element:
    meta = {"internal_rsc": "true", "container": launcher}
    for source, target in (
        ("remote-allow-migrate", "allow-migrate"),
        ("is-managed", "is-managed"),
    ):
        if source in words:
            meta[target] = words[source]
    parameters = {
        target: words[source]
        for source, target in (("remote-addr", "addr"), ("remote-port", "port"))
        if source in words
    }
    return connection_element(name, meta, parameters, words.get("remote-connect-timeout", "60s"))


def connection_element(
    name: str, meta: dict[str, str], parameters: dict[str, str], start_timeout: str | None
) -> Element:
    """Build the resource that connects a guest."""
    starts = []
    if start_timeout is not None:
        starts.append(op_element(f"{name}-start-interval-0", "start", "0", start_timeout))
    children = [
        pairs_element("meta_attributes", f"{name}-meta_attributes", meta),
        Element(
            "operations",
            {},
            [
                op_element(f"{name}-monitor-interval-30s", "monitor", "30s", "30s"),
                *starts,
            ],
        ),
    ]
    if parameters:
        children.append(
            pairs_element("instance_attributes", f"{name}-instance_attributes", parameters)
        )
    attributes = {"id": name, "class": "ocf", "provider": "pacemaker", "type": "remote"}
    return Element("primitive", attributes, children)


def pairs_element(tag: str, set_id: str, pairs: dict[str, str]) -> Element:
    """Build a set of name-value pairs."""
    return Element(
        tag,
        {"id": set_id},
        [
            Element("nvpair", {"id": f"{set_id}-{name}", "name": name, "value": value}, [])
            for name, value in pairs.items()
        ],
    )


def op_element(op_id: str, name: str, interval: str, timeout: str | None) -> Element:
    """Build an operation."""
    attributes = {"id": op_id, "name": name, "interval": interval}
    if timeout is not None:
        attributes["timeout"] = timeout
    return Element("op", attributes, [])


def join_connections(plan: Plan) -> None:
    """Tie launchers to what they launch and nodes to their connections."""
    everything = plan.all_resources()
    for resource in everything:
        name = resource.meta.get("container") if resource.is_primitive() else None
        if name is None or name == resource.id:
            continue
        launcher = plan.resources_by_id.get(name)
        if launcher is not None and resource.launcher is None:
            resource.launcher = launcher
            launcher.launched.append(resource)
    for resource in everything:
        if resource.is_remote_connection():
            _join_node(plan, resource)


def _join_node(plan: Plan, connection: Resource) -> None:
    node = plan.node_named(connection.id)
    if node is None or not node.is_remote:
        return
    plan.have_remote_nodes = True
    node.connection = connection
    if connection.launcher is None:
        node.unclean = plan.options.fencing_enabled and plan.options.startup_fencing
    else:
        node.attributes["#kind"] = "container"
