"""A simulated cluster that runs the real cores. One seed, one history.

Time is a number, the network a heap of deliveries, and every choice comes from one Random.
Running the same seed twice gives the same log, byte for byte.
"""

from __future__ import annotations

import heapq
import random
from typing import TYPE_CHECKING, Final

from everbeat.model.cluster import AuthKey, AuthKeys
from everbeat.sim.checkers import ForwardOnly, OnceOnly
from everbeat.sim.machine import Disk, Factory, Machine
from everbeat.sim.network import Network

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from everbeat.model.cluster import HaConfig, ResourceGroup
    from everbeat.model.members import MembershipFact
    from everbeat.model.names import NodeName

STEPS_MAX: Final = 400_000  # of one call; a history that needs more is looping
KEYS: Final = AuthKeys(1, (AuthKey(1, "crc"),))  # the cheapest: authentication is not the subject


class World:
    """All machines, the wires between them and the clock over them."""

    def __init__(
        self,
        configs: Iterable[HaConfig],
        groups: tuple[ResourceGroup, ...],
        seed: int,
        factory: Factory | None = None,
    ) -> None:
        self.now_ms = 1_000
        self.log: list[str] = []
        self.random = random.Random(seed)  # noqa: S311 - not for secrets
        self.network = Network(self.random)
        self._queue: list[tuple[int, int, Callable[[], None]]] = []
        self._sequence = 0
        self._once_only = OnceOnly()
        self._forward_only = ForwardOnly()
        self.machines: dict[NodeName, Machine] = {}
        for index, config in enumerate(configs):
            disk = Disk(uuid=bytes([index + 1]) * 16, generation=1_000)
            self.machines[config.node] = Machine(
                self, config, KEYS, groups, self.random, disk, factory or Factory()
            )

    def run_until(self, end_ms: int) -> None:
        """Let the world live until `end_ms`."""
        for _ in range(STEPS_MAX):
            if not self._queue or self._queue[0][0] > end_ms:
                self.now_ms = end_ms
                return
            self.now_ms, _, act = heapq.heappop(self._queue)
            act()
        raise AssertionError(f"no end after {STEPS_MAX} steps at {self.now_ms} ms")

    def after(self, delay_ms: int, act: Callable[[], None]) -> None:
        """Call `act` later."""
        self._sequence += 1
        heapq.heappush(self._queue, (self.now_ms + max(0, delay_ms), self._sequence, act))

    def transmit(self, sender: NodeName, media: Sequence[int], data: bytes) -> None:
        """Carry a datagram to every other machine on each medium."""
        for medium in media:
            for receiver, machine in self.machines.items():
                if receiver != sender:
                    for delay_ms in self.network.arrivals(sender, receiver, medium):
                        self._deliver(machine, medium, data, sender, delay_ms)

    def note(self, node: NodeName, text: str) -> None:
        """Write a line to the log."""
        self.log.append(f"{self.now_ms:>8} {node}: {text}")

    def observe(self, node: NodeName, fact: MembershipFact) -> None:
        """Show a fact to the checkers."""
        self._once_only.on_fact(node, self.machines[node].link_life, fact)

    def observe_generation(self, node: NodeName, generation: int) -> None:
        """Show a generation in use to the checkers."""
        self._forward_only.on_generation(node, generation)

    def _deliver(
        self, machine: Machine, medium: int, data: bytes, source: str, delay_ms: int
    ) -> None:
        self.after(delay_ms, lambda: machine.hear(medium, data, source))
