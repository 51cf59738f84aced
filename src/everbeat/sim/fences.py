"""Histories of a pair with fencing and nothing else: never two holders, whatever the devices do.

Machines are cut apart, crash, hang and restart; devices refuse, hang, or do their work and do not
say so. At the end, with working devices, every group is held once.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from everbeat.model.cluster import AutoFailback, Quorum
from everbeat.model.fencing import FenceDevice
from everbeat.sim.agents import Manner
from everbeat.sim.cluster import configs_for, groups_for, wait_settled
from everbeat.sim.devices import DeviceManner, SimulatedDevices
from everbeat.sim.world import World

if TYPE_CHECKING:
    from collections.abc import Callable

    from everbeat.sim.machine import Factory, Machine

TROUBLE_MS: Final = 150_000
FAULT_GAP_MS_MAX: Final = 20_000
PAUSE_MS_MAX: Final = 15_000
STONITH_TIMEOUT_MS: Final = 5_000


def fence_history(seed: int, factory: Factory | None = None) -> World:
    """Run one seeded history; its log tells the story. Raise BrokenPromise for two holders."""
    mode = AutoFailback.OFF if seed % 2 else AutoFailback.ON
    plain = configs_for(2, mode, media_count=1)
    device = FenceDevice(name="power", type="fence_power", hosts=plain[0].nodes)
    listed = FenceDevice(name="plug", type="external/plug")
    configs = [
        replace(
            config,
            quorum=Quorum.FENCING,
            fence_devices=(listed, device) if seed % 3 == 0 else (device,),
            stonith_timeout_ms=STONITH_TIMEOUT_MS,
        )
        for config in plain
    ]
    world = World(configs, groups_for(2), seed, factory, is_exclusive=True)
    world.devices = SimulatedDevices(world, is_by_network=seed % 5 == 0)
    FenceTrouble(world, world.devices).run()
    wait_settled(world)
    return world


class FenceTrouble:
    """Draws faults from the world's Random."""

    def __init__(self, world: World, devices: SimulatedDevices) -> None:
        self._world = world
        self._devices = devices
        self._random = world.random
        self._kinds: tuple[Callable[[Machine], None], ...] = (
            self._cut,
            self._cut,
            self._heal,
            self._crash,
            self._stop,
            self._pause,
            self._devices_change,
            self._devices_change,
            self._crash_link,
            self._crash_core,
            self._crash_executor,
            self._standby,
        )

    def run(self) -> None:
        """Boot all, make trouble for a while, then end every fault."""
        world = self._world
        for machine in world.machines.values():
            world.after(self._random.randrange(3_000), machine.power_on)
        world.run_until(world.now_ms + self._random.randrange(30_000))
        end_ms = world.now_ms + TROUBLE_MS
        while world.now_ms < end_ms:
            machine = list(world.machines.values())[self._random.randrange(len(world.machines))]
            self._kinds[self._random.randrange(len(self._kinds))](machine)
            world.run_until(world.now_ms + self._random.randrange(FAULT_GAP_MS_MAX))
        world.log.append(f"{world.now_ms:>8} --- all faults end")
        world.network.heal()
        self._devices.manner = DeviceManner.WORKING
        for machine in world.machines.values():
            machine.agents.manner = Manner.HONEST
            machine.power_on()
            world.after(PAUSE_MS_MAX, machine.power_on)  # one that was stopping or paused

    def _cut(self, machine: Machine) -> None:
        other = next(name for name in self._world.machines if name != machine.name)
        is_one_way = self._random.randrange(3) == 0
        self._world.network.cut(machine.name, other, is_one_way=is_one_way)
        self._world.note(machine.name, f"cut {'->' if is_one_way else '<->'} {other}")

    def _heal(self, machine: Machine) -> None:
        self._world.network.heal()
        self._world.note(machine.name, "network heals")

    def _crash(self, machine: Machine) -> None:
        machine.power_off()
        self._world.after(self._random.randrange(40_000), machine.power_on)

    def _stop(self, machine: Machine) -> None:
        machine.stop()
        self._world.after(self._random.randrange(40_000), machine.power_on)

    def _pause(self, machine: Machine) -> None:
        machine.pause(self._random.randrange(PAUSE_MS_MAX))

    def _devices_change(self, machine: Machine) -> None:
        manners = list(DeviceManner)
        self._devices.manner = manners[self._random.randrange(len(manners))]
        self._world.note(machine.name, f"devices are {self._devices.manner.name}")

    def _crash_link(self, machine: Machine) -> None:
        machine.crash_link()

    def _crash_core(self, machine: Machine) -> None:
        machine.crash_core()

    def _crash_executor(self, machine: Machine) -> None:
        machine.crash_executor()

    def _standby(self, machine: Machine) -> None:
        machine.ask_standby(("all", "local", "foreign")[self._random.randrange(3)])
