"""A seeded stretch of trouble: what goes wrong when, and the return to order after it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from everbeat.sim.agents import Manner
from everbeat.sim.devices import DeviceManner

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from everbeat.model.names import NodeName
    from everbeat.sim.machine import Machine
    from everbeat.sim.world import World

PAUSE_MS_MAX: Final = 15_000


class Faults:
    """What all histories know of trouble. A kind of history chooses, and adds its own."""

    trouble_ms = 150_000
    gap_ms_max = 20_000
    later_ms_max = 40_000
    """After at most so long a machine that went off is switched on again."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._random = world.random
        self._kinds: tuple[Callable[[Machine], None], ...] = ()  # twice there: twice as likely

    def run(self) -> None:
        """Boot all, make trouble for a while, then end every fault. The bound counts from here."""
        world = self._world
        for machine in world.machines.values():
            world.after(self._random.randrange(3_000), machine.power_on)
        end_ms = world.now_ms + self.trouble_ms
        world.run_until(world.now_ms + self._random.randrange(30_000))
        while world.now_ms < end_ms:
            machine = list(world.machines.values())[self._random.randrange(len(world.machines))]
            self._kinds[self._random.randrange(len(self._kinds))](machine)
            world.run_until(world.now_ms + self._random.randrange(self.gap_ms_max))
        self.end()

    def end(self) -> None:
        """Bring everything back to order."""
        world = self._world
        world.log.append(f"{world.now_ms:>8} --- all faults end")
        world.network.heal()
        if world.devices is not None:
            world.devices.manner = DeviceManner.WORKING
        for machine in world.machines.values():
            machine.agents.manner = Manner.HONEST
            machine.disk.is_full = False
            machine.power_on()
            world.after(PAUSE_MS_MAX, machine.power_on)  # one that was stopping or paused

    def _crash(self, machine: Machine) -> None:
        machine.power_off()
        self._later_on(machine)

    def _stop(self, machine: Machine) -> None:
        machine.stop()
        self._later_on(machine)

    def _later_on(self, machine: Machine) -> None:
        self._world.after(self._random.randrange(self.later_ms_max), machine.power_on)

    def _cut(self, machine: Machine) -> None:
        others = [name for name in self._partners() if name != machine.name]
        other = others[self._random.randrange(len(others))]
        is_one_way = self._random.randrange(3) == 0
        self._world.network.cut(machine.name, other, is_one_way=is_one_way)
        arrow = "->" if is_one_way else "<->"
        self._world.note(machine.name, f"cut {machine.name} {arrow} {other}")

    def _partners(self) -> tuple[NodeName, ...]:
        """Return everybody on the network whom one may stop hearing."""
        return tuple(self._world.machines)

    def _heal(self, machine: Machine) -> None:
        self._world.network.heal()
        self._world.note(machine.name, "network heals")

    def _noise(self, machine: Machine) -> None:
        network = self._world.network
        network.loss_permille = self._random.randrange(300)
        network.duplicate_permille = self._random.randrange(300)
        network.delay_ms_max = 1 + self._random.randrange(400)
        self._world.note(machine.name, f"loss {network.loss_permille} permille")

    def _devices(self, machine: Machine) -> None:
        assert self._world.devices is not None
        manners = list(DeviceManner)
        self._world.devices.manner = manners[self._random.randrange(len(manners))]
        self._world.note(machine.name, f"devices are {self._world.devices.manner.name}")

    def _crash_link(self, machine: Machine) -> None:
        machine.crash_link()

    def _crash_core(self, machine: Machine) -> None:
        machine.crash_core()

    def _crash_executor(self, machine: Machine) -> None:
        machine.crash_executor()

    def _pause(self, machine: Machine) -> None:
        machine.pause(self._random.randrange(PAUSE_MS_MAX))

    def _misbehave(self, machine: Machine, manners: Sequence[Manner] = tuple(Manner)) -> None:
        machine.agents.manner = manners[self._random.randrange(len(manners))]
        self._world.note(machine.name, f"scripts are {machine.agents.manner.name}")

    def _standby(self, machine: Machine) -> None:
        machine.ask_standby(("all", "local", "foreign")[self._random.randrange(3)])

    def _takeover(self, machine: Machine) -> None:
        machine.ask_takeover(("all", "local", "foreign")[self._random.randrange(3)])


class Trouble(Faults):
    """The trouble of usual histories: services die and scripts lie as well, wall clocks jump."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._kinds = (
            self._crash,
            self._crash,
            self._stop,
            self._cut,
            self._cut,
            self._heal,
            self._noise,
            self._crash_link,
            self._crash_core,
            self._crash_executor,
            self._die,
            self._die,
            self._pause,
            self._misbehave,
            self._standby,
            self._takeover,
            self._jump,
        )

    def end(self) -> None:
        """Bring everything back to order, and let nobody stand still any longer."""
        now_ms = self._world.now_ms
        for machine in self._world.machines.values():
            machine.paused_until_ms = min(machine.paused_until_ms, now_ms)
        super().end()

    def _die(self, machine: Machine) -> None:
        number, chance = self._random.randrange(100), self._random.randrange(2)
        machine.kill_service(number, is_noticed=chance == 0)

    def _jump(self, machine: Machine) -> None:
        machine.wall_offset_s += self._random.randrange(7_200) - 3_600
        self._world.note(machine.name, "the wall clock jumps")
