"""The gate by hand: who waits how long, whose word counts, what is safe without asking."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from everbeat.journal.timeline import Timeline
from everbeat.membership.heartbeat import STARTUP_EXTRA_MS, STARTUP_MS
from everbeat.model.cluster import HaConfig, Quorum
from everbeat.model.fencing import (
    FenceAction,
    FenceDevice,
    FenceOutcome,
    FencingDone,
    RunFencing,
    SafeNode,
)
from everbeat.model.members import MembershipView, NodeKind, NodeStatus, NodeView, QuorumView
from everbeat.model.membership import (
    Broadcast,
    MessageReceived,
    NodeAdded,
    NodeStatusChanged,
    StatusReason,
    fold,
)
from everbeat.model.message import message_of
from everbeat.model.names import NodeName
from everbeat.model.quorum import ConfirmOff
from everbeat.model.verdict import Verdict
from everbeat.node.core_log_lines import lines_of_effect
from everbeat.node.fencing_gate import (
    EARLIER_FIRST_MS,
    HOLDER_FIRST_MS,
    FencingGate,
    GateEffect,
    Released,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

ALPHA, BETA, GAMMA = NodeName("alpha"), NodeName("beta"), NodeName("gamma")
POWER = FenceDevice(name="power", type="fence_x", hosts=(ALPHA, BETA, GAMMA))
HEARD_MS, DEAD_MS = 90_000, 92_000


def gate_of(
    own: NodeName = ALPHA,
    nodes: tuple[NodeName, ...] = (ALPHA, BETA),
    quorum: Quorum = Quorum.FENCING,
    safe: Iterable[SafeNode] = (),
) -> tuple[FencingGate, MembershipView]:
    config = HaConfig(node=own, nodes=nodes, fence_devices=(POWER,), quorum=quorum)
    view = MembershipView(own)
    for node in nodes:
        view = fold(view, NodeAdded(node, NodeKind.NORMAL))
    nodes_seen = tuple(replace(n, status=NodeStatus.ACTIVE) for n in view.nodes)
    return FencingGate(config, Timeline(own), 1, safe), replace(view, nodes=nodes_seen)


def death(node: NodeName) -> NodeStatusChanged:
    return NodeStatusChanged(
        node=node,
        old=NodeStatus.ACTIVE,
        new=NodeStatus.DEAD,
        reason=StatusReason.DEADTIME,
        last_heard_ms=HEARD_MS,
        at_ms=DEAD_MS,
    )


def dies(
    gate: FencingGate, view: MembershipView, node: NodeName, *, is_holding: bool = True
) -> list[GateEffect]:
    fact = death(node)
    return gate.on_membership(fact, fold(view, fact), DEAD_MS, is_holding=is_holding)


def asked(effects: Iterable[GateEffect]) -> list[RunFencing]:
    return [effect for effect in effects if isinstance(effect, RunFencing)]


def released(effects: Iterable[GateEffect]) -> list[object]:
    return [effect.fact for effect in effects if isinstance(effect, Released)]


def done(order: RunFencing) -> FencingDone:
    return FencingDone(
        id=order.id,
        device=order.device.name,
        action=order.action,
        node=order.node,
        outcome=FenceOutcome.DONE,
        output="",
        started_ms=0,
        ended_ms=0,
    )


def hears(gate: FencingGate, view: MembershipView, **fields: str) -> list[GateEffect]:
    fact = MessageReceived(message_of(hg="1", **fields), DEAD_MS)
    return gate.on_membership(fact, view, DEAD_MS, is_holding=True)


def test_a_death_is_released_when_it_is_confirmed_and_link_and_peers_are_told() -> None:
    gate, view = gate_of()
    effects = dies(gate, view, BETA)
    assert released(effects) == []
    [order] = asked(effects)
    effects = gate.on_done(done(order), 95_000)
    [fact] = released(effects)
    assert isinstance(fact, NodeStatusChanged)
    assert [phase.name for phase in fact.phases] == [
        "asked power (reboot)",
        "power: done",
        "confirmed off by power",
    ]
    assert ConfirmOff(BETA) in effects
    word = message_of(t="stonith", node="beta", result="OK")
    assert Broadcast(word) in effects


def test_in_a_pair_without_votes_the_idle_and_the_later_node_wait() -> None:
    for own, other, is_holding, delay_ms in (
        (ALPHA, BETA, True, 0),
        (BETA, ALPHA, True, EARLIER_FIRST_MS),
        (ALPHA, BETA, False, HOLDER_FIRST_MS),
        (BETA, ALPHA, False, HOLDER_FIRST_MS + EARLIER_FIRST_MS),
    ):
        gate, view = gate_of(own)
        effects = dies(gate, view, other, is_holding=is_holding)
        assert bool(asked(effects)) == (delay_ms == 0)
        if delay_ms:
            assert asked(gate.on_tick(DEAD_MS + delay_ms - 1)) == []
            assert asked(gate.on_tick(DEAD_MS + delay_ms)) != []


@pytest.mark.parametrize(
    ("started_ms", "extra_ms"),
    [(HEARD_MS - STARTUP_MS, STARTUP_EXTRA_MS), (HEARD_MS - STARTUP_MS - 1, 0)],
)
def test_who_announced_a_longer_deadtime_when_last_heard_waits_as_much_longer(
    started_ms: int, extra_ms: int
) -> None:
    """The node that holds declares it dead only so much later, and is to be the first to ask."""
    gate, view = gate_of(BETA)
    gate.on_view(view, started_ms, is_holding=False)
    dies(gate, view, ALPHA, is_holding=False)
    due_ms = DEAD_MS + HOLDER_FIRST_MS + EARLIER_FIRST_MS + extra_ms
    assert FenceAction.REBOOT not in [o.action for o in asked(gate.on_tick(due_ms - 1))]
    assert FenceAction.REBOOT in [o.action for o in asked(gate.on_tick(due_ms))]


def test_who_holds_and_is_named_first_never_waits() -> None:
    gate, view = gate_of()
    gate.on_view(view, HEARD_MS, is_holding=True)
    assert FenceAction.REBOOT in [order.action for order in asked(dies(gate, view, BETA))]


def test_with_votes_the_first_living_node_asks_and_its_word_suffices_for_the_others() -> None:
    nodes = (ALPHA, BETA, GAMMA)
    first, view = gate_of(ALPHA, nodes, Quorum.VOTES)
    assert asked(dies(first, view, GAMMA, is_holding=False)) != []
    second, view = gate_of(BETA, nodes, Quorum.VOTES)
    assert asked(dies(second, view, GAMMA, is_holding=False)) == []
    effects = hears(second, view, t="stonith", src="alpha", seq="5", node="gamma", result="OK")
    assert len(released(effects)) == 2  # the message, and the death


def test_when_the_first_node_cannot_the_next_one_does_not_wait() -> None:
    second, view = gate_of(BETA, (ALPHA, BETA, GAMMA), Quorum.VOTES)
    dies(second, view, GAMMA)
    effects = hears(second, view, t="stonith", src="alpha", seq="5", node="gamma", result="bad")
    assert asked(effects) != []


def test_a_word_of_before_the_death_says_nothing() -> None:
    second, view = gate_of(BETA, (ALPHA, BETA, GAMMA), Quorum.VOTES)
    hears(second, view, t="resource", src="alpha", seq="9")
    dies(second, view, GAMMA)
    effects = hears(second, view, t="stonith", src="alpha", seq="8", node="gamma", result="OK")
    assert len(released(effects)) == 1  # the message alone


def test_who_left_in_order_is_not_fenced_and_a_replaced_core_knows_it() -> None:
    gate, view = gate_of()
    hears(gate, view, t="shutdone", src="beta", seq="7")
    [entry] = gate.safe_nodes()
    assert (entry.node, entry.has_left) == (BETA, True)
    assert released(dies(gate, view, BETA)) == [death(BETA)]
    again, _ = gate_of(safe=[entry])
    beta = NodeView(BETA, NodeKind.NORMAL, status=NodeStatus.DEAD, last_heard_ms=HEARD_MS)
    seen, effects = again.on_view(
        MembershipView(ALPHA, (beta,), is_communication_up=True), DEAD_MS, is_holding=False
    )
    assert seen.is_communication_up
    assert [order.action for order in asked(effects)] == [FenceAction.MONITOR]


def test_who_left_and_is_up_again_is_fenced_when_it_dies() -> None:
    gate, view = gate_of()
    hears(gate, view, t="shutdone", src="beta", seq="7")
    up = replace(death(BETA), old=NodeStatus.INIT, new=NodeStatus.UP, reason=StatusReason.HEARD)
    gate.on_membership(up, fold(view, up), DEAD_MS, is_holding=True)  # a new link process's word
    assert released(dies(gate, view, BETA)) == []


def test_a_node_that_cannot_stop_something_is_fenced_if_it_asks_for_it() -> None:
    gate, view = gate_of()
    [order] = asked(hears(gate, view, t="fence_me", src="beta", seq="7", why="webd"))
    assert (order.node, order.action) == (BETA, FenceAction.REBOOT)
    effects = gate.on_done(done(order), HEARD_MS + 10)
    assert ConfirmOff(BETA) in effects
    assert released(dies(gate, view, BETA)) == [death(BETA)]


def test_people_may_not_fence_this_node_nor_one_without_a_device() -> None:
    gate, _ = gate_of()
    assert "does not fence itself" in gate.on_request(ALPHA, FenceAction.OFF, 0).reason
    assert "no device" in gate.on_request(NodeName("delta"), FenceAction.OFF, 0).reason


def test_the_log_says_it_in_the_words_of_heartbeat() -> None:
    gate, view = gate_of()
    effects = dies(gate, view, BETA)
    [order] = asked(effects)
    lines = [text for e in (order, ConfirmOff(BETA)) for _, text in lines_of_effect(e)]
    assert lines == ["Resetting node beta with [power]", "node beta now reset."]
    unprotected = Broadcast(message_of(t="stonith", node="beta", result="n_stnth"))
    assert len(lines_of_effect(unprotected)) == 2


@pytest.mark.parametrize("kind", [Quorum.VOTES, Quorum.WITNESS, Quorum.PING])
def test_a_person_may_confirm_whom_a_node_that_left_in_order_waits_for(kind: Quorum) -> None:
    gate, view = gate_of(quorum=kind)
    silent = tuple(replace(n, status=NodeStatus.INIT) if n.node == BETA else n for n in view.nodes)
    waits = replace(view, nodes=silent, quorum=QuorumView(kind=kind.value, waits_for=(BETA,)))
    gate.on_view(waits, 1_000, is_holding=False)
    verdict = gate.on_confirm(BETA, DEAD_MS)
    assert verdict.is_accepted
    assert ConfirmOff(BETA) in verdict.effects
    assert not [e for e in verdict.effects if isinstance(e, RunFencing)], "its device is left alone"
    dead = gate.on_membership(death(BETA), waits, DEAD_MS, is_holding=False)
    assert Released(death(BETA)) in dead, "what was confirmed is not fenced"


def test_a_node_that_is_waited_for_and_heard_is_not_confirmed_off() -> None:
    gate, view = gate_of(quorum=Quorum.VOTES)
    waits = replace(view, quorum=QuorumView(kind="votes", waits_for=(BETA,)))
    gate.on_view(waits, 1_000, is_holding=False)
    assert gate.on_confirm(BETA, 2_000) == Verdict(reason="beta is not off: it is heard")


def test_nobody_is_confirmed_off_for_whom_nobody_waits() -> None:
    gate, view = gate_of(nodes=(ALPHA, BETA, GAMMA), quorum=Quorum.VOTES)
    silent = tuple(replace(n, status=NodeStatus.INIT) for n in view.nodes)
    waits = replace(view, nodes=silent, quorum=QuorumView(kind="votes", waits_for=(BETA,)))
    gate.on_view(waits, 1_000, is_holding=False)
    verdict = gate.on_confirm(GAMMA, 2_000)
    assert "nobody waits for gamma" in verdict.reason
    assert verdict.effects == ()
