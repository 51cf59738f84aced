"""What a link node does about quorum when it restarts and when it leaves."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING

from everbeat.membership.envelope import Stamp, stamped
from everbeat.membership.identity import Identity, continuing_identity
from everbeat.model.cluster import Quorum
from everbeat.model.membership import Broadcast
from everbeat.model.message import message_of
from everbeat.model.names import NodeName
from everbeat.model.quorum import RightLost
from everbeat.node.link_effects import LinkEffect, PersistPromise, Transmit
from everbeat.node.link_node import LinkNode
from everbeat.node.link_quorum import LEFT_FIELD
from everbeat.wire.datagram import Opened, open_datagram, seal
from properties.link_world import KEYS, TIMING, config_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from everbeat.model.members import QuorumView
    from everbeat.model.message import Message

ALPHA, BETA, GAMMA = NodeName("alpha"), NodeName("beta"), NodeName("gamma")
BEGIN_MS = 5_000_000  # the machine has been up for long
UUID = b"alpha".ljust(16, b"\1")


def started(identity: Identity) -> tuple[LinkNode, list[LinkEffect]]:
    config = replace(
        config_of("alpha"),
        nodes=(ALPHA, BETA, GAMMA),
        timing=replace(TIMING, stoptime_ms=500),
        quorum=Quorum.VOTES,
    )
    node = LinkNode(config, KEYS, identity, Random(1))  # noqa: S311 - repeatable on purpose
    node.on_surroundings(1_800_000_000, "0.1")
    return node, node.on_start(BEGIN_MS)


def quorum_of(node: LinkNode) -> QuorumView:
    view = node.view().quorum
    assert view is not None
    return view


def farewells(effects: Iterable[LinkEffect]) -> list[Message]:
    opened = [open_datagram(e.data, KEYS) for e in effects if isinstance(e, Transmit)]
    messages = [each.message for each in opened if isinstance(each, Opened)]
    return [message for message in messages if message.type == "shutdone"]


def life_of(node: LinkNode) -> str:
    """Return what a node says of its life."""
    [status, *_] = [
        opened.message
        for effect in node.on_tick(BEGIN_MS + 10_000)
        if isinstance(effect, Transmit)
        and isinstance(opened := open_datagram(effect.data, KEYS), Opened)
        and opened.message.type == "status"
    ]
    return status.text("eb_life") or ""


def test_a_new_link_process_does_not_lose_the_right_before_it_has_listened() -> None:
    node, effects = started(continuing_identity(UUID, 7, 1_000))
    assert not any(isinstance(effect, RightLost) for effect in effects)
    assert not quorum_of(node).is_known
    assert not node.is_overdue(BEGIN_MS)


def test_a_right_that_was_lost_stays_lost_for_the_next_link_process() -> None:
    former = continuing_identity(UUID, 7, 1_000)
    node, _ = started(replace(former, stop_by_ms=BEGIN_MS + 300))
    quorum = quorum_of(node)
    assert (quorum.is_known, quorum.is_held, quorum.stop_by_ms) == (True, False, BEGIN_MS + 300)
    assert not node.is_overdue(BEGIN_MS + 299)
    assert node.is_overdue(BEGIN_MS + 300)


def test_a_new_link_process_whose_forerunner_had_no_right_begins_with_empty_hands() -> None:
    node, _ = started(replace(continuing_identity(UUID, 7, 1_000), had_right=False))
    quorum = quorum_of(node)
    assert (quorum.is_known, quorum.is_held, quorum.stop_by_ms) == (True, False, None)


def test_a_farewell_waits_for_its_promise() -> None:
    node, _ = started(Identity(uuid=UUID, generation=7))
    greeting = {"eb_life": "b" * 32, "eb_knows": f"alpha:7:{life_of(node)}:1"}
    stamp = Stamp(own=BETA, uuid=b"b" * 16, generation=3, wall_s=1, load="0", ttl=3)
    status = message_of(t="status", st="active", dt="7d0", protocol="1", **greeting)
    data = seal(stamped(status, stamp, sequence=1), KEYS)
    node.on_datagram(0, data, "beta", BEGIN_MS)
    effects = node.on_order(Broadcast(message_of(t="shutdone")), BEGIN_MS)
    assert PersistPromise((BETA, GAMMA)) in effects
    assert farewells(effects) == []
    assert farewells(node.on_promise((), BEGIN_MS, is_kept=True)) == []  # an earlier one's
    [farewell] = farewells(node.on_promise((BETA, GAMMA), BEGIN_MS, is_kept=True))
    # To gamma, whose life is not known here, nothing can be promised.
    assert farewell.text(LEFT_FIELD) == f"beta:{'b' * 32}"


def test_a_farewell_whose_promise_cannot_be_written_promises_nothing() -> None:
    node, _ = started(Identity(uuid=UUID, generation=7))
    node.on_order(Broadcast(message_of(t="shutdone")), BEGIN_MS)
    [farewell] = farewells(node.on_promise((BETA, GAMMA), BEGIN_MS, is_kept=False))
    assert farewell.text(LEFT_FIELD) is None
