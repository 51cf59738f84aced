from __future__ import annotations

import pytest

from everbeat.model.message import Field, FieldType, Message, message_of
from everbeat.wire.errors import WireError
from everbeat.wire.string_form import decode_string, encode_string, signed_lines


def only(kind: FieldType, value: object) -> Message:
    return Message([Field(kind, "x", value)])  # type: ignore[arg-type] # wrong ones on purpose


def reason_of_decoding(data: bytes) -> str:
    with pytest.raises(WireError) as caught:
        decode_string(data)
    return caught.value.reason


def reason_of_encoding(message: Message) -> str:
    with pytest.raises(WireError) as caught:
        encode_string(message)
    return caught.value.reason


def test_strings_stand_as_they_are_and_uuids_in_base64() -> None:
    message = Message(
        [
            Field(FieldType.STRING, "t", "status"),
            Field(FieldType.BINARY, "srcuuid", bytes(range(16))),
        ]
    )
    assert encode_string(message) == (b">>>\nt=status\n(1)srcuuid=AAECAwQFBgcICQoLDA0ODw==\n<<<\n")


def test_a_newline_in_a_value_cannot_start_another_field() -> None:
    encoded = encode_string(message_of(t="x", info="a\nauth=1 0"))
    assert encoded == b">>>\nt=x\ninfo=a\x13auth=1 0\n<<<\n"
    assert encode_string(only(FieldType.LIST, ("a\nauth=1 0",))).count(b"\n") == 3


def test_a_nested_struct_stands_on_one_line() -> None:
    deep = only(FieldType.STRUCT, only(FieldType.STRUCT, message_of(a="1")))
    assert encode_string(deep) == (b">>>\n(2)x=>>>\x14(2)x=>>>\x15a=1\x15<<<\x15\x14<<<\x14\n<<<\n")


def test_the_inner_digest_covers_all_lines_but_auth() -> None:
    assert signed_lines(message_of(t="x", auth="1 abc", src="alpha")) == b"t=x\nsrc=alpha\n"


def test_one_trailing_nul_is_tolerated_and_no_more() -> None:
    assert decode_string(b">>>\nt=x\n<<<\n\0") == message_of(t="x")
    assert reason_of_decoding(b">>>\nt=x\n<<<\n\0\0") == "no-marker"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "no-marker"),
        (b">>>\n", "no-marker"),
        (b">>>\nt=x\n", "no-marker"),
        (b">>>\nt=x\n<<<", "no-marker"),
        (b">>>\nt=x\n<<<\nmore", "no-marker"),
        (b">>>\nno equals\n<<<\n", "no-equals"),
        (b">>>\n=x\n<<<\n", "bad-name"),
        (b">>>\n(0)t=x\n<<<\n", "bad-type"),
        (b">>>\n(6)t=x\n<<<\n", "bad-type"),
        (b">>>\n(12)t=x\n<<<\n", "bad-type"),
        (b">>>\n(1)((x=AAAA\n<<<\n", "bad-name"),
        (b">>>\n(1)x=AAA\n<<<\n", "bad-base64"),
        (b">>>\n(1)x=A*AA\n<<<\n", "bad-base64"),
        (b">>>\n(2)x=>>>\x14a=1\x14<<<\n<<<\n", "no-marker"),
        (b">>>\n(3)x=\n<<<\n", "empty-list"),
        (b">>>\n(3)x=9:a,\n<<<\n", "truncated"),
        (b">>>\n(3)x=1:a;\n<<<\n", "no-comma"),
        (b">>>\n(3)x=-1:a,\n<<<\n", "bad-length"),
        (b">>>\nt=a\0b\n<<<\n", "nul-in-string"),
    ],
)
def test_what_is_no_message_says_why(data: bytes, reason: str) -> None:
    assert reason_of_decoding(data) == reason


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (message_of(**{"": "x"}), "bad-name"),
        (message_of(**{"a=b": "x"}), "bad-name"),
        (message_of(**{"a\nb": "x"}), "bad-name"),
        (message_of(**{"(1)a": "x"}), "bad-name"),
        (message_of(t="a\0b"), "nul-in-string"),
        (message_of(t="\u20ac"), "not-latin-1"),
        (only(FieldType.LIST, ()), "empty-list"),
        (only(FieldType.BINARY, "text"), "wrong-value"),
    ],
)
def test_what_cannot_travel_is_refused(message: Message, reason: str) -> None:
    assert reason_of_encoding(message) == reason


def test_sixteen_structs_nest_and_seventeen_do_not() -> None:
    message = message_of(a="1")
    for _ in range(16):
        message = only(FieldType.STRUCT, message)
    assert decode_string(encode_string(message)) == message
    assert reason_of_encoding(only(FieldType.STRUCT, message)) == "too-deep"
