"""Our codec and the library 3.0.6 uses make the same bytes and read each other's."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from everbeat.model.message import Field, FieldType, Message
from everbeat.wire.errors import WireError
from everbeat.wire.netstring import decode_netstring, encode_netstring
from everbeat.wire.packing import (
    as_plain_structs,
    encode_plain,
    needs_netstring,
    packed,
    unpacked,
    with_packed_fields,
    with_unpacked_fields,
)
from everbeat.wire.string_form import decode_string, encode_string
from interop.libplumb import PLUGINS, Libplumb

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not PLUGINS.is_dir(), reason="cluster-glue is not installed"),
]

texts = st.text(
    st.characters(max_codepoint=255, exclude_characters=[chr(n) for n in (0, *range(15, 32))]),
    max_size=30,
)
# The library stops reading a list at an empty element, and a newline in one breaks its string form.
element = st.text(
    st.characters(max_codepoint=255, exclude_characters=[chr(n) for n in (0, 10, *range(15, 32))]),
    min_size=1,
    max_size=10,
)
LEAVES = (FieldType.STRING, FieldType.BINARY, FieldType.LIST)


@st.composite
def messages(draw: st.DrawFn, kinds: tuple[FieldType, ...], depth: int = 2) -> Message:
    """Draw a message of named-once fields, not empty."""
    allowed = kinds if depth else tuple(kind for kind in kinds if kind in LEAVES)
    chosen = draw(st.lists(st.sampled_from(allowed), max_size=4))
    fields = [Field(FieldType.STRING, "t", draw(texts))]
    for number, kind in enumerate(chosen):
        name = f"f{number}"
        match kind:
            case FieldType.STRING:
                value: object = draw(texts)
            case FieldType.LIST:
                value = tuple(draw(st.lists(element, min_size=1, max_size=3)))
            case FieldType.STRUCT | FieldType.UNCOMPRESSED:
                value = draw(messages(kinds, depth - 1))
            case _:
                value = draw(st.binary(min_size=1, max_size=40))
        fields.append(Field(kind, name, value))  # type: ignore[arg-type] # fits its kind
    return Message(fields)


NO_COMPRESSION = (FieldType.STRING, FieldType.BINARY, FieldType.LIST, FieldType.STRUCT)
WITH_UNCOMPRESSED = (*NO_COMPRESSION, FieldType.UNCOMPRESSED)


@pytest.fixture(scope="module")
def libplumb() -> Libplumb:
    return Libplumb()


@given(message=messages(NO_COMPRESSION))
def test_the_string_form_is_the_librarys(libplumb: Libplumb, message: Message) -> None:
    theirs = libplumb.encode_string(message)
    assert encode_string(message) == theirs
    assert libplumb.decode_string(theirs) == decode_string(theirs) == message


@given(message=messages(WITH_UNCOMPRESSED))
def test_the_netstring_form_is_the_librarys(libplumb: Libplumb, message: Message) -> None:
    theirs = libplumb.encode_netstring(message)
    assert encode_netstring(message) == theirs
    assert libplumb.decode_netstring(theirs) == decode_netstring(theirs)[0] == message


@settings(max_examples=60)
@given(message=messages(WITH_UNCOMPRESSED, depth=1))
@pytest.mark.parametrize("algorithm", ["zlib", "bz2"])
@pytest.mark.parametrize("msgfmt", ["classic", "netstring"])
def test_compressed_fields_are_the_librarys(
    libplumb: Libplumb, algorithm: str, msgfmt: str, message: Message
) -> None:
    libplumb.configure(msgfmt=msgfmt, compression=algorithm, threshold=2048, is_traditional=False)
    theirs = libplumb.encode_wire(message)
    assert encode_netstring(with_packed_fields(message, algorithm, msgfmt)) == theirs
    assert with_unpacked_fields(decode_netstring(theirs)[0]) == message


@settings(max_examples=60)
@given(message=messages(WITH_UNCOMPRESSED, depth=1), size=st.integers(900, 1100))
@pytest.mark.parametrize("algorithm", ["zlib", "bz2"])
@pytest.mark.parametrize("msgfmt", ["classic", "netstring"])
def test_whole_compressed_messages_and_their_threshold_are_the_librarys(
    libplumb: Libplumb, algorithm: str, msgfmt: str, message: Message, size: int
) -> None:
    libplumb.configure(msgfmt=msgfmt, compression=algorithm, threshold=1024, is_traditional=True)
    grown = message.with_fields(Field(FieldType.STRING, "fill", "x" * size))
    theirs = libplumb.encode_wire(grown)
    outer = as_plain_structs(grown)
    if len(encode_plain(outer, msgfmt)) > 1024:
        outer = packed(outer, algorithm, msgfmt)
        assert unpacked(outer) == as_plain_structs(grown)
    assert encode_netstring(outer) == theirs


@pytest.mark.parametrize("depth", [1, 15, 16])
def test_structs_nest_as_deep_as_in_the_library(libplumb: Libplumb, depth: int) -> None:
    message = nested(depth)
    assert libplumb.decode_string(encode_string(message)) == message
    assert encode_string(message) == libplumb.encode_string(message)
    assert needs_netstring(message)


def test_the_library_cannot_encode_seventeen_structs_either(libplumb: Libplumb) -> None:
    with pytest.raises(WireError):
        encode_string(nested(17))


def nested(depth: int) -> Message:
    message = Message([Field(FieldType.STRING, "t", "x")])
    for _ in range(depth):
        message = Message([Field(FieldType.STRUCT, "s", message)])
    return message


MALFORMED_STRINGS = [
    b">>>\nt=x\n",
    b">>>\nt=x\n<<<",
    b">>>\nt=x\nno equals\n<<<\n",
    b">>>\n=x\n<<<\n",
    b">>>\n(0)t=x\n<<<\n",
    b">>>\n(9)t=x\n<<<\n",
    b">>>\n(12)t=x\n<<<\n",
    b">>>\n()t=x\n<<<\n",
    b">>>\n(t=x\n<<<\n",
    b">>>\nt=x\n(3)l=\n<<<\n",
    b">>>\nt=x\n(2)s=>>>\x14a=1\x14<<<\n<<<\n",
]


@pytest.mark.parametrize("data", MALFORMED_STRINGS)
def test_what_the_library_refuses_we_refuse(libplumb: Libplumb, data: bytes) -> None:
    assert libplumb.decode_string(data) is None
    with pytest.raises(WireError):
        decode_string(data)
