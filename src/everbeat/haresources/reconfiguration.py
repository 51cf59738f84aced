"""Another configuration while groups run: what is in both is not touched.

    wanted ──nothing is handed over──> taken: holdings, order, runner
                                         ├─ resources of a group differ: the runner changes them
                                         ├─ a group is gone: stopped where it runs
                                         '─ a group is new: acquired by the node it falls to

Nodes take a new haresources one after the other. Until all have, each knows from the names in the
others' claims what they hold; a claim that is made of Heartbeat's four words alone is read again
with the new groups. A group that a node does not know yet falls to its owner, so nobody else takes
it meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from everbeat.haresources.desk import Stage
from everbeat.haresources.peers import NOTHING, Holdings, shown, with_empty_groups
from everbeat.model.cluster import Quorum
from everbeat.model.groups import AutoFailback
from everbeat.model.operations import ForgetFailures

if TYPE_CHECKING:
    from collections.abc import Iterable

    from everbeat.haresources.desk import Desk
    from everbeat.haresources.effects import ManagerEffect
    from everbeat.model.cluster import HaConfig
    from everbeat.model.groups import ResourceGroup


@dataclass(frozen=True, slots=True)
class Reconfiguration:
    """What to use from now on. `groups`: as haresources has them."""

    config: HaConfig
    groups: tuple[ResourceGroup, ...]


def refusal(desk: Desk) -> str:
    """Say why nothing can be changed now, or nothing."""
    if desk.stage in {Stage.STOPPING, Stage.STOPPED}:
        return f"{desk.own} is stopping"
    return ""


def is_due(desk: Desk) -> bool:
    """Whether groups may change now: not while some are on their way between two nodes."""
    return desk.handover is None


def apply(desk: Desk, wanted: Reconfiguration, now_ms: int) -> list[ManagerEffect]:
    """Use another configuration. `auto_failback legacy` is neither entered nor left."""
    config = wanted.config
    groups = with_empty_groups(wanted.groups, config.nodes)
    former = desk.holdings.all()
    _use(desk, config)
    desk.holdings = Holdings(groups)
    for peer in desk.peers.values():
        said = peer.said if peer.has_reported else None
        claims = desk.holdings.claims_of(said, peer.node) if said is not None else None
        peer.claims = peer.claims & desk.holdings.all() if claims is None else claims
    now = desk.holdings.all()
    desk.requests = {key: due_ms for key, due_ms in desk.requests.items() if key in now}
    desk.grants = {key: node for key, node in desk.grants.items() if key in now}
    effects: list[ManagerEffect] = [*desk.runner.use(groups, config.monitoring, now_ms)]
    effects += _forgotten(desk, groups)
    added, gone = now - former, former - now
    changed = added | gone | (desk.runner.moving() & now)
    if shown(changed) != NOTHING:
        words = [("new", added), ("gone", gone), ("changed", changed - added - gone)]
        text = "; ".join(f"{word}: {shown(k)}" for word, k in words if shown(k) != NOTHING)
        _, events = desk.timeline.begin(
            "reload", f"haresources has changed; {text}", now_ms, node=desk.own, subjects=changed
        )
        effects += events
    if desk.stage is Stage.JOINED:
        falls_to_us = sorted(added & desk.unclaimed_for_us())
        effects += desk.runner.acquire(falls_to_us, "it is new in haresources", now_ms)
        if desk.live_peers() and not desk.is_legacy:
            effects.append(desk.announcement(desk.claims(), "returned"))  # the others answer
    return effects


def _forgotten(desk: Desk, groups: Iterable[ResourceGroup]) -> list[ManagerEffect]:
    """Forget the failures of what is in its group no more: the group is tried again at once."""
    present = {(group.key, resource.text) for group in groups for resource in group.resources}
    gone = (c.resource for c in desk.failures if (c.group, c.resource) not in present)
    return [ForgetFailures(resource) for resource in dict.fromkeys(gone)]


def _use(desk: Desk, config: HaConfig) -> None:
    desk.deadtime_ms = config.timing.deadtime_ms
    desk.monitoring = config.monitoring
    desk.has_fencing = config.quorum is Quorum.FENCING
    if AutoFailback.LEGACY not in {desk.mode, config.auto_failback}:
        desk.mode = config.auto_failback
    left = set(desk.order) - set(config.nodes)
    joined_by_itself = tuple(node for node in desk.order if node in left and desk.is_active(node))
    desk.order = (*config.nodes, *joined_by_itself)
    for node in left - set(joined_by_itself):
        desk.peers.pop(node, None)
    for node in config.nodes:
        if node != desk.own:
            desk.peer(node)
