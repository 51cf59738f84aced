"""Another node is gone: take what it held. And the repair of what nobody planned.

Takeover: a node died, or stopped in order (`shutdone`); what nobody live claims and falls to us
is acquired. Repair, both only while all is quiet, each after a while in which it did not mend
itself: a group claimed twice is given up by the one who is not its owner (a split has healed);
a group claimed by nobody is taken by the node it falls to. Neighbours may send to the node that
gave up, and what a script has set outside the machines the other one has set as well: the one that
keeps a group announces its addresses and starts its scripts again once the other is quiet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from everbeat.haresources import legacy, pause
from everbeat.haresources.desk import Stage
from everbeat.haresources.peers import NOTHING, shown, successor
from everbeat.model.groups import GroupState
from everbeat.model.journal import Phase
from everbeat.model.names import GroupKey
from everbeat.model.operations import AnnounceAddresses, StartAgain
from everbeat.model.reports import Severity
from everbeat.model.service_address import ADDRESS_NAMES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from everbeat.haresources.desk import Desk
    from everbeat.haresources.effects import ManagerEffect
    from everbeat.haresources.peers import Peer

OVERLAP_MS: Final = 3_000  # a Heartbeat 3.0.6 peer says within 2 s that it gives up all
ORPHAN_MS: Final = 3_000


def on_death(desk: Desk, peer: Peer, phases: Iterable[Phase], now_ms: int) -> list[ManagerEffect]:
    """Take over from a node that is dead, and confirmed off if that is to be made sure of."""
    if peer.has_left:
        text = f"{peer.node} is down; it had given up its resources"
        return [*desk.timeline.note("node-dead", text, now_ms, node=peer.node)]
    peer.claims = frozenset()
    peer.is_stable = peer.has_reported = peer.is_leaving = False
    if desk.stage is not Stage.JOINED:
        return []
    return take_over(desk, peer, "died", phases, now_ms)


def on_shutdone(desk: Desk, peer: Peer, now_ms: int) -> list[ManagerEffect]:
    """Take over from a node that has stopped in order, without waiting for deadtime."""
    peer.claims = frozenset()
    peer.has_left = True
    if desk.stage is not Stage.JOINED:
        return []
    return take_over(desk, peer, "stopped", [Phase("released", now_ms)], now_ms)


def take_over(
    desk: Desk, peer: Peer, what: str, phases: Iterable[Phase], now_ms: int
) -> list[ManagerEffect]:
    """Acquire what falls to us now."""
    keys = desk.unclaimed_for_us()
    severity = Severity.WARNING if what == "died" else Severity.INFO
    why = f"{peer.node} {what}"
    if shown(keys) == NOTHING:
        text = f"{peer.node} {what}; nothing to take over"
        kind = "node-dead" if what == "died" else "node-stopped"
        return [
            *desk.timeline.note(kind, text, now_ms, node=peer.node, severity=severity),
            *desk.runner.acquire(sorted(keys), why, now_ms),
        ]
    _, events = desk.timeline.begin(
        "takeover",
        f"{desk.own} takes over {shown(keys)}: {why}",
        now_ms,
        node=peer.node,
        subjects=keys,
        phases=phases,
        severity=severity,
    )
    effects: list[ManagerEffect] = [*events, *desk.runner.acquire(sorted(keys), why, now_ms)]
    if not desk.is_legacy and desk.live_peers():
        effects.append(desk.announcement(desk.claims()))
    return effects


def repair(desk: Desk, now_ms: int) -> list[ManagerEffect]:
    """Mend double claims and orphans that have lasted."""
    if desk.stage is not Stage.JOINED or desk.is_legacy or desk.handover is not None:
        desk.overlaps = frozenset()
        desk.overlap_since_ms.clear()
        desk.orphan_since_ms.clear()
        return []
    effects = _give_up_overlaps(desk, now_ms) + _take_orphans(desk, now_ms)
    return effects + _make_good_kept(desk, now_ms)


def next_wakeup_ms(desk: Desk) -> int | None:
    """Return when a repair falls due, or None."""
    due = [since + OVERLAP_MS for since in desk.overlap_since_ms.values()]
    due += [since + _orphan_ms(desk) for since in desk.orphan_since_ms.values()]
    return min(due, default=None)


def _lasting(
    since_ms: dict[GroupKey, int], keys: frozenset[GroupKey], limit_ms: int, now_ms: int
) -> frozenset[GroupKey]:
    """Remember since when each key is in question; return those past the limit."""
    for key in [key for key in since_ms if key not in keys]:
        del since_ms[key]
    for key in keys:
        since_ms.setdefault(key, now_ms)
    return frozenset(key for key in keys if now_ms - since_ms[key] >= limit_ms)


def _give_up_overlaps(desk: Desk, now_ms: int) -> list[ManagerEffect]:
    both = desk.claims() & desk.claimed_by_peers()
    is_new = shown(both - desk.overlaps) != NOTHING
    desk.overlaps = both
    losing = frozenset(key for key in both if _winner(desk, key) != desk.own)
    desk.contested |= both - losing
    desk.overlapped |= both - losing
    lost = _lasting(desk.overlap_since_ms, losing, OVERLAP_MS, now_ms)
    effects: list[ManagerEffect] = pause.end_held_twice(desk, both - losing, now_ms)
    if is_new:  # the other side may not know yet
        text = f"held twice: {shown(both)}"
        effects += desk.timeline.note("overlap", text, now_ms, severity=Severity.ERROR)
        effects.append(desk.announcement(desk.claims()))
    why = "another node holds it too and goes first"
    if shown(lost) == NOTHING:
        effects += desk.runner.release(sorted(lost), why, now_ms)
    else:
        text = f"{desk.own} gives up {shown(lost)}: {why}"
        _, events = desk.timeline.begin("give-up", text, now_ms, node=desk.own, subjects=lost)
        effects += [*events, *desk.runner.release(sorted(lost), why, now_ms)]
    return effects


def _make_good_kept(desk: Desk, now_ms: int) -> list[ManagerEffect]:
    if not desk.contested or not desk.is_stable:
        return []
    if desk.overlaps or any(not peer.is_settled for peer in desk.live_peers()):
        return []  # its addresses may still be there
    kept = desk.runner.resources(desk.contested & desk.claims())
    keys = desk.overlapped & desk.claims()
    desk.contested = desk.overlapped = frozenset()
    if not kept:
        return []
    again = [
        StartAgain(group=key, resource=one, timeout_ms=desk.monitoring.times(one).start_ms)
        for key in sorted(keys)
        if desk.runner.state(key) is GroupState.STARTED
        for one in desk.runner.resources(frozenset({key}))
        if one.script not in ADDRESS_NAMES
    ]
    effects: list[ManagerEffect] = [AnnounceAddresses(kept), *again]
    if again:
        words = ", ".join(order.resource.text for order in again)
        text = f"{desk.own} makes good what another node may have set: {words}"
        effects += desk.timeline.note("make-good", text, now_ms, node=desk.own)
    return effects


def _winner(desk: Desk, key: GroupKey) -> object:
    claimers = {peer.node for peer in desk.live_peers() if key in peer.claims} | {desk.own}
    return successor(desk.holdings.owner(key), desk.order, claimers)


def _orphan_ms(desk: Desk) -> int:
    """Return how long nobody must have claimed a group.

    Where there must not be two holders so long that a node we do not hear any more, and which may
    have taken it unknown to us, is known to be unheard (`right.on_path`).
    """
    return max(ORPHAN_MS, 2 * desk.deadtime_ms) if desk.has_quorum else ORPHAN_MS


def _take_orphans(desk: Desk, now_ms: int) -> list[ManagerEffect]:
    is_quiet = desk.is_stable and all(peer.is_settled for peer in desk.live_peers())
    keys = desk.unclaimed_for_us() if is_quiet else frozenset[GroupKey]()
    lasting = _lasting(desk.orphan_since_ms, keys, _orphan_ms(desk), now_ms)
    return legacy.acquire(desk, lasting, "nobody held it", now_ms)
