"""Whether groups are served after a change or a move: looked at until it is plain, and told.

    GroupView of this node, claims of the others, fail counts of all ──► GroupEnd: served by whom,
    or failed where and why; None while it is under way

A node that claims a group has not served it by that: a group whose start failed stays claimed. So
a fail count that is newer than the request speaks against the claim.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from everbeat.model.groups import GroupState
from everbeat.model.members import NodeKind, NodeStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from everbeat.ipc.messages import StatusReply
    from everbeat.model.groups import GroupView
    from everbeat.model.names import GroupKey, NodeName

WAIT_S: Final = 120.0
QUIET_S: Final = 5.0
"""So long nothing moves anywhere, and a group that is not served is taken for not coming."""

SURE_S: Final = 0.3
"""So long a group is seen served before it is said: what others tell may be under way."""

_POLL_S: Final = 0.05
_MOVING: Final = frozenset({GroupState.STARTING, GroupState.STOPPING})
_BUSY: Final = frozenset({"moving", "standby", "joining"})


@dataclass(frozen=True, slots=True)
class FailedStart:
    """What failed on a node, and how its script or systemd put it."""

    node: NodeName
    resource: str
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupEnd:
    """What came of a group. `node`: who serves it; None: nobody. `why`: if nothing has failed."""

    key: GroupKey
    node: NodeName | None = None
    failed: tuple[FailedStart, ...] = ()
    why: str = ""
    is_moving: bool = False  # the time was over before it came to rest

    @property
    def is_failed(self) -> bool:
        """Whether nobody serves it because it cannot be started."""
        return self.node is None and bool(self.failed)


def end_of(view: GroupView, reply: StatusReply, since_ms: int) -> GroupEnd | None:
    """Return what came of a group since then, or None while that is open."""
    key, own = view.group.key, reply.manager.own
    failed = tuple(
        FailedStart(known.node, count.resource, count.why)
        for known in reply.failures
        for count in known.counts
        if count.group == key and count.is_barred and count.last_ms >= since_ms
    )
    where = {failure.node for failure in failed}
    if view.state is GroupState.STARTED and view.holder == own:
        return GroupEnd(key=key, node=own, failed=failed)
    if view.state in _MOVING:
        return None
    settled = {node for node, _, is_stable in reply.manager.peer_holds if is_stable}
    if view.holder in settled - where:
        return GroupEnd(key=key, node=view.holder, failed=failed)
    able = {
        node.node
        for node in reply.membership.nodes
        if node.kind is NodeKind.NORMAL and node.status is NodeStatus.ACTIVE
    }
    if where and able <= where:
        return GroupEnd(key=key, failed=failed)
    if view.state is GroupState.STUCK:
        stuck = FailedStart(own, key, f"cannot be stopped: {view.why}")
        return GroupEnd(key=key, failed=(*failed, stuck))
    return None


def ends_now(
    reply: StatusReply, keys: Collection[GroupKey], since_ms: int
) -> dict[GroupKey, GroupEnd | None]:
    """Return what came of each of these groups, or None while that is open."""
    views = {view.group.key: view for view in reply.manager.groups}
    known = ((key, views.get(key)) for key in keys)
    return {key: end_of(view, reply, since_ms) if view else None for key, view in known}


def knows_others(reply: StatusReply) -> bool:
    """Say whether this node can know what runs on the others: not while it is cut off.

    A node without the right to hold may be alone on its side; what it does not hear of may be
    served on the other one. Before communication is up nobody has been heard.
    """
    quorum = reply.membership.quorum
    return reply.membership.is_communication_up and (quorum is None or quorum.is_held)


def is_quiet(reply: StatusReply) -> bool:
    """Say whether nothing moves on any node."""
    is_moving = any(view.state in _MOVING for view in reply.manager.groups)
    live = {n.node for n in reply.membership.nodes if n.status is NodeStatus.ACTIVE}
    unsettled = [n for n, _, is_stable in reply.manager.peer_holds if not is_stable and n in live]
    return not is_moving and not unsettled and reply.manager.state not in _BUSY


def wait_ends(
    look: Callable[[], StatusReply],
    keys: Collection[GroupKey],
    since_ms: int,
    timeout_s: float = WAIT_S,
) -> tuple[GroupEnd, ...]:
    """Look until it is plain what came of these groups. Raises IpcError of `look`."""
    if not keys:
        return ()
    began_s = time.monotonic()
    moved_s = open_s = began_s
    while True:
        now_s = time.monotonic()
        reply = look()
        ends = ends_now(reply, keys, since_ms)
        moved_s = moved_s if is_quiet(reply) else now_s
        open_s = open_s if None not in ends.values() else now_s
        is_plain = now_s - open_s >= SURE_S
        if is_plain or now_s - moved_s >= QUIET_S or now_s - began_s >= timeout_s:
            is_over = now_s - began_s >= timeout_s
            return tuple(
                end or _unserved(key, reply, is_moving=is_over and not is_quiet(reply))
                for key, end in ends.items()
            )
        time.sleep(_POLL_S)


def wait_gone(
    look: Callable[[], StatusReply], keys: Collection[GroupKey], timeout_s: float = WAIT_S
) -> tuple[str, ...]:
    """Look until these groups, which were removed, are stopped; return what is to be told if not.

    What another node still stops is known by this alone: it is not stable. Raises IpcError of
    `look`.
    """
    began_s = still_s = time.monotonic()
    while keys:
        now_s = time.monotonic()
        reply = look()
        views = [view for view in reply.manager.groups if view.group.key in keys]
        still_s = still_s if not views and is_quiet(reply) else now_s
        is_stuck = bool(views) and all(view.state is GroupState.STUCK for view in views)
        if is_stuck or now_s - began_s >= timeout_s:
            told = tuple(
                f"{v.group.key} is not stopped on {reply.manager.own}: {v.why}" for v in views
            )
            return told or (f"something still moves: {', '.join(keys)} may not be stopped yet",)
        if now_s - still_s >= SURE_S:
            break
        time.sleep(_POLL_S)
    return ()


def _unserved(key: GroupKey, reply: StatusReply, *, is_moving: bool) -> GroupEnd:
    view = next((view for view in reply.manager.groups if view.group.key == key), None)
    why = view.why if view else "somebody has taken it out of haresources"
    return GroupEnd(key=key, why=why, is_moving=is_moving)


def sentence(end: GroupEnd) -> str:
    """Return what came of a group, for people."""
    if end.is_moving:
        return f"{end.key} is still in motion: {end.why}"
    if not end.failed:
        return f"{end.key} is on {end.node}" if end.node else f"{end.key} runs nowhere: {end.why}"
    told = f"{end.key} did not start on {failures_text(end.failed)}"
    return f"{told}; it is on {end.node}" if end.node else told


def failures_text(failed: Iterable[FailedStart]) -> str:
    """Return where it did not start and why, e.g. `alpha (nginx: exit 1), nor on beta`.

    Nodes tell each other what failed, and keep to themselves what it said.
    """
    texts: list[str] = []
    known: set[tuple[str, str]] = set()
    for failure in failed:
        told = failure.resource, failure.why
        is_said = told in known or (not failure.why and failure.resource in {r for r, _ in known})
        known.add(told)
        reason = f"{failure.resource}: {failure.why}" if failure.why else failure.resource
        shown = "" if is_said else f" ({reason})"
        texts.append(f"{'nor on ' if texts else ''}{failure.node}{shown}")
    return ", ".join(texts)
