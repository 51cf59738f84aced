"""The keeper's decisions, one rule a test. Time is a number."""

from __future__ import annotations

from dataclasses import replace

import pytest

from everbeat.supervision.plan import (
    LOSING_RENEWAL_MS,
    Child,
    ChildChanged,
    ChildSignal,
    ChildState,
    FeedWatchdog,
    Finish,
    Limits,
    NodeReady,
    SignalChild,
    StartChild,
    SupervisionEffect,
    limits_of_deadtime,
    unfed_before_ms,
    watchdog_ms_of,
    watchdog_slack_ms,
)
from everbeat.supervision.supervisor import (
    DEATHS_AT_ONCE_MAX,
    DEATHS_MAX,
    RENEWAL_MS,
    Supervisor,
)

LIMITS = Limits(link_lease_ms=500, core_lease_ms=2_000, recovery_ms=1_000)


def acts(effects: list[SupervisionEffect]) -> list[SupervisionEffect]:
    orders = (StartChild, SignalChild, Finish)
    return [effect for effect in effects if isinstance(effect, orders)]


def supervisor_up(now_ms: int = 0) -> Supervisor:
    supervisor = Supervisor(LIMITS)
    supervisor.on_start(now_ms)
    for child in Child:
        supervisor.on_ready(child, now_ms)
    return supervisor


def tick(supervisor: Supervisor, now_ms: int) -> list[SupervisionEffect]:
    supervisor.next_wakeup_ms()
    supervisor._due_ms = now_ms
    return supervisor.on_tick(now_ms)


def test_each_child_is_started_when_the_one_before_it_is_ready() -> None:
    supervisor = Supervisor(LIMITS)
    assert acts(supervisor.on_start(0)) == [StartChild(Child.LINK, is_again=False)]
    assert acts(supervisor.on_ready(Child.LINK, 10)) == [StartChild(Child.EXECUTOR, is_again=False)]
    assert acts(supervisor.on_ready(Child.EXECUTOR, 20)) == [StartChild(Child.CORE, is_again=False)]
    assert NodeReady(30) in supervisor.on_ready(Child.CORE, 30)


def test_a_dead_link_is_started_again_at_once() -> None:
    supervisor = supervisor_up()
    assert acts(supervisor.on_exited(Child.LINK, -9, 100)) == [
        StartChild(Child.LINK, is_again=True)
    ]
    assert supervisor.state(Child.CORE) is ChildState.UP


def test_a_core_that_dies_with_link_waits_for_link() -> None:
    supervisor = supervisor_up()
    supervisor.on_exited(Child.LINK, -9, 100)
    assert acts(supervisor.on_exited(Child.CORE, -9, 101)) == []
    assert acts(supervisor.on_ready(Child.LINK, 150)) == [StartChild(Child.CORE, is_again=True)]


def test_a_missed_lease_kills_once() -> None:
    supervisor = supervisor_up()
    supervisor.on_renewed(Child.CORE, 600)
    assert acts(tick(supervisor, 500)) == []
    assert acts(tick(supervisor, 501)) == [SignalChild(Child.LINK, ChildSignal.KILL)]
    assert acts(tick(supervisor, 502)) == []


def test_a_tick_that_comes_late_blames_no_child() -> None:
    supervisor = supervisor_up()
    supervisor.next_wakeup_ms()
    assert acts(supervisor.on_tick(60_000)) == []


def test_children_that_stood_still_with_us_have_a_moment_to_say_that_they_are_there() -> None:
    supervisor = supervisor_up()
    supervisor.on_limits(replace(LIMITS, feed_ms=5_000))  # so the next thing due is link's lease
    supervisor.on_renewed(Child.CORE, 100)
    tick(supervisor, 100)
    assert supervisor.next_wakeup_ms() == LIMITS.link_lease_ms + 1
    assert acts(supervisor.on_tick(10_000)) == []
    assert acts(tick(supervisor, 10_000 + RENEWAL_MS)) == []
    assert acts(tick(supervisor, 10_001 + RENEWAL_MS)) == [
        SignalChild(Child.LINK, ChildSignal.KILL)
    ]


def test_a_child_that_keeps_dying_is_paused_then_given_up() -> None:
    supervisor = supervisor_up()
    now_ms = 0
    for _ in range(DEATHS_AT_ONCE_MAX):
        assert acts(supervisor.on_exited(Child.CORE, 1, now_ms)) == [
            StartChild(Child.CORE, is_again=True)
        ]
        supervisor.on_ready(Child.CORE, now_ms)
    for pause_ms in (1_000, 2_000, 4_000, 8_000, 16_000):
        assert acts(supervisor.on_exited(Child.CORE, 1, now_ms)) == []
        now_ms += pause_ms
        for child in (Child.LINK, Child.EXECUTOR):
            supervisor.on_renewed(child, now_ms)
        assert acts(tick(supervisor, now_ms - 1)) == []
        assert StartChild(Child.CORE, is_again=True) in tick(supervisor, now_ms)
        supervisor.on_ready(Child.CORE, now_ms)
    assert DEATHS_MAX == DEATHS_AT_ONCE_MAX + 5
    assert acts(supervisor.on_exited(Child.CORE, 1, now_ms)) == [
        SignalChild(Child.EXECUTOR, ChildSignal.TERM)
    ]
    supervisor.on_exited(Child.EXECUTOR, 0, now_ms)
    ended = supervisor.on_exited(Child.LINK, 0, now_ms)
    assert ended[-1] == Finish(exit_code=1, is_clean=False)


def test_a_wrong_configuration_is_not_tried_again() -> None:
    supervisor = Supervisor(LIMITS)
    supervisor.on_start(0)
    assert acts(supervisor.on_exited(Child.LINK, 6, 5)) == [Finish(exit_code=6, is_clean=True)]


def test_a_link_that_never_starts_is_given_up_soon() -> None:
    supervisor = Supervisor(LIMITS)
    supervisor.on_start(0)
    assert acts(supervisor.on_exited(Child.LINK, 1, 5)) == [StartChild(Child.LINK, is_again=True)]
    assert acts(supervisor.on_exited(Child.LINK, 1, 6)) == [StartChild(Child.LINK, is_again=True)]
    assert acts(supervisor.on_exited(Child.LINK, 1, 7)) == [Finish(exit_code=1, is_clean=True)]


def test_stopping_takes_core_then_executor_then_link() -> None:
    supervisor = supervisor_up()
    assert acts(supervisor.on_stop(0)) == [SignalChild(Child.CORE, ChildSignal.TERM)]
    assert acts(supervisor.on_stop(1)) == []
    assert acts(supervisor.on_exited(Child.CORE, 0, 2)) == [
        SignalChild(Child.EXECUTOR, ChildSignal.TERM)
    ]
    assert acts(supervisor.on_exited(Child.EXECUTOR, 0, 3)) == [
        SignalChild(Child.LINK, ChildSignal.TERM)
    ]
    assert acts(supervisor.on_exited(Child.LINK, 0, 4)) == [Finish(exit_code=0, is_clean=True)]


def test_link_is_restarted_while_core_gives_up_resources() -> None:
    supervisor = supervisor_up()
    supervisor.on_stop(0)
    assert acts(supervisor.on_exited(Child.LINK, -9, 5)) == [StartChild(Child.LINK, is_again=True)]


def test_a_core_that_crashes_while_it_stops_goes_on_with_that() -> None:
    supervisor = supervisor_up()
    supervisor.on_stop(0)
    assert acts(supervisor.on_exited(Child.CORE, -11, 5)) == [StartChild(Child.CORE, is_again=True)]
    assert acts(supervisor.on_ready(Child.CORE, 50)) == [SignalChild(Child.CORE, ChildSignal.TERM)]


def test_core_may_take_any_time_to_stop_while_it_renews() -> None:
    supervisor = supervisor_up()
    supervisor.on_stop(0)
    for now_ms in range(0, 600_000, 400):
        for child in Child:
            supervisor.on_renewed(child, now_ms)
        assert acts(tick(supervisor, now_ms)) == []


def test_an_executor_that_does_not_end_is_killed() -> None:
    supervisor = supervisor_up()
    supervisor.on_stop(0)
    supervisor.on_exited(Child.CORE, 0, 0)
    late_ms = LIMITS.executor_stop_ms + 1
    supervisor.on_renewed(Child.LINK, late_ms)
    assert acts(tick(supervisor, late_ms)) == [SignalChild(Child.EXECUTOR, ChildSignal.KILL)]


def test_a_core_that_ends_by_itself_with_0_ends_the_node() -> None:
    supervisor = supervisor_up()
    assert acts(supervisor.on_exited(Child.CORE, 0, 0)) == [
        SignalChild(Child.EXECUTOR, ChildSignal.TERM)
    ]


def test_the_watchdog_is_fed_until_a_lease_has_stayed_missed() -> None:
    supervisor = supervisor_up()
    for now_ms in (250, 500, 1_000, 1_500):
        supervisor.on_renewed(Child.CORE, now_ms)
        assert FeedWatchdog() in tick(supervisor, now_ms)
    supervisor.on_renewed(Child.CORE, 1_750)
    assert FeedWatchdog() not in tick(supervisor, 1_751)
    supervisor.on_exited(Child.LINK, -9, 1_752)
    supervisor.on_ready(Child.LINK, 1_760)
    assert FeedWatchdog() in tick(supervisor, 2_001)


def test_the_watchdog_is_not_fed_while_resources_run_that_others_may_take() -> None:
    supervisor = supervisor_up()
    supervisor.on_renewed(Child.LINK, 10, is_overdue=True)
    assert FeedWatchdog() not in tick(supervisor, 1_000)
    supervisor.on_renewed(Child.CORE, 1_001)
    assert FeedWatchdog() not in tick(supervisor, 1_250)
    supervisor.on_renewed(Child.LINK, 1_251)
    assert FeedWatchdog() in tick(supervisor, 1_500)


def test_link_is_restarted_before_its_peers_lose_patience() -> None:
    assert limits_of_deadtime(2_000).link_lease_ms == 1_000
    assert limits_of_deadtime(100).link_lease_ms == 400


def test_states_follow_from_the_facts() -> None:
    supervisor = Supervisor(LIMITS)
    told = supervisor.on_start(0)
    for child in Child:
        told += supervisor.on_ready(child, 1)
    told += supervisor.on_exited(Child.EXECUTOR, 1, 2)
    told += supervisor.on_stop(3)
    states = {fact.child: fact.state for fact in told if isinstance(fact, ChildChanged)}
    assert states == {child: supervisor.state(child) for child in Child}


@pytest.mark.parametrize(
    ("deadtime_ms", "stoptime_ms", "timeout_ms", "slack_ms"),
    [
        (10_000, None, 9_000, 750),
        (2_000, None, 1_000, 750),
        (10_000, 3_300, 2_000, 7_750),
        (1_000, None, 1_000, -250),  # a second is the least that devices know
    ],
)
def test_the_watchdog_bites_before_the_others_may_take(
    deadtime_ms: int, stoptime_ms: int | None, timeout_ms: int, slack_ms: int
) -> None:
    assert watchdog_ms_of(deadtime_ms, stoptime_ms) == timeout_ms
    assert watchdog_slack_ms(timeout_ms, deadtime_ms) == slack_ms


@pytest.mark.parametrize(
    ("deadtime_ms", "stoptime_ms"), [(4_000, 2_000), (10_000, 3_300), (30_000, 9_900)]
)
def test_what_is_not_given_up_in_time_is_reset_by_then(deadtime_ms: int, stoptime_ms: int) -> None:
    timeout_ms = watchdog_ms_of(deadtime_ms, stoptime_ms)
    unfed_ms = unfed_before_ms(timeout_ms)
    assert unfed_ms <= stoptime_ms, "the feeding need not end before the right does"
    supervisor = supervisor_up()
    lost_ms, fed_ms = 7_013, 0
    stop_by_ms = lost_ms + stoptime_ms
    for now_ms in range(stop_by_ms):
        if now_ms % LOSING_RENEWAL_MS == 0:
            is_overdue = now_ms >= lost_ms and now_ms + unfed_ms >= stop_by_ms
            supervisor.on_renewed(Child.LINK, now_ms, is_overdue=is_overdue)
            supervisor.on_renewed(Child.CORE, now_ms)
        if (supervisor.next_wakeup_ms() or 0) <= now_ms:
            fed_ms = now_ms if FeedWatchdog() in supervisor.on_tick(now_ms) else fed_ms
    assert 0 < fed_ms <= stop_by_ms - timeout_ms


def test_a_new_link_does_not_feed_the_watchdog_before_it_says_that_all_is_given_up() -> None:
    supervisor = supervisor_up()
    supervisor.on_renewed(Child.LINK, 1_000, is_overdue=True)
    supervisor.on_exited(Child.LINK, -9, 1_010)
    supervisor.on_ready(Child.LINK, 1_020)
    supervisor.on_renewed(Child.CORE, 1_300)
    assert FeedWatchdog() not in supervisor.on_tick(1_300)
    supervisor.on_renewed(Child.LINK, 1_310)
    assert FeedWatchdog() in supervisor.on_tick(1_600)
