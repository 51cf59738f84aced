"""Each field of ha.cf takes effect at once, by another link, or at the next start."""

from __future__ import annotations

from dataclasses import fields, replace

from everbeat.model.cluster import ActionTimes, HaConfig, Medium, MediumKind, Monitoring, Timing
from everbeat.model.groups import AutoFailback
from everbeat.model.names import LinkName, NodeName
from everbeat.node.reload import NEXT_START, live_part, needs_new_link

ALPHA, BETA, GAMMA = (NodeName(name) for name in ("alpha", "beta", "gamma"))
BEFORE = HaConfig(node=ALPHA, nodes=(ALPHA, BETA), auto_failback=AutoFailback.OFF)


def test_nothing_changed_needs_nothing() -> None:
    assert live_part(BEFORE, BEFORE) == (BEFORE, ())
    assert not needs_new_link(BEFORE, BEFORE)


def test_monitoring_and_failback_are_for_the_processes_that_run() -> None:
    watching = Monitoring(usual=ActionTimes(interval_ms=1))
    after = replace(BEFORE, monitoring=watching, auto_failback=AutoFailback.ON)
    assert live_part(BEFORE, after) == (after, ())
    assert not needs_new_link(BEFORE, after)


def test_nodes_media_and_times_are_for_another_link() -> None:
    medium = Medium(kind=MediumKind.BCAST, link=LinkName("eth0"), interface="eth0")
    for after in (
        replace(BEFORE, nodes=(ALPHA, BETA, GAMMA)),
        replace(BEFORE, media=(medium,)),
        replace(BEFORE, timing=Timing(deadtime_ms=5_000)),
    ):
        assert live_part(BEFORE, after) == (after, ())
        assert needs_new_link(BEFORE, after)


def test_what_waits_for_the_next_start_is_named_and_not_used() -> None:
    after = replace(BEFORE, watchdog="/dev/watchdog", logfile="/x", timing=Timing(deadtime_ms=1))
    used, later = live_part(BEFORE, after)
    assert used == replace(BEFORE, timing=Timing(deadtime_ms=1))
    assert later == ("watchdog", "logfile")
    assert not needs_new_link(BEFORE, replace(BEFORE, logfile="/x"))


def test_the_legacy_mode_is_neither_entered_nor_left() -> None:
    after = replace(BEFORE, auto_failback=AutoFailback.LEGACY)
    assert live_part(BEFORE, after) == (BEFORE, ("auto_failback to or from legacy",))


def test_every_name_is_a_field() -> None:
    assert set(NEXT_START) <= {field.name for field in fields(HaConfig)}
