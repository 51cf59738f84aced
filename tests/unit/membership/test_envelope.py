"""Header fields: read with suspicion, written in the order of 3.0.6."""

from __future__ import annotations

import pytest

from everbeat.membership.envelope import Envelope, Stamp, envelope_from_message, stamped, with_ttl
from everbeat.model.keys import AuthKey, AuthKeys
from everbeat.model.message import Field, FieldType, Message, message_of
from everbeat.model.names import NodeName
from everbeat.wire.datagram import Opened, message_from_text, open_datagram, seal, text_from_message
from everbeat.wire.packing import packed

GOOD = {"t": "status", "src": "Beta", "seq": "1f", "hg": "6b02fccc", "ts": "6b02fccb", "ttl": "3"}
KEYS = AuthKeys(1, (AuthKey(1, "sha1", b"TopSecretKey"),))
OTHER_STAMP = Stamp(own=NodeName("beta"), uuid=b"b" * 16, generation=9, wall_s=1, load="0", ttl=3)
STAMP = Stamp(own=NodeName("alpha"), uuid=b"u" * 16, generation=255, wall_s=16, load="0.1", ttl=4)


def test_a_captured_header_is_read() -> None:
    envelope = envelope_from_message(message_of(**GOOD))
    assert isinstance(envelope, Envelope)
    assert (envelope.source, envelope.sequence) == ("beta", 0x1F)
    assert (envelope.generation, envelope.ttl) == (0x6B02FCCC, 3)


@pytest.mark.parametrize("missing", ["t", "src", "ts", "seq"])
def test_a_message_without_a_needed_field_is_dropped(missing: str) -> None:
    fields = {name: value for name, value in GOOD.items() if name != missing}
    assert envelope_from_message(message_of(**fields)) == "missing-field"


@pytest.mark.parametrize(
    "wrong",
    [
        {"seq": "0"},
        {"seq": "-1"},
        {"seq": "0x1"},
        {"seq": "1_0"},
        {"seq": "1" * 17},
        {"hg": "x"},
        {"ts": " 1"},
        {"src": "x" * 100},
        {"src": " "},
        {"t": "x" * 100},
    ],
)
def test_nonsense_in_a_header_is_dropped(wrong: dict[str, str]) -> None:
    assert envelope_from_message(message_of(**(GOOD | wrong))) == "malformed"


def test_unnumbered_kinds_have_no_sequence_even_if_they_carry_one() -> None:
    envelope = envelope_from_message(message_of(**(GOOD | {"t": "NS_ackmsg"})))
    assert isinstance(envelope, Envelope)
    assert envelope.sequence is None


def test_fields_are_written_in_the_order_of_3_0_6() -> None:
    payload = message_of(t="reqnodes", dest="beta")
    message = stamped(payload, STAMP, sequence=10, destination_uuid=b"d" * 16)
    assert [field.name for field in message.fields] == (
        ["t", "dest", "destuuid", "src", "srcuuid", "seq", "hg", "ts", "ld", "ttl"]
    )
    assert [message.text(name) for name in ("seq", "hg", "ts", "ttl")] == ["a", "ff", "10", "4"]
    unnumbered = stamped(payload, STAMP, sequence=None)
    assert [field.name for field in unnumbered.fields] == [
        "t",
        "dest",
        "src",
        "srcuuid",
        "hg",
        "ts",
        "ttl",
    ]


def test_a_payload_cannot_forge_what_the_sender_writes() -> None:
    forged = message_of(t="x", src="beta", seq="99", hg="0").with_fields(
        Field(FieldType.BINARY, "srcuuid", b"f" * 16)
    )
    message = stamped(forged, STAMP, sequence=1)
    assert message.text("src") == "alpha"
    assert message.binary("srcuuid") == b"u" * 16


@pytest.mark.parametrize("algorithm", ["zlib", "bz2"])
@pytest.mark.parametrize("form", ["classic", "netstring"])
def test_a_payload_brings_no_message_that_is_opened_in_place_of_ours(
    algorithm: str, form: str
) -> None:
    """Who may send through us, a client of the API say, would else speak for any node."""
    forged = stamped(message_of(t="hb_takeover", rsc_hold="all"), OTHER_STAMP, sequence=77)
    payload = message_of(t="num_ping").with_fields(*packed(forged, algorithm, form).fields)
    message = stamped(payload, STAMP, sequence=1)
    for is_traditional in (False, True):
        data = seal(message, KEYS, compression="zlib", is_traditional=is_traditional)
        opened = open_datagram(data, KEYS)
        assert isinstance(opened, Opened)
        assert (opened.message.type, opened.message.text("src")) == ("num_ping", "alpha")
        text = text_from_message(message, compression="zlib", is_traditional=is_traditional)
        assert message_from_text(text)[0].text("src") == "alpha"


def test_another_ttl_leaves_every_field_in_its_place() -> None:
    message = Message(message_of(**GOOD).fields[::-1])
    changed = with_ttl(message, 2)
    assert [f.name for f in changed.fields] == [f.name for f in message.fields]
    assert changed.text("ttl") == "2"
