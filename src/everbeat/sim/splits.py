"""Histories of splits: what may be cut, lost, paused and restarted, and never two holders.

    votes     three nodes
    witness   two nodes and a witness, which is cut off, dies, restarts and thinks long as well
    ping      two nodes and a switch that answers pings; what fails is a node's cable to it
    none      two nodes and a ping line, which decides nothing: a split makes two holders
    fencing   two nodes and devices that fail, hang and lie; nothing else decides

Every fourth of the others has fencing devices as well: votes first, then fencing, then takeover.
Every fifth pair has auto_failback legacy, which three nodes cannot have.
In every third all processes of a node may be killed at once, executors die and disks are full.
Every clock runs at a rate of its own, up to the bound of ADR 0010; every machine has a watchdog,
which resets it when it stood still for longer than stopping may take, or has not stopped in time.
Ping histories lose no datagrams: beyond cut cables a ping node is no witness.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from everbeat.model.cluster import DRIFT_PERMILLE, Medium, MediumKind, Quorum, Timing, WitnessPlace
from everbeat.model.fencing import FenceDevice
from everbeat.model.groups import AutoFailback
from everbeat.model.names import LinkName
from everbeat.sim.agents import Manner
from everbeat.sim.cluster import configs_for, groups_for, wait_settled
from everbeat.sim.devices import SimulatedDevices
from everbeat.sim.faults import Faults
from everbeat.sim.network import SWITCH, WITNESS
from everbeat.sim.witness import SimulatedWitness
from everbeat.sim.world import World

if TYPE_CHECKING:
    from collections.abc import Callable

    from everbeat.model.cluster import HaConfig
    from everbeat.model.names import NodeName
    from everbeat.sim.machine import Factory, Machine

TIMING: Final = Timing(
    keepalive_ms=1_000,
    deadtime_ms=6_000,
    warntime_ms=3_000,
    initdead_ms=8_000,
    deadping_ms=6_000,
    stoptime_ms=2_200,
)
KINDS: Final = (Quorum.VOTES, Quorum.WITNESS, Quorum.PING, Quorum.FENCING)
STONITH_TIMEOUT_MS: Final = 5_000
RESTART_MS_MAX: Final = 4_000
RATE_PPM_MAX: Final = DRIFT_PERMILLE * 1_000 - 100  # the bound is of first order in the drift


def split_configs(kind: Quorum, mode: AutoFailback, *, has_devices: bool = False) -> list[HaConfig]:
    """Return the ha.cf of each node of such a cluster."""
    count = 3 if kind is Quorum.VOTES else 2
    configs = configs_for(count, mode, media_count=1)
    ping = Medium(kind=MediumKind.PING, link=LinkName(SWITCH), hosts=("192.0.2.1",))
    has_ping = kind in {Quorum.PING, Quorum.NONE}
    media = (*configs[0].media, ping) if has_ping else configs[0].media
    witness = WitnessPlace(WITNESS) if kind is Quorum.WITNESS else None
    device = FenceDevice(name="power", type="fence_power", hosts=configs[0].nodes)
    return [
        replace(
            config,
            timing=TIMING,
            quorum=kind,
            media=media,
            witness=witness,
            fence_devices=(device,) if has_devices else (),
            stonith_timeout_ms=STONITH_TIMEOUT_MS,
        )
        for config in configs
    ]


def split_history(seed: int, kind: Quorum, factory: Factory | None = None) -> World:
    """Run one seeded history; its log tells the story. Raise BrokenPromise for two holders."""
    mode = AutoFailback.OFF if seed % 2 else AutoFailback.ON
    if seed % 5 == 1 and kind is not Quorum.VOTES:
        mode = AutoFailback.LEGACY
    has_devices = kind is Quorum.FENCING or (kind is not Quorum.NONE and seed % 4 == 2)
    configs = split_configs(kind, mode, has_devices=has_devices)
    world = World(configs, groups_for(len(configs)), seed, factory, is_exclusive=True)
    if kind is Quorum.WITNESS:
        world.witness = SimulatedWitness(rate_ppm=_rate(world))
        world.witness.power_on(world.now_ms)
    if has_devices:
        world.devices = SimulatedDevices(world, is_by_network=seed % 5 == 0)
    for machine in world.machines.values():
        machine.disk.ping_proof = machine.config.ping_hosts  # of the weeks before
        machine.rate_ppm, machine.has_own_clock = _rate(world), True
        machine.watchdog_ms = TIMING.stoptime_ms
    SplitTrouble(world, kind, is_hard=seed % 3 == 2).run()
    wait_settled(world)
    return world


def _rate(world: World) -> int:
    return world.random.randrange(2 * RATE_PPM_MAX + 1) - RATE_PPM_MAX


class SplitTrouble(Faults):
    """Mostly cuts."""

    trouble_ms = 100_000
    gap_ms_max = 12_000
    later_ms_max = 30_000

    def __init__(self, world: World, kind: Quorum, *, is_hard: bool = False) -> None:
        super().__init__(world)
        usual: tuple[Callable[[Machine], None], ...] = (
            self._isolate,
            self._isolate,
            self._heal,
            self._heal,
            self._crash,
            self._stop,
            self._crash_link,
            self._crash_core,
            self._pause,
            self._misbehave_openly,
            self._standby,
            self._takeover,
        )
        more = {
            Quorum.VOTES: (self._cut, self._cut, self._noise),
            Quorum.WITNESS: (self._cut, self._cut, self._noise, self._witness, self._witness),
            Quorum.FENCING: (self._cut, self._cut, self._noise),
        }
        devices = (self._devices, self._devices) if world.devices else ()
        hard = (self._kill_all, self._kill_all, self._crash_executor, self._fill_disk)
        self._kinds = (*usual, *more.get(kind, ()), *devices, *(hard if is_hard else ()))

    def end(self) -> None:
        """Bring everything back to order, the witness first."""
        witness = self._world.witness
        if witness is not None:
            witness.late_ms_max = 0
            witness.power_on(self._world.now_ms)
        super().end()

    def _partners(self) -> tuple[NodeName, ...]:
        return (*super()._partners(), WITNESS)

    def _isolate(self, machine: Machine) -> None:
        """Cut a machine's cable to the switch, rarely one direction of it alone."""
        direction = self._random.randrange(6)
        for other in (*self._partners(), SWITCH):
            if other == machine.name:
                continue
            if direction != 0:
                self._world.network.cuts.add((machine.name, other))
            if direction != 1:
                self._world.network.cuts.add((other, machine.name))
        how = {0: "hears nobody", 1: "is heard by nobody"}.get(direction, "is cut off")
        self._world.note(machine.name, how)

    def _witness(self, machine: Machine) -> None:
        witness = self._world.witness
        assert witness is not None
        match self._random.randrange(3):
            case 0:
                witness.power_off()
                self._world.note(machine.name, "the witness dies")
                delay_ms = self._random.randrange(20_000)
                self._world.after(delay_ms, lambda: witness.power_on(self._world.now_ms))
            case 1:
                witness.late_ms_max = self._random.randrange(6_000)
                self._world.note(machine.name, f"the witness thinks {witness.late_ms_max} ms")
            case _:
                witness.late_ms_max = 0

    def _kill_all(self, machine: Machine) -> None:
        machine.kill_all(self._random.randrange(RESTART_MS_MAX))

    def _fill_disk(self, machine: Machine) -> None:
        machine.disk.is_full = not machine.disk.is_full
        self._world.note(machine.name, f"disk {'full' if machine.disk.is_full else 'free'}")

    def _misbehave_openly(self, machine: Machine) -> None:
        """Let scripts fail or hang; one that lies makes two holders whatever a cluster does."""
        manners = (Manner.HONEST, Manner.HONEST, Manner.FAILING, Manner.HANGING)
        self._misbehave(machine, manners)
