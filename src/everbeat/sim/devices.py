"""Simulated fencing devices: the power of all machines, for whoever can reach it.

In: RunFencing of a machine. Out: FencingDone to it, later; meanwhile power goes off, and on again.
A device may work, refuse, hang, or do its work and say that it failed (unknown is not fenced).
Some are reached over the network of the nodes: cut off from its victim, nobody can switch it off.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from functools import partial
from typing import TYPE_CHECKING, Final

from everbeat.model.fencing import FenceAction, FenceOutcome, FencingDone

if TYPE_CHECKING:
    from everbeat.model.fencing import RunFencing
    from everbeat.model.names import NodeName
    from everbeat.sim.machine import Machine
    from everbeat.sim.world import World

ANSWER_MS_MAX: Final = 3_000
BOOT_MS_MAX: Final = 20_000
_POWER: Final = frozenset({FenceAction.OFF, FenceAction.REBOOT})


class DeviceManner(Enum):
    """How the devices behave."""

    WORKING = auto()
    FAILING = auto()  # says no and does nothing
    HANGING = auto()  # ended at its limit, having done nothing
    DOUBTFUL = auto()  # does it, and is ended at its limit before it says so


@dataclass(slots=True)
class SimulatedDevices:
    """All devices of a world. `is_by_network`: reached over the nodes' network."""

    world: World
    manner: DeviceManner = DeviceManner.WORKING
    is_by_network: bool = False
    fenced_count: int = 0

    def ask(self, asker: Machine, order: RunFencing) -> None:
        """Take an order; the answer comes later, if the asker then still lives."""
        began_ms = asker.clock_ms()
        is_hanging = self.manner in {DeviceManner.HANGING, DeviceManner.DOUBTFUL}
        if is_hanging or not self._is_reached(asker.name, order.node):
            if self.manner is DeviceManner.DOUBTFUL and self._is_reached(asker.name, order.node):
                self._act(order)
            self._answer(asker, order, FenceOutcome.TIMEOUT, began_ms, order.timeout_ms)
            return
        delay_ms = 50 + self.world.random.randrange(ANSWER_MS_MAX)
        self.world.after(delay_ms, partial(self._finish, asker, order, began_ms))

    def _finish(self, asker: Machine, order: RunFencing, began_ms: int) -> None:
        if self.manner is not DeviceManner.WORKING:
            self._answer(asker, order, FenceOutcome.FAILED, began_ms, 0)
            return
        self._act(order)
        self._answer(asker, order, FenceOutcome.DONE, began_ms, 0)

    def _act(self, order: RunFencing) -> None:
        if order.action not in _POWER:
            return
        victim = self.world.machines[order.node]
        victim.power_off()
        self.world.note(order.node, f"is fenced ({order.action.value})")
        self.fenced_count += 1
        if order.action is FenceAction.REBOOT:
            self.world.after(1_000 + self.world.random.randrange(BOOT_MS_MAX), victim.power_on)

    def _answer(
        self,
        asker: Machine,
        order: RunFencing,
        outcome: FenceOutcome,
        began_ms: int,
        delay_ms: int,
    ) -> None:
        life = asker.life

        def tell() -> None:
            if asker.life != life:
                return
            done = FencingDone(
                id=order.id,
                device=order.device.name,
                action=order.action,
                node=order.node,
                outcome=outcome,
                output=outcome.value,
                started_ms=began_ms,
                ended_ms=asker.clock_ms(),
                hosts=tuple(self.world.machines),
            )
            asker.on_executor_fact(done)

        self.world.after(delay_ms, tell)

    def _is_reached(self, asker: NodeName, victim: NodeName) -> bool:
        if not self.is_by_network or not victim:
            return True
        return (asker, victim) not in self.world.network.cuts
