"""Handing groups to another node on purpose: standby, takeover on request, failback.

See handover.py for the three steps. Beyond them: a returned owner gets its groups back one
second after it is settled (auto_failback on), unless it has failed them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from everbeat.haresources.desk import Naming, Stage
from everbeat.haresources.handover import (
    OFFER_LIMIT_MS,
    REPLY_LIMIT_MS,
    WORK_LIMIT_MS,
    Handover,
    HandoverStep,
)
from everbeat.haresources.peers import PARTNER_FIELD, shown, successor
from everbeat.model.groups import AutoFailback
from everbeat.model.holdings import Hold
from everbeat.model.membership import Broadcast
from everbeat.model.message import message_of
from everbeat.model.names import GroupKey
from everbeat.model.reports import Severity

if TYPE_CHECKING:
    from everbeat.haresources.desk import Desk
    from everbeat.haresources.effects import ManagerEffect
    from everbeat.haresources.peers import Peer
    from everbeat.model.message import Message
    from everbeat.model.names import NodeName

FAILBACK_DELAY_MS: Final = 1_000
FAILBACK_RETRY_MS: Final = 30_000
RELEASED_FIELD: Final = "released"  # in the giver's `done` to an everbeat


def refusal(desk: Desk) -> str:
    """Return why a hand-over cannot begin now, or an empty string."""
    if desk.is_legacy:
        return "standby needs auto_failback on or off; beside a Heartbeat, legacy has none"
    if desk.stage is not Stage.JOINED:
        return f"this node is {desk.stage.value}"
    if desk.handover is not None:
        return f"a hand-over is under way ({desk.handover.cause})"
    if desk.runner.moving():
        return "resources are still moving here"
    if not any(desk.is_active(peer.node) for peer in desk.live_peers()):
        return "no other node is active to take the resources"
    return ""


def give(
    desk: Desk,
    word: Hold,
    cause: str,
    now_ms: int,
    *,
    taker: NodeName | None = None,
    keys: frozenset[GroupKey] | None = None,
) -> list[ManagerEffect]:
    """Ask the other node to take these groups. The caller has checked `refusal`."""
    is_named = keys is not None and taker is not None and desk.can_name_groups(desk.peer(taker))
    if keys is None or not is_named:
        keys = desk.holdings.keys(word, desk.own)
    if not desk.is_pair:
        keys &= desk.claims()  # `all` means all of ours; what third nodes hold is not ours to give
    kind = "failback" if cause == "failback" else "standby"
    event, events = desk.timeline.begin(
        kind,
        f"{desk.own} hands over {word.word} resources: {cause}",
        now_ms,
        node=desk.own,
        subjects=keys,
    )
    desk.handover = Handover(
        HandoverStep.ASKING, word.word, keys, taker, cause, now_ms + REPLY_LIMIT_MS, event
    )
    desk.handover.is_named = is_named
    # What we say after the question, the other takes for its answer: say before that we are stable.
    is_news = desk.announced != (desk.claims(), desk.is_stable_outside)
    reports = [desk.announcement(desk.claims())] if is_news else []
    return [*events, *reports, _ask(desk, "me")]


def on_ask(desk: Desk, source: NodeName, message: Message, now_ms: int) -> list[ManagerEffect]:
    """Take one `ask_resources` message of another node."""
    info = message.text("info") or ""
    current = desk.handover
    if message.text(PARTNER_FIELD) not in {None, desk.own}:
        return []
    match info:
        case "me":
            return _on_offer(desk, source, message, now_ms)
        case "other" if current is not None and current.step is HandoverStep.ASKING:
            if current.peer not in {None, source}:
                return []
            current.peer, current.step = source, HandoverStep.RELEASING
            current.until_ms = now_ms + WORK_LIMIT_MS
            effects: list[ManagerEffect] = [
                *desk.runner.release(
                    sorted(current.keys), f"handed to {source}: {current.cause}", now_ms
                )
            ]
            return [desk.announcement(desk.claims(), "standby"), *effects]
        case "done" if _is_forgotten(desk, source, message):
            fields = {"t": "ask_resources", "info": "done", PARTNER_FIELD: source}
            return [Broadcast(message_of(**fields, rsc_hold=message.text("rsc_hold") or "all"))]
        case "done" if current is not None and current.peer == source:
            if message.order < current.asked_order:
                return []  # of an earlier hand-over, sent again after a cut
            if current.step is HandoverStep.OFFERED:
                current.step, current.until_ms = HandoverStep.TAKING, now_ms + WORK_LIMIT_MS
                why = f"handed over by {source}"
                text = f"{desk.own} takes {shown(current.keys)}: {why}"
                current.event_id, events = desk.timeline.begin(
                    "take", text, now_ms, node=source, subjects=current.keys
                )
                others = (p.claims for p in desk.live_peers() if p.node != source)
                free = current.keys.difference(*others)
                return [*events, *desk.runner.acquire(sorted(free), why, now_ms)]
            if current.step is HandoverStep.WAITING:
                return _finish(desk, "taken", now_ms)
        case _:
            pass
    return []


def _is_forgotten(desk: Desk, source: NodeName, message: Message) -> bool:
    """Whether a giver has let go for us what we do not remember.

    We had thought it dead meanwhile, or that it keeps them: it repaired another group of its own.

    It gets its `done`, so that it does not wait; what nobody holds, its owner takes.
    """
    current = desk.handover
    is_taker = current is not None and current.peer == source and not current.is_giver
    return message.text(RELEASED_FIELD) is not None and not is_taker


def _on_offer(desk: Desk, source: NodeName, message: Message, now_ms: int) -> list[ManagerEffect]:
    keys = desk.holdings.claims_of(message, source)
    peer = desk.peer(source)
    if keys is None or desk.is_legacy or not peer.is_live:
        return []
    if message.order < peer.last_order:
        return []  # sent again after a cut: the question is long settled
    yielded = _yield(desk, peer, now_ms)
    if not desk.is_stable:
        return yielded  # Heartbeat says: other side is in flux
    if message.text(PARTNER_FIELD) is None and not desk.is_pair:
        live = desk.live() - {source}
        if successor(source, desk.order, live) != desk.own:
            return []
    word = message.text("rsc_hold") or "all"
    desk.handover = Handover(
        HandoverStep.OFFERED, word, keys, source, f"{source} hands over", now_ms + OFFER_LIMIT_MS
    )
    desk.handover.asked_order = message.order
    peer.last_order = message.order  # reports from before the offer say nothing of it
    return [*yielded, _ask(desk, "other")]


def _yield(desk: Desk, peer: Peer, now_ms: int) -> list[ManagerEffect]:
    """Drop our own question if, of two that ask each other at the same time, we are to answer.

    Else both wait in vain. A Heartbeat never yields; of two everbeats the later in ha.cf does.
    """
    current = desk.handover
    if current is None or current.step is not HandoverStep.ASKING or not desk.is_pair:
        return []
    is_later = desk.order.index(desk.own) > desk.order.index(peer.node)
    if desk.runner.moving() or not (peer.dialect == 0 or is_later):
        return []
    return _cancel(desk, f"{peer.node} asks at the same time", now_ms)


def on_peer_report(desk: Desk, peer: Peer, now_ms: int) -> list[ManagerEffect]:
    """End the hand-over if the settled partner has taken the groups, or kept them."""
    current = desk.handover
    if current is None or current.peer != peer.node:
        return []
    # An everbeat drops its claim first; what else moves there may be the repair of another group.
    lets_go = not peer.is_stable and (peer.dialect == 0 or not current.keys <= peer.claims)
    if current.step is HandoverStep.OFFERED and lets_go and not current.has_begun:
        current.has_begun, current.until_ms = True, now_ms + WORK_LIMIT_MS
    if not peer.is_settled:
        return []
    if current.step is HandoverStep.OFFERED and current.has_begun:
        return _cancel(desk, f"{peer.node} kept them or gave them to another", now_ms)
    return _finish_if_taken(desk, now_ms)


def _finish_if_taken(desk: Desk, now_ms: int) -> list[ManagerEffect]:
    """End it where others say that they hold them: they may have thought us dead meanwhile."""
    current = desk.handover
    if current is None or current.step is not HandoverStep.WAITING or current.peer is None:
        return []
    held = frozenset[GroupKey]().union(*(p.claims for p in desk.live_peers() if p.is_settled))
    if current.keys <= held:
        return _finish(desk, "taken", now_ms)
    return []


def on_partner_gone(desk: Desk, node: NodeName, now_ms: int) -> list[ManagerEffect]:
    """Cancel: the node we were handing to or taking from died, stopped or started anew.

    With third nodes where there must not be two holders, what we do not claim any more is not ours
    to take back: they know of its end too, and it falls to the one that `take_over` names.
    """
    current = desk.handover
    if current is None or (current.peer not in {None, node}):
        return []
    if current.peer is None and any(desk.is_active(p.node) for p in desk.live_peers()):
        return []
    is_ours_alone = desk.is_pair or not desk.is_exclusive
    kept = None if is_ours_alone else current.keys & desk.claims()
    return _cancel(desk, f"{node} is gone", now_ms, kept)


def progress(desk: Desk, now_ms: int) -> list[ManagerEffect]:
    """Move the hand-over on when our own part is done, or end it at its limit."""
    current = desk.handover
    if current is None:
        return []
    busy = current.keys & (desk.runner.touched() | desk.runner.moving())
    if current.step is HandoverStep.RELEASING and not busy:
        current.step = HandoverStep.WAITING
        return [_ask(desk, "done", is_released=True)]
    if current.keys and (ended := _finish_if_taken(desk, now_ms)):
        return ended
    if current.step is HandoverStep.TAKING and not current.keys & desk.runner.moving():
        done = _ask(desk, "done")
        return [done, *_finish(desk, "announced", now_ms)]
    if now_ms >= current.until_ms:
        return _cancel(desk, "no reply in time", now_ms)
    return []


def fail_back_due(desk: Desk, now_ms: int) -> list[ManagerEffect]:
    """Begin a failback when its time has come."""
    if desk.mode is AutoFailback.OFF:
        for peer in desk.peers.values():
            peer.failback_at_ms = None  # it may have been on until now
        return []
    _arm_failback(desk, now_ms)
    if refusal(desk):
        return []
    for peer in desk.live_peers():
        if peer.failback_at_ms is not None and now_ms >= peer.failback_at_ms:
            keys = _returnable(desk, peer)
            peer.failback_at_ms = now_ms + FAILBACK_RETRY_MS if keys else None
            if not keys:
                continue
            return give(desk, Hold.FOREIGN, "failback", now_ms, taker=peer.node, keys=keys)
    return []


def next_wakeup_ms(desk: Desk) -> int | None:
    """Return when something here falls due, or None."""
    due = [desk.handover.until_ms] if desk.handover else []
    due += [p.failback_at_ms for p in desk.live_peers() if p.failback_at_ms is not None]
    return min(due, default=None)


def _arm_failback(desk: Desk, now_ms: int) -> None:
    for peer in desk.live_peers():
        if not (peer.is_failback_due and peer.is_settled and desk.is_stable):
            continue
        if not desk.claims() & desk.holdings.owned_by(peer.node):
            peer.is_failback_due, peer.failback_at_ms = False, None
        elif not _returnable(desk, peer):
            peer.failback_at_ms = None
        elif peer.failback_at_ms is None:
            peer.failback_at_ms = now_ms + FAILBACK_DELAY_MS


def _returnable(desk: Desk, peer: Peer) -> frozenset[GroupKey]:
    """Return what a node may get back: not what it has failed, nor what is paused.

    Beside a Heartbeat all or none.
    """
    owed = desk.claims() & desk.holdings.owned_by(peer.node)
    kept = peer.barred | desk.pauses.keys()
    if desk.can_name_groups(peer):
        return owed - kept
    return frozenset[GroupKey]() if owed & kept else owed


def _ask(desk: Desk, info: str, *, is_released: bool = False) -> Broadcast:
    current = desk.handover
    assert current is not None
    fields = {"t": "ask_resources", "rsc_hold": current.word, "info": info}
    if desk.is_pair and current.is_named:
        fields |= desk.named(current.keys, Naming.ALWAYS)
    if not desk.is_pair:
        fields |= desk.named(current.keys)
        if current.peer is not None:
            fields[PARTNER_FIELD] = current.peer
    if is_released and current.peer is not None and desk.can_name_groups(desk.peer(current.peer)):
        fields[RELEASED_FIELD] = "1"
    return Broadcast(message_of(**fields))


def _finish(desk: Desk, phase: str, now_ms: int) -> list[ManagerEffect]:
    current = desk.handover
    assert current is not None
    desk.handover = None
    if current.is_giver and current.peer is not None:
        peer = desk.peer(current.peer)
        peer.failback_at_ms = None
        peer.is_failback_due &= bool(desk.claims() & desk.holdings.owned_by(peer.node))
    return [*desk.timeline.finish(current.event_id, phase, now_ms)]


def _cancel(
    desk: Desk, reason: str, now_ms: int, kept: frozenset[GroupKey] | None = None
) -> list[ManagerEffect]:
    """End it; `kept` of its groups, all by default, go on here if we were giving them."""
    current = desk.handover
    assert current is not None
    desk.handover = None
    effects: list[ManagerEffect] = [
        *desk.timeline.finish(
            current.event_id, f"cancelled: {reason}", now_ms, severity=Severity.WARNING
        )
    ]
    if current.step is HandoverStep.ASKING:
        effects.append(desk.announcement(desk.claims()))  # who still agrees shall know
    if current.step in {HandoverStep.RELEASING, HandoverStep.WAITING}:
        # What we let go is ours again unless somebody took it meanwhile.
        back = (current.keys if kept is None else kept) - desk.claimed_by_peers()
        effects += desk.runner.acquire(sorted(back), f"hand-over cancelled: {reason}", now_ms)
    return effects
