"""A link node that listens to real Heartbeat 3.0.6 nodes understands their whole life.

The captures are read from the facts folder beside the repository.
"""

from __future__ import annotations

import os
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import pytest

from everbeat.model.cluster import Autojoin, HaConfig, Medium, MediumKind, Timing
from everbeat.model.members import NodeStatus
from everbeat.model.membership import (
    CommunicationUp,
    MembershipFact,
    MessageReceived,
    MessagesMissing,
    NodeRestarted,
    NodeReturned,
    NodeStatusChanged,
    PacketsRejected,
    ReplayRejected,
    StatusReason,
)
from everbeat.model.names import LinkName, NodeName
from everbeat.node.link_node import Identity, LinkEffect, LinkNode, Transmit
from everbeat.wire.datagram import Opened, open_datagram
from golden.keyfiles import read_keys
from golden.pcap import read_datagrams

if TYPE_CHECKING:
    from everbeat.model.keys import AuthKeys
    from everbeat.model.message import Message

OWN = Path(__file__).parent / "captures"
SHARED = Path(os.environ.get("EVERBEAT_SHARED", Path(__file__).parents[3] / "shared"))
ALL = SHARED / "heartbeat" / "captures"

pytestmark = pytest.mark.skipif(
    not ALL.is_dir(), reason=f"the folder of captures {ALL} is not here"
)

EXAMPLE = read_keys(OWN / "authkeys.example")
SECRET = read_keys(OWN / "authkeys.secret")
BEGIN_MS = 1_000_000


class Replay:
    """A capture fed to a link node at the pace it was recorded."""

    def __init__(
        self,
        capture: str,
        own: str = "observer",
        nodes: tuple[str, ...] = ("alpha", "beta", "observer"),
        keys: AuthKeys = EXAMPLE,
        senders: tuple[str, ...] = ("alpha", "beta", "gamma"),
        autojoin: Autojoin = Autojoin.NONE,
        uuid: bytes = b"observer".ljust(16, b"\1"),
    ) -> None:
        config = HaConfig(
            node=NodeName(own),
            nodes=tuple(NodeName(name) for name in nodes),
            media=(Medium(kind=MediumKind.BCAST, link=LinkName("eth0"), interface="eth0"),),
            timing=Timing(keepalive_ms=1_000, deadtime_ms=4_000, initdead_ms=12_000),
            autojoin=autojoin,
        )
        identity = Identity(uuid=uuid, generation=0x7FFFFFFF)
        self.node = LinkNode(config, keys, identity, Random(1))  # noqa: S311 - repeatable on purpose
        self.keys = keys
        self.facts: list[MembershipFact] = []
        self.sent: list[Message] = []
        self._take(self.node.on_start(BEGIN_MS))
        datagrams = [d for d in read_datagrams(ALL / f"{capture}.pcap") if not d.is_echo]
        for datagram in datagrams:
            now_ms = BEGIN_MS + round((datagram.at_s - datagrams[0].at_s) * 1000)
            self.sleep_until(now_ms)
            opened = open_datagram(datagram.payload, keys)
            if isinstance(opened, Opened) and opened.message.text("src") not in senders:
                continue
            source = datagram.source
            self._take(self.node.on_datagram(0, datagram.payload, source, now_ms))
            self.now_ms = now_ms

    def sleep_until(self, now_ms: int) -> None:
        while (wakeup_ms := self.node.next_wakeup_ms() or 0) < now_ms:
            self._take(self.node.on_tick(wakeup_ms))

    def statuses(self, node: str) -> list[tuple[NodeStatus, StatusReason]]:
        return [
            (fact.new, fact.reason)
            for fact in self.facts
            if isinstance(fact, NodeStatusChanged) and fact.node == node
        ]

    def messages(self, source: str) -> list[str]:
        return [
            fact.message.type
            for fact in self.facts
            if isinstance(fact, MessageReceived) and fact.message.text("src") == source
        ]

    def acknowledged(self, node: str) -> list[int]:
        return [
            int(message.text("ackseq") or "", 16)
            for message in self.sent
            if message.type == "NS_ackmsg" and message.text("dest") == node
        ]

    def count(self, *kinds: type[MembershipFact]) -> int:
        return sum(isinstance(fact, kinds) for fact in self.facts)

    def _take(self, effects: list[LinkEffect]) -> None:
        for effect in effects:
            if isinstance(effect, Transmit):
                opened = open_datagram(effect.data, self.keys)
                assert isinstance(opened, Opened)
                self.sent.append(opened.message)
            else:
                self.facts.append(effect)  # type: ignore[arg-type] # the rest of the union


@pytest.mark.parametrize("method", ["crc", "md5", "sha1"])
def test_an_observer_sees_two_real_nodes_come_up_talk_and_one_stop(method: str) -> None:
    replay = Replay(f"classic-{method}-lifecycle")
    heard = StatusReason.HEARD
    assert replay.statuses("alpha")[:2] == [(NodeStatus.UP, heard), (NodeStatus.ACTIVE, heard)]
    assert replay.statuses("beta")[:2] == [(NodeStatus.UP, heard), (NodeStatus.ACTIVE, heard)]
    assert replay.count(CommunicationUp) == 1
    assert replay.count(PacketsRejected, ReplayRejected, NodeReturned, NodeRestarted) == 0
    assert replay.count(MessagesMissing) <= 4  # some datagrams overtook each other
    assert {"starting", "resource", "ask_resources"} <= set(replay.messages("alpha"))
    assert replay.messages("alpha")[-1] == "shutdone"
    assert "ip-request-resp" not in replay.messages("alpha")  # for alpha itself


def test_every_tenth_message_of_a_real_node_is_acknowledged() -> None:
    replay = Replay("classic-sha1-lifecycle")
    for node in ("alpha", "beta"):
        acked = replay.acknowledged(node)
        assert acked == list(range(acked[0], acked[-1] + 1, 10))
        assert len(acked) >= 5


def test_a_real_node_that_stopped_is_dead_after_the_deadtime_it_announced() -> None:
    replay = Replay("classic-sha1-lifecycle")
    replay.sleep_until(replay.now_ms + 10_000)
    died = [
        f
        for f in replay.facts
        if isinstance(f, NodeStatusChanged) and f.new is NodeStatus.DEAD and f.node == "alpha"
    ]
    assert [f.reason for f in died] == [StatusReason.DEADTIME]
    assert died[0].at_ms - died[0].last_heard_ms == 4_001


def test_a_real_node_asking_for_the_node_list_gets_it() -> None:
    """Our node stands in for the recorded alpha, uuid and all."""
    uuid = (OWN / "classic-sha1-alpha.hb_uuid.bin").read_bytes()
    replay = Replay(
        "classic-sha1-lifecycle",
        own="alpha",
        nodes=("alpha", "beta"),
        senders=("beta",),
        uuid=uuid,
    )
    answers = [message for message in replay.sent if message.type == "repnodes"]
    assert [answer.text("nodelist") for answer in answers] == ["alpha beta "]
    assert [answer.text("dest") for answer in answers] == ["beta"]
    asked = [message.text("dest") for message in replay.sent if message.type == "reqnodes"]
    assert set(asked) == {"beta"}
    assert replay.count(CommunicationUp) == 1
    assert replay.statuses("beta")[:2] == [
        (NodeStatus.UP, StatusReason.HEARD),
        (NodeStatus.ACTIVE, StatusReason.HEARD),
    ]


def test_numbers_a_real_node_never_gets_are_told_as_lost_when_the_sender_says_so() -> None:
    replay = Replay("rexmit", nodes=("alpha", "gamma", "observer"))
    missing = [
        (f.first, f.last, f.is_lost)
        for f in replay.facts
        if isinstance(f, MessagesMissing) and f.node == "gamma"
    ]
    assert (0x1F, 0x21, False) in missing
    assert (0x1F, 0x1F, True) in missing
    requests = [m for m in replay.sent if m.type == "NS_rexmit"]
    assert requests
    assert all(m.text("firstseq") == m.text("lastseq") for m in requests)
    assert "31" in {m.text("firstseq") for m in requests}  # decimal


def test_real_nodes_that_restart_after_a_healed_split_begin_new_lives() -> None:
    replay = Replay("split-heal", keys=SECRET)
    restarted = [fact.node for fact in replay.facts if isinstance(fact, NodeRestarted)]
    assert restarted == ["beta", "alpha"]
    assert replay.statuses("alpha")[-1] == (NodeStatus.ACTIVE, StatusReason.HEARD)
    assert replay.statuses("beta")[-1] == (NodeStatus.ACTIVE, StatusReason.HEARD)
    assert replay.count(PacketsRejected, ReplayRejected) == 0


def test_unknown_real_nodes_are_rejected_or_join_as_autojoin_says() -> None:
    closed = Replay("classic-sha1-lifecycle", nodes=("observer",))
    assert {f.reason for f in closed.facts if isinstance(f, PacketsRejected)} == {"unknown-node"}
    assert [node.node for node in closed.node.view().nodes] == ["observer"]
    opened = Replay("classic-sha1-lifecycle", nodes=("observer",), autojoin=Autojoin.OTHER)
    assert [node.node for node in opened.node.view().nodes] == ["observer", "alpha", "beta"]
    assert opened.count(PacketsRejected) == 0
