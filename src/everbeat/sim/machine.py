"""One simulated machine: the real link and core nodes, a disk, clocks and scripts.

    wire ⇄ LinkNode ⇄ (a millisecond of IPC) ⇄ CoreNode ⇄ scripts

Power off loses all but the disk. A process that dies alone (link, core) comes back as keeper
would bring it back: link goes on under its generation, core adopts what runs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from everbeat.haresources.effects import EventRecorded, StopFinished
from everbeat.membership.identity import Identity, continuing_identity
from everbeat.model.members import Broadcast, RaiseGeneration
from everbeat.model.operations import RunOperation
from everbeat.node.core_node import CoreNode
from everbeat.node.link_effects import PersistGeneration, ReserveSequence, Transmit
from everbeat.node.link_node import LinkNode
from everbeat.sim.agents import SimulatedAgents

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from random import Random

    from everbeat.model.cluster import AuthKeys, HaConfig, ResourceGroup
    from everbeat.model.members import MembershipFact
    from everbeat.model.names import NodeName
    from everbeat.model.operations import OperationDone
    from everbeat.node.core_node import CoreEffect
    from everbeat.node.link_effects import LinkEffect

IPC_MS: Final = 1
FIRST_WALL_S: Final = 1_700_000_000


class Surroundings(Protocol):
    """What a machine needs of its world."""

    now_ms: int

    def after(self, delay_ms: int, act: Callable[[], None]) -> None:
        """Call `act` later."""
        ...

    def transmit(self, sender: NodeName, media: Sequence[int], data: bytes) -> None:
        """Put a datagram on the wires."""
        ...

    def note(self, node: NodeName, text: str) -> None:
        """Write a line to the log."""
        ...

    def observe(self, node: NodeName, fact: MembershipFact) -> None:
        """Show a fact to the checkers."""
        ...

    def observe_generation(self, node: NodeName, generation: int) -> None:
        """Show a generation in use to the checkers."""
        ...


@dataclass(slots=True)
class Disk:
    """What outlives a power cut."""

    uuid: bytes
    generation: int = 0
    reserved_sequence: int = 0


@dataclass(slots=True)
class Factory:
    """Makes the cores; a test swaps it to show that a checker catches a broken one."""

    link: Callable[[HaConfig, AuthKeys, Identity, Random], LinkNode] = LinkNode
    core: Callable[..., CoreNode] = CoreNode


@dataclass(slots=True)
class Machine:
    """A node's hardware and processes. `life` tells stale callbacks from live ones."""

    world: Surroundings
    config: HaConfig
    keys: AuthKeys
    groups: tuple[ResourceGroup, ...]
    random: Random
    disk: Disk
    factory: Factory
    agents: SimulatedAgents = field(init=False)
    link: LinkNode | None = None
    core: CoreNode | None = None
    life: int = 0
    core_life: int = 0
    link_life: int = 0
    wall_offset_s: int = 0
    paused_until_ms: int = 0

    def __post_init__(self) -> None:
        """Start with nothing running."""
        self.agents = SimulatedAgents(self.random)

    @property
    def name(self) -> NodeName:
        """Return the node's name."""
        return self.config.node

    @property
    def is_up(self) -> bool:
        """Whether the machine runs."""
        return self.link is not None or self.core is not None

    # --- power and processes -----------------------------------------------------------------

    def power_on(self) -> None:
        """Boot and start everything."""
        if self.is_up:
            return
        self.life += 1
        self.agents.running.clear()
        self._group_busy_ms.clear()
        self.disk.generation += 1
        self.start_link(is_continuing=False)
        self.start_core(is_adopting=False)

    def power_off(self) -> None:
        """Lose power: everything but the disk is gone."""
        self.life += 1
        self.link = self.core = None
        self.agents.running.clear()
        self.world.note(self.name, "power off")

    def crash_link(self) -> None:
        """Kill the link process; keeper brings it back at once."""
        if self.link is not None:
            self.link = None
            self.world.note(self.name, "link dies")
            self._later(20, lambda: self.start_link(is_continuing=True))

    def crash_core(self) -> None:
        """Kill the core process; keeper brings it back."""
        if self.core is not None:
            self.core = None
            self.world.note(self.name, "core dies")
            self._later(200, lambda: self.start_core(is_adopting=True))

    def stop(self) -> None:
        """Stop in order, as SIGTERM does."""
        if self.core is not None:
            self.world.note(self.name, "stop")
            self._core_effects(self.core.on_stop(self.world.now_ms))

    def start_link(self, *, is_continuing: bool) -> None:
        """Start the link process."""
        self.link_life += 1
        disk = self.disk
        if is_continuing:
            identity = continuing_identity(disk.uuid, disk.generation, disk.reserved_sequence)
        else:
            identity = Identity(uuid=disk.uuid, generation=disk.generation)
        self.world.observe_generation(self.name, self.disk.generation)
        self.link = self.factory.link(self.config, self.keys, identity, self.random)
        self._surround()
        self._link_effects(self.link.on_start(self.world.now_ms))
        if is_continuing and self.core is not None:
            view, core = self.link.view(), self.core
            self._core_effects(core.on_view(view, self.world.now_ms))

    def start_core(self, *, is_adopting: bool) -> None:
        """Start the core process."""
        if self.link is None and is_adopting:
            self._later(20, lambda: self.start_core(is_adopting=True))
            return
        self.core_life += 1
        self.core = self.factory.core(
            self.config,
            self.groups,
            is_adopting=is_adopting,
            first_operation_id=self.core_life * 1_000_000,
        )
        if self.link is not None:
            self._core_effects(self.core.on_view(self.link.view(), self.world.now_ms))

    # --- inputs ------------------------------------------------------------------------------

    def hear(self, medium: int, data: bytes, source: str) -> None:
        """Take a datagram from the wire; a paused machine hears it when it wakes."""
        if self.world.now_ms < self.paused_until_ms:
            delay_ms = self.paused_until_ms - self.world.now_ms
            self._later(delay_ms, lambda: self.hear(medium, data, source))
        elif self.link is not None:
            self._surround()
            self._link_effects(self.link.on_datagram(medium, data, source, self.world.now_ms))

    def ask_standby(self, word: str) -> None:
        """Run hb_standby here."""
        if self.core is not None:
            reason, effects = self.core.on_standby(word, self.world.now_ms)
            self.world.note(self.name, f"standby {word}: {reason or 'accepted'}")
            self._core_effects(effects)

    def ask_takeover(self, word: str) -> None:
        """Run hb_takeover here."""
        if self.core is not None:
            reason, effects = self.core.on_takeover(word)
            self.world.note(self.name, f"takeover {word}: {reason or 'accepted'}")
            self._core_effects(effects)

    def pause(self, duration_ms: int) -> None:
        """Stop all processes for a while, as a hypervisor may."""
        self.paused_until_ms = self.world.now_ms + duration_ms
        self.world.note(self.name, f"paused for {duration_ms} ms")

    # --- inside ------------------------------------------------------------------------------

    def _surround(self) -> None:
        if self.link is not None:
            wall_s = FIRST_WALL_S + self.world.now_ms // 1_000 + self.wall_offset_s
            self._link_effects(
                self.link.on_surroundings(wall_s, "0.00 0.00 0.00 1/1 1", self.world.now_ms)
            )

    def _link_effects(self, effects: Iterable[LinkEffect]) -> None:
        for effect in effects:
            match effect:
                case Transmit(media, data):
                    self.world.transmit(self.name, media or range(len(self.config.media)), data)
                case PersistGeneration(generation):
                    self.disk.generation = generation
                    self.world.observe_generation(self.name, generation)
                case ReserveSequence(up_to):
                    self.disk.reserved_sequence = up_to
                case fact:
                    self.world.observe(self.name, fact)
                    self._to_core(fact)
        self._arm_link()

    def _to_core(self, fact: MembershipFact) -> None:
        def deliver() -> None:
            if self.core is not None:
                self._core_effects(self.core.on_membership(fact, self.world.now_ms))

        self._later(IPC_MS, deliver)

    def _core_effects(self, effects: Iterable[CoreEffect]) -> None:
        for effect in effects:
            match effect:
                case Broadcast() | RaiseGeneration():
                    self._to_link(effect)
                case RunOperation():
                    self._run(effect)
                case EventRecorded(event):
                    state = "" if event.is_finished else " …"
                    self.world.note(self.name, f"[{event.kind}] {event.text}{state}")
                case StopFinished():
                    self.life += 1
                    self.link = self.core = None
                    self.world.note(self.name, "stopped")
                case _:
                    pass
        self._arm_core()

    def _to_link(self, order: Broadcast | RaiseGeneration) -> None:
        def deliver() -> None:
            if self.link is not None:
                self._surround()
                self._link_effects(self.link.on_order(order, self.world.now_ms))

        self._later(IPC_MS, deliver)

    def _run(self, operation: RunOperation) -> None:
        """Run an operation after those of the same group, as the executor does across cores."""
        started_ms = max(self.world.now_ms, self._group_busy_ms.get(operation.group, 0))
        duration_ms = self.agents.duration_ms(operation)
        self._group_busy_ms[operation.group] = started_ms + duration_ms

        def complete() -> None:
            self._finished(self.agents.run(operation, started_ms, self.world.now_ms))

        self._later(started_ms + duration_ms - self.world.now_ms, complete)

    def _finished(self, done: OperationDone) -> None:
        if self.core is not None:
            self._core_effects(self.core.on_executor(done, self.world.now_ms))

    def _arm_link(self) -> None:
        link = self.link
        due_ms = link.next_wakeup_ms() if link is not None else None
        if link is None or due_ms is None:
            return

        def tick() -> None:
            if self.link is link and link.next_wakeup_ms() is not None:
                self._surround()
                self._link_effects(link.on_tick(self.world.now_ms))

        self._once(("link", self.link_life), due_ms, tick)

    def _arm_core(self) -> None:
        core = self.core
        due_ms = core.next_wakeup_ms() if core is not None else None
        if core is None or due_ms is None:
            return

        def tick() -> None:
            if self.core is core:
                self._core_effects(core.on_tick(self.world.now_ms))

        self._once(("core", self.core_life), due_ms, tick)

    _group_busy_ms: dict[str, int] = field(default_factory=dict[str, int])
    _armed: dict[tuple[str, int], int] = field(default_factory=dict[tuple[str, int], int])

    def _once(self, timer: tuple[str, int], due_ms: int, act: Callable[[], None]) -> None:
        """Keep one timer for each process: a later one replaces an earlier one."""
        due_ms = max(due_ms, self.world.now_ms)
        if self._armed.get(timer) == due_ms:
            return
        self._armed[timer] = due_ms

        def fire() -> None:
            if self._armed.get(timer) == due_ms:
                del self._armed[timer]
                act()

        self._later(due_ms - self.world.now_ms, fire)

    def _later(self, delay_ms: int, act: Callable[[], None]) -> None:
        """Call in this life only, and never while paused."""
        life = self.life

        def when_due() -> None:
            if self.life != life:
                return
            if self.world.now_ms < self.paused_until_ms:
                self.world.after(self.paused_until_ms - self.world.now_ms, when_due)
            else:
                act()

        self.world.after(delay_ms, when_due)
