"""The events people ask about afterwards: what happened, why, and how long each phase took.

In: what a resource manager, fencing and the checks of addresses do and find. Out: EventRecorded;
an unfinished event is told again when it has moved on. What an event is about, its subjects, is
named in the words of whoever tells it: groups, say, or resources. Ids grow by one; the newest
EVENTS_MAX are kept for readers who come later. They are kept in a file and read by many: passwords
in the words of resources are masked.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from everbeat.config.secrets import masked
from everbeat.model.journal import ClusterEvent, Phase
from everbeat.model.reports import Severity

if TYPE_CHECKING:
    from collections.abc import Iterable

    from everbeat.model.names import NodeName

EVENTS_MAX: Final = 1_000
PHASES_MAX: Final = 200  # of one event
DETAILS_MAX: Final = 200  # lines of one event


@dataclass(frozen=True, slots=True)
class EventRecorded:
    """An event was remembered; the same id again when an unfinished one has moved on."""

    event: ClusterEvent


class Timeline:
    """Remembers events. `wall_offset_ms` turns monotonic into wall-clock time."""

    def __init__(self, own: NodeName, first_id: int = 1) -> None:
        self._own = own
        self._next_id = first_id
        self._wall_offset_ms = 0
        self._events: deque[ClusterEvent] = deque(maxlen=EVENTS_MAX)
        self._open: dict[int, frozenset[str]] = {}  # their subjects
        self._kept_open: set[int] = set()

    def on_clock(self, wall_ms: int, now_ms: int) -> None:
        """Take the wall clock's present offset."""
        self._wall_offset_ms = wall_ms - now_ms

    def note(
        self,
        kind: str,
        text: str,
        now_ms: int,
        *,
        node: NodeName | None = None,
        severity: Severity = Severity.INFO,
        details: tuple[str, ...] = (),
    ) -> list[EventRecorded]:
        """Remember something that is over at once."""
        event = self._add(kind, text, now_ms, node or self._own, severity)
        if details:
            shown = tuple(map(masked, details[:DETAILS_MAX]))
            event = self._events[-1] = replace(event, details=shown)
        return [EventRecorded(event)]

    def begin(
        self,
        kind: str,
        text: str,
        now_ms: int,
        *,
        node: NodeName,
        subjects: Iterable[str],
        phases: Iterable[Phase] = (),
        severity: Severity = Severity.INFO,
        is_kept_open: bool = False,
    ) -> tuple[int, list[EventRecorded]]:
        """Remember the begin of something; what its subjects reach become its phases.

        `is_kept_open`: it ends by whoever began it, not when its subjects have moved.
        """
        event = replace(
            self._add(kind, text, now_ms, node, severity),
            phases=tuple(Phase(masked(phase.name), phase.at_ms) for phase in phases),
            is_finished=False,
        )
        self._events[-1] = event
        self._open[event.id] = frozenset(subjects)
        if is_kept_open:
            self._kept_open.add(event.id)
        return event.id, [EventRecorded(event)]

    def on_progress(self, subject: str, phase: Phase) -> None:
        """Add what a subject has reached to every open event about it."""
        for event_id, subjects in self._open.items():
            if subject in subjects:
                self.phase(event_id, phase.name, phase.at_ms)

    def phase(self, event_id: int, name: str, at_ms: int) -> None:
        """Add one phase to an open event."""
        event = self._find(event_id)
        if event is not None and len(event.phases) < PHASES_MAX:
            self._replace(replace(event, phases=(*event.phases, Phase(masked(name), at_ms))))

    def finish(
        self, event_id: int | None, name: str, now_ms: int, severity: Severity | None = None
    ) -> list[EventRecorded]:
        """Close an event with a last phase."""
        if event_id is None or event_id not in self._open:
            return []
        self.phase(event_id, name, now_ms)
        del self._open[event_id]
        self._kept_open.discard(event_id)
        event = self._find(event_id)
        if event is None:
            return []
        event = replace(event, is_finished=True, severity=severity or event.severity)
        self._replace(event)
        return [EventRecorded(event)]

    def open_events(self) -> list[tuple[int, frozenset[str]]]:
        """Return the ids and subjects of the events that end when their subjects have moved."""
        return [(i, subjects) for i, subjects in self._open.items() if i not in self._kept_open]

    def after(self, event_id: int) -> tuple[ClusterEvent, ...]:
        """Return the remembered events with a higher id, oldest first."""
        return tuple(event for event in self._events if event.id > event_id)

    def _add(
        self, kind: str, text: str, now_ms: int, node: NodeName, severity: Severity
    ) -> ClusterEvent:
        event = ClusterEvent(
            id=self._next_id,
            kind=kind,
            severity=severity,
            node=node,
            text=masked(text),
            at_ms=now_ms,
            wall_ms=now_ms + self._wall_offset_ms,
        )
        self._next_id += 1
        self._events.append(event)
        return event

    def _find(self, event_id: int) -> ClusterEvent | None:
        return next((e for e in reversed(self._events) if e.id == event_id), None)

    def _replace(self, event: ClusterEvent) -> None:
        for index, known in enumerate(self._events):
            if known.id == event.id:
                self._events[index] = event
