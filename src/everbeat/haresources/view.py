"""The manager's state and steps in the words of `everbeat status`, `events` and cl_status."""

from __future__ import annotations

from typing import TYPE_CHECKING

from everbeat.haresources.desk import Stage
from everbeat.model.groups import GroupState, GroupView, ManagerView
from everbeat.model.holdings import Hold
from everbeat.model.journal import Phase
from everbeat.model.operations import Action

if TYPE_CHECKING:
    from collections.abc import Iterable

    from everbeat.haresources.desk import Desk
    from everbeat.model.groups import ResourceGroup
    from everbeat.model.operations import OperationDone


def manager_view(desk: Desk, groups: Iterable[ResourceGroup]) -> ManagerView:
    """Return who holds what as this node sees it.

    A group that was removed is shown until it is stopped: nothing else moves before that.
    """
    return ManagerView(
        own=desk.own,
        auto_failback=desk.mode,
        state=desk.stage.value if desk.stage is not Stage.JOINED else _joined_word(desk),
        holds=_holds_word(desk),
        peer_holds=tuple(
            (p.node, desk.holdings.hold(p.claims, p.node).word, p.is_stable)
            for p in desk.peers.values()
        ),
        groups=tuple(
            _group_view(desk, group)
            for group in (*groups, *desk.runner.removed())
            if group.resources
        ),
        left=tuple(peer.node for peer in desk.peers.values() if peer.has_left),
    )


def phase_of(done: OperationDone) -> Phase | None:
    """Return a start or stop as a phase of the events about its group; None for a status."""
    if done.action is Action.STATUS:
        return None
    word = {Action.START: "started", Action.STOP: "stopped"}[done.action]
    name = (
        f"{word} {done.resource.text}"
        if done.is_success
        else (
            f"{done.action.value} of {done.resource.text} failed ({done.outcome.value}, "
            f"exit {done.exit_code})"
        )
    )
    return Phase(name, done.ended_ms)


def _joined_word(desk: Desk) -> str:
    if desk.handover is not None:
        return "standby"
    return "moving" if desk.runner.moving() else "stable"


def _holds_word(desk: Desk) -> str:
    """Return none, local, foreign or all; `transition` while anything moves here or there."""
    if desk.is_legacy:
        return Hold.NONE.word
    if not desk.is_stable or any(not peer.is_settled for peer in desk.live_peers()):
        return "transition"
    return desk.holdings.hold(desk.claims(), desk.own).word


def _group_view(desk: Desk, group: ResourceGroup) -> GroupView:
    state = desk.runner.state(group.key)
    holder = desk.own if state is GroupState.STARTED else None
    if holder is None:
        holders = (peer.node for peer in desk.live_peers() if group.key in peer.claims)
        holder = next(holders, None)
    return GroupView(
        group=group,
        state=state,
        holder=holder,
        since_ms=desk.runner.since_ms(group.key),
        why=desk.runner.why(group.key),
        running=desk.runner.running(group.key),
        paused_until_ms=desk.pauses.get(group.key),
        unwatched=_unwatched(desk, group) if state is GroupState.STARTED else (),
    )


def _unwatched(desk: Desk, group: ResourceGroup) -> tuple[str, ...]:
    words = dict.fromkeys(resource.text for resource in group.resources)
    known = ((word, desk.unheard.get((group.key, word), "")) for word in words)
    return tuple(f"{word} is not watched: {why}" for word, why in known if why)
