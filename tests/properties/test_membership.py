"""What must hold of two or three link nodes whatever the wire does to their datagrams."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from everbeat.model.members import NodeStatus
from everbeat.model.membership import (
    Broadcast,
    MessagesMissing,
    NodeRestarted,
    NodeReturned,
    NodeStatusChanged,
    RaiseGeneration,
    StatusReason,
)
from everbeat.model.message import message_of
from everbeat.model.names import NodeName
from properties.link_world import TIMING, Faults, World, config_of, identity_of

ALPHA, BETA = NodeName("alpha"), NodeName("beta")


def status_of(world: World, observer: str, node: NodeName) -> NodeStatus:
    view = world.machines[observer].node.view().node(node)
    assert view is not None
    return view.status


def pair(seed: int) -> World:
    world = World(seed)
    world.start(config_of("alpha"))
    world.run_for(300)
    world.start(config_of("beta"))
    return world


@settings(max_examples=20)
@given(seed=st.integers(0, 2**32), loss=st.integers(0, 350), delay=st.integers(0, 120))
def test_two_nodes_become_active_for_each_other_over_a_lossy_wire(
    seed: int, loss: int, delay: int
) -> None:
    world = World(seed)
    world.faults = Faults(loss=loss, duplication=200, delay_ms_max=delay)
    world.start(config_of("alpha"))
    world.start(config_of("beta"))
    world.run_for(20_000)
    world.faults = Faults()
    world.run_for(3_000)
    for observer in ("alpha", "beta"):
        assert status_of(world, observer, ALPHA) is NodeStatus.ACTIVE
        assert status_of(world, observer, BETA) is NodeStatus.ACTIVE
        assert world.machines[observer].node.view().is_communication_up
    world.assert_facts_are_complete()


@settings(max_examples=20)
@given(seed=st.integers(0, 2**32), loss=st.integers(0, 300), delay=st.integers(0, 150))
def test_every_message_arrives_exactly_once_after_the_loss_stops(
    seed: int, loss: int, delay: int
) -> None:
    world = pair(seed)
    world.run_for(3_000)
    world.faults = Faults(loss=loss, duplication=300, delay_ms_max=delay)
    for number in range(60):
        world.order("alpha", Broadcast(message_of(t="test", n=str(number))))
        world.run_for(20)
    world.faults = Faults()
    world.run_for(4_000)
    lost = [
        fact
        for fact in world.machines["beta"].facts
        if isinstance(fact, MessagesMissing) and fact.is_lost
    ]
    counts = Counter(world.received("beta", "test"))
    assert max(counts.values()) == 1
    if not lost:
        assert sorted(counts, key=int) == [str(number) for number in range(60)]
    assert world.received("alpha", "test") == [str(number) for number in range(60)]


@settings(max_examples=12)
@given(seed=st.integers(0, 2**32), count=st.integers(1, 240))
def test_a_gap_of_up_to_250_messages_fills_after_the_loss_stops(seed: int, count: int) -> None:
    world = pair(seed)
    world.run_for(8_000)
    world.faults.cut = {frozenset(("alpha", "beta"))}
    for number in range(count):
        world.order("alpha", Broadcast(message_of(t="test", n=str(number))))
    world.run_for(700)
    world.faults.cut = set()
    world.run_for(2_500)
    assert sorted(world.received("beta", "test"), key=int) == [str(n) for n in range(count)]


@settings(max_examples=30)
@given(seed=st.integers(0, 2**32), phase_ms=st.integers(0, 999))
def test_a_dead_peer_is_declared_one_millisecond_after_its_deadtime_and_never_before(
    seed: int, phase_ms: int
) -> None:
    world = pair(seed)
    world.run_for(8_000 + phase_ms)
    world.stop("beta")
    facts = world.machines["alpha"].facts
    start = len(facts)
    world.run_for(5_000)
    deaths = [f for f in facts[start:] if isinstance(f, NodeStatusChanged)]
    assert [(f.node, f.new, f.reason) for f in deaths] == [
        (BETA, NodeStatus.DEAD, StatusReason.DEADTIME)
    ]
    assert deaths[0].at_ms == deaths[0].last_heard_ms + TIMING.deadtime_ms + 1


@settings(max_examples=12)
@given(seed=st.integers(0, 2**32), used=st.integers(0, 1_200))
def test_a_restarted_link_process_costs_its_peer_a_gap_and_no_status_change(
    seed: int, used: int
) -> None:
    world = pair(seed)
    world.run_for(8_000)
    for _ in range(used):
        world.order("alpha", Broadcast(message_of(t="test")))
    world.run_for(100)
    reserved = world.machines["alpha"].reserved
    assert reserved > world.machines["alpha"].node._sender.highest
    start = len(world.machines["beta"].facts)
    identity = identity_of("alpha", first_seq=reserved + 252, is_continuing=True, generation=100)
    world.start(config_of("alpha"), identity)
    world.run_for(4_000)
    world.order("alpha", Broadcast(message_of(t="after", n="1")))
    world.run_for(100)
    told = world.machines["beta"].facts[start:]
    assert not [f for f in told if isinstance(f, NodeStatusChanged | NodeRestarted | NodeReturned)]
    assert world.received("beta", "after") == ["1"]
    assert status_of(world, "alpha", BETA) is NodeStatus.ACTIVE


class Cluster(RuleBasedStateMachine):
    """Three nodes under everything a network and its operators do."""

    @initialize(seed=st.integers(0, 2**32))
    def begin(self, seed: int) -> None:
        self.world = World(seed)
        self.names = ("alpha", "beta", "gamma")
        self.generations = dict.fromkeys(self.names, 100)
        self.sent = 0
        self.delivered: Counter[tuple[str, str]] = Counter()
        for name in self.names:
            self.world.start(config_of(name, self.names))

    @rule(
        loss=st.integers(0, 500),
        duplication=st.integers(0, 500),
        delay_ms=st.integers(0, 400),
    )
    def the_wire_changes(self, loss: int, duplication: int, delay_ms: int) -> None:
        cut = self.world.faults.cut
        self.world.faults = Faults(loss, duplication, delay_ms, cut)

    @rule(first=st.sampled_from((0, 1, 2)), second=st.sampled_from((0, 1, 2)))
    def a_path_is_cut_or_mended(self, first: int, second: int) -> None:
        self.world.faults.cut ^= {frozenset((self.names[first], self.names[second]))}

    @rule(duration_ms=st.integers(1, 6_000))
    def time_passes(self, duration_ms: int) -> None:
        self.world.run_for(duration_ms)

    @rule(node=st.sampled_from((0, 1, 2)), count=st.integers(1, 40))
    def a_node_speaks(self, node: int, count: int) -> None:
        if not self.world.machines[self.names[node]].is_alive:
            return
        for _ in range(count):
            self.sent += 1
            order = Broadcast(message_of(t="test", n=str(self.sent)))
            self.world.order(self.names[node], order)

    @rule(node=st.sampled_from((0, 1, 2)))
    def a_node_crashes_and_starts_again(self, node: int) -> None:
        name = self.names[node]
        self.generations[name] = self.world.machines[name].generation + 1
        self._count_deliveries(name)
        identity = identity_of(name, self.generations[name])
        self.world.start(config_of(name, self.names), identity)

    @rule(node=st.sampled_from((0, 1, 2)))
    def a_link_process_is_restarted(self, node: int) -> None:
        name = self.names[node]
        machine = self.world.machines[name]
        self._count_deliveries(name)
        identity = identity_of(
            name,
            machine.generation,
            first_seq=machine.reserved + 252,
            is_continuing=True,
        )
        self.world.start(config_of(name, self.names), identity)
        self.world.machines[name].facts[:0] = []

    @rule(node=st.sampled_from((0, 1, 2)))
    def a_node_raises_its_generation(self, node: int) -> None:
        name = self.names[node]
        if self.world.machines[name].is_alive:
            self.world.order(name, RaiseGeneration())

    @rule(node=st.sampled_from((0, 1, 2)))
    @precondition(lambda self: all(m.is_alive for m in self.world.machines.values()))
    def a_node_dies(self, node: int) -> None:
        self.world.stop(self.names[node])

    def _count_deliveries(self, name: str) -> None:
        """A new process of a node may hear again what its forerunner heard: counted apart."""
        counts = Counter(self.world.received(name, "test"))
        assert max(counts.values(), default=1) == 1

    @invariant()
    def no_message_is_delivered_twice(self) -> None:
        for name in self.names:
            self._count_deliveries(name)

    @invariant()
    def facts_are_complete(self) -> None:
        self.world.assert_facts_are_complete()

    @invariant()
    def the_view_shows_what_the_cores_believe(self) -> None:
        for name, machine in self.world.machines.items():
            for node in machine.node.view().nodes:
                if node.node != name:
                    roster = machine.node._roster
                    assert node.status is roster.liveness.status(node.node)

    @invariant()
    def generations_never_go_back(self) -> None:
        for machine in self.world.machines.values():
            highest: dict[str, int] = {}
            for fact in machine.facts:
                if isinstance(fact, NodeRestarted):
                    assert fact.generation > highest.get(fact.node, 0)
                    highest[fact.node] = fact.generation

    def teardown(self) -> None:
        """When the faults stop, the living agree that they live."""
        if not hasattr(self, "world"):
            return
        self.world.faults = Faults()
        self.world.run_for(20_000)
        alive = [name for name in self.names if self.world.machines[name].is_alive]
        for observer in alive:
            for name in self.names:
                is_active = status_of(self.world, observer, NodeName(name)) is NodeStatus.ACTIVE
                assert is_active == (name in alive), (observer, name)
        self.facts_are_complete()


TestCluster = Cluster.TestCase
TestCluster.settings = settings(max_examples=15, stateful_step_count=12)
