from __future__ import annotations

from everbeat.executor.failures import FAILURES_MAX, FailCounts
from everbeat.model.failures import Failures, ResourceFailures
from everbeat.model.names import GroupKey

G = GroupKey("10.0.0.50/24/eth0")
WINDOW = 60_000


def only(told: list[Failures]) -> ResourceFailures:
    [failures] = told
    [count] = failures.counts
    return count


def fail(counts: FailCounts, now_ms: int, *, is_start: bool = False) -> ResourceFailures:
    return only(counts.on_failure(G, "web", "status:\n stopped", now_ms, is_start=is_start))


def test_so_many_failures_within_the_window_bar_a_node() -> None:
    counts = FailCounts(3, WINDOW)
    assert not fail(counts, 1_000).is_barred
    assert not fail(counts, 2_000).is_barred
    third = fail(counts, 3_000)
    assert third.is_barred
    assert (third.count, third.last_ms, third.clears_ms) == (3, 3_000, 3_000 + WINDOW)
    assert third.why == "status: stopped"


def test_a_failed_start_bars_at_once_and_limit_zero_bars_for_nothing_else() -> None:
    assert fail(FailCounts(3, WINDOW), 0, is_start=True).is_barred
    unlimited = FailCounts(0, WINDOW)
    for second in range(20):
        assert not fail(unlimited, second * 1_000).is_barred


def test_failures_are_forgotten_one_by_one() -> None:
    counts = FailCounts(2, WINDOW)
    fail(counts, 1_000)
    fail(counts, 5_000)
    assert counts.next_wakeup_ms() == 1_000 + WINDOW
    assert counts.on_tick(999 + WINDOW) == []
    left = only(counts.on_tick(1_000 + WINDOW))
    assert (left.count, left.is_barred) == (1, False)
    assert counts.on_tick(5_000 + WINDOW) == [Failures(())]
    assert counts.next_wakeup_ms() is None


def test_people_may_have_them_forgotten() -> None:
    counts = FailCounts(1, WINDOW)
    fail(counts, 0)
    counts.on_failure(G, "vip", "gone", 0, is_start=False)
    assert only(counts.on_forget("web")).resource == "vip"
    assert counts.on_forget("") == [Failures(())]


def test_a_new_executor_goes_on_counting_where_the_old_one_ended() -> None:
    counts = FailCounts(3, WINDOW)
    fail(counts, 1_000)
    fail(counts, 2_000)
    fresh = FailCounts(3, WINDOW)
    fresh.on_restored(counts.current())
    assert fail(fresh, 3_000).is_barred
    barred = FailCounts(3, WINDOW)
    fail(barred, 1_000, is_start=True)
    fresh = FailCounts(3, WINDOW)
    fresh.on_restored(barred.current())
    assert fresh.current().counts[0].is_barred


def test_the_memory_of_failures_is_bounded() -> None:
    counts = FailCounts(3, 10**9)
    for number in range(FAILURES_MAX + 50):
        last = fail(counts, number)
        assert last.count <= FAILURES_MAX
