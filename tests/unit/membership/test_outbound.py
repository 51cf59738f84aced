"""What is kept, sent again or refused; when clients must pause."""

from __future__ import annotations

from everbeat.membership.inbound import HISTORY_MAX
from everbeat.membership.outbound import (
    FLOW_WINDOW,
    RESENT_PER_REQUEST_MAX,
    Acknowledgements,
    History,
    Refusal,
)
from everbeat.model.message import message_of
from everbeat.model.names import NodeName

BETA, GAMMA = NodeName("beta"), NodeName("gamma")


def history(count: int) -> History:
    kept = History()
    for number in range(1, count + 1):
        kept.add(number, message_of(t="test", n=str(number)))
    return kept


def numbers(answers: list[object]) -> list[str]:
    return [a.text("n") or "" for a in answers if not isinstance(a, Refusal)]  # type: ignore[attr-defined] # messages


def test_a_kept_message_is_sent_again_as_it_was() -> None:
    assert history(5).again(2, 4, 0, 0) == [message_of(t="test", n=str(n)) for n in (2, 3, 4)]


def test_a_message_is_not_sent_again_within_240_ms() -> None:
    kept = history(5)
    assert kept.again(2, 2, 0, 1_000)
    assert kept.again(2, 2, 0, 1_239) == []
    assert kept.again(2, 2, 0, 1_240)


def test_what_the_asker_acknowledged_or_we_never_sent_is_ignored() -> None:
    assert numbers([*history(20).again(1, 99, 17, 0)]) == ["18", "19", "20"]
    assert history(20).again(21, 99, 0, 0) == []
    assert history(20).again(9, 3, 0, 0) == []


def test_a_request_is_answered_by_at_most_50_messages() -> None:
    assert len(history(400).again(1, 10**17, 0, 0)) == RESENT_PER_REQUEST_MAX


def test_what_is_too_old_is_refused() -> None:
    kept = history(HISTORY_MAX + 2)
    assert kept.again(1, 3, 0, 0) == [
        Refusal(1, "seqno too low"),
        Refusal(2, "seqno too low"),
        message_of(t="test", n="3"),
    ]


def test_clients_pause_when_the_slowest_live_peer_is_251_behind() -> None:
    acks = Acknowledgements()
    acks.count(BETA, 0, is_counted=True)
    acks.count(GAMMA, 0, is_counted=True)
    acks.on_ack(GAMMA, 200, 251)
    assert not acks.must_pause(FLOW_WINDOW)
    assert acks.must_pause(FLOW_WINDOW + 1)
    acks.on_ack(BETA, 1, 251)
    assert not acks.must_pause(FLOW_WINDOW + 1)


def test_a_peer_that_dies_or_never_acknowledged_by_protocol_holds_nobody_up() -> None:
    acks = Acknowledgements()
    acks.count(BETA, 0, is_counted=True)
    assert acks.must_pause(1_000)
    acks.count(BETA, 1_000, is_counted=False)
    assert not acks.must_pause(1_000)
    acks.count(BETA, 1_000, is_counted=True)
    assert not acks.must_pause(1_250)


def test_acknowledgements_never_go_back_nor_beyond_what_was_sent() -> None:
    acks = Acknowledgements()
    acks.count(BETA, 0, is_counted=True)
    acks.on_ack(BETA, 40, 50)
    acks.on_ack(BETA, 30, 50)
    acks.on_ack(BETA, 51, 50)
    assert acks.acked(BETA) == 40
