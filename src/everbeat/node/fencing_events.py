"""Fencing as events for people: one event for each silent node, with its phases.

fencing            declared dead → asked DEVICE → DEVICE: its answer → confirmed by …
fencing-held-up    every device failed; at each round of the first ones, then at every tenth
fence-device-…     a device does not answer (failed), or does again (works)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from everbeat.fencing.facts import (
    DeviceAnswered,
    DeviceAsked,
    DeviceChecked,
    FencingCancelled,
    FencingHeldUp,
    FencingRequested,
    NodeFenced,
)
from everbeat.model.fencing import FenceAction, FenceOutcome
from everbeat.model.journal import Phase
from everbeat.model.reports import Severity

if TYPE_CHECKING:
    from everbeat.fencing.facts import FencingFact
    from everbeat.journal.timeline import EventRecorded, Timeline
    from everbeat.model.membership import NodeStatusChanged
    from everbeat.model.names import NodeName

LOUD_ROUNDS: Final = 5
LOUD_EVERY: Final = 10


class FencingEvents:
    """Turns facts of the fencer into events of the timeline."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self._open: dict[NodeName, int] = {}  # event of each case
        self._phases: dict[NodeName, list[Phase]] = {}
        self._working: dict[str, bool] = {}

    def phases(self, node: NodeName) -> tuple[Phase, ...]:
        """Return the steps of a node's fencing so far, for the takeover that follows."""
        return tuple(self._phases.get(node, ()))

    def on_withheld(self, fact: NodeStatusChanged, delay_ms: int) -> list[EventRecorded]:
        """Begin the event of a silent node."""
        if fact.node in self._open:  # somebody asked for it before
            self._phase(fact.node, "declared dead", fact.at_ms)
            return []
        phases = [Phase("declared dead", fact.at_ms)]
        if fact.last_heard_ms:
            phases.insert(0, Phase("last heard", fact.last_heard_ms))
        wait = f"; the other node may go first for {delay_ms} ms" if delay_ms else ""
        text = f"{fact.node} is silent: nothing it held is taken before it is known to be off{wait}"
        return self._begin(fact.node, text, phases, fact.at_ms)

    def on_fact(self, fact: FencingFact) -> list[EventRecorded]:
        """Take one fact of the fencer."""
        match fact:
            case FencingRequested() if fact.node not in self._open:
                text = f"{fact.node} is to be fenced ({fact.action.value}): {fact.why}"
                return self._begin(fact.node, text, [Phase("requested", fact.at_ms)], fact.at_ms)
            case FencingRequested():
                return []
            case DeviceAsked():
                what = "hosts" if fact.action is FenceAction.LIST else fact.action.value
                self._phase(fact.node, f"asked {fact.device} ({what})", fact.at_ms)
                return []
            case DeviceAnswered():
                self._phase(fact.node, _answer(fact), fact.at_ms)
                return []
            case NodeFenced():
                self._phase(fact.node, f"confirmed off by {fact.by}", fact.at_ms)
                return self._finish(fact.node, "safe to take", fact.at_ms, Severity.WARNING)
            case FencingCancelled():
                end = f"cancelled: {fact.why}"
                return self._finish(fact.node, end, fact.at_ms, Severity.WARNING)
            case FencingHeldUp():
                return self._held_up(fact)
            case DeviceChecked():
                return self._checked(fact)

    def on_waited_for(self, node: NodeName, at_ms: int) -> list[EventRecorded]:
        """Note for whom this node waited, as it had promised when it left in order."""
        return self._begin(
            node, f"this node waited to hear {node} before it held anything", [], at_ms
        )

    def _begin(
        self, node: NodeName, text: str, phases: list[Phase], at_ms: int
    ) -> list[EventRecorded]:
        self._phases[node] = []
        event_id, events = self._timeline.begin(
            "fencing",
            text,
            at_ms,
            node=node,
            subjects=(),
            phases=phases,
            severity=Severity.WARNING,
            is_kept_open=True,
        )
        self._open[node] = event_id
        return events

    def _phase(self, node: NodeName, name: str, at_ms: int) -> None:
        self._phases.setdefault(node, []).append(Phase(name, at_ms))
        if node in self._open:
            self._timeline.phase(self._open[node], name, at_ms)

    def _finish(
        self, node: NodeName, end: str, at_ms: int, severity: Severity
    ) -> list[EventRecorded]:
        return self._timeline.finish(self._open.pop(node, None), end, at_ms, severity)

    def _held_up(self, fact: FencingHeldUp) -> list[EventRecorded]:
        is_quiet = fact.rounds > LOUD_ROUNDS and fact.rounds % LOUD_EVERY
        if is_quiet:
            return []
        again = "only a person can help"
        if fact.next_ms is not None:
            again = f"next try in {(fact.next_ms - fact.at_ms) // 1000} s"
        text = (
            f"{fact.node} could not be fenced ({fact.detail}); {again}; what it held stays down. "
            f"If it is off: everbeat fence confirm {fact.node}"
        )
        return self._timeline.note(
            "fencing-held-up", text, fact.at_ms, node=fact.node, severity=Severity.ERROR
        )

    def _checked(self, fact: DeviceChecked) -> list[EventRecorded]:
        is_working = fact.outcome is FenceOutcome.DONE
        if self._working.get(fact.device) is is_working:
            return []
        self._working[fact.device] = is_working
        if is_working:
            text = f"fencing device {fact.device} answers: {fact.detail}"
            return self._timeline.note("fence-device-works", text, fact.at_ms)
        text = f"fencing device {fact.device} does not work: {fact.outcome.value}, {fact.detail}"
        return self._timeline.note("fence-device-failed", text, fact.at_ms, severity=Severity.ERROR)


def _answer(fact: DeviceAnswered) -> str:
    if fact.outcome is FenceOutcome.DONE:
        return f"{fact.device}: done"
    return f"{fact.device} failed ({fact.outcome.value}): {fact.detail}"
