from __future__ import annotations

import pytest

from everbeat.model.keys import AuthKey, AuthKeys
from everbeat.model.message import Field, FieldType, Message, message_of
from everbeat.wire.auth import token
from everbeat.wire.chunk import encode_chunk
from everbeat.wire.datagram import (
    Form,
    Opened,
    Rejected,
    open_datagram,
    open_string,
    seal,
    seal_string,
)
from everbeat.wire.errors import WireError
from everbeat.wire.limits import DATAGRAM_BYTES_MAX
from everbeat.wire.netstring import decode_netstring, encode_netstring
from everbeat.wire.packing import packed, with_unpacked_fields

KEYS = AuthKeys(1, (AuthKey(1, "sha1", b"TopSecretKey"), AuthKey(3, "crc")))
STATUS = message_of(t="status", st="up", src="alpha")


def signed(text: bytes) -> bytes:
    return text + encode_chunk(token(KEYS, 1, text).encode())


def test_classic_messages_carry_the_digest_of_the_string_form_inside() -> None:
    message, _ = decode_netstring(seal(STATUS, KEYS))
    assert message.fields[-1].name == "auth"
    assert message.text("auth") == token(KEYS, 1, b"t=status\nst=up\nsrc=alpha\n")


def test_netstring_messages_carry_no_inner_digest() -> None:
    message, end = decode_netstring(sealed := seal(STATUS, KEYS, msgfmt="netstring"))
    assert message == STATUS
    assert sealed[end:] == encode_chunk(token(KEYS, 1, sealed[:end]).encode())


def test_a_message_with_a_struct_carries_no_inner_digest() -> None:
    message = STATUS.with_fields(Field(FieldType.STRUCT, "s", STATUS))
    assert decode_netstring(seal(message, KEYS))[0] == message


def test_an_old_inner_digest_is_replaced() -> None:
    old = STATUS.with_fields(Field(FieldType.STRING, "auth", "9 x"))
    assert open_datagram(seal(old, KEYS), KEYS) == Opened(
        message=STATUS, key_number=1, form=Form.NETSTRING, is_compressed=False
    )


def test_both_forms_are_accepted() -> None:
    opened = open_datagram(seal_string(STATUS, KEYS), KEYS)
    assert opened == Opened(message=STATUS, key_number=1, form=Form.STRING, is_compressed=False)


def test_a_bad_inner_digest_does_not_matter_under_a_good_trailer() -> None:
    message = STATUS.with_fields(Field(FieldType.STRING, "auth", "1 0000"))
    opened = open_datagram(signed(encode_netstring(message)), KEYS)
    assert isinstance(opened, Opened)
    assert opened.message == STATUS


def test_a_good_inner_digest_does_not_replace_the_trailer() -> None:
    sealed = seal(STATUS, KEYS)
    assert open_datagram(sealed[: sealed.rindex(b"%%%\n") + 4], KEYS) == Rejected("no-auth")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "malformed"),
        (b"junk", "malformed"),
        (b">>>\nt=x\n<<<\n", "no-auth"),
        (b">>>\nt=x\nauth=1 00\n<<<\n", "bad-digest"),
        (b">>>\nt=x\nauth=1 00\nauth=1 00\n<<<\n", "malformed"),
        (b">>>\nt=x\nauth=8 00\n<<<\n", "unknown-key"),
        (b">>>\nt=x\nauth=nonsense\n<<<\n", "malformed"),
        (b"###\n6:(0)t=x,%%%\n", "no-auth"),
        (b"###\n6:(0)t=x,%%%\n4:1 00,", "bad-digest"),
        (b"###\n6:(0)t=x,%%%\n4:8 00,", "unknown-key"),
        (b"###\n6:(0)t=x,%%%\nnonsense", "malformed"),
        (b"###\n6:(0)t=x,", "malformed"),
        (seal(STATUS, KEYS) + b"more", "malformed"),
        (b"###\n", "malformed"),
        (b"%%%\n", "malformed"),
        (b"###\nnonsense%%%\n", "no-auth"),
        (signed(b"###\n6:(9)t=x,%%%\n"), "malformed"),
        (signed(b"###\n%%%\n%%%\n"), "malformed"),
        (b"#" * (DATAGRAM_BYTES_MAX + 1), "too-large"),
        (b">>>\n" + b"x" * DATAGRAM_BYTES_MAX, "too-large"),
    ],
)
def test_a_datagram_that_is_not_good_says_why(data: bytes, reason: str) -> None:
    assert open_datagram(data, KEYS) == Rejected(reason)


def test_nothing_is_decompressed_before_the_digest_is_good() -> None:
    bomb = Message(
        [
            Field(FieldType.BINARY, "_compressed_payload", b"not even compressed"),
            Field(FieldType.STRING, "_compression_algorithm", "zlib"),
        ]
    )
    text = encode_netstring(bomb)
    assert open_datagram(text + encode_chunk(b"1 00"), KEYS) == Rejected("bad-digest")
    assert open_datagram(signed(text), KEYS) == Rejected("malformed")


def test_a_signed_bomb_is_too_large() -> None:
    bomb = packed(message_of(t="x" * (2**21 - 100)), "zlib", "netstring")
    assert isinstance(open_datagram(signed(encode_netstring(bomb)), KEYS), Opened)
    larger = with_payload_of(b"x" * 2**22)
    assert open_datagram(signed(encode_netstring(larger)), KEYS) == Rejected("too-large")


def with_payload_of(text: bytes) -> Message:
    import zlib  # noqa: PLC0415 - the only place that goes round our own bound

    return Message(
        [
            Field(FieldType.BINARY, "_compressed_payload", zlib.compress(text)),
            Field(FieldType.STRING, "_compression_algorithm", "zlib"),
        ]
    )


@pytest.mark.parametrize("algorithm", ["zlib", "bz2"])
def test_a_long_message_is_compressed_as_a_whole_only_traditionally(algorithm: str) -> None:
    message = message_of(t="x", big="0123456789" * 300)
    field_wise = seal(message, KEYS, compression=algorithm)
    whole = seal(message, KEYS, compression=algorithm, is_traditional=True)
    assert len(field_wise) > 3000 > len(whole)
    opened = open_datagram(whole, KEYS)
    assert isinstance(opened, Opened)
    assert (opened.message, opened.is_compressed) == (message, True)


def test_a_message_up_to_the_threshold_is_not_compressed() -> None:
    opened = open_datagram(seal(STATUS, KEYS, compression="zlib", is_traditional=True), KEYS)
    assert isinstance(opened, Opened)
    assert not opened.is_compressed


def test_an_uncompressed_field_is_compressed_on_the_way() -> None:
    inner = message_of(cib="<cib/>" * 50)
    message = STATUS.with_fields(Field(FieldType.UNCOMPRESSED, "crm_xml", inner))
    opened = open_datagram(seal(message, KEYS, compression="bz2"), KEYS)
    assert isinstance(opened, Opened)
    assert [field.type for field in opened.message.fields][-2:] == [
        FieldType.COMPRESSED,
        FieldType.STRING,
    ]
    assert with_unpacked_fields(opened.message) == message
    traditional = open_datagram(seal(message, KEYS, compression="bz2", is_traditional=True), KEYS)
    assert isinstance(traditional, Opened)
    assert traditional.message.fields[-1] == Field(FieldType.STRUCT, "crm_xml", inner)


def test_too_large_a_message_cannot_be_sealed() -> None:
    large = message_of(t="x", big="x" * DATAGRAM_BYTES_MAX)
    for sealing in (seal, seal_string):
        with pytest.raises(WireError) as caught:
            sealing(large, KEYS)
        assert caught.value.reason == "too-large"


def test_a_serial_message_may_end_in_a_nul() -> None:
    assert isinstance(open_string(seal_string(STATUS, KEYS) + b"\0", KEYS), Opened)
