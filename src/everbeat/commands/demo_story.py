"""What the demo plays and measures: a power cut, a failback, a stop in good order.

Enters: a DemoCluster, and `show`, which takes a line for the user. Leaves: a DemoResult. Measured
is what the client sees: one new connection every 5 ms, an outage is the time between two good
answers. Every wait tells what it waits for, every few seconds.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from everbeat.adapters.web_probe import FRESH_MS
from everbeat.commands.demo_cluster import ADDRESS, AUTHKEYS, DEADTIME_MS, HA_CF, HARESOURCES
from everbeat.membership.heartbeat import STARTUP_EXTRA_MS, STARTUP_MS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from everbeat.adapters.web_probe import Outage, Probe
    from everbeat.commands.demo_cluster import DemoCluster, DemoNode
    from everbeat.model.journal import ClusterEvent

    Show = Callable[[str], None]

LATEST_GENEROUS_MS: Final = STARTUP_MS + 1_000
"""After a node became active: by then its last heartbeat with the longer deadtime was heard."""

WAIT_SECONDS_MAX: Final = 120
"""For any single step: a busy machine is slow."""
EVENT_SECONDS_MAX: Final = 15
SHOWN_EVERY_S: Final = 3.0
_LOOK_S: Final = 0.005


class DemoFailedError(Exception):
    """Something did not happen in time; says what, with the end of the logs."""


@dataclass(slots=True)
class DemoResult:
    """What was measured, in ms."""

    outage_ms: dict[str, int] = field(default_factory=dict)
    phases: list[dict[str, object]] = field(default_factory=list)
    is_ok: bool = False
    problem: str = ""


def tell_story(cluster: DemoCluster, show: Show) -> DemoResult:
    """Play the whole demo. Raises DemoFailedError."""
    result = DemoResult()
    probe = _start_both(cluster, show)
    _cut_power(cluster, probe, result, show)
    _come_back(cluster, probe, result, show)
    _stop_in_order(cluster, probe, result, show)
    result.is_ok = True
    return result


def bring_back(cluster: DemoCluster, show: Show) -> None:
    """Start alpha again after the story, and wait until it is as if it had always been there."""
    alpha = cluster.nodes[0]
    show("")
    show("alpha is started again and gets its group back.")
    alpha.start()
    _wait_answer(cluster, "alpha", show)
    _wait_stable(cluster, show)
    _wait_deadtime_counts(alpha, show)


def _start_both(cluster: DemoCluster, show: Show) -> Probe:
    for name, text in (("ha.cf", HA_CF), ("authkeys", AUTHKEYS), ("haresources", HARESOURCES)):
        show(f"/etc/ha.d/{name}")
        for line in text.splitlines():
            show(f"    {line}")
    show("")
    show("Two machines, a network and a client are switched on.")
    for node in cluster.nodes:
        node.boot()
    probe = cluster.ask_from_client()
    show("alpha, beta:  everbeat run")
    for node in cluster.nodes:
        node.start()
    seconds = _wait_answer(cluster, "alpha", show)
    show(
        f"After {seconds:.1f} s http://{ADDRESS}/ is served by alpha. A client asks it every 5 ms."
    )
    _wait_stable(cluster, show)
    show(
        f"A node that has just started may be slow: for {STARTUP_MS / 1000:.0f} s it asks the other"
        f" to wait {STARTUP_EXTRA_MS / 1000:.0f} s longer than"
    )
    show("deadtime. The power is cut when that is over and deadtime alone counts.")
    _wait_deadtime_counts(cluster.nodes[0], show)
    return probe


def _cut_power(cluster: DemoCluster, probe: Probe, result: DemoResult, show: Show) -> None:
    alpha, beta = cluster.nodes
    show("")
    show("1. alpha loses power: all its processes are gone, its link is down.")
    began_ms = _now_ms()
    alpha.crash()
    _wait_answer(cluster, "beta", show)
    outage = _outage(probe, began_ms, "alpha", "beta")
    result.outage_ms["crash"] = outage.length_ms
    result.phases = _phases(outage, _takeover(beta, began_ms))
    for row in result.phases:
        show(f"   {row['after_ms']:>6} ms  {row['name']}")
    show(
        f"   The client was without an answer for {outage.length_ms} ms. deadtime is"
        f" {DEADTIME_MS} ms, counted from the last heartbeat."
    )


def _come_back(cluster: DemoCluster, probe: Probe, result: DemoResult, show: Show) -> None:
    alpha = cluster.nodes[0]
    show("")
    show("2. alpha comes back; with `auto_failback on` it gets its group again.")
    began_ms = _now_ms()
    alpha.boot()
    alpha.start()
    _wait_answer(cluster, "alpha", show)
    _wait_stable(cluster, show)
    result.outage_ms["failback"] = _outage(probe, began_ms, "beta", "alpha").length_ms
    time.sleep(0.5)
    show(f"   The client was without an answer for {result.outage_ms['failback']} ms.")


def _stop_in_order(cluster: DemoCluster, probe: Probe, result: DemoResult, show: Show) -> None:
    alpha = cluster.nodes[0]
    show("")
    show("3. alpha is stopped in good order (SIGTERM): it gives up its group first.")
    began_ms = _now_ms()
    alpha.stop(WAIT_SECONDS_MAX)
    _wait_answer(cluster, "beta", show)
    result.outage_ms["stop"] = _outage(probe, began_ms, "alpha", "beta").length_ms
    show(f"   The client was without an answer for {result.outage_ms['stop']} ms.")


def _wait_deadtime_counts(node: DemoNode, show: Show) -> None:
    """Wait until the others count nothing but deadtime when this node falls silent."""
    reply = node.status()
    own = reply and reply.membership.node(node.name)
    until_ms = (own.status_since_ms if own else _now_ms()) + LATEST_GENEROUS_MS
    while (left_ms := until_ms - _now_ms()) > 0:
        show(f"   {-(-left_ms // 1000)} s to go")
        time.sleep(min(left_ms / 1000, SHOWN_EVERY_S))


def _wait_answer(cluster: DemoCluster, name: str, show: Show) -> float:
    """Wait until this node answers the client; return the seconds waited."""
    assert cluster.probe is not None
    probe = cluster.probe
    since_ms = time.monotonic() * 1000 - FRESH_MS
    return _wait(lambda: probe.answering(since_ms) == name, f"an answer from {name}", cluster, show)


def _wait_stable(cluster: DemoCluster, show: Show) -> None:
    def is_stable() -> bool:
        replies = [node.status() for node in cluster.nodes]
        return all(reply is not None and reply.manager.state == "stable" for reply in replies)

    _wait(is_stable, "both nodes to be stable", cluster, show)


def _wait(condition: Callable[[], bool], what: str, cluster: DemoCluster, show: Show) -> float:
    """Wait, telling for what; return the seconds waited or raise DemoFailedError with the logs."""
    began = time.monotonic()
    shown = began
    while not condition():
        now = time.monotonic()
        if now - began > WAIT_SECONDS_MAX:
            logs = "\n".join(f"--- {node.name}\n{node.log_tail()}" for node in cluster.nodes)
            raise DemoFailedError(f"waited {now - began:.0f} s in vain for {what}\n{logs}")
        if now - shown >= SHOWN_EVERY_S:
            show(f"   {now - began:.0f} s: waiting for {what}")
            shown = now
        time.sleep(_LOOK_S)
    return time.monotonic() - began


def _takeover(taker: DemoNode, since_ms: int) -> Sequence[ClusterEvent]:
    """Return the takeover as the taker tells it, once it is finished."""
    ends = time.monotonic() + EVENT_SECONDS_MAX
    while True:
        events = [e for e in taker.events() if e.kind == "takeover" and e.at_ms >= since_ms]
        if (events and all(event.is_finished for event in events)) or time.monotonic() > ends:
            return events
        time.sleep(_LOOK_S)


def _outage(probe: Probe, since_ms: int, giver: str, taker: str) -> Outage:
    """Return the gap in which the service moved from one node to the other.

    It may have begun before: a busy machine's client got its last answer some time ago.
    """
    gaps = [gap for gap in probe.outages(gap_ms_min=0) if gap.ended_ms >= since_ms]
    moves = [gap for gap in gaps if (gap.before, gap.after) == (giver, taker)]
    if not moves:
        raise DemoFailedError(f"the client did not see the page move from {giver} to {taker}")
    return max(moves, key=lambda gap: gap.length_ms)


def _phases(outage: Outage, events: Sequence[ClusterEvent]) -> list[dict[str, object]]:
    """Return the steps between the last good answer and the next: ours and the taker's."""
    steps = [(outage.began_ms, "last answer from alpha")]
    steps += [(phase.at_ms, phase.name) for event in events for phase in event.phases]
    steps.append((outage.ended_ms, "answer from beta"))
    steps.sort(key=lambda step: step[0])
    return [{"after_ms": round(at_ms - outage.began_ms), "name": name} for at_ms, name in steps]


def _now_ms() -> int:
    return time.monotonic_ns() // 1_000_000
