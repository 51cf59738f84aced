from __future__ import annotations

from everbeat.wire.stream import StreamSplitter

ONE = b">>>\nt=one\n<<<\n"
TWO = b">>>\nt=two\n<<<\n"


def test_messages_stand_back_to_back() -> None:
    assert StreamSplitter().feed(ONE + TWO) == [ONE, TWO]


def test_a_message_may_come_byte_by_byte() -> None:
    splitter = StreamSplitter()
    assert [m for byte in ONE + TWO for m in splitter.feed(bytes([byte]))] == [ONE, TWO]
    assert splitter.dropped_bytes == 0


def test_an_empty_message_is_one() -> None:
    assert StreamSplitter().feed(b">>>\n<<<\n") == [b">>>\n<<<\n"]


def test_garbage_between_messages_is_dropped_and_counted() -> None:
    splitter = StreamSplitter()
    assert splitter.feed(b"\0noise>>" + ONE + b"\r\n" + TWO) == [ONE, TWO]
    assert splitter.dropped_bytes == 10


def test_a_message_that_lost_its_end_does_not_take_the_next_one_with_it() -> None:
    splitter = StreamSplitter()
    assert splitter.feed(b">>>\nt=lost\n" + ONE) == [ONE]
    assert splitter.dropped_bytes == 11


def test_a_value_may_look_like_a_marker() -> None:
    odd = b">>>\nt=x\ninfo=>>>\ninfo=<<<\n<<<\n"
    assert StreamSplitter().feed(odd) == [odd]


def test_too_long_a_message_is_dropped_and_the_next_one_is_found() -> None:
    for pieces in ([b">>>\n" + b"x" * 100 + b"\n<<<\n"], [b">>>\n", b"x" * 60, b"\n<<<\n"]):
        splitter = StreamSplitter(50)
        assert [m for piece in (*pieces, ONE) for m in splitter.feed(piece)] == [ONE]
        assert splitter.dropped_bytes == len(b"".join(pieces))
