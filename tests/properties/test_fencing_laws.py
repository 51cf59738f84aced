"""Whatever devices, nodes and people do: nothing is taken before it is confirmed off."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from everbeat.fencing.facts import FencingCancelled, FencingRequested, NodeFenced
from everbeat.fencing.fencer import Fencer
from everbeat.journal.timeline import Timeline
from everbeat.model.cluster import HaConfig, Quorum
from everbeat.model.fencing import (
    FenceAction,
    FenceDevice,
    FenceOutcome,
    FencingDone,
    RunFencing,
)
from everbeat.model.members import MembershipView, NodeKind, NodeStatus
from everbeat.model.membership import (
    CommunicationUp,
    MessageReceived,
    NodeAdded,
    NodeRestarted,
    NodeStatusChanged,
    StatusReason,
    fold,
)
from everbeat.model.message import message_of
from everbeat.model.names import NodeName
from everbeat.node.fencing_gate import FencingGate, GateEffect, Released

if TYPE_CHECKING:
    from collections.abc import Iterable

    from everbeat.node.fencing_gate import GateEffect

ALPHA, BETA, GAMMA = NodeName("alpha"), NodeName("beta"), NodeName("gamma")
DEVICES = (
    FenceDevice(name="one", type="fence_x", hosts=(ALPHA, BETA, GAMMA)),
    FenceDevice(name="two", type="null"),
)
POWER = frozenset({FenceAction.OFF, FenceAction.REBOOT})
OUTCOMES = st.sampled_from(list(FenceOutcome))
MOVES = st.lists(
    st.tuples(
        st.sampled_from(
            ["dies", "returns", "restarts", "leaves", "answer", "tick", "confirm", "word", "lost"]
        ),
        st.sampled_from([BETA, GAMMA]),
        OUTCOMES,
        st.integers(0, 90_000),
    ),
    max_size=60,
)


def answer(order: RunFencing, outcome: FenceOutcome) -> FencingDone:
    return FencingDone(
        id=order.id,
        device=order.device.name,
        action=order.action,
        node=order.node,
        outcome=outcome,
        output="",
        started_ms=0,
        ended_ms=0,
        hosts=("alpha", "beta", "gamma") if order.action is FenceAction.LIST else (),
    )


@given(moves=MOVES)
@settings(max_examples=150)
def test_only_done_a_person_or_another_node_confirms(
    moves: list[tuple[str, NodeName, FenceOutcome, int]],
) -> None:
    core = Fencer(DEVICES, timeout_ms=60_000)
    asked: list[RunFencing] = []
    open_nodes: set[NodeName] = set()
    now_ms = 0
    for kind, node, outcome, step_ms in moves:
        now_ms += step_ms
        proof: NodeName | None = None
        effects = []
        match kind:
            case "dies":
                effects = core.on_request(node, FenceAction.REBOOT, "", now_ms)
            case "returns" | "restarts" | "leaves":
                effects = core.on_cancel(node, "", now_ms)
            case "answer" if asked:
                order = asked.pop(step_ms % len(asked))
                is_proof = outcome is FenceOutcome.DONE and order.action in POWER
                proof = order.node if is_proof else None
                effects = core.on_done(answer(order, outcome), now_ms)
            case "tick":
                effects = core.on_tick(now_ms)
            case "confirm":
                proof = node
                effects = core.on_confirm(node, "root", now_ms).effects
            case "word":
                proof = node
                effects = core.on_word(node, ALPHA, now_ms)
            case "lost":
                effects = core.on_executor_lost(now_ms)
            case _:
                pass
        for effect in effects:
            match effect:
                case RunFencing():
                    asked.append(effect)
                case FencingRequested(node=requested):
                    open_nodes.add(requested)
                case FencingCancelled(node=cancelled):
                    open_nodes.discard(cancelled)
                case NodeFenced(node=fenced):
                    assert fenced == proof
                    assert fenced in open_nodes
                    open_nodes.discard(fenced)
                case _:
                    pass
        # the facts tell everything: what is open, and that something is being done about it
        assert {entry.node for entry in core.view().nodes if entry.is_open} == open_nodes
        is_busy = core.next_wakeup_ms() is not None or any(o.node in open_nodes for o in asked)
        assert not open_nodes or is_busy


@dataclass
class _World:
    """A gate, what it was told, and what it let through."""

    gate: FencingGate
    view: MembershipView
    now_ms: int = 100_000
    sequence: int = 0
    asked: list[RunFencing] = field(default_factory=list)
    known_dead: set[NodeName] = field(default_factory=set)  # to the manager
    safe: set[NodeName] = field(default_factory=set)  # by order or confirmation, not heard since
    is_let_in: bool = False

    def take(self, effects: Iterable[GateEffect]) -> None:
        for effect in effects:
            match effect:
                case RunFencing():
                    self.asked.append(effect)
                case Released(NodeStatusChanged(node=node, new=NodeStatus.DEAD)):
                    assert node in self.safe, f"{node} was released"
                    self.known_dead.add(node)
                case Released(NodeStatusChanged(node=node)):
                    self.known_dead.discard(node)
                case Released(CommunicationUp()):
                    self.is_let_in = True
                    assert self.silent() <= self.known_dead
                case _:
                    pass

    def silent(self) -> set[NodeName]:
        return {n.node for n in self.view.peers() if n.status is NodeStatus.DEAD}

    def waiting(self) -> set[NodeName]:
        return {entry.node for entry in self.gate.view().nodes if entry.is_open}

    def tell(self, fact: object) -> None:
        self.view = fold(self.view, fact)  # type: ignore[arg-type] # facts of membership
        self.take(self.gate.on_membership(fact, self.view, self.now_ms, is_holding=False))  # type: ignore[arg-type] # the same

    def say(self, source: NodeName, **fields: str) -> None:
        self.sequence += 1
        message = message_of(src=source, hg="1", seq=f"{self.sequence:x}", **fields)
        self.tell(MessageReceived(message, self.now_ms))

    def becomes(self, node: NodeName, status: NodeStatus) -> None:
        known = self.view.node(node)
        assert known is not None
        if known.status is status:
            return
        self.tell(
            NodeStatusChanged(
                node=node,
                old=known.status,
                new=status,
                reason=StatusReason.DEADTIME,
                last_heard_ms=self.now_ms if status is NodeStatus.ACTIVE else known.last_heard_ms,
                at_ms=self.now_ms,
            )
        )


def _world(quorum: Quorum, nodes: tuple[NodeName, ...]) -> _World:
    config = HaConfig(node=ALPHA, nodes=nodes, fence_devices=DEVICES, quorum=quorum)
    view = MembershipView(ALPHA)
    for node in nodes:
        view = fold(view, NodeAdded(node, NodeKind.NORMAL))
    return _World(FencingGate(config, Timeline(ALPHA), 1), view)


@given(moves=MOVES, quorum=st.sampled_from([Quorum.FENCING, Quorum.VOTES]))
@settings(max_examples=200)
def test_the_manager_hears_of_no_death_that_is_not_safe(
    moves: list[tuple[str, NodeName, FenceOutcome, int]], quorum: Quorum
) -> None:
    world = _world(quorum, (ALPHA, BETA, GAMMA))
    for kind, node, outcome, step_ms in moves:
        world.now_ms += step_ms
        match kind:
            case "dies":
                world.becomes(node, NodeStatus.DEAD)
            case "returns":
                if world.view.node(node).status is NodeStatus.DEAD:  # type: ignore[union-attr] # known
                    world.safe.discard(node)
                world.becomes(node, NodeStatus.ACTIVE)
            case "restarts":
                world.safe.discard(node)
                world.tell(NodeRestarted(node, 2, world.now_ms))
                world.becomes(node, NodeStatus.ACTIVE)
            case "leaves":
                if world.view.node(node).status is NodeStatus.ACTIVE:  # type: ignore[union-attr] # known
                    world.say(node, t="shutdone")
                    world.safe.add(node)
            case "answer" if world.asked:
                order = world.asked.pop(step_ms % len(world.asked))
                is_open = order.node in world.waiting()
                if is_open and outcome is FenceOutcome.DONE and order.action in POWER:
                    world.safe.add(order.node)
                world.take(world.gate.on_done(answer(order, outcome), world.now_ms))
            case "confirm":
                world.safe |= world.waiting() & {node}
                world.take(world.gate.on_confirm(node, world.now_ms).effects)
            case "word":
                other = GAMMA if node == BETA else BETA
                world.safe |= world.waiting() & {node}
                world.say(other, t="stonith", node=node, result="OK")
            case "lost":
                world.take(world.gate.on_executor_lost(world.now_ms))
            case _:
                world.take(world.gate.on_tick(world.now_ms))
        if kind == "tick" and step_ms % 2:
            world.tell(CommunicationUp(world.now_ms))
        _check_view(world)


def _check_view(world: _World) -> None:
    """A new link process tells all at once: the same holds for what the manager sees of it."""
    seen, effects = world.gate.on_view(world.view, world.now_ms, is_holding=False)
    world.take(effects)
    for node in seen.peers():
        if node.status is NodeStatus.DEAD:
            assert node.node in world.safe
