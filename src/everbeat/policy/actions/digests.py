"""Digests of parameters: how a change of a resource's definition is seen in its history."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final, final

from everbeat.cib.tree import render_attribute
from everbeat.cib.whole_numbers import integer_prefix
from everbeat.policy.actions.operations import find_operation, operation_meta
from everbeat.policy.plan.placing import current_node
from everbeat.policy.unpack.attributes import parameters_on, take_blocks
from everbeat.policy.unpack.operation_order import interval_of
from everbeat.policy.unpack.rules_seam import RuleFacts
from everbeat.policy.values import operation_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from everbeat.cib.tree import Element
    from everbeat.policy.plan.node import Node
    from everbeat.policy.plan.plan import Plan
    from everbeat.policy.plan.resource import Resource

MATCH: Final = 0
UNKNOWN: Final = 1
MISMATCH: Final = 2
RESTART: Final = 3

_LEFT_OUT: Final = frozenset(
    ("id", "crm_feature_set", "op-digest", "on_node", "on_node_uuid", "pcmk_external_ip")
)
_DEVICE_SECRETS: Final = ("passwd", "password", "user")
_WHOLE_SINCE: Final = (3, 16, 0)  # shareable digests are made of all parameters but secrets
_DEVICE_WORDS: Final = frozenset(
    (
        "provides",
        "stonith-timeout",
        "pcmk_action_limit",
        "pcmk_delay_base",
        "pcmk_delay_max",
        "pcmk_host_argument",
        "pcmk_host_check",
        "pcmk_host_list",
        "pcmk_host_map",
    )
)
_DEVICE_ENDS: Final = ("_action", "_timeout", "_retries")


@final
class Digests:
    """The digests of one operation on one node."""

    def __init__(self, every: str, secure: str, restart: str | None, *, has_extra: bool) -> None:
        self.every: Final = every
        self.secure: Final = secure
        self.restart: Final = restart
        self.has_extra: Final = has_extra  # the operation has parameters of its own


def digest_of(parameters: dict[str, str]) -> str:
    """Return the digest of a set of parameters."""
    text = "".join(f' {name}="{render_attribute(parameters[name])}"' for name in sorted(parameters))
    document = f" <parameters{text}/>\n"
    return hashlib.md5(document.encode(), usedforsecurity=False).hexdigest()


def container_host(connection: Resource) -> Node | None:
    """Return the node of the container a connection leads into: where it will run, else runs."""
    container = connection.launcher
    if container is None:
        return None
    if container.assigned is not None:
        return container.assigned
    return current_node(container)


def waits_for_address(plan: Plan, resource: Resource) -> bool:
    """Say whether a connection's address is known only once its container was placed."""
    # Looked at for every resource: rules in parameters may ask for another run.
    address = parameters_on(plan, resource, None).get("addr", "")
    return address.lower() == "#uname" and resource.is_remote_connection()


def _address(resource: Resource, parameters: dict[str, str]) -> str | None:
    """Return the address of a connection whose container decides it."""
    if parameters.get("addr") != "#uname" or not resource.is_remote_connection():
        return None
    node = container_host(resource)
    return None if node is None else node.name


def _filtered(
    plan: Plan, resource: Resource, node: Node, task: str, interval: int
) -> tuple[dict[str, str], bool]:
    parameters: dict[str, str] = {}
    own = parameters_on(plan, resource, node)
    address = _address(resource, own)
    if address is not None:
        parameters["addr"] = address
    for name, value in own.items():
        parameters.setdefault(name, value)
    op = find_operation(resource, task, interval, with_disabled=True)
    extra: dict[str, str] = {}
    if op is not None:
        facts = RuleFacts(node_attributes=node.attributes)
        take_blocks(plan, op, "instance_attributes", facts, extra)
    for name, value in extra.items():
        parameters.setdefault(name, value)
    timeout = None
    if interval > 0:
        timeout = operation_meta(plan, resource, task, interval).get("timeout")
    kept = {
        name: value
        for name, value in parameters.items()
        if name not in _LEFT_OUT and not name.startswith("CRM_meta_")
    }
    if timeout is not None:
        kept["CRM_meta_timeout"] = timeout
    return kept, bool(extra)


def compare_digest(plan: Plan, resource: Resource, node: Node, entry: Element) -> int:
    """Compare the parameters of now with those an operation was run with."""
    digests = _digests_for(plan, resource, node, entry)
    recorded = entry.get("op-digest")
    if digests.restart is not None and digests.restart != _restart_digest(resource, node, entry):
        return RESTART
    if recorded is None:
        return UNKNOWN
    if recorded == digests.every:
        return MATCH
    alters_start = interval_of(entry) == 0 and digests.has_extra
    return RESTART if alters_start else MISMATCH


def only_secrets_differ(plan: Plan, resource: Resource, node: Node, entry: Element) -> bool:
    """Say whether all but secrets is as it was: a copy of a configuration does not show those."""
    return entry.get("op-secure-digest") == _digests_for(plan, resource, node, entry).secure


def _restart_digest(resource: Resource, node: Node, entry: Element) -> str | None:
    """Return what a change of would ask for a restart; nothing equals an expired failure's."""
    if (node.index, entry.id) in resource.expired_entries:
        return "expired"
    return entry.get("op-restart-digest")


def _digests_for(plan: Plan, resource: Resource, node: Node, entry: Element) -> Digests:
    """Return the digests of an entry's operation, computed once for each node and key."""
    task, interval = entry.text("operation"), interval_of(entry)
    key = operation_key(resource.id, task, interval)
    known = node.digests.get(key)
    if isinstance(known, Digests):
        return known
    filtered, has_extra = _filtered(plan, resource, node, task, interval)
    restart: str | None = None
    if _restart_digest(resource, node, entry) is not None:
        names = entry.get("op-force-restart")
        if names is None:
            restart = digest_of(filtered)
        else:
            wanted = names.split()
            restart = digest_of({n: v for n, v in filtered.items() if n in wanted})
    version = entry.get("crm_feature_set") or plan.cib.get("crm_feature_set")
    secrets = entry.text("op-secure-params").split()
    secure = _shareable(plan, resource, node, filtered, secrets, version)
    digests = Digests(digest_of(filtered), digest_of(secure), restart, has_extra=has_extra)
    node.digests[key] = digests
    return digests


def _shareable(
    plan: Plan,
    resource: Resource,
    node: Node,
    filtered: dict[str, str],
    secrets: Sequence[str],
    version: str | None,
) -> dict[str, str]:
    """Leave out secrets, and what older versions did not know of: the version is the maker's."""
    is_old = version is not None and _version(version) < _WHOLE_SINCE
    own = parameters_on(plan, resource, node) if is_old else filtered
    return {
        name: value
        for name, value in filtered.items()
        if name not in secrets
        and not name.startswith("CRM_meta_")
        and (not is_old or name in own)
        and not (is_old and resource.is_fence_device and _is_of_devices(name))
    }


def _version(text: str) -> tuple[int, ...]:
    return tuple(integer_prefix(part) or 0 for part in text.split(".")[:3])


def _is_of_devices(name: str) -> bool:
    """Say whether a parameter is read by the cluster itself, whatever the agent of a device."""
    if name in _DEVICE_WORDS:
        return True
    if not name.startswith("pcmk_"):
        return False
    _, line, end = name[5:].partition("_")
    return line + end in _DEVICE_ENDS


def digest_of_operation(
    plan: Plan, resource: Resource, node: Node, task: str, interval: int
) -> str:
    """Return the digest an operation's history entry gets when it is run now."""
    return digest_of(_filtered(plan, resource, node, task, interval)[0])


def digest_for_unfencing(plan: Plan, device: Resource, node: Node) -> tuple[str, str]:
    """Return the whole and the shareable digest of an unfencing device on a node."""
    filtered, _ = _filtered(plan, device, node, "stonith-on", 0)
    version = plan.cib.get("crm_feature_set")
    secure = _shareable(plan, device, node, filtered, _DEVICE_SECRETS, version)
    return digest_of(filtered), digest_of(secure)
