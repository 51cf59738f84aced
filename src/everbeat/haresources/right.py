"""The right to hold groups, where a quorum decides: give up all when it is lost, join when gained.

    JOINED, JOINING ──RightLost──► YIELDING ──all stopped: RaiseGeneration──► RIGHTLESS
       ▲                                                                         │ RightGained
       └───────────────────── JOINING, as at start ◄─────────────────────────────┘

Nothing else in this package knows of quorum. The right is believed until its end as link told it
last and a moment longer, for link says itself when it is lost; a link process that hangs cannot.
A configuration without a quorum, taken while it runs, is the right without end: what is held goes
on, and a node that had lost its right joins as soon as it has given up everything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from everbeat.haresources import joining, standby, takeover
from everbeat.haresources.desk import Stage
from everbeat.model.journal import Phase
from everbeat.model.members import LinkStatus
from everbeat.model.membership import RaiseGeneration
from everbeat.model.reports import Severity

if TYPE_CHECKING:
    from everbeat.haresources.desk import Desk
    from everbeat.haresources.effects import ManagerEffect
    from everbeat.model.members import QuorumView
    from everbeat.model.membership import LinkChanged, NodeRightChanged

SILENT_LINK_MS: Final = 250
"""So much later than link should have said it we find ourselves that the right has lapsed."""


def on_view(desk: Desk, quorum: QuorumView | None, now_ms: int) -> list[ManagerEffect]:
    """Take what link says at the start, or a new link process."""
    desk.has_quorum = quorum is not None
    if quorum is None:
        return _on_no_quorum(desk)
    if desk.stage is Stage.RIGHTLESS and not quorum.is_held:
        return [RaiseGeneration()]  # a new link must be told that nothing is held
    if not quorum.is_known:
        # A new link: what we knew of our right goes on.
        if desk.stage is Stage.OFFLINE:
            desk.right_until_ms = now_ms + quorum.lease_ms // 4  # both are new: not for long
        return []
    if not quorum.is_held:
        effects = _lose(desk, quorum.reason, now_ms)
        is_lapsed = quorum.stop_by_ms is not None or quorum.has_left  # else it was never gained
        return effects + (_say_nothing_is_held(desk) if is_lapsed else [])
    if desk.stage not in {Stage.YIELDING, Stage.RIGHTLESS}:
        desk.has_right, desk.right_until_ms = True, quorum.until_ms
    return []


def _on_no_quorum(desk: Desk) -> list[ManagerEffect]:
    """Hold without end; what was lost before is given up to the end first, and said."""
    if desk.stage is Stage.RIGHTLESS:
        return [RaiseGeneration()]  # the link that was to say so may have gone before it did
    if desk.stage is Stage.YIELDING and not desk.has_right:
        return []
    desk.has_right, desk.right_until_ms = True, None
    return []


def on_gained(desk: Desk, reason: str, until_ms: int | None, now_ms: int) -> list[ManagerEffect]:
    """Begin as at start: nothing is held here."""
    desk.has_right, desk.right_until_ms = True, until_ms
    text = f"{desk.own} may hold resources: {reason}"
    effects: list[ManagerEffect] = [
        *desk.timeline.note("right-gained", text, now_ms, node=desk.own)
    ]
    if desk.stage is Stage.RIGHTLESS:
        desk.stage = Stage.OFFLINE
    if desk.stage is Stage.OFFLINE:
        return effects + joining.begin_join(desk, now_ms)
    return effects


def on_extended(desk: Desk, until_ms: int | None) -> None:
    """Take a later end; a right that was lost here comes back only as gained."""
    if desk.has_right or desk.stage is Stage.ADOPTING:
        desk.has_right, desk.right_until_ms = True, until_ms


def on_lost(desk: Desk, reason: str, now_ms: int) -> list[ManagerEffect]:
    """Give up everything, now."""
    return _lose(desk, reason, now_ms) + _say_nothing_is_held(desk)


def _say_nothing_is_held(desk: Desk) -> list[ManagerEffect]:
    """Answer link, which waits after a lapse, where nothing was begun that could be given up."""
    return [RaiseGeneration()] if desk.stage is Stage.OFFLINE and not desk.is_adopting else []


def _lose(desk: Desk, reason: str, now_ms: int) -> list[ManagerEffect]:
    if not desk.has_right:
        return []
    desk.has_right, desk.right_until_ms = False, None
    if desk.stage not in {Stage.JOINED, Stage.JOINING, Stage.YIELDING}:
        return []  # nothing is held, or it is being looked for, or given up anyway
    return give_up(desk, reason, now_ms)


def give_up(desk: Desk, reason: str, now_ms: int) -> list[ManagerEffect]:
    """Stop every group; RIGHTLESS follows."""
    desk.stage = Stage.YIELDING
    desk.handover = None
    desk.requests.clear()
    for peer in desk.peers.values():
        peer.claims = frozenset()
        peer.has_reported = False
    keys = desk.holdings.all()
    why = f"the right to hold resources is lost: {reason}"
    _, events = desk.timeline.begin(
        "right-lost",
        f"{desk.own} gives up everything: {why}",
        now_ms,
        node=desk.own,
        subjects=keys,
        severity=Severity.ERROR,
    )
    held = desk.runner.touched() | desk.claims()
    return [*events, *desk.runner.release(sorted(held), why, now_ms, is_hurried=True)]


def settle(desk: Desk, now_ms: int) -> list[ManagerEffect]:
    """Notice a lapse that link did not tell of; say when everything is given up."""
    effects: list[ManagerEffect] = []
    until_ms = desk.right_until_ms
    if desk.has_right and until_ms is not None and now_ms > until_ms + SILENT_LINK_MS:
        effects += _lose(desk, "link does not say that it goes on", now_ms)
    if desk.stage is Stage.ADOPTING and not desk.has_right and not desk.runner.moving():
        effects += give_up(desk, "it was lost before this process began", now_ms)
    if desk.stage is Stage.YIELDING and not desk.has_right and not desk.runner.touched():
        desk.stage = Stage.RIGHTLESS
        effects.append(RaiseGeneration())
    if desk.stage is Stage.RIGHTLESS and not desk.has_quorum:
        effects += on_gained(desk, "nothing is asked for it any more", None, now_ms)
    return effects


def next_wakeup_ms(desk: Desk) -> int | None:
    """Return when the right lapses if nobody says anything."""
    if not desk.has_right or desk.right_until_ms is None:
        return None
    return desk.right_until_ms + SILENT_LINK_MS + 1


def on_path(desk: Desk, fact: LinkChanged) -> list[ManagerEffect]:
    """Take nothing while a node lives that others hear and we do not; ask it when we do again.

    What it has taken since we heard it last nobody has told us.
    """
    peer = desk.peers.get(fact.node)
    if peer is None or not desk.has_quorum:
        return []
    if fact.status is LinkStatus.UP:
        peer.paths |= {fact.link}
        is_back, peer.is_unheard = peer.is_unheard, False
        is_asking = is_back and desk.stage is Stage.JOINED
        return [desk.announcement(desk.claims(), "returned")] if is_asking else []
    peer.paths -= {fact.link}
    if peer.is_there and not peer.paths:
        peer.is_unheard, peer.has_reported = True, False
    return []


def on_peer(desk: Desk, fact: NodeRightChanged, now_ms: int) -> list[ManagerEffect]:
    """Take a node's word that it holds nothing because it may not, or that it may again.

    A heartbeat may be overtaken by what the node has sent its resource managers since.
    """
    peer = desk.peer(fact.node)
    if peer.has_right is fact.has_right or fact.order < peer.last_order:
        return []
    peer.has_right, peer.is_stable = fact.has_right, False
    if fact.has_right:
        return []
    peer.claims = frozenset()
    effects = standby.on_partner_gone(desk, peer.node, now_ms)
    if desk.stage is not Stage.JOINED:
        return effects
    phases = [Phase("has given up", now_ms)]
    return effects + takeover.take_over(desk, peer, "lost its right", phases, now_ms)
