"""Hands off: for a while a group is neither monitored nor recovered, moved or given back.

    not paused ──pause──► paused until … ──resume, or its time is over──► not paused
                              └─ pause: another end

It binds the node that holds the group, and nothing that keeps data safe: the group is stopped when
the right to hold it is lost, when another node holds it too and goes first, and with the node. A
node that dies is taken over as ever. Then the pause is over, also where the group comes back, for
its service runs nowhere else any more. A core process that replaces another takes a paused group
for what it was, whatever of it runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from everbeat.haresources.desk import Stage
from everbeat.haresources.peers import GROUPS_FIELD, PARTNER_FIELD, is_empty, shown
from everbeat.model.membership import Broadcast
from everbeat.model.message import message_of
from everbeat.model.names import wire_text_of
from everbeat.model.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable

    from everbeat.haresources.desk import Desk
    from everbeat.haresources.effects import ManagerEffect
    from everbeat.model.message import Message
    from everbeat.model.names import GroupKey, NodeName

ALL: Final = "all"
REFUSED_TYPE: Final = "takeover-refused"  # the message to who has asked, and the event on both
PAUSE_MS_MAX: Final = 7 * 24 * 3_600_000


def begin(desk: Desk, target: str, for_ms: int, now_ms: int) -> Verdict[ManagerEffect]:
    """Pause what a word names."""
    if not 0 < for_ms <= PAUSE_MS_MAX:
        return Verdict(reason="a pause lasts at least a moment and at most seven days")
    keys, reason = _named(desk, target)
    if reason:
        return Verdict(reason=reason)
    held = keys & desk.claims()
    if not held:
        return Verdict(reason=_refusal(desk, target, keys))
    if reason := _obstacle(desk, held):
        return Verdict(reason=reason)
    desk.pauses |= dict.fromkeys(sorted(held), now_ms + for_ms)
    text = f"{shown(held)} paused for {for_ms // 1_000} s: hands off until then, or everbeat resume"
    return Verdict(effects=desk.timeline.note("paused", text, now_ms, node=desk.own), text=text)


def end(desk: Desk, target: str, now_ms: int) -> Verdict[ManagerEffect]:
    """Resume what a word names."""
    keys, reason = _named(desk, target)
    if reason:
        return Verdict(reason=reason)
    ended = keys & desk.pauses.keys()
    if not ended:
        return Verdict(reason=f"{target} is not paused on {desk.own}")
    text = f"{shown(ended)}: the pause is ended"
    return Verdict(effects=_ended(desk, ended, text, now_ms), text=text)


def settle(desk: Desk, now_ms: int) -> list[ManagerEffect]:
    """End the pauses whose time has come, and those of groups that are not ours any more."""
    if not desk.pauses or desk.stage in {Stage.OFFLINE, Stage.ADOPTING}:
        return []
    gone = desk.pauses.keys() - desk.claims()
    over = {key for key, until_ms in desk.pauses.items() if now_ms >= until_ms} - gone
    effects: list[ManagerEffect] = []
    if gone:
        text = f"{shown(gone)}: the pause is over, {desk.own} does not hold it any more"
        effects += _ended(desk, gone, text, now_ms)
    if over:
        effects += _ended(desk, over, f"{shown(over)}: the pause is over", now_ms)
    return effects


def end_held_twice(desk: Desk, keys: frozenset[GroupKey], now_ms: int) -> list[ManagerEffect]:
    """End the pauses of groups that another node has taken: what it has changed is made good."""
    ended = keys & desk.pauses.keys()
    if not ended:
        return []
    text = f"{shown(ended)}: the pause is over, another node has held it too"
    return _ended(desk, ended, text, now_ms)


def next_wakeup_ms(desk: Desk) -> int | None:
    """Return when a pause ends, or None."""
    return min(desk.pauses.values(), default=None)


def refusal(desk: Desk, keys: Iterable[GroupKey], now_ms: int) -> str:
    """Return why groups may not be moved, or an empty string."""
    paused = [key for key in sorted(keys) if key in desk.pauses]
    if not paused:
        return ""
    left_s = max(0, desk.pauses[paused[0]] - now_ms) // 1_000
    return f"{shown(paused)} is paused for {left_s} s more: everbeat resume {paused[0]}"


def refuse_takeover(
    desk: Desk, asker: NodeName, keys: frozenset[GroupKey], now_ms: int
) -> list[ManagerEffect]:
    """Keep groups for which another node has asked, because some of them are paused; tell it."""
    text = f"{asker} asked for a takeover: {refusal(desk, keys, now_ms)}"
    events = desk.timeline.note(REFUSED_TYPE, text, now_ms, node=asker)
    if desk.peer(asker).dialect == 0:
        return [*events]  # a Heartbeat would not know the word
    paused = " ".join(sorted(keys & desk.pauses.keys()))
    fields = {"t": REFUSED_TYPE, PARTNER_FIELD: asker, GROUPS_FIELD: wire_text_of(paused)}
    return [*events, Broadcast(message_of(**fields))]


def on_takeover_refused(
    desk: Desk, source: NodeName, message: Message, now_ms: int
) -> list[ManagerEffect]:
    """Remember why another node keeps what we have asked for."""
    keys = desk.holdings.claims_of(message, source)
    if not keys or message.text(PARTNER_FIELD) != desk.own:
        return []
    text = f"{source} keeps its groups: {shown(keys)} is paused there (everbeat resume on {source})"
    return [*desk.timeline.note(REFUSED_TYPE, text, now_ms, node=source)]


def _ended(desk: Desk, keys: Iterable[GroupKey], text: str, now_ms: int) -> list[ManagerEffect]:
    for key in tuple(keys):
        del desk.pauses[key]
    return [*desk.timeline.note("resumed", text, now_ms, node=desk.own)]


def _named(desk: Desk, target: str) -> tuple[frozenset[GroupKey], str]:
    """Return the groups that a word names: a group, what is called so in it, or all."""
    known = sorted(key for key in desk.holdings.all() if not is_empty(key))
    if target == ALL:
        return frozenset(known), ""
    keys = {
        key
        for key in known
        for resource in desk.runner.resources(frozenset({key}))
        if target == key or resource.is_called(target)
    }
    if keys:
        return frozenset(keys), ""
    return frozenset(), f"no group or resource is called {target}; there are: {', '.join(known)}"


def _obstacle(desk: Desk, held: frozenset[GroupKey]) -> str:
    """Return why groups that are held here do not stay as they are, or an empty string."""
    current = desk.handover
    if current is not None and current.is_giver and held & current.keys:
        return (
            f"{shown(held & current.keys)} is being handed over to {current.peer or 'another node'}"
        )
    twice = held & desk.overlaps
    if twice:
        return f"another node holds {shown(twice)} too: one of the two gives it up soon"
    return ""


def _refusal(desk: Desk, target: str, keys: frozenset[GroupKey]) -> str:
    holders = sorted(peer.node for peer in desk.live_peers() if keys & peer.claims)
    where = f"; {holders[0]} does: pause it there" if holders else ""
    return f"{desk.own} does not hold {target if target != ALL else 'any group'}{where}"
