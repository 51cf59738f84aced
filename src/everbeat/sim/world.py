"""A simulated cluster that runs the real cores. One seed, one history.

Time is a number, the network a heap of deliveries, and every choice comes from one Random.
Running the same seed twice gives the same log, byte for byte.
"""

from __future__ import annotations

import heapq
import random
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from everbeat.model.keys import AuthKey, AuthKeys
from everbeat.sim.checkers import ForwardOnly, NewestOnly, OnceOnly, check_no_two_hold
from everbeat.sim.machine import Disk, Factory, Machine
from everbeat.sim.network import SWITCH, WITNESS, WITNESS_PATH, Network

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from everbeat.model.cluster import HaConfig
    from everbeat.model.fencing import RunFencing
    from everbeat.model.groups import ResourceGroup
    from everbeat.model.membership import MembershipFact
    from everbeat.model.names import NodeName
    from everbeat.model.quorum import WitnessAsk
    from everbeat.ports.cipher import Cipher
    from everbeat.sim.adversary import Adversary
    from everbeat.sim.devices import SimulatedDevices
    from everbeat.sim.witness import SimulatedWitness

STEPS_MAX: Final = 400_000  # of one call; a history that needs more is looping


_CRC: Final = AuthKeys(1, (AuthKey(1, "crc"),))  # the cheapest: mostly it is not the subject


@dataclass(frozen=True, slots=True)
class Seals:
    """How the machines of a world seal what they say; the cipher for keys of aes-siv."""

    keys: AuthKeys = _CRC
    cipher: Cipher | None = None


class World:
    """All machines, the wires between them and the clock over them."""

    def __init__(
        self,
        configs: Iterable[HaConfig],
        groups: tuple[ResourceGroup, ...],
        seed: int,
        factory: Factory | None = None,
        *,
        seals: Seals = Seals(),
        is_exclusive: bool = False,
    ) -> None:
        """Build the machines; `is_exclusive`: two holders of a group are a broken promise."""
        self.now_ms = 1_000
        self.log: list[str] = []
        self.random = random.Random(seed)  # noqa: S311 - not for secrets
        self.network = Network(self.random)
        self._queue: list[tuple[int, int, Callable[[], None]]] = []
        self._sequence = 0
        self.is_exclusive = is_exclusive
        self.witness: SimulatedWitness | None = None
        self.devices: SimulatedDevices | None = None
        self.adversary: Adversary | None = None
        self._once_only = OnceOnly()
        self._forward_only = ForwardOnly()
        self._newest_only = NewestOnly()
        self.machines: dict[NodeName, Machine] = {}
        for index, config in enumerate(configs):
            disk = Disk(uuid=bytes([index + 1]) * 16, generation=1_000)
            self.machines[config.node] = Machine(
                self, config, seals.keys, groups, self.random, disk, factory or Factory()
            )
            self.machines[config.node].cipher = seals.cipher

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
            if self.machines[sender].config.media[medium].kind.is_ping:
                self._echo(sender, medium, data)
                continue
            if self.adversary is not None:
                self.adversary.on_datagram(sender, medium, data)
            for receiver, machine in self.machines.items():
                if receiver != sender:
                    for delay_ms in self.network.arrivals(sender, receiver, medium):
                        self._deliver(machine, medium, data, sender, delay_ms)

    def _echo(self, sender: NodeName, medium: int, data: bytes) -> None:
        """Answer a ping if it arrives and its echo does."""
        there = self.network.arrivals(sender, SWITCH, medium)
        back = self.network.arrivals(SWITCH, sender, medium)
        if there and self.adversary is not None:
            self.adversary.on_datagram(SWITCH, medium, data)
        if there and back:
            self._deliver(self.machines[sender], medium, data, SWITCH, there[0] + back[0])

    def ask_witness(self, ask: WitnessAsk) -> None:
        """Carry a question to the witness, and its answer back."""
        if self.witness is None:
            return
        if self.adversary is not None:
            self.adversary.on_question(ask)
        for delay_ms in self.network.arrivals(ask.node, WITNESS, WITNESS_PATH):
            self.after(delay_ms, lambda: self.reach_witness(ask))

    def reach_witness(self, ask: WitnessAsk) -> None:
        """Let a question arrive at the witness; the answer goes to the node that it names."""
        witness = self.witness
        if witness is None:
            return
        for reply in witness.on_ask(ask, self.now_ms):
            if self.adversary is not None:
                self.adversary.on_answer(ask.node, reply)
            late_ms = self.random.randrange(witness.late_ms_max + 1)
            for delay_ms in self.network.arrivals(WITNESS, ask.node, WITNESS_PATH):
                machine = self.machines[ask.node]
                self.after(delay_ms + late_ms, partial(machine.hear_witness, reply))

    def ask_device(self, asker: Machine, order: RunFencing) -> None:
        """Carry a question to the fencing devices."""
        if self.devices is not None:
            self.devices.ask(asker, order)

    def observe_holding(self) -> None:
        """Let the checker look who holds what."""
        if self.is_exclusive:
            check_no_two_hold(self.machines.values())

    def note(self, node: NodeName, text: str) -> None:
        """Write a line to the log."""
        self.log.append(f"{self.now_ms:>8} {node}: {text}")

    def observe(self, node: NodeName, fact: MembershipFact) -> None:
        """Show a fact to the checkers."""
        self._once_only.on_fact(node, self.machines[node].link_life, fact)

    def observe_generation(self, node: NodeName, generation: int) -> None:
        """Show a generation in use to the checkers."""
        self._forward_only.on_generation(node, generation)
        if self.adversary is not None:
            self.adversary.on_life(node)

    def next_version(self) -> int:
        """Return the number of the next version of the files."""
        return self._newest_only.next_version()

    def observe_installed(self, node: NodeName, version: int) -> None:
        """Show the files that a node uses from now on to the checkers."""
        self._newest_only.on_installed(node, version)

    def _deliver(
        self, machine: Machine, medium: int, data: bytes, source: str, delay_ms: int
    ) -> None:
        self.after(delay_ms, lambda: machine.hear(medium, data, source))
