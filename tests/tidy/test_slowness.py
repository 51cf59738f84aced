"""The bounds of the real tests: tight on a quiet machine, and not on a busy one."""

from __future__ import annotations

from lab.slowness import SLOWNESS_MAX, Round, allowance, slowness


def rounds(*slow: float, late_ms: float = 0.5) -> list[Round]:
    return [Round(1_000.0 * number, late_ms, one) for number, one in enumerate(slow)]


def test_on_a_quiet_machine_a_bound_is_what_the_test_says() -> None:
    assert allowance(500, []).ms == 500
    assert allowance(500, rounds(1.0, 1.01, 1.0)).ms < 510


def test_a_bound_grows_with_what_work_takes_and_with_the_worst_lateness() -> None:
    assert allowance(500, rounds(4.0, 4.0, late_ms=0)).ms == 2_000
    assert allowance(500, [Round(0, 100, 1.0), Round(1, 300, 1.0)]).ms == 500 + 3 * 300


def test_a_slow_second_among_quick_ones_counts_and_a_long_wait_ends() -> None:
    assert slowness(rounds(1, 9, 1, 1)) == 5
    assert slowness(rounds(1_000)) == SLOWNESS_MAX
