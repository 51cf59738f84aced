"""Laws of the codec: what goes in comes out, and nothing forged or broken comes through."""

from __future__ import annotations

import bz2
import tracemalloc
import zlib

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from everbeat.model.keys import AuthKey, AuthKeys
from everbeat.model.message import Field, FieldType, Message
from everbeat.wire.auth import token
from everbeat.wire.chunk import encode_chunk
from everbeat.wire.client_frame import FrameSplitter, encode_frame
from everbeat.wire.compression import compress, decompress
from everbeat.wire.datagram import (
    Opened,
    Rejected,
    open_datagram,
    open_string,
    seal,
    seal_string,
)
from everbeat.wire.errors import WireError
from everbeat.wire.identity import (
    generation_from_bytes,
    generation_text,
    uuid_from_node_name,
    uuid_from_text,
    uuid_text,
)
from everbeat.wire.netstring import decode_netstring, encode_netstring
from everbeat.wire.packing import with_unpacked_fields
from everbeat.wire.stream import StreamSplitter
from everbeat.wire.string_form import decode_string, encode_string

KEYS = AuthKeys(
    1,
    (
        AuthKey(1, "sha1", b"TopSecretKey"),
        AuthKey(2, "md5", b"k" * 130),
        AuthKey(3, "crc"),
    ),
)

# Bytes 15 to 31 stand for newlines in the string form; byte 10 is allowed, it has a stand-in.
texts = st.text(
    st.characters(max_codepoint=255, exclude_characters=[chr(n) for n in (0, *range(15, 32))])
)
netstring_texts = st.text(st.characters(min_codepoint=1, max_codepoint=255))
names = st.text("abcXYZ_019.:-)", min_size=1, max_size=12).filter(lambda name: name != "auth")


def fields_of(
    text: st.SearchStrategy[str], inner: st.SearchStrategy[Message]
) -> st.SearchStrategy[Field]:
    return st.one_of(
        st.builds(Field, st.just(FieldType.STRING), names, text),
        st.builds(Field, st.just(FieldType.BINARY), names, st.binary(max_size=40)),
        st.builds(Field, st.just(FieldType.COMPRESSED), names, st.binary(max_size=40)),
        st.builds(Field, st.just(FieldType.STRUCT), names, inner),
        st.builds(Field, st.just(FieldType.UNCOMPRESSED), names, inner),
        st.builds(
            Field,
            st.just(FieldType.LIST),
            names,
            st.lists(text, min_size=1, max_size=4).map(tuple),
        ),
    )


def messages_of(text: st.SearchStrategy[str]) -> st.SearchStrategy[Message]:
    flat = st.builds(
        Message, st.lists(st.builds(Field, st.just(FieldType.STRING), names, text), max_size=3)
    )
    return st.recursive(
        flat,
        lambda inner: st.builds(Message, st.lists(fields_of(text, inner), max_size=5)),
        max_leaves=12,
    )


messages = messages_of(texts)
netstring_messages = messages_of(netstring_texts)
plain_messages = messages.filter(
    lambda message: all(f.type in {FieldType.STRING, FieldType.BINARY} for f in message.fields)
)
methods = st.sampled_from([1, 2, 3])


@given(messages)
def test_the_string_form_keeps_every_message(message: Message) -> None:
    assert decode_string(encode_string(message)) == message
    assert decode_string(encode_string(message) + b"\0") == message


@given(netstring_messages, st.binary(max_size=20))
def test_the_netstring_form_keeps_every_message(message: Message, rest: bytes) -> None:
    encoded = encode_netstring(message)
    assert decode_netstring(encoded + rest) == (message, len(encoded))


@given(
    netstring_messages,
    methods,
    st.sampled_from(["classic", "netstring"]),
    st.sampled_from(["", "zlib", "bz2"]),
)
def test_a_sealed_message_opens_to_itself(
    message: Message, number: int, msgfmt: str, compression: str
) -> None:
    assume(not any(field.name.startswith("_compress") for field in message.fields))
    # With a compressed field of its own a message cannot say how ours were compressed.
    assume(not compression or all(f.type is not FieldType.COMPRESSED for f in message.fields))
    keys = AuthKeys(number, KEYS.keys)
    opened = open_datagram(seal(message, keys, msgfmt=msgfmt, compression=compression), keys)
    assert isinstance(opened, Opened)
    assert opened.key_number == number
    assert with_unpacked_fields(opened.message) == expected_by_string_form(
        message, msgfmt, compression
    )


def expected_by_string_form(message: Message, msgfmt: str, compression: str) -> Message:
    """Return what is left of a message: structs compressed as classic text lose stand-ins."""
    if not compression or msgfmt == "netstring":
        return message
    return Message(through_text(field) for field in message.fields)


def through_text(field: Field) -> Field:
    if field.type is not FieldType.UNCOMPRESSED or not isinstance(field.value, Message):
        return field
    nested = {FieldType.STRUCT, FieldType.COMPRESSED, FieldType.UNCOMPRESSED}
    if any(inner.type in nested for inner in field.value.fields):
        return field
    return Field(field.type, field.name, decode_string(encode_string(field.value)))


@given(
    plain_messages,
    methods,
    st.sampled_from(["zlib", "bz2"]),
    st.sampled_from(["classic", "netstring"]),
)
def test_a_message_compressed_as_a_whole_opens_to_itself(
    message: Message, number: int, compression: str, msgfmt: str
) -> None:
    keys = AuthKeys(number, KEYS.keys)
    datagram = seal(
        message,
        keys,
        msgfmt=msgfmt,
        compression=compression,
        threshold_kib=0,
        is_traditional=True,
    )
    opened = open_datagram(datagram, keys)
    assert isinstance(opened, Opened)
    assert opened.is_compressed
    assert opened.message == message


@given(messages, methods)
def test_a_message_sealed_for_a_serial_line_opens_to_itself(message: Message, number: int) -> None:
    opened = open_string(seal_string(message, AuthKeys(number, KEYS.keys)), KEYS)
    assert isinstance(opened, Opened)
    assert opened.message == message
    assert opened.key_number == number


@st.composite
def mutations(draw: st.DrawFn, sealed: bytes) -> bytes:
    """Change, remove or insert a few bytes."""
    position = draw(st.integers(0, len(sealed)))
    removed = draw(st.integers(0, 3))
    inserted = draw(st.binary(max_size=3))
    return sealed[:position] + inserted + sealed[position + removed :]


@given(st.data(), plain_messages, methods, st.sampled_from(["string", "netstring"]))
def test_a_changed_datagram_is_rejected_or_means_the_same(
    data: st.DataObject, message: Message, number: int, form: str
) -> None:
    keys = AuthKeys(number, KEYS.keys)
    sealed = seal_string(message, keys) if form == "string" else seal(message, keys)
    opened = open_datagram(data.draw(mutations(sealed)), keys)
    assert isinstance(opened, Rejected) or opened.message == message


@given(messages, methods)
def test_another_secret_rejects_everything(message: Message, number: int) -> None:
    assume(number != 3)  # crc has no secret
    others = AuthKeys(number, (AuthKey(1, "sha1", b"other"), AuthKey(2, "md5", b"other")))
    sealed = seal(message, AuthKeys(number, KEYS.keys))
    assert open_datagram(sealed, others) == Rejected("bad-digest")
    assert open_datagram(sealed, AuthKeys(0, ())) == Rejected("unknown-key")


pieces = st.sampled_from(
    [
        *(b"###\n", b"%%%\n", b">>>\n", b"<<<\n", b"auth=1 ", b"\nauth=3 0\n", b"0:"),
        *(b"7:(0)t=xy,", b"(2)a=###\n%%%\n", b",", b"9999999:", b"(1)_compressed_payload="),
        *(b"\0", b"=", b"\x14"),
    ]
)
noise = st.lists(st.one_of(st.binary(max_size=30), pieces), max_size=20).map(b"".join)
starts = st.sampled_from([b"", b"###\n", b">>>\n"])


@given(starts, noise)
def test_arbitrary_bytes_never_raise(start: bytes, rest: bytes) -> None:
    data = start + rest
    assert isinstance(open_datagram(data, KEYS), Rejected)
    assert isinstance(open_string(data, KEYS), Rejected)


@given(noise, st.sampled_from(["netstring", "string"]))
def test_arbitrary_bytes_with_a_good_digest_never_raise(rest: bytes, form: str) -> None:
    keys = AuthKeys(3, KEYS.keys)
    if form == "netstring":
        field = Field(FieldType.BINARY, "x", rest)
        text = encode_netstring(Message([field])).replace(b"(1)x=", b"(2)x=")
        sealed = seal_bytes(text)
    else:
        sealed = seal_string_bytes(b"(2)x=" + rest.replace(b"\n", b"\x14") + b"\n")
    assert isinstance(open_datagram(sealed, keys), Opened | Rejected)


def seal_bytes(text: bytes) -> bytes:
    return text + encode_chunk(token(KEYS, 3, text).encode())


def seal_string_bytes(lines: bytes) -> bytes:
    return b">>>\n" + lines + b"auth=" + token(KEYS, 3, lines).encode() + b"\n<<<\n"


@settings(max_examples=30)
@given(starts, st.binary(min_size=1, max_size=12), st.integers(1, 20_000))
def test_hostile_bytes_take_little_memory(start: bytes, unit: bytes, count: int) -> None:
    data = (start + unit * count)[:65_507]
    tracemalloc.start()
    try:
        open_datagram(data, KEYS)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 200 * len(data) + 2**20


@pytest.mark.parametrize("algorithm", ["zlib", "bz2"])
def test_a_compression_bomb_is_cut_off(algorithm: str) -> None:
    zeros = bytes(64 * 2**20)
    bomb = zlib.compress(zeros) if algorithm == "zlib" else bz2.compress(zeros)
    del zeros
    tracemalloc.start()
    try:
        with pytest.raises(WireError) as caught:
            decompress(algorithm, bomb)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert caught.value.reason == "too-large"
    assert peak < 16 * 2**20


@given(st.sampled_from(["zlib", "bz2"]), st.binary(max_size=5_000))
def test_decompression_undoes_compression(algorithm: str, data: bytes) -> None:
    assert decompress(algorithm, compress(algorithm, data)) == data


@given(st.sampled_from(["zlib", "bz2"]), st.binary(max_size=200))
def test_noise_is_never_decompressed_without_a_complaint(algorithm: str, data: bytes) -> None:
    try:
        text = decompress(algorithm, data)
    except WireError:
        return
    assert len(text) <= 2 * 2**20


def cut(stream: bytes, lengths: list[int]) -> list[bytes]:
    found, position = [], 0
    for length in lengths:
        found.append(stream[position : position + length])
        position += length
    return [*found, stream[position:]]


garbage = st.binary(max_size=20).filter(lambda data: b">" not in data and b"<" not in data)


@given(st.lists(st.tuples(messages, garbage), max_size=5), st.lists(st.integers(0, 30)))
def test_a_stream_yields_its_messages_however_it_is_cut(
    items: list[tuple[Message, bytes]], lengths: list[int]
) -> None:
    stream = b"".join(rubbish + encode_string(message) for message, rubbish in items)
    splitter = StreamSplitter()
    found = [text for piece in cut(stream, lengths) for text in splitter.feed(piece)]
    assert found == [encode_string(message) for message, _ in items]
    assert splitter.dropped_bytes == sum(len(rubbish) for _, rubbish in items)


@given(st.lists(noise), st.integers(4, 60))
def test_a_stream_of_noise_never_raises_and_is_accounted_for(data: list[bytes], limit: int) -> None:
    splitter = StreamSplitter(limit)
    found = [text for piece in data for text in splitter.feed(piece)]
    assert all(len(text) <= limit for text in found)
    kept = sum(map(len, data)) - splitter.dropped_bytes - sum(map(len, found))
    assert 0 <= kept <= limit


@given(st.lists(messages, max_size=5), st.lists(st.integers(0, 60)))
def test_frames_yield_their_messages_however_they_are_cut(
    items: list[Message], lengths: list[int]
) -> None:
    splitter = FrameSplitter()
    stream = b"".join(map(encode_frame, items))
    assert [m for piece in cut(stream, lengths) for m in splitter.feed(piece)] == items


@given(st.lists(st.binary(max_size=40)))
def test_noise_on_the_client_socket_is_a_wire_error_or_waits(data: list[bytes]) -> None:
    splitter = FrameSplitter(1_000)
    try:
        for piece in data:
            splitter.feed(piece)
    except WireError:
        return


@given(st.integers(0, 10**15 - 2))  # the last one would have no next
def test_a_generation_survives_its_file(generation: int) -> None:
    assert len(generation_text(generation)) == 16
    assert generation_from_bytes(generation_text(generation)) == generation


@given(st.binary(min_size=16, max_size=16))
def test_a_uuid_survives_its_text(uuid: bytes) -> None:
    assert uuid_from_text(uuid_text(uuid)) == uuid


@given(st.text(max_size=30))
def test_every_node_name_has_one_uuid(name: str) -> None:
    assert len(uuid_from_node_name(name)) == 16
    assert uuid_from_node_name(name) == uuid_from_node_name(name)
