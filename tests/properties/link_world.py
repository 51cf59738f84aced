"""Link nodes joined by a lossy wire: a heap of events, one seeded source of chance."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field, replace
from random import Random
from typing import TYPE_CHECKING

from everbeat.adapters.cipher import cipher_for
from everbeat.membership.identity import KnownLife, continuing_identity
from everbeat.model.cluster import HaConfig, Medium, MediumKind, Timing
from everbeat.model.keys import AuthKey, AuthKeys
from everbeat.model.members import MembershipView
from everbeat.model.membership import MessageReceived, fold
from everbeat.model.names import LinkName, NodeName
from everbeat.node.link_effects import PersistLives
from everbeat.node.link_node import (
    Identity,
    LinkEffect,
    LinkNode,
    PersistGeneration,
    ReserveSequence,
    Transmit,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from everbeat.model.membership import MembershipFact, MembershipOrder

KEYS = AuthKeys(1, (AuthKey(1, "sha1", b"TopSecretKey"),))
TIMING = Timing(
    keepalive_ms=500, deadtime_ms=2_000, warntime_ms=1_000, initdead_ms=6_000, deadping_ms=2_000
)
LATENCY_MS = 1
TICKS_MAX = 3


def bcast(interface: str) -> Medium:
    return Medium(kind=MediumKind.BCAST, link=LinkName(interface), interface=interface)


def config_of(
    node: str,
    nodes: tuple[str, ...] = ("alpha", "beta"),
    media: tuple[Medium, ...] = (bcast("eth0"),),
    timing: Timing = TIMING,
    **others: object,
) -> HaConfig:
    names = tuple(NodeName(name) for name in nodes)
    return HaConfig(node=NodeName(node), nodes=names, media=media, timing=timing, **others)  # type: ignore[arg-type] # checked by the tests that pass them


def identity_of(node: str, generation: int = 100, **others: object) -> Identity:
    uuid = node.encode().ljust(16, b"\x01")
    return Identity(uuid=uuid, generation=generation, **others)  # type: ignore[arg-type] # checked by the tests that pass them


@dataclass
class Faults:
    """What the wire does; permille each."""

    loss: int = 0
    duplication: int = 0
    delay_ms_max: int = 0
    cut: set[frozenset[str]] = field(default_factory=set)


@dataclass
class Machine:
    """A node in the world, with all it ever told."""

    node: LinkNode
    is_alive: bool = True
    facts: list[MembershipFact] = field(default_factory=list)
    sent: list[bytes] = field(default_factory=list)
    generation: int = 0
    reserved: int = 0
    known: tuple[KnownLife, ...] = ()


class World:
    """All media are broadcast segments that everybody is on."""

    def __init__(self, seed: int, now_ms: int = 1_000_000, keys: AuthKeys = KEYS) -> None:
        self.keys = keys
        self.random = Random(seed)  # noqa: S311 - repeatable on purpose
        self.now_ms = now_ms
        self.faults = Faults()
        self.machines: dict[str, Machine] = {}
        self._configs: dict[str, HaConfig] = {}
        self._deliveries: list[tuple[int, int, str, int, bytes, str]] = []
        self._count = 0

    def start(self, config: HaConfig, identity: Identity | None = None) -> LinkNode:
        name = str(config.node)
        identity = identity or identity_of(name)
        node = LinkNode(config, self.keys, identity, self.random, cipher_for(self.keys))
        self.machines[name] = Machine(node, generation=identity.generation)
        self._configs[name] = config
        node.on_surroundings(1_700_000_000, "0.10 0.20")
        self.carry_out(name, node.on_start(self.now_ms))
        return node

    def replace_link(self, name: str) -> None:
        """Let another link process go on, as the keeper does."""
        former = self.machines[name]
        identity = continuing_identity(identity_of(name).uuid, former.generation, former.reserved)
        identity = replace(identity, known=former.known)
        node = LinkNode(
            self._configs[name], self.keys, identity, self.random, cipher_for(self.keys)
        )
        former.node, former.is_alive = node, True
        node.on_surroundings(1_700_000_000, "0.10 0.20")
        self.carry_out(name, node.on_start(self.now_ms))

    def play(self, name: str, data: bytes) -> None:
        """Let somebody on the wire say something to a node."""
        self.carry_out(name, self.machines[name].node.on_datagram(0, data, "?", self.now_ms))

    def stop(self, name: str) -> None:
        self.machines[name].is_alive = False

    def order(self, name: str, order: MembershipOrder) -> None:
        self.carry_out(name, self.machines[name].node.on_order(order, self.now_ms))

    def run_until(self, end_ms: int) -> None:
        """Let every node sleep exactly until its next wake-up or datagram."""
        while True:
            wakeups = [
                (wakeup, name)
                for name, machine in self.machines.items()
                if machine.is_alive and (wakeup := machine.node.next_wakeup_ms()) is not None
            ]
            wakeup_ms, sleeper = min(wakeups, default=(end_ms + 1, ""))
            arrival_ms = self._deliveries[0][0] if self._deliveries else end_ms + 1
            if min(wakeup_ms, arrival_ms) > end_ms:
                self.now_ms = end_ms
                return
            self.now_ms = max(self.now_ms, min(wakeup_ms, arrival_ms))
            if arrival_ms <= wakeup_ms:
                self._deliver(heapq.heappop(self._deliveries))
            else:
                node = self.machines[sleeper].node
                self._tick(sleeper, node)

    def run_for(self, duration_ms: int) -> None:
        self.run_until(self.now_ms + duration_ms)

    def carry_out(self, name: str, effects: Iterable[LinkEffect]) -> None:
        machine = self.machines[name]
        for effect in effects:
            match effect:
                case Transmit(media, data):
                    machine.sent.append(data)
                    self._transmit(name, media, data)
                case PersistGeneration(generation):
                    machine.generation = generation
                case PersistLives(known):
                    machine.known = known
                case ReserveSequence(up_to):
                    machine.reserved = up_to
                case _:
                    machine.facts.append(effect)

    def received(self, name: str, kind: str) -> list[str]:
        """Return field `n` of all messages of a type that a node delivered, in order."""
        return [
            fact.message.text("n") or ""
            for fact in self.machines[name].facts
            if isinstance(fact, MessageReceived) and fact.message.type == kind
        ]

    def assert_facts_are_complete(self) -> None:
        for name, machine in self.machines.items():
            view = MembershipView(NodeName(name))
            for fact in machine.facts:
                view = fold(view, fact)
            assert view == machine.node.view()

    def _tick(self, name: str, node: LinkNode) -> None:
        """Tick until the next wake-up moves on: one tick may shorten a limit, no more."""
        for _ in range(TICKS_MAX):
            self.carry_out(name, node.on_tick(self.now_ms))
            wakeup_ms = node.next_wakeup_ms()
            assert wakeup_ms is not None
            if wakeup_ms > self.now_ms:
                return
        raise AssertionError("ticks do not move the next wake-up on")

    def _transmit(self, name: str, media: tuple[int, ...], data: bytes) -> None:
        for target in self.machines:
            if target == name or frozenset((name, target)) in self.faults.cut:
                continue
            for medium in media or (0,):
                copies = 1 + (self.random.randrange(1000) < self.faults.duplication)
                for _ in range(copies):
                    if self.random.randrange(1000) < self.faults.loss:
                        continue
                    delay_ms = LATENCY_MS + self.random.randrange(self.faults.delay_ms_max + 1)
                    self._count += 1
                    arrival = (self.now_ms + delay_ms, self._count, target, medium, data, name)
                    heapq.heappush(self._deliveries, arrival)

    def _deliver(self, delivery: tuple[int, int, str, int, bytes, str]) -> None:
        _, _, target, medium, data, source = delivery
        machine = self.machines[target]
        if machine.is_alive:
            self.carry_out(target, machine.node.on_datagram(medium, data, source, self.now_ms))
