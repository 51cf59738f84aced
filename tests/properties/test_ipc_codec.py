"""Every value our processes exchange survives its wire form; garbage never raises another error."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from everbeat.ipc.codec import Codec, Hello, IpcError
from everbeat.ipc.frames import FrameSplitter, frame
from everbeat.ipc.messages import CORE_TYPES, ReloadReply
from everbeat.ipc.registries import EXECUTOR_TYPES, LINK_TYPES
from everbeat.model.groups import ResourceSpec
from everbeat.model.membership import Broadcast
from everbeat.model.message import Field, FieldType, Message

ALL_TYPES = (*LINK_TYPES, *EXECUTOR_TYPES, *CORE_TYPES, Hello)
CODEC = Codec(ALL_TYPES)

latin = st.text(st.characters(max_codepoint=255), max_size=20)


def fields(messages: st.SearchStrategy[Message]) -> st.SearchStrategy[Field]:
    return st.one_of(
        st.builds(Field, st.just(FieldType.STRING), latin, latin),
        st.builds(Field, st.just(FieldType.BINARY), latin, st.binary(max_size=20)),
        st.builds(Field, st.just(FieldType.STRUCT), latin, messages),
        st.builds(Field, st.just(FieldType.LIST), latin, st.lists(latin, max_size=3).map(tuple)),
        st.builds(Field, st.just(FieldType.COMPRESSED), latin, st.binary(max_size=20)),
        st.builds(Field, st.just(FieldType.UNCOMPRESSED), latin, messages),
    )


messages = st.recursive(
    st.just(Message(())),
    lambda inner: st.builds(Message, st.lists(fields(inner), max_size=4)),
    max_leaves=4,
)
texts = st.text(st.characters(), max_size=20)  # lone surrogates: bytes of files that are no UTF-8
numbers = st.integers(-(2**63), 2**63 - 1)  # msgpack's range
st.register_type_strategy(Message, messages)
st.register_type_strategy(str, texts)
st.register_type_strategy(int, numbers)


@pytest.mark.parametrize("kind", ALL_TYPES, ids=lambda kind: kind.__name__)
@settings(max_examples=15)
@given(st.data())
def test_every_registered_value_survives(kind: type, data: st.DataObject) -> None:
    value = data.draw(st.from_type(kind))
    assert CODEC.decode(CODEC.encode(value)) == value


@pytest.mark.parametrize("text", ["f\udcfcr", "\ud800", "\udcc3\udcbc", "fär*", "\U0010ffff"])
def test_every_text_that_a_file_or_another_node_can_hold_survives(text: str) -> None:
    message = Message((Field(FieldType.LIST, "l", (text,)), Field(FieldType.BINARY, "b", b"\xff")))
    for value in (Broadcast(message), ReloadReply(is_accepted=False, text=text)):
        assert CODEC.decode(CODEC.encode(value)) == value


@pytest.mark.parametrize("body", [b"\xa1\xff", b"\xa3\xe2\x86\x92", b"\x81\x90\x01", b"\xc1"])
def test_what_is_escaped_wrongly_is_an_ipc_error(body: bytes) -> None:
    with pytest.raises(IpcError):
        CODEC.decode(b"\x92\xacReloadReply*" + body)


@given(st.binary(max_size=200))
def test_garbage_is_an_ipc_error(data: bytes) -> None:
    with pytest.raises(IpcError):
        CODEC.decode(data)


@given(st.sampled_from(ALL_TYPES), st.binary(max_size=3), st.integers(0, 200), st.data())
def test_damaged_values_are_values_or_ipc_errors(
    kind: type, damage: bytes, place: int, data: st.DataObject
) -> None:
    wire = bytearray(CODEC.encode(data.draw(st.from_type(kind))))
    wire[place : place + len(damage)] = damage
    with contextlib.suppress(IpcError):
        assert type(CODEC.decode(bytes(wire))) in ALL_TYPES


def test_types_of_other_sockets_are_refused() -> None:
    with pytest.raises(IpcError):
        Codec(LINK_TYPES).encode(ResourceSpec("x", "x"))
    with pytest.raises(IpcError):
        Codec(LINK_TYPES).decode(Codec(CORE_TYPES).encode(CORE_TYPES[0]()))


@given(st.lists(st.binary(max_size=50), max_size=5), st.lists(st.integers(1, 9), min_size=1))
def test_frames_survive_any_cut(payloads: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(frame(payload) for payload in payloads)
    splitter = FrameSplitter()
    found: list[bytes] = []
    at = 0
    while at < len(stream):
        size = cuts[at % len(cuts)]
        found += splitter.feed(stream[at : at + size])
        at += size
    assert found == payloads
