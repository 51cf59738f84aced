from __future__ import annotations

import pytest

from everbeat.model.message import Field, FieldType, message_of
from everbeat.wire.client_frame import FrameSplitter, encode_frame
from everbeat.wire.errors import WireError

NODELIST = message_of(t="hbapi-req", reqtype="nodelist")


def reason_of(data: bytes) -> str:
    with pytest.raises(WireError) as caught:
        FrameSplitter(100).feed(data)
    return caught.value.reason


def test_a_frame_is_a_length_a_magic_number_and_a_string_with_nul() -> None:
    assert encode_frame(NODELIST) == (
        b"\x26\0\0\0\xcd\xab\0\0>>>\nt=hbapi-req\nreqtype=nodelist\n<<<\n\0"
    )


def test_a_message_with_a_struct_travels_as_a_netstring() -> None:
    message = NODELIST.with_fields(Field(FieldType.STRUCT, "s", NODELIST))
    assert encode_frame(message)[8:12] == b"###\n"
    assert FrameSplitter().feed(encode_frame(message)) == [message]


def test_frames_may_be_cut_anywhere() -> None:
    splitter = FrameSplitter()
    stream = encode_frame(NODELIST) * 2
    assert [m for byte in stream for m in splitter.feed(bytes([byte]))] == [NODELIST] * 2


def test_what_is_no_frame_says_why() -> None:
    assert reason_of(b"\x01\0\0\0\xcd\xac\0\0") == "bad-magic"
    assert reason_of(b"\x65\0\0\0\xcd\xab\0\0") == "too-large"
    assert reason_of(b"\xff\xff\xff\xff\xcd\xab\0\0") == "too-large"
    assert reason_of(b"\x00\0\0\0\xcd\xab\0\0") == "no-marker"
    assert reason_of(b"\x05\0\0\0\xcd\xab\0\0#####") == "no-marker"
