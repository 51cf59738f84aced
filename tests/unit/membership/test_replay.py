from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from everbeat.membership.replay import SENDERS_MAX, WINDOW_BITS, Freshness, ReplayWindows
from everbeat.wire.dialect import Origin

ALPHA = b"a" * 16


def origin(counter: int, generation: int = 1, uuid: bytes = ALPHA) -> Origin:
    return Origin(uuid, generation, counter)


def opened(counter: int = 0) -> ReplayWindows:
    """Return windows of which alpha's was opened by this counter."""
    windows = ReplayWindows()
    windows.open(origin(counter), 9)
    return windows


def is_fresh(windows: ReplayWindows, heard: Origin, medium: int) -> bool:
    return windows.judge(heard, medium) is Freshness.FRESH


@given(st.lists(st.integers(0, 3 * WINDOW_BITS), max_size=200))
def test_nothing_is_taken_twice_from_one_medium(counters: list[int]) -> None:
    windows = opened()
    taken = [counter for counter in counters if is_fresh(windows, origin(counter), 0)]
    assert len(taken) == len(set(taken))


@given(st.permutations(range(200)))
def test_whatever_the_order_within_the_window_all_is_taken(counters: list[int]) -> None:
    windows = opened()
    assert all(is_fresh(windows, origin(counter), 0) for counter in counters)


def test_the_same_datagram_comes_once_over_every_medium() -> None:
    windows = opened()
    assert [is_fresh(windows, origin(5), medium) for medium in (0, 1, 0, 1)] == [
        *(True, True),
        *(False, False),
    ]


def test_an_old_datagram_is_a_replay_on_a_medium_that_was_silent_too() -> None:
    windows = opened()
    windows.judge(origin(10 * WINDOW_BITS), 0)
    assert windows.judge(origin(5), 1) is Freshness.REPLAY


def test_nobody_is_listened_to_before_it_has_answered() -> None:
    windows = ReplayWindows()
    assert windows.judge(origin(7), 0) is Freshness.CLOSED
    windows.open(origin(7), 0)
    assert windows.judge(origin(7), 0) is Freshness.REPLAY
    assert windows.judge(origin(7), 1) is Freshness.FRESH  # over the second cable


def test_what_was_said_before_the_answer_is_a_replay_on_every_medium() -> None:
    windows = opened(100)
    assert [windows.judge(origin(99), medium) for medium in range(3)] == [Freshness.REPLAY] * 3


def test_another_generation_has_to_answer_again() -> None:
    windows = opened(1 << 40)
    assert windows.judge(origin(3, 2), 0) is Freshness.CLOSED
    windows.open(origin(3, 2), 0)
    assert windows.judge(origin(4, 2), 0) is Freshness.FRESH
    assert windows.judge(origin((1 << 40) + 1, 1), 0) is Freshness.CLOSED


def test_the_number_of_senders_is_bounded() -> None:
    windows = ReplayWindows()
    for number in range(2 * SENDERS_MAX):
        windows.open(origin(1, uuid=number.to_bytes(16)), 0)
    assert len(windows._senders) == SENDERS_MAX
