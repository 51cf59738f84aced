"""Each number is taken once; gaps are asked for, given up or filled; progress is acknowledged."""

from __future__ import annotations

import pytest

from everbeat.membership.inbound import HISTORY_MAX, Arrival, Inbound
from everbeat.model.membership import MessagesMissing
from everbeat.model.names import NodeName

BETA = NodeName("beta")


class Chosen:
    """A source of chance that always says the same, as far as it can."""

    def __init__(self, value: int) -> None:
        self._value = value

    def randrange(self, stop: int, /) -> int:
        return min(self._value, stop - 1)


def inbound(residue: int = 0) -> Inbound:
    made = Inbound(250, Chosen(residue))
    made.add(BETA)
    return made


def arrivals(tracker: Inbound, *numbers: int) -> list[Arrival]:
    return [tracker.on_sequence(BETA, number, 0)[0] for number in numbers]


def test_the_first_number_ever_is_taken_whatever_it_is() -> None:
    assert arrivals(inbound(), 4711, 4712, 4712, 4711) == [
        Arrival.NEW,
        Arrival.NEW,
        Arrival.DUPLICATE,
        Arrival.STALE,
    ]


def test_a_gap_is_told_asked_for_repeatedly_and_filled_once() -> None:
    tracker = inbound()
    tracker.on_sequence(BETA, 1, 0)
    arrival, facts = tracker.on_sequence(BETA, 4, 1_000)
    assert arrival is Arrival.NEW
    assert facts == [MessagesMissing(BETA, 2, 3, is_lost=False, at_ms=1_000)]
    assert tracker.next_wakeup_ms() == 1_050
    assert tracker.due_requests(1_049) == []
    assert tracker.due_requests(1_050) == [(BETA, 2), (BETA, 3)]
    assert tracker.next_wakeup_ms() == 1_300
    assert arrivals(tracker, 2, 2) == [Arrival.FILLED, Arrival.STALE]
    assert tracker.due_requests(1_300) == [(BETA, 3)]
    assert arrivals(tracker, 3) == [Arrival.FILLED]
    assert tracker.next_wakeup_ms() is None


def test_the_first_request_waits_at_most_max_rexmit_delay() -> None:
    tracker = Inbound(250, Chosen(10_000))
    tracker.add(BETA)
    arrivals(tracker, 1, 3)
    assert tracker.next_wakeup_ms() == 250


@pytest.mark.parametrize(("gap", "is_lost"), [(250, False), (251, True)])
def test_a_gap_above_250_is_given_up_at_once(gap: int, is_lost: bool) -> None:  # noqa: FBT001 - a parameter of the table
    tracker = inbound()
    tracker.on_sequence(BETA, 1, 0)
    _, facts = tracker.on_sequence(BETA, 2 + gap, 0)
    assert facts == [MessagesMissing(BETA, 2, 1 + gap, is_lost, 0)]
    assert bool(tracker.due_requests(1_000)) is not is_lost
    assert arrivals(tracker, 5) == [Arrival.STALE if is_lost else Arrival.FILLED]


def test_what_a_sender_can_no_longer_have_is_lost() -> None:
    tracker = inbound()
    arrivals(tracker, 1, 3)
    facts: list[MessagesMissing] = []
    for number in range(4, HISTORY_MAX + 3):
        facts += tracker.on_sequence(BETA, number, 0)[1]
    assert facts == [MessagesMissing(BETA, 2, 2, is_lost=True, at_ms=0)]
    assert tracker.next_wakeup_ms() is None


def test_a_nak_ends_the_asking_and_lets_acknowledgements_go_on() -> None:
    tracker = inbound(residue=0)
    arrivals(tracker, *range(1, 9), 10)
    assert tracker.due_ack(BETA) is None
    assert tracker.on_nak(BETA, 9, 5) == [MessagesMissing(BETA, 9, 9, is_lost=True, at_ms=5)]
    assert tracker.on_nak(BETA, 9, 5) == []
    assert tracker.due_ack(BETA) == 10


def test_every_tenth_number_is_acknowledged_once() -> None:
    tracker = inbound(residue=3)
    acks = []
    for number in range(5, 40):
        tracker.on_sequence(BETA, number, 0)
        acks.append(tracker.due_ack(BETA))
    assert [ack for ack in acks if ack] == [13, 23, 33]


def test_after_a_gap_is_filled_the_highest_number_reached_is_acknowledged() -> None:
    tracker = inbound(residue=0)
    arrivals(tracker, 1, *range(3, 36))
    assert tracker.due_ack(BETA) is None
    arrivals(tracker, 2)
    assert tracker.due_ack(BETA) == 30


def test_a_dead_sender_is_not_asked_and_one_fact_names_each_run() -> None:
    tracker = inbound()
    arrivals(tracker, 1, 4, 6)
    assert tracker.on_dead(BETA, 9) == [
        MessagesMissing(BETA, 2, 3, is_lost=True, at_ms=9),
        MessagesMissing(BETA, 5, 5, is_lost=True, at_ms=9),
    ]
    assert tracker.next_wakeup_ms() is None


def test_a_restarted_sender_begins_anew() -> None:
    tracker = inbound()
    arrivals(tracker, 100, 103)
    tracker.on_restart(BETA)
    assert arrivals(tracker, 1, 2) == [Arrival.NEW, Arrival.NEW]
    assert tracker.next_wakeup_ms() is None
