"""A resource has died, or could not be started: restart it here, or let another node have it.

    monitor failed --> restarted in place, with what stands after it in its group; an address
                        |  is added again, and what stands after it goes on;
                        |  a second one that dies meanwhile waits, unless that restarts it too
                        | failed too often here, and a node that has not failed it can take it
                        v
    start failed ----> stopped (FAILED) --> handed over at once to a node that has not failed it
                                        '-> nobody: tried again here every RETRY_MS

Fail counts decide, each node's own: what both have failed stays where it failed last. The counts
come from the executor (ours) and in messages (the others'); Heartbeat 3.0.6 tells none and is
always asked. Beside a Heartbeat a hand-over moves all groups of the same owner, for its words name
no single group; between everbeat nodes the group that failed moves alone.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from everbeat.haresources import standby
from everbeat.haresources.desk import Stage
from everbeat.haresources.peers import is_empty, successor
from everbeat.model.groups import GroupState
from everbeat.model.journal import Phase
from everbeat.model.operations import Outcome, Watch, WatchResources
from everbeat.model.reports import Severity

if TYPE_CHECKING:
    from everbeat.haresources.desk import Desk
    from everbeat.haresources.effects import ManagerEffect
    from everbeat.model.failures import ResourceFailures
    from everbeat.model.names import GroupKey, NodeName
    from everbeat.model.operations import MonitorFailed

RETRY_MS: Final = 30_000
PAUSE_MS_MAX: Final = 30_000
PAUSE_FIRST_MS: Final = 1_000
PAUSELESS_MAX: Final = 3
"""Failures within the window that are answered at once even where max_failures is larger or 0."""


def on_failed(desk: Desk, failed: MonitorFailed, now_ms: int) -> list[ManagerEffect]:
    """Bring a resource back that was found dead; if its group is being repaired, after that."""
    key, word = failed.group, failed.resource.text
    if key in desk.pauses or key not in desk.runner.wanted():
        return []
    if desk.runner.state(key) is not GroupState.STARTED:
        if desk.runner.lose(key, word):
            desk.waiting[key, word] = failed
        return []
    count = next((c for c in desk.failures if (c.group, c.resource) == (key, word)), None)
    taker = taker_of(desk, key) if count is not None and count.is_barred else None
    hangs = failed.outcome is Outcome.TIMEOUT
    why = f"{word} {'does not answer' if hangs else 'has failed'}"
    if count is not None and count.count > 1:
        why += f" {count.count} times"
    act = f"moves to {taker}" if taker else "is restarted"
    _, events = desk.timeline.begin(
        "recovery",
        f"{why} ({failed.cause}); {key if taker else word} {act}",
        now_ms,
        node=desk.own,
        subjects=[key],
        phases=[
            Phase(f"noticed: {failed.cause}", failed.noticed_ms),
            Phase("found not running" if not hangs else "hung again", failed.ended_ms),
        ],
        severity=Severity.ERROR if taker else Severity.WARNING,
    )
    if taker is not None:
        return [*events, *desk.runner.fail(key, why, now_ms)]
    pause_ms = _pause_ms(count.count if count is not None else 1)
    return [*events, *desk.runner.recover(failed, why, now_ms, pause_ms)]


def see_to_waiting(desk: Desk, now_ms: int) -> list[ManagerEffect]:
    """Bring back what was found dead while its group was being repaired, and is dead still."""
    effects: list[ManagerEffect] = []
    for (key, word), failed in tuple(desk.waiting.items()):
        state, is_wanted = desk.runner.state(key), key in desk.runner.wanted()
        if is_wanted and state in {GroupState.STARTING, GroupState.STOPPING}:
            continue
        del desk.waiting[key, word]
        if state is GroupState.STARTED and is_wanted and word not in desk.runner.running(key):
            effects += on_failed(desk, failed, now_ms)
    return effects


def on_own_failures(
    desk: Desk, counts: tuple[ResourceFailures, ...], now_ms: int
) -> list[ManagerEffect]:
    """Take our fail counts; a failed group whose failures are forgotten is tried again at once."""
    before = {count.group for count in desk.failures}
    desk.failures = counts
    forgotten = before - {count.group for count in counts}
    again = [key for key in desk.runner.failed() if key in forgotten]
    return [*desk.runner.acquire(again, "its failures are forgotten", now_ms)] if again else []


def taker_of(desk: Desk, key: GroupKey) -> NodeName | None:
    """Return the node that can have a group of ours: active, and it has not failed it itself."""
    if desk.is_legacy:
        return None
    word = desk.holdings.hold([key], desk.own)
    alike = desk.holdings.keys(word, desk.own) & desk.claims()
    able = {
        peer.node
        for peer in desk.live_peers()
        if desk.is_active(peer.node)
        and not ({key} if desk.can_name_groups(peer) else alike | {key}) & peer.barred
    }
    return successor(desk.holdings.owner(key), desk.order, able)


def hand_on(desk: Desk, now_ms: int) -> list[ManagerEffect]:
    """Give a failed group to a node that can have it; else try it here again now and then."""
    if desk.stage is not Stage.JOINED or desk.handover is not None:
        return []
    failed = [key for key in desk.runner.failed() if key not in desk.pauses]
    due = [key for key in failed if now_ms - desk.runner.since_ms(key) >= RETRY_MS]
    if due:
        return [*desk.runner.acquire(due, "tried again", now_ms)]
    if standby.refusal(desk):
        return []
    for key in failed:
        taker = taker_of(desk, key)
        if taker is not None:
            word = desk.holdings.hold([key], desk.own)
            keys = frozenset({key})
            return standby.give(desk, word, "failed here", now_ms, taker=taker, keys=keys)
    return []


def next_wakeup_ms(desk: Desk) -> int | None:
    """Return when a failed group is tried again, or None."""
    return min((desk.runner.since_ms(k) + RETRY_MS for k in desk.runner.failed()), default=None)


def watch(desk: Desk) -> list[ManagerEffect]:
    """Have monitored what runs here as it should, and nothing else."""
    effects: list[ManagerEffect] = []
    started = {
        k
        for k in desk.runner.wanted() & desk.holdings.all()
        if desk.runner.state(k) is GroupState.STARTED
    }
    for key in sorted(desk.holdings.all() | desk.watched.keys()):
        is_watched = key in started and key not in desk.pauses and not is_empty(key)
        watches = _watches(desk, key) if is_watched else ()
        if desk.watched.get(key, ()) != watches:
            desk.watched[key] = watches
            told = (replace(w, is_heard=(key, w.resource.text) in desk.heard) for w in watches)
            effects.append(WatchResources(key, tuple(told)))
    return effects


def _watches(desk: Desk, key: GroupKey) -> tuple[Watch, ...]:
    watches = []
    for resource in desk.runner.resources(frozenset({key})):
        times = desk.monitoring.times(resource)
        if times.interval_ms:
            interval_ms, timeout_ms = times.interval_ms, times.monitor_ms
            watches.append(Watch(resource=resource, interval_ms=interval_ms, timeout_ms=timeout_ms))
    return tuple(dict.fromkeys(watches))


def _pause_ms(count: int) -> int:
    """Return how long to wait before a restart: what fails again and again is not hurried."""
    if count <= PAUSELESS_MAX:
        return 0
    return min(PAUSE_MS_MAX, PAUSE_FIRST_MS << min(count - PAUSELESS_MAX - 1, 10))
