"""auto_failback legacy beside a Heartbeat: owners ask for their groups and always get them.

    owner  -- ip-request KEY -->        holder stops KEY if it runs it
           <-- ip-request-resp OK --    owner starts KEY

There is no `resource` message and no standby in this mode, which is Heartbeat's where ha.cf has no
auto_failback line. Among everbeat nodes legacy is on: `Desk.is_legacy`.
Source: measured on Heartbeat 3.0.6 (rc.d/ip-request, rc.d/ip-request-resp).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from everbeat.haresources.peers import NOTHING, is_empty, shown
from everbeat.model.groups import AutoFailback
from everbeat.model.membership import Broadcast
from everbeat.model.message import message_of
from everbeat.model.names import GroupKey, wire_text_of, word_from_wire

if TYPE_CHECKING:
    from everbeat.haresources.desk import Desk
    from everbeat.haresources.effects import ManagerEffect
    from everbeat.model.message import Message
    from everbeat.model.names import NodeName

REPEAT_MS: Final = 5_000  # an unanswered request is repeated


def request_own_groups(desk: Desk, now_ms: int) -> list[ManagerEffect]:
    """Ask for each own group."""
    for key in sorted(desk.holdings.owned_by(desk.own) - desk.claims()):
        if is_empty(key):
            continue
        desk.requests[key] = now_ms
    return on_tick(desk, now_ms)


def acquire(desk: Desk, keys: frozenset[GroupKey], why: str, now_ms: int) -> list[ManagerEffect]:
    """Start groups and remember it as an event."""
    if shown(keys) == NOTHING:
        return [*desk.runner.acquire(sorted(keys), why, now_ms)]
    text = f"{desk.own} acquires {shown(keys)}: {why}"
    _, events = desk.timeline.begin("acquire", text, now_ms, node=desk.own, subjects=keys)
    return [*events, *desk.runner.acquire(sorted(keys), why, now_ms)]


def on_tick(desk: Desk, now_ms: int) -> list[ManagerEffect]:
    """Send the requests that are due and answer those whose group has stopped."""
    effects: list[ManagerEffect] = []
    if not desk.is_legacy:
        desk.requests.clear()  # no Heartbeat is left to answer: what nobody holds is taken as usual
    for key, due_ms in sorted(desk.requests.items()):
        if now_ms >= due_ms:
            desk.requests[key] = now_ms + REPEAT_MS
            effects.append(Broadcast(message_of(t="ip-request", ipaddr=wire_text_of(key))))
    for key, asker in sorted(desk.grants.items()):
        if key not in desk.runner.touched():
            del desk.grants[key]
            effects.append(_answer(asker, key, "yes"))
    return effects


def on_request(desk: Desk, source: NodeName, message: Message, now_ms: int) -> list[ManagerEffect]:
    """Give a group back to the node that asks for it."""
    key = GroupKey(word_from_wire(message.text("ipaddr") or ""))
    if key not in desk.holdings.all() or desk.mode is not AutoFailback.LEGACY:
        return []
    if key not in desk.runner.touched() and key not in desk.claims():
        return [_answer(source, key, "no")]
    desk.grants[key] = source
    return [*desk.runner.release([key], f"{source} asked for it", now_ms)]


def on_answer(desk: Desk, message: Message, now_ms: int) -> list[ManagerEffect]:
    """Start a group that the others have let go."""
    key = GroupKey(word_from_wire(message.text("ipaddr") or ""))
    if message.text("dest") != desk.own or message.text("ok") != "OK" or key not in desk.requests:
        return []
    del desk.requests[key]
    return acquire(desk, frozenset({key}), "it is ours and free", now_ms)


def _answer(dest: NodeName, key: GroupKey, owned: str) -> Broadcast:
    named = wire_text_of(key)
    return Broadcast(message_of(t="ip-request-resp", dest=dest, ipaddr=named, weown=owned, ok="OK"))
