"""Recordings of a former life, played to a link node: they are as if they had not been heard."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from everbeat.adapters.cipher import cipher_for
from everbeat.membership.identity import KnownLife
from everbeat.model.keys import AuthKey, AuthKeys
from everbeat.model.members import MembershipView, NodeStatus
from everbeat.model.membership import (
    Broadcast,
    MessageReceived,
    NodeDoubted,
    NodeRestarted,
    PacketsRejected,
    ReplayRejected,
)
from everbeat.model.message import message_of
from everbeat.model.names import NodeName
from everbeat.node.link_effects import Transmit
from everbeat.node.link_node import LinkNode
from properties.link_world import World, config_of, identity_of

BETA = NodeName("beta")
KEYS = {
    method: AuthKeys(1, (AuthKey(1, method, b"TopSecretKey"),))
    for method in ("crc", "sha1", "aes-siv")
}


def recorded(keys: AuthKeys, seed: int = 1) -> list[bytes]:
    """Return all that beta said in a life with alpha: from its start to its farewell."""
    world = World(seed, keys=keys)
    for name in ("alpha", "beta"):
        world.start(config_of(name))
    world.run_for(4_000)
    for word in ("starting", "resource", "ask_resources", "hb_takeover", "eb_offer", "shutdone"):
        world.order("beta", Broadcast(message_of(t=word, rsc_hold="all", n=word)))
        world.run_for(300)
    assert world.received("alpha", "shutdone") == ["shutdone"]
    world.run_for(2_000)
    return world.machines["beta"].sent


RECORDINGS = {method: recorded(keys) for method, keys in KEYS.items()}


def alpha(keys: AuthKeys, *, generation: int = 101, known: tuple[KnownLife, ...] = ()) -> LinkNode:
    identity = identity_of("alpha", generation, known=known)
    node = LinkNode(config_of("alpha"), keys, identity, Random(7), cipher_for(keys))  # noqa: S311 - repeatable on purpose
    node.on_surroundings(1_700_000_000, "0.10 0.20")
    return node


def told(effects: list[object]) -> list[object]:
    """Return what is more than counting and doubting."""
    harmless = (Transmit, NodeDoubted, PacketsRejected, ReplayRejected)
    return [effect for effect in effects if not isinstance(effect, harmless)]


@pytest.mark.parametrize("method", sorted(KEYS))
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_to_a_node_that_has_just_started_no_recording_says_anything(
    method: str, data: st.DataObject
) -> None:
    node, now_ms = alpha(KEYS[method]), 5_000_000
    node.on_start(now_ms)
    before = node.view()
    indices = st.integers(0, len(RECORDINGS[method]) - 1)
    for index in data.draw(st.lists(indices, max_size=40)):
        now_ms += 1
        effects = node.on_datagram(0, RECORDINGS[method][index], "beta", now_ms)
        assert told([*effects]) == []
    assert without_doubts(node.view()) == before


@pytest.mark.parametrize("method", sorted(KEYS))
def test_a_dead_node_is_not_kept_alive_by_its_recording(method: str) -> None:
    node, now_ms = alpha(KEYS[method]), 5_000_000
    node.on_start(now_ms)
    for data in RECORDINGS[method] * 2:
        now_ms += 100
        node.on_datagram(0, data, "beta", now_ms)
        while (node.next_wakeup_ms() or 0) <= now_ms:
            node.on_tick(now_ms)
    beta = node.view().node(BETA)
    assert beta is not None
    assert beta.status is NodeStatus.DEAD
    assert beta.last_heard_ms == 0
    assert node.view().is_communication_up


@pytest.mark.parametrize("method", sorted(KEYS))
@pytest.mark.parametrize("replaced", ["nobody", "beta", "alpha"])
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1 << 32))
def test_whatever_is_played_beside_a_pair_that_runs_nothing_moves(
    method: str, replaced: str, seed: int
) -> None:
    """Of a former life of beta, and of what it said in this one before alpha was replaced."""
    chance = Random(seed)  # noqa: S311 - repeatable on purpose
    world = World(seed, keys=KEYS[method], now_ms=9_000_000)
    for name in ("alpha", "beta"):
        world.start(config_of(name), identity_of(name, 200))
    world.run_for(3_000)
    assert all(world.machines[name].node.view().is_communication_up for name in ("alpha", "beta"))
    for word in ("resource", "ask_resources", "hb_takeover"):
        world.order("beta", Broadcast(message_of(t=word, rsc_hold="all", n=word)))
    world.run_for(300)
    pool = RECORDINGS[method] + world.machines["beta"].sent
    marks = {name: len(machine.facts) for name, machine in world.machines.items()}
    for step in range(60):
        if step == 10 and replaced != "nobody":
            world.replace_link(replaced)
            marks[replaced] = len(world.machines[replaced].facts)
        world.play("alpha", chance.choice(pool))
        world.run_for(chance.randrange(100))
    world.run_for(3_000)
    for name, machine in world.machines.items():
        moved = told([*machine.facts[marks[name] :]])
        assert [f for f in moved if isinstance(f, MessageReceived)] == []
        peer = next(node for node in machine.node.view().peers())
        assert peer.status is NodeStatus.ACTIVE
        assert all(node.status is not NodeStatus.DEAD for node in machine.node.view().nodes)


@pytest.mark.parametrize("method", sorted(KEYS))
def test_a_link_process_that_is_replaced_is_answered_within_a_round_trip(method: str) -> None:
    world = World(3, keys=KEYS[method])
    for name in ("alpha", "beta"):
        world.start(config_of(name))
    world.run_for(3_000)
    world.replace_link("alpha")
    world.run_for(3)
    peer = world.machines["alpha"].node.view().node(BETA)
    assert peer is not None
    assert peer.status is NodeStatus.ACTIVE


@pytest.mark.parametrize("method", sorted(KEYS))
def test_both_are_replaced_at_once_and_believe_each_other_again(method: str) -> None:
    world = World(3, keys=KEYS[method])
    for name in ("alpha", "beta"):
        world.start(config_of(name))
    world.run_for(3_000)
    for name in ("alpha", "beta"):
        world.replace_link(name)
    world.run_for(10)
    for machine in world.machines.values():
        [peer] = machine.node.view().peers()
        assert peer.status is NodeStatus.ACTIVE


@pytest.mark.parametrize("method", sorted(KEYS))
def test_first_contact_needs_no_heartbeat_more(method: str) -> None:
    world = World(3, keys=KEYS[method])
    world.start(config_of("alpha"))
    world.run_for(1_050)
    world.start(config_of("beta"))
    world.run_for(20)
    assert all(m.node.view().is_communication_up for m in world.machines.values())


def test_a_restart_that_no_link_process_saw_is_told_by_the_next_one() -> None:
    world = World(3, keys=KEYS["aes-siv"])
    for name in ("alpha", "beta"):
        world.start(config_of(name))
    world.run_for(3_000)
    assert world.machines["alpha"].known == (KnownLife(BETA, 100, 100),)
    for name in ("alpha", "beta"):
        world.stop(name)
    world.start(config_of("beta"), identity_of("beta", 101))
    world.replace_link("alpha")
    world.run_for(10)
    restarts = [f for f in world.machines["alpha"].facts if isinstance(f, NodeRestarted)]
    assert [(fact.node, fact.generation) for fact in restarts] == [(BETA, 101)]


def without_doubts(view: MembershipView) -> MembershipView:
    return replace(view, nodes=tuple(replace(node, doubt=None) for node in view.nodes))
