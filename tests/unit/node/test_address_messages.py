from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from everbeat.model.message import Message, message_of
from everbeat.model.names import NodeName
from everbeat.model.neighbours import AddressesProbed, Finding, ProbeAddresses
from everbeat.node.address_messages import (
    ANSWERS_MAX,
    CHECK_TYPE,
    SEEN_TYPE,
    check_message,
    probe_from_message,
    probed_from_message,
    seen_message,
)

ALPHA, BETA, GAMMA = NodeName("alpha"), NodeName("beta"), NodeName("gamma")
ADDRESSES = st.ip_addresses().map(str)
MACS = st.binary(min_size=6, max_size=6).map(lambda raw: raw.hex(":"))
FINDINGS = st.builds(
    Finding,
    address=ADDRESSES,
    is_near=st.booleans(),
    held_at=MACS | st.just(""),
    cached=MACS | st.just(""),
    answers=st.lists(MACS, max_size=ANSWERS_MAX).map(tuple),
)


def sent_by(node: NodeName, message: Message) -> Message:
    return message_of(**dict(message.strings()), src=node)


@given(st.integers(0, 10**18 - 1), st.lists(ADDRESSES, min_size=1, max_size=32).map(tuple))
def test_a_question_arrives_whole_at_those_it_names(
    number: int, addresses: tuple[str, ...]
) -> None:
    message = sent_by(ALPHA, check_message([BETA], number, addresses))
    order = ProbeAddresses(asker=ALPHA, number=number, addresses=addresses)
    assert probe_from_message(message, BETA) == order
    assert probe_from_message(message, GAMMA) is None
    assert probe_from_message(message, ALPHA) is None


@given(st.integers(0, 10**18 - 1), st.lists(FINDINGS, max_size=32).map(tuple))
def test_findings_arrive_whole_at_who_asked(number: int, findings: tuple[Finding, ...]) -> None:
    probed = AddressesProbed(asker=ALPHA, number=number, findings=findings)
    message = sent_by(BETA, seen_message(probed))
    assert probed_from_message(message, ALPHA) == probed
    assert probed_from_message(message, GAMMA) is None


WORDS = st.text(max_size=60) | st.text("0123456789abcdef:./, -", max_size=60)


@given(WORDS, WORDS)
def test_no_text_from_the_wire_does_harm(number: str, words: str) -> None:
    for number_text in (number, "7"):
        check = message_of(
            t=CHECK_TYPE, src="alpha", nodes="beta", number=number_text, addresses=words
        )
        order = probe_from_message(check, BETA)
        assert order is None or all(str(a) in words for a in order.addresses)
        seen = message_of(t=SEEN_TYPE, src="beta", dest="alpha", number=number_text, seen=words)
        probed_from_message(seen, ALPHA)
