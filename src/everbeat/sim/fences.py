"""Histories of a pair with fencing and nothing else: never two holders, whatever the devices do.

Machines are cut apart, crash, hang and restart; devices refuse, hang, or do their work and do not
say so. At the end, with working devices, every group is held once.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from everbeat.model.cluster import Quorum
from everbeat.model.fencing import FenceDevice
from everbeat.model.groups import AutoFailback
from everbeat.sim.cluster import configs_for, groups_for, wait_settled
from everbeat.sim.devices import SimulatedDevices
from everbeat.sim.faults import Faults
from everbeat.sim.world import World

if TYPE_CHECKING:
    from everbeat.sim.machine import Factory, Machine

STONITH_TIMEOUT_MS: Final = 5_000


def fence_history(seed: int, factory: Factory | None = None) -> World:
    """Run one seeded history; its log tells the story. Raise BrokenPromise for two holders."""
    mode = AutoFailback.OFF if seed % 2 else AutoFailback.ON
    mode = AutoFailback.LEGACY if seed % 5 == 1 else mode
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
    FenceTrouble(world).run()
    wait_settled(world)
    return world


class FenceTrouble(Faults):
    """Cuts between the two, and devices of all manners."""

    trouble_ms = 180_000

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._kinds = (
            self._cut,
            self._cut,
            self._heal,
            self._crash,
            self._stop,
            self._pause,
            self._devices,
            self._devices,
            self._crash_link,
            self._crash_core,
            self._crash_executor,
            self._standby,
        )

    def _cut(self, machine: Machine) -> None:
        other = next(name for name in self._partners() if name != machine.name)
        is_one_way = self._random.randrange(3) == 0
        self._world.network.cut(machine.name, other, is_one_way=is_one_way)
        self._world.note(machine.name, f"cut {'->' if is_one_way else '<->'} {other}")
