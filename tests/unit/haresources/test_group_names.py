"""A group is known by the same bytes on every node, whatever bytes its word in haresources has."""

from __future__ import annotations

import pytest

from everbeat.config.files import text_from_bytes
from everbeat.haresources.manager import HaresourcesManager
from everbeat.haresources.peers import Holdings
from everbeat.model.cluster import HaConfig
from everbeat.model.groups import ResourceGroup, ResourceSpec
from everbeat.model.members import MembershipView
from everbeat.model.membership import Broadcast, CommunicationUp
from everbeat.model.names import GroupKey, NodeName, wire_text_of, word_from_wire
from everbeat.wire.netstring import decode_netstring, encode_netstring

ALPHA, BETA = NodeName("alpha"), NodeName("beta")


def group(word: str, owner: NodeName = ALPHA) -> ResourceGroup:
    return ResourceGroup(owner, GroupKey(word), (ResourceSpec(word, word),))


@pytest.mark.parametrize(
    "word",
    [b"web", b"f\xfcr", "für".encode(), "à".encode(), "→".encode(), b"a\xa0b", b"\x85", b"\xff"],
)
def test_a_group_is_claimed_in_words_that_the_wire_carries(word: bytes) -> None:
    key = GroupKey(text_from_bytes(word))
    groups = (group(key), group("other", BETA))
    manager = HaresourcesManager(HaConfig(node=ALPHA, nodes=(ALPHA, BETA)), groups)
    effects = [*manager.on_view(MembershipView(ALPHA), 0)]
    effects += manager.on_membership(CommunicationUp(0), 0)
    for now_ms in range(0, 20_000, 500):
        effects += manager.on_tick(now_ms)
    said = [e.message for e in effects if isinstance(e, Broadcast) and e.message.type == "resource"]
    heard = [decode_netstring(encode_netstring(message))[0] for message in said]
    claims = [Holdings(groups).claims_of(message, ALPHA) for message in heard]
    assert any(claim is not None and key in claim for claim in claims)
    assert word_from_wire(wire_text_of(key)) == key
    assert wire_text_of(key).encode("latin-1") == word
