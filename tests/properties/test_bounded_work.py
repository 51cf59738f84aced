"""What the decoders do is bounded by the parts they take, however many bytes are sent.

Steps are calls, of Python and of C, as the profiler sees them: the same on every machine. A call of
C over all bytes (find, count, replace) is one step; what costs is a call, an object, a part each.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everbeat.model.keys import AuthKey, AuthKeys
from everbeat.wire.auth import token
from everbeat.wire.chunk import encode_chunk
from everbeat.wire.client_frame import FrameSplitter
from everbeat.wire.datagram import Rejected, open_datagram, open_string
from everbeat.wire.errors import WireError
from everbeat.wire.limits import CLIENT_PARTS_MAX, FIRST_FRAME_BYTES_MAX, PARTS_MAX
from everbeat.wire.netstring import decode_netstring
from everbeat.wire.part_count import PartCount
from everbeat.wire.stream import StreamSplitter
from everbeat.wire.string_form import STRUCT_NEWLINES, decode_string

if TYPE_CHECKING:
    from collections.abc import Callable

STEPS_PER_PART = 30
STEPS_AT_LEAST = 200

STRING_UNITS = (
    b"a=\n",
    b"\n",
    b"(3)a=0:,\n",
    b"(3)a=" + b"1:x," * 50 + b"\n",
    b"(1)a=\n",
    b"(2)a=>>>\x14<<<\x14\n",
    b"(2)a=>>>\x14" + b"b=\x14" * 50 + b"<<<\x14\n",
    b"(2)a=>>>\x14" + b"\x14" * 50 + b"<<<\x14\n",
    b"(5)a=>>>\x14(2)b=>>>\x15c=\x15<<<\x15\x14<<<\x14\n",
)
NETSTRING_UNITS = (
    b"5:(0)a=,",
    b"8:(3)a=0:,,",
    encode_chunk(b"(3)a=" + b"1:x," * 50),
    encode_chunk(b"(2)a=###\n%%%\n"),
    encode_chunk(b"(2)a=###\n" + b"5:(0)b=," * 50 + b"%%%\n"),
)
KEYS = AuthKeys(signing=1, keys=(AuthKey(1, "crc", b""),))


def steps_of(work: Callable[[], object]) -> int:
    """Return how many calls some work makes; what is no message is an answer, too."""
    count = 0

    def note(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        count += event in {"call", "c_call"}

    sys.setprofile(note)
    try:
        work()
    except WireError:
        pass
    finally:
        sys.setprofile(None)
    return count


def bound(parts: int) -> int:
    return STEPS_AT_LEAST + STEPS_PER_PART * parts


@given(st.lists(st.sampled_from(STRING_UNITS), max_size=5), st.integers(1, 5_000))
def test_string_form_takes_no_more_steps_than_parts(units: list[bytes], times: int) -> None:
    text = b">>>\n" + b"".join(units) * times + b"<<<\n"
    assert steps_of(lambda: decode_string(text)) <= bound(min(len(text), PARTS_MAX))


@given(st.lists(st.sampled_from(NETSTRING_UNITS), max_size=5), st.integers(1, 5_000))
def test_netstrings_take_no_more_steps_than_parts(units: list[bytes], times: int) -> None:
    text = b"###\n" + b"".join(units) * times + b"%%%\n"
    assert steps_of(lambda: decode_netstring(text)) <= bound(min(len(text), PARTS_MAX))


@given(st.integers(0, 16), st.integers(0, 3_000))
def test_parts_are_counted_at_every_depth_together(depth: int, parts: int) -> None:
    inner = b">>>\n" + b"a=\n" * parts + b"<<<\n"
    for level in range(depth - 1, -1, -1):
        inner = b">>>\n(2)s=" + inner.replace(b"\n", STRUCT_NEWLINES[level]) + b"\n<<<\n"
    steps = steps_of(lambda: decode_string(inner))
    assert steps <= bound(min(parts + depth, PARTS_MAX))


@given(st.sampled_from(STRING_UNITS), st.integers(1, 20_000))
def test_a_client_of_the_api_costs_fewer_steps_still(unit: bytes, times: int) -> None:
    payload = b">>>\n" + unit * times + b"<<<\n\0"
    splitter = FrameSplitter(parts_max=CLIENT_PARTS_MAX)
    frame = len(payload).to_bytes(4, "little") + b"\xcd\xab\0\0" + payload
    assert steps_of(lambda: splitter.feed(frame)) <= bound(min(len(payload), CLIENT_PARTS_MAX))


@given(st.sampled_from(NETSTRING_UNITS), st.integers(1, 20_000))
def test_a_holder_of_the_key_makes_no_datagram_of_more_steps(unit: bytes, times: int) -> None:
    text = b"###\n" + unit * times + b"%%%\n"
    data = text + encode_chunk(token(KEYS, 1, text).encode())
    assert steps_of(lambda: open_datagram(data, KEYS)) <= bound(PARTS_MAX)


@given(st.binary(max_size=200), st.integers(1, 2_000))
def test_repeated_garbage_costs_no_decoder_more_than_its_bytes(piece: bytes, times: int) -> None:
    data = piece * times
    for work in (
        lambda: open_datagram(data, KEYS),
        lambda: open_string(data, KEYS),
        lambda: decode_string(data),
        lambda: decode_netstring(data),
        lambda: FrameSplitter().feed(data),
    ):
        assert steps_of(work) <= bound(min(len(data), PARTS_MAX))


@given(st.lists(st.sampled_from([b">>>\n", b"\n", b"<<<\n", b"a=\n"]), max_size=20))
def test_a_stream_takes_steps_for_its_messages_alone(pieces: list[bytes]) -> None:
    data = b"".join(pieces) * 200
    splitter = StreamSplitter(65_536)
    assert steps_of(lambda: splitter.feed(data)) <= bound(data.count(b"<<<\n") + 1)


@pytest.mark.parametrize("parts", [PARTS_MAX, PARTS_MAX + 1])
def test_a_message_has_so_many_parts_and_no_more(parts: int) -> None:
    is_taken = parts <= PARTS_MAX
    text, netstring = b">>>\n" + b"a=\n" * parts + b"<<<\n", b"###\n" + b"5:(0)a=," * parts
    listed = b">>>\n(3)a=" + b"1:x," * (parts - 1) + b"\n<<<\n"
    for decode in (
        lambda: decode_string(text),
        lambda: decode_string(listed),
        lambda: decode_netstring(netstring + b"%%%\n"),
    ):
        if is_taken:
            decode()
        else:
            with pytest.raises(WireError, match="too-many-parts"):
                decode()


def test_one_count_serves_a_whole_message() -> None:
    parts = PartCount(3)
    decode_string(b">>>\na=\nb=\n<<<\n", parts)
    with pytest.raises(WireError, match="too-many-parts"):
        decode_string(b">>>\na=\nb=\n<<<\n", parts)


def test_a_datagram_of_too_many_parts_is_rejected_as_too_large() -> None:
    text = b"###\n" + b"5:(0)a=," * (PARTS_MAX + 1) + b"%%%\n"
    data = text + encode_chunk(token(KEYS, 1, text).encode())
    assert open_datagram(data, KEYS) == Rejected("too-large")


def test_a_signon_fits_the_first_frame_many_times() -> None:
    assert FIRST_FRAME_BYTES_MAX > 20 * 150
