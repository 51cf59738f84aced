"""Coming in: hear what the others hold, then take what is ours.

    OFFLINE --communication up--> JOINING --> JOINED
    ADOPTING (at once, after a restart) --all looked at, communication up--^

A node says `starting`; every other answers with `resource`. It settles at once when nobody else
is live or everybody is settled. Nodes that start together are not: with a Heartbeat among them we
wait RQSTDELAY after the first answer, as it does; everbeat nodes say that they are joining, and
each takes its share once all have answered.

Source: measured on Heartbeat 3.0.6 (RQSTDELAY 10 s, HA_DONTASK when alone).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from everbeat.haresources import legacy
from everbeat.haresources.desk import Stage
from everbeat.haresources.peers import JOINING_FIELD, NOTHING, shown
from everbeat.model.membership import Broadcast
from everbeat.model.message import message_of

if TYPE_CHECKING:
    from everbeat.haresources.desk import Desk
    from everbeat.haresources.effects import ManagerEffect

REQUEST_DELAY_MS: Final = 10_000  # Heartbeat's RQSTDELAY
ANSWER_LIMIT_MS: Final = 30_000  # live nodes that never answer do not keep us out for ever


def adopt(desk: Desk, now_ms: int) -> list[ManagerEffect]:
    """Look at what already runs here; whoever asks meanwhile hears that it may be anything."""
    desk.is_adopting = False
    desk.stage = Stage.ADOPTING
    paused = frozenset(key for key, until_ms in desk.pauses.items() if now_ms < until_ms)
    return [*desk.runner.adopt(now_ms, paused)]


def begin_join(desk: Desk, now_ms: int) -> list[ManagerEffect]:
    """Ask the others once communication is up and we may hold anything."""
    if desk.is_communication_up and desk.has_right:
        return ask_others(desk, now_ms)
    return []


def ask_others(desk: Desk, now_ms: int) -> list[ManagerEffect]:
    """Say `starting`, or in legacy mode ask for our own groups."""
    if desk.is_legacy:
        desk.stage = Stage.JOINED
        return legacy.request_own_groups(desk, now_ms)
    desk.stage = Stage.JOINING
    desk.is_report_heard = False
    desk.join_until_ms = now_ms + ANSWER_LIMIT_MS
    for peer in desk.peers.values():
        peer.has_reported = False
    return [Broadcast(message_of(**{"t": "starting", JOINING_FIELD: "1"}))]


def on_report(desk: Desk, now_ms: int) -> None:
    """Note the first answer: the delay counts from it."""
    if desk.stage is Stage.JOINING and not desk.is_report_heard:
        desk.is_report_heard = True
        desk.join_until_ms = now_ms + REQUEST_DELAY_MS


def settle(desk: Desk, now_ms: int) -> list[ManagerEffect]:
    """Take what is ours once the others are known, or waited for long enough."""
    if desk.stage is Stage.ADOPTING and not desk.runner.moving():
        return begin_join(desk, now_ms)
    if desk.stage is not Stage.JOINING:
        return []
    if desk.is_legacy:
        return ask_others(desk, now_ms)  # a Heartbeat has come up since
    live = desk.live_peers()
    if desk.is_exclusive and any(peer.is_uncertain for peer in desk.peers.values()):
        # Not dead: what it holds, and whether it begins as we do, it alone can tell. It may not
        # have heard the question.
        is_overdue = desk.join_until_ms is not None and now_ms >= desk.join_until_ms
        return ask_others(desk, now_ms) if is_overdue and live else []
    is_waiting = any(not peer.is_known for peer in live)
    if is_waiting and (desk.join_until_ms is None or now_ms < desk.join_until_ms):
        return []
    desk.stage = Stage.JOINED
    desk.join_until_ms = None
    keys = desk.unclaimed_for_us(is_joining=True)
    kept = desk.claims()
    why = "no other node is up" if not live else "joined the cluster"
    effects: list[ManagerEffect] = []
    if shown(keys) != NOTHING:
        _, events = desk.timeline.begin(
            "acquire",
            f"{desk.own} acquires {shown(keys)}: {why}",
            now_ms,
            node=desk.own,
            subjects=keys,
        )
        effects += events
    else:
        text = f"{desk.own} joined holding {shown(kept)}"
        effects += desk.timeline.note("joined", text, now_ms)
    effects += desk.runner.acquire(sorted(keys), why, now_ms)
    if desk.announced is not None or live:
        effects.append(desk.announcement(desk.claims(), "req_our_resources()" if keys else ""))
    return effects
