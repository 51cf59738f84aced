"""everbeat events: what happened, and how many milliseconds each phase of it took.

Enters: ClusterEvent values. Leaves: lines, or one JSON object per event and line. A followed
event that is told again (it has finished) is shown again under its id.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final

from everbeat.commands import as_json
from everbeat.commands.lines import Line, Span, Tone, line
from everbeat.ipc.client import CoreClient
from everbeat.ipc.messages import EventsReply, GetEvents
from everbeat.model.reports import Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from everbeat.commands.places import Places
    from everbeat.model.journal import ClusterEvent

_TONES: Final = {
    Severity.INFO: Tone.TITLE,
    Severity.WARNING: Tone.CARE,
    Severity.ERROR: Tone.BAD,
}


def fetch_events(
    places: Places, *, last: int, is_followed: bool
) -> Iterator[tuple[ClusterEvent, ...]]:
    """Yield the last events (0: all), then, if followed, each new one. Raises IpcError."""
    with CoreClient(places.run) as core:
        is_first = True
        for reply in core.stream(GetEvents(0, is_followed)):
            if not isinstance(reply, EventsReply):
                continue
            events = reply.events
            yield events[-last:] if is_first and last else events
            is_first = False


def event_json(event: ClusterEvent) -> str:
    """Return one line of JSON; each phase carries `after_ms` from the event's first moment."""
    value = as_json.plain_value(event)
    begin = _begin_ms(event)
    value["total_ms"] = _end_ms(event) - begin
    for row, phase in zip(value["phases"], event.phases, strict=True):
        row["after_ms"] = phase.at_ms - begin
    return as_json.dumps(value)


def render_event(event: ClusterEvent) -> list[Line]:
    """Return an event for people: a head, a line per phase, and its details."""
    stamp = f"{_wall(event.wall_ms):%Y-%m-%d %H:%M:%S}.{event.wall_ms % 1_000:03d}"
    begin, end = _begin_ms(event), _end_ms(event)
    took = f"  [{end - begin} ms]" if event.phases and event.is_finished else ""
    head: Line = (
        Span(f"#{event.id} {stamp}  ", Tone.FAINT),
        Span(event.kind, _TONES[event.severity]),
        Span(f"  {event.node}: {event.text}{took}"),
        Span("" if event.is_finished else "  (under way)", Tone.CARE),
    )
    lines = [head]
    before = begin
    for phase in sorted(event.phases, key=lambda p: p.at_ms):
        after, step = phase.at_ms - begin, phase.at_ms - before
        tone = Tone.BAD if " failed" in phase.name else Tone.PLAIN
        lines.append(line(f"    {after:>+8} ms  {step:>6}  {phase.name}", tone))
        before = phase.at_ms
    return lines + [line(f"      {text}", Tone.FAINT) for text in event.details]


def _begin_ms(event: ClusterEvent) -> int:
    return min((phase.at_ms for phase in event.phases), default=event.at_ms)


def _end_ms(event: ClusterEvent) -> int:
    return max((phase.at_ms for phase in event.phases), default=event.at_ms)


def _wall(wall_ms: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(wall_ms // 1_000).astimezone()
