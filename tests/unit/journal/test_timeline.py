"""The timeline: which events there are, and what is a phase of which."""

from __future__ import annotations

from everbeat.journal.timeline import (
    DETAILS_MAX,
    EVENTS_MAX,
    PHASES_MAX,
    EventRecorded,
    Timeline,
)
from everbeat.model.journal import Phase
from everbeat.model.names import NodeName
from everbeat.model.reports import Severity

ALPHA, BETA = NodeName("alpha"), NodeName("beta")


def begun(timeline: Timeline, *subjects: str, is_kept_open: bool = False) -> int:
    event_id, _ = timeline.begin(
        "takeover", "text", 0, node=BETA, subjects=subjects, is_kept_open=is_kept_open
    )
    return event_id


def test_what_a_subject_reaches_is_a_phase_of_every_open_event_about_it() -> None:
    timeline = Timeline(ALPHA)
    both, other, over = (begun(timeline, *about) for about in (("web", "vip"), ("mail",), ("web",)))
    timeline.finish(over, "announced", 1)
    timeline.on_progress("web", Phase("started web", 5))
    phases = {event.id: [phase.name for phase in event.phases] for event in timeline.after(0)}
    assert phases == {both: ["started web"], other: [], over: ["announced"]}


def test_an_event_is_told_when_it_begins_and_when_it_ends() -> None:
    timeline = Timeline(ALPHA)
    timeline.on_clock(1_000_100, 100)
    event_id, [begun_event] = timeline.begin("stop", "alpha stops", 200, node=ALPHA, subjects=())
    [ended] = timeline.finish(event_id, "released", 300, Severity.ERROR)
    assert (begun_event.event.is_finished, begun_event.event.wall_ms) == (False, 1_000_200)
    assert ended.event.is_finished
    assert ended.event.severity is Severity.ERROR
    assert ended.event.phases == (Phase("released", 300),)
    assert timeline.finish(event_id, "released", 400) == []


def test_an_event_that_is_kept_open_does_not_end_with_its_subjects() -> None:
    timeline = Timeline(ALPHA)
    begun(timeline, "web", is_kept_open=True)
    event_id = begun(timeline, "web")
    assert timeline.open_events() == [(event_id, frozenset({"web"}))]


def test_the_newest_events_are_remembered_and_their_ids_go_on() -> None:
    timeline = Timeline(ALPHA, first_id=7)
    for _ in range(EVENTS_MAX + 1):
        timeline.note("node-status", "beta is up", 0, node=BETA)
    assert [e.id for e in timeline.after(0)] == list(range(8, 8 + EVENTS_MAX))


def test_phases_and_details_have_their_limits() -> None:
    timeline = Timeline(ALPHA)
    event_id = begun(timeline, "web")
    for at_ms in range(PHASES_MAX + 1):
        timeline.phase(event_id, "started web", at_ms)
    assert len(timeline.after(0)[0].phases) == PHASES_MAX
    details = ("line",) * (DETAILS_MAX + 1)
    [noted] = timeline.note("operation-hung", "text", 0, details=details)
    assert isinstance(noted, EventRecorded)
    assert len(noted.event.details) == DETAILS_MAX
