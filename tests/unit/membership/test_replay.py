from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from everbeat.membership.replay import SENDERS_MAX, WINDOW_BITS, ReplayWindows
from everbeat.wire.dialect import Origin

ALPHA = b"a" * 16


def origin(counter: int, generation: int = 1, uuid: bytes = ALPHA) -> Origin:
    return Origin(uuid, generation, counter)


@given(st.lists(st.integers(0, 3 * WINDOW_BITS), max_size=200))
def test_nothing_is_taken_twice_from_one_medium(counters: list[int]) -> None:
    windows = ReplayWindows()
    taken = [counter for counter in counters if windows.is_fresh(origin(counter), 0)]
    assert len(taken) == len(set(taken))


@given(st.permutations(range(200)))
def test_whatever_the_order_within_the_window_all_is_taken(counters: list[int]) -> None:
    windows = ReplayWindows()
    assert all(windows.is_fresh(origin(counter), 0) for counter in counters)


def test_the_same_datagram_comes_once_over_every_medium() -> None:
    windows = ReplayWindows()
    assert [windows.is_fresh(origin(5), medium) for medium in (0, 1, 0, 1)] == [
        *(True, True),
        *(False, False),
    ]


def test_an_old_datagram_is_a_replay_on_a_medium_that_was_silent_too() -> None:
    windows = ReplayWindows()
    windows.is_fresh(origin(10 * WINDOW_BITS), 0)
    assert not windows.is_fresh(origin(5), 1)


def test_a_new_life_begins_anew_and_ends_the_old_one() -> None:
    windows = ReplayWindows()
    assert windows.is_fresh(origin(1 << 40, 1), 0)
    assert windows.is_fresh(origin(3, 2), 0)
    assert not windows.is_fresh(origin((1 << 40) + 1, 1), 0)


def test_the_number_of_senders_is_bounded() -> None:
    windows = ReplayWindows()
    for number in range(2 * SENDERS_MAX):
        assert windows.is_fresh(origin(1, uuid=number.to_bytes(16)), 0)
    assert len(windows._senders) == SENDERS_MAX
