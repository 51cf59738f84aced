from __future__ import annotations

import pytest

from everbeat.model.message import Field, FieldType, Message, message_of
from everbeat.wire.errors import WireError
from everbeat.wire.netstring import decode_netstring, encode_netstring


def reason_of_decoding(data: bytes) -> str:
    with pytest.raises(WireError) as caught:
        decode_netstring(data)
    return caught.value.reason


def test_lengths_count_from_the_parenthesis() -> None:
    assert encode_netstring(message_of(t="status")) == b"###\n11:(0)t=status,%%%\n"


def test_binary_values_are_raw() -> None:
    message = Message([Field(FieldType.BINARY, "x", b"\0\n,%%%\n")])
    encoded = encode_netstring(message)
    assert encoded == b"###\n12:(1)x=\0\n,%%%\n,%%%\n"
    assert decode_netstring(encoded) == (message, len(encoded))


def test_a_name_may_occur_twice() -> None:
    message = Message([Field(FieldType.STRING, "t", "x"), Field(FieldType.STRING, "t", "y")])
    assert decode_netstring(encode_netstring(message))[0] == message


def test_leading_zeros_of_a_length_are_read_as_the_peers_do() -> None:
    assert decode_netstring(b"###\n06:(0)t=x,%%%\n")[0] == message_of(t="x")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "no-marker"),
        (b"##", "no-marker"),
        (b"###\n", "bad-length"),
        (b"###\n%%%", "bad-length"),
        (b"###\n:(0)t=x,%%%\n", "bad-length"),
        (b"###\n 6:(0)t=x,%%%\n", "bad-length"),
        (b"###\n00000006:(0)t=x,%%%\n", "bad-length"),
        (b"###\n-6:(0)t=x,%%%\n", "bad-length"),
        (b"###\n\xb2:ab,%%%\n", "bad-length"),
        (b"###\n6:(0)t=x", "truncated"),
        (b"###\n9999999:(0)t=x,%%%\n", "truncated"),
        (b"###\n6:(0)t=x;%%%\n", "no-comma"),
        (b"###\n2:t=,%%%\n", "bad-type"),
        (b"###\n6:(9)t=x,%%%\n", "bad-type"),
        (b"###\n6:(0)txy,%%%\n", "no-equals"),
        (b"###\n6:(0)=xy,%%%\n", "bad-name"),
        (b"###\n8:(0)a\nb=x,%%%\n", "bad-name"),
        (b"###\n8:(0)t=a\0b,%%%\n", "nul-in-string"),
        (b"###\n5:(3)l=,%%%\n", "empty-list"),
        (b"###\n8:(3)l=3:,,%%%\n", "truncated"),
        (b"###\n6:(2)s=x,%%%\n", "no-marker"),
        (b"###\n14:(2)s=###\n%%%\nz,%%%\n", "trailing-bytes"),
    ],
)
def test_what_is_no_message_says_why(data: bytes, reason: str) -> None:
    assert reason_of_decoding(data) == reason


def test_seventeen_structs_are_refused_without_reading_them() -> None:
    inner = b"###\n%%%\n"
    for _ in range(17):
        field = b"(2)s=" + inner
        inner = b"###\n%d:%b,%%%%%%\n" % (len(field), field)
    assert reason_of_decoding(inner) == "too-deep"
