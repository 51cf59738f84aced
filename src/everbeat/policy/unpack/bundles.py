"""Bundles: for every replica a container, maybe an address, a connection and a resource inside.

Reads:  a bundle element
Writes: its replicas as resources of their own, the nodes the containers become
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from everbeat.cib.tree import Element
from everbeat.cib.whole_numbers import integer_prefix
from everbeat.policy.plan.resource import BundleParts, Replica, Resource
from everbeat.policy.plan.table import Cause, CauseKind
from everbeat.policy.plan.words import PROBE_EXCLUSIVE, PROBE_NEVER
from everbeat.policy.score import INFINITY
from everbeat.policy.unpack.nodes import prepare_node
from everbeat.policy.unpack.remote_nodes import connection_element, op_element, pairs_element
from everbeat.policy.values import boolean_from_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from everbeat.policy.plan.node import Node
    from everbeat.policy.plan.plan import Plan

    MakeResource = Callable[[Plan, Element, Resource | None, int | None], Resource | None]

_DAEMON: Final = "/usr/sbin/pacemaker-remoted"
_DEFAULT_PORT: Final = "3121"
_REPLICA_SCORE: Final = 500
_NOT_A_HOST: Final = Cause(CauseKind.BUNDLE_NODE)


@final
class _Mount:
    def __init__(self, source: str, target: str, options: str | None, *, per_replica: bool) -> None:
        self.source: Final = source
        self.target: Final = target
        self.options: Final = options
        self.per_replica: Final = per_replica


@final
class _Recipe:
    """What the bundle element says, in the form the containers need."""

    def __init__(self, bundle: Resource, agent: Element) -> None:
        xml = bundle.xml
        self.name: Final = bundle.id
        self.agent: Final = agent.tag
        self.image: Final = agent.text("image")
        promoted = agent.get("promoted-max") or agent.get("masters") or "0"
        self.promoted_max: Final = integer_prefix(promoted) or 0
        replicas = integer_prefix(agent.get("replicas") or "") or 0
        self.replicas: Final = max(1, replicas or self.promoted_max)
        self.per_host = max(1, integer_prefix(agent.get("replicas-per-host") or "1") or 1)
        self.is_unique: Final = self.per_host > 1  # as written, whatever becomes of it
        self.command: Final = agent.get("run-command")
        self.options: Final = agent.get("options")
        self.network_name: Final = agent.get("network")
        network = xml.first("network")
        self.range_start: Final = None if network is None else network.get("ip-range-start")
        self.netmask: Final = "32" if network is None else network.text("host-netmask", "32")
        self.interface: Final = None if network is None else network.get("host-interface")
        self.control_port: Final = None if network is None else network.get("control-port")
        add_host = None if network is None else boolean_from_text(network.get("add-host"))
        self.add_host: Final = add_host is not False
        self.ports: Final[list[tuple[str, str]]] = []
        for mapping in [] if network is None else network.all("port-mapping"):
            if mapping.get("range") is not None:
                self.ports.append((mapping.text("range"), mapping.text("range")))
            else:
                port = mapping.text("port")
                self.ports.append((port, mapping.text("internal-port", port)))
        self.mounts: Final = [_mount(m) for s in xml.all("storage") for m in s.children]
        self.has_child = False
        self.host_entries = ""

    @property
    def port(self) -> str:
        """The port the connection to a container uses."""
        return self.control_port or _DEFAULT_PORT


def _mount(mapping: Element) -> _Mount:
    root = mapping.get("source-dir-root")
    source = root if root is not None else mapping.text("source-dir")
    return _Mount(
        source, mapping.text("target-dir"), mapping.get("options"), per_replica=root is not None
    )


def unpack_bundle(plan: Plan, bundle: Resource, make: MakeResource) -> bool:
    """Make a bundle's replicas and the clone inside; False where it cannot be used."""
    agent = next((c for c in bundle.xml.children if c.tag in ("docker", "podman")), None)
    if agent is None:
        return False
    recipe = _Recipe(bundle, agent)
    child = bundle.xml.first("primitive")
    if child is not None:
        if recipe.range_start is None and recipe.control_port is None:
            return False
        if recipe.range_start is None:
            recipe.per_host = 1
        recipe.has_child = True
        _add_standard_mounts(recipe)
    parts = BundleParts()
    bundle.bundle = parts
    parts.promoted_max, parts.replica_count = recipe.promoted_max, recipe.replicas
    parts.per_host, parts.image, parts.agent = recipe.per_host, recipe.image, recipe.agent
    bundle.unique = recipe.is_unique
    if child is not None:
        parts.clone = make(plan, _clone_element(recipe, child), bundle, None)
        if parts.clone is None:
            return False
        _take_attribute_target(bundle, parts.clone)
    _make_replicas(plan, bundle, recipe, make)
    if parts.clone is not None:
        bundle.children.append(parts.clone)
    return True


def _take_attribute_target(bundle: Resource, clone: Resource) -> None:
    for inside in clone.children[:1]:
        target = inside.meta.get("container-attribute-target")
        if target is not None:
            bundle.meta["container-attribute-target"] = target
            clone.meta["container-attribute-target"] = target


def _clone_element(recipe: _Recipe, child: Element) -> Element:
    suffix = "master" if recipe.promoted_max > 0 else "clone"
    name = f"{recipe.name}-{suffix}"
    meta = {
        "ordered": "true",
        "clone-max": str(recipe.replicas),
        "clone-node-max": str(recipe.per_host),
        "globally-unique": "true" if recipe.per_host > 1 else "false",
    }
    if recipe.promoted_max > 0:
        meta["promotable"] = "true"
        meta["promoted-max"] = str(recipe.promoted_max)
    return Element(
        "clone", {"id": name}, [pairs_element("meta_attributes", f"{name}-meta", meta), child]
    )


def _add_standard_mounts(recipe: _Recipe) -> None:
    key = "/etc/pacemaker/authkey"
    recipe.mounts.append(_Mount(key, key, None, per_replica=False))
    if all(mount.target != "/var/log" for mount in recipe.mounts):
        recipe.mounts.append(
            _Mount("/var/log/pacemaker/bundles", "/var/log", None, per_replica=True)
        )
    recipe.ports.append((recipe.port, recipe.port))


def _address_after(address: str) -> str:
    parts = [int(part) for part in address.split(".")]
    if parts[3] > 253:
        parts[2], parts[3] = parts[2] + 1, 1
    else:
        parts[3] += 1
    return ".".join(str(part) for part in parts)


def _make_replicas(plan: Plan, bundle: Resource, recipe: _Recipe, make: MakeResource) -> None:
    parts = bundle.bundle
    assert parts is not None
    address = recipe.range_start
    entries: list[str] = []
    # Inside, agents that cannot be unique have one instance for each node at most.
    count = recipe.replicas if parts.clone is None else len(parts.clone.children)
    for offset in range(count):
        replica = Replica(offset)
        replica.address = address
        if address is not None:
            if recipe.add_host:
                entries.append(f" --add-host={recipe.name}-{offset}:{address}")
            else:
                entries.append(f" --hosts-entry={address}={recipe.name}-{offset}")
            address = _address_after(address)
        if parts.clone is not None:
            replica.child = parts.clone.children[offset]
            replica.child.exclusive_probes = True
        parts.replicas.append(replica)
    recipe.host_entries = "".join(entries)
    for replica in parts.replicas:
        _make_replica(plan, bundle, recipe, replica, make)


def _make_replica(
    plan: Plan, bundle: Resource, recipe: _Recipe, replica: Replica, make: MakeResource
) -> None:
    container = make(plan, _container_element(recipe, replica), bundle, None)
    assert container is not None
    container.unique = recipe.per_host > 1 or container.unique
    replica.container = container
    bundle.children.append(container)
    if replica.address is not None and recipe.range_start is not None:
        replica.ip = make(plan, _ip_element(recipe, replica.address), bundle, None)
        assert replica.ip is not None
        bundle.children.append(replica.ip)
    if replica.child is None:
        return
    container.utilization.update(replica.child.utilization)
    replica.child.utilization.clear()
    name = f"{recipe.name}-{replica.offset}"
    known = plan.elements_by_id.get(name)
    if known is not None and known.tag in ("primitive", "group", "clone", "bundle"):
        name = f"pcmk-internal-{replica.child.id}-remote-{replica.offset}"
    remote_xml = connection_element(
        name,
        {"internal_rsc": "true", "container": container.id},
        {"addr": replica.address or "#uname", "port": recipe.port},
        None,
    )
    node = _bundle_node(plan, name)
    _keep_others_away(plan, bundle, node)
    remote = make(plan, remote_xml, bundle, None)
    assert remote is not None
    replica.remote, replica.node = remote, node
    bundle.children.append(remote)
    remote.allows_nested_remote = True
    container.allows_nested_remote = True
    remote.launcher = container
    container.launched.append(remote)
    _settle_tables(plan, bundle, replica, node)


def _bundle_node(plan: Plan, name: str) -> Node:
    node = plan.node_named(name)
    if node is None:
        node = plan.add_node(name, name, -INFINITY, is_remote=True)
        prepare_node(plan, node)
    node.base_score = -INFINITY
    node.probe_mode = PROBE_NEVER
    return node


def _keep_others_away(plan: Plan, bundle: Resource, node: Node) -> None:
    for top in plan.resources:
        _forbid(top, node)
    assert bundle.bundle is not None


def _forbid(resource: Resource, node: Node) -> None:
    if resource.table.has(node.index):
        resource.table.put(node.index, -INFINITY, PROBE_NEVER, _NOT_A_HOST)
    for child in resource.children:
        _forbid(child, node)


def _settle_tables(plan: Plan, bundle: Resource, replica: Replica, node: Node) -> None:
    child, remote = replica.child, replica.remote
    assert child is not None
    assert remote is not None
    assert bundle.bundle is not None
    assert bundle.bundle.clone is not None
    for index in child.table.nodes():
        child.table.scores[index] = -(1 << 60)
    child.table.ledger.clear()
    child.table.put(node.index, _REPLICA_SCORE, PROBE_EXCLUSIVE, _NOT_A_HOST)
    bundle.bundle.clone.table.put(node.index, -INFINITY, PROBE_EXCLUSIVE, _NOT_A_HOST)
    for other in plan.nodes:
        if other.is_remote and remote.table.has(other.index):
            remote.table.put(other.index, -INFINITY, PROBE_NEVER, _NOT_A_HOST)


def _container_element(recipe: _Recipe, replica: Replica) -> Element:
    name = f"{recipe.name}-{recipe.agent}-{replica.offset}"
    host = f"{recipe.name}-{replica.offset}"
    run: list[str] = []
    if recipe.agent == "docker":
        run.append(" --restart=no")
    if recipe.range_start is not None:
        run.append(f" -h {host}")
    run.append(" -e PCMK_stderr=1")
    if recipe.network_name is not None:
        run.append(f" --net={recipe.network_name}")
    if recipe.control_port is not None:
        run.append(f" -e PCMK_remote_port={recipe.control_port}")
    else:
        run.append(f" -e PCMK_remote_port={_DEFAULT_PORT}")
    subdirectories: list[str] = []
    for mount in recipe.mounts:
        source = mount.source
        if mount.per_replica:
            source = f"{source}/{host}"
            subdirectories.append(source)
        options = f":{mount.options}" if mount.options else ""
        run.append(f" -v {source}:{mount.target}{options}")
    for port, target in recipe.ports:
        if replica.address is not None:
            run.append(f" -p {replica.address}:{port}:{target}")
        elif recipe.network_name != "host":
            run.append(f" -p {port}:{target}")
    if recipe.options is not None:
        run.append(f" {recipe.options}")
    run.append(f" {recipe.host_entries}")
    parameters = {
        "image": recipe.image,
        "allow_pull": "true",
        "force_kill": "false",
        "reuse": "false",
        "run_opts": "".join(run),
        "mount_points": ",".join(subdirectories),
    }
    if recipe.has_child or recipe.command is not None:
        parameters["run_cmd"] = recipe.command or _DAEMON
    parameters["monitor_cmd"] = "/bin/true"
    return Element(
        "primitive",
        {"id": name, "class": "ocf", "provider": "heartbeat", "type": recipe.agent},
        [
            pairs_element("instance_attributes", f"{name}-attributes", parameters),
            Element("operations", {}, [op_element(f"{name}-monitor", "monitor", "60s", None)]),
        ],
    )


def _ip_element(recipe: _Recipe, address: str) -> Element:
    name = f"{recipe.name}-ip-{address}"
    parameters = {"ip": address}
    if recipe.interface is not None:
        parameters["nic"] = recipe.interface
    parameters["cidr_netmask"] = recipe.netmask
    return Element(
        "primitive",
        {"id": name, "class": "ocf", "provider": "heartbeat", "type": "IPaddr2"},
        [
            pairs_element("instance_attributes", f"{name}-attributes", parameters),
            Element("operations", {}, [op_element(f"{name}-monitor", "monitor", "60s", None)]),
        ],
    )
