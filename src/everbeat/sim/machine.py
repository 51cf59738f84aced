"""One simulated machine: the real link and core nodes, a disk, clocks and scripts.

    wire ⇄ LinkNode ⇄ (a millisecond of IPC) ⇄ CoreNode ⇄ ExecutorNode ⇄ scripts

The machine has a clock of its own: it begins at boot and may run a little fast or slow.
Power off loses all but the disk. A process that dies alone (link, core, executor) comes back as
keeper would bring it back: link goes on under its generation, core adopts what runs. So they do
when all of them were killed and are started again on a machine that went on.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

from everbeat.journal.timeline import EventRecorded
from everbeat.membership.identity import Identity, continuing_identity
from everbeat.model.cluster import Quorum
from everbeat.model.distribution import (
    HARESOURCES,
    Bundle,
    CheckFiles,
    FileContent,
    InstallFiles,
)
from everbeat.model.failures import Failures
from everbeat.model.fencing import RunFencing, SafeNode
from everbeat.model.membership import Broadcast, RaiseGeneration
from everbeat.model.operations import ForgetFailures, RunOperation, StartAgain, WatchResources
from everbeat.model.quorum import (
    AskWitness,
    ConfirmOff,
    RightExtended,
    RightGained,
    RightGivenBack,
    RightLost,
)
from everbeat.model.shutdown import StopFinished
from everbeat.node.core_node import CoreNode
from everbeat.node.link_effects import (
    PersistGeneration,
    PersistLives,
    PersistPingProof,
    PersistPromise,
    ReserveSequence,
    Transmit,
)
from everbeat.node.link_node import LinkNode
from everbeat.node.link_quorum import VOTING
from everbeat.node.reload import live_part, needs_new_link
from everbeat.sim.agents import SimulatedAgents
from everbeat.sim.executor import SimulatedExecutor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from random import Random

    from everbeat.membership.identity import KnownLife
    from everbeat.model.cluster import HaConfig
    from everbeat.model.groups import ResourceGroup
    from everbeat.model.keys import AuthKeys
    from everbeat.model.membership import MembershipFact
    from everbeat.model.names import NodeName
    from everbeat.model.operations import ExecutorFact
    from everbeat.model.quorum import WitnessAsk, WitnessReply
    from everbeat.node.core_node import CoreEffect
    from everbeat.node.link_effects import LinkEffect
    from everbeat.ports.cipher import Cipher

IPC_MS: Final = 1
DISK_MS: Final = 20
BOOT_MS: Final = 3_000
MILLION: Final = 1_000_000
FIRST_WALL_S: Final = 1_700_000_000
SURROUNDINGS_MS: Final = 500  # how old the time in messages may be, as in the link process


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

    def ask_witness(self, ask: WitnessAsk) -> None:
        """Put a question to the witness on its way."""
        ...

    def ask_device(self, asker: Machine, order: RunFencing) -> None:
        """Have a fencing device do its work."""
        ...

    def observe_holding(self) -> None:
        """Let the checkers look who holds what."""
        ...

    def observe(self, node: NodeName, fact: MembershipFact) -> None:
        """Show a fact to the checkers."""
        ...

    def observe_generation(self, node: NodeName, generation: int) -> None:
        """Show a generation in use to the checkers."""
        ...

    def next_version(self) -> int:
        """Return the number of the next version of the files."""
        ...

    def observe_installed(self, node: NodeName, version: int) -> None:
        """Show the files that a node uses from now on to the checkers."""
        ...


@dataclass(slots=True)
class Disk:
    """What outlives a power cut."""

    uuid: bytes
    generation: int = 0
    reserved_sequence: int = 0
    promised: tuple[NodeName, ...] = ()
    ping_proof: tuple[str, ...] = ()
    known: tuple[KnownLife, ...] = ()  # of the other nodes
    is_full: bool = False  # no promise can be written
    version: int = 0  # of the files that came from another node last


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
    cipher: Cipher | None = None
    agents: SimulatedAgents = field(init=False)
    link: LinkNode | None = None
    core: CoreNode | None = None
    executor: SimulatedExecutor | None = None
    life: int = 0
    core_life: int = 0
    link_life: int = 0
    wall_offset_s: int = 0
    paused_until_ms: int = 0
    safe: tuple[SafeNode, ...] = ()  # what a core that died left for the next
    rate_ppm: int = 0  # how much faster than the world's its clock runs
    booted_ms: int = 0  # when it began
    has_own_clock: bool = False
    watchdog_ms: int | None = None  # a machine that stands still for longer is reset
    has_left: bool = False  # in order, and was not started since
    is_unfinished: bool = False  # in RUN: a life that has not given up everything
    had_right: bool = False  # in RUN, as the next
    until_ms: int | None = None
    stop_by_ms: int | None = None  # the right was lost
    _surrounded_ms: int = 0
    _former_executors: list[SimulatedExecutor] = field(default_factory=list[SimulatedExecutor])

    def __post_init__(self) -> None:
        """Start with nothing running."""
        self.agents = SimulatedAgents(self.random, on_change=self.world.observe_holding)

    @property
    def name(self) -> NodeName:
        """Return the node's name."""
        return self.config.node

    @property
    def is_up(self) -> bool:
        """Whether the machine runs."""
        return self.link is not None or self.core is not None

    @property
    def _is_guarded(self) -> bool:
        """Whether its watchdog runs: also when everything that fed it was killed."""
        return self.is_up or self.is_unfinished

    @property
    def is_serving(self) -> bool:
        """Whether what runs on it reaches anybody."""
        return self.world.now_ms >= self.paused_until_ms

    def clock_ms(self) -> int:
        """Return what CLOCK_MONOTONIC shows here."""
        return (self.world.now_ms - self.booted_ms) * (MILLION + self.rate_ppm) // MILLION

    def moment_ms(self, clock_ms: int) -> int:
        """Return the world's time at which our clock shows this."""
        return self.booted_ms - (-clock_ms * MILLION // (MILLION + self.rate_ppm))

    # --- power and processes -----------------------------------------------------------------

    def power_on(self) -> None:
        """Boot and start everything."""
        if self.is_up:
            return
        self.life += 1
        self.has_left = False
        self.agents.heard.clear()  # a new executor and a new core: nobody remembers
        is_continuing = self.is_unfinished and self.config.quorum is not Quorum.NONE
        self.start_executor()
        if not is_continuing:
            self._forget_right()
            self.disk.generation += 1
        self.start_link(is_continuing=is_continuing)
        self.safe = ()
        self.start_core(is_adopting=self.is_unfinished)

    def power_off(self) -> None:
        """Lose power: everything but the disk is gone."""
        self.life += 1
        self.link = self.core = self.executor = None
        self._former_executors.clear()
        self.agents.clear()
        self.is_unfinished = False
        self.paused_until_ms = min(self.paused_until_ms, self.world.now_ms)
        if self.has_own_clock:
            self.booted_ms = self.world.now_ms - 1
        self.world.note(self.name, "power off")

    def kill_all(self, restart_ms: int) -> None:
        """Kill every process of ours; what runs goes on until they are started again.

        Nobody feeds the watchdog meanwhile.
        """
        if not self.is_up:
            return
        self.life += 1
        self._kill_executor()
        self.link = self.core = None
        self.world.note(self.name, "all processes are killed")
        if self.watchdog_ms is not None and restart_ms >= self.watchdog_ms:
            self._later(self.watchdog_ms, self.reset)
        else:
            self._later(restart_ms, self.power_on)

    def crash_link(self) -> None:
        """Kill the link process; keeper brings it back at once."""
        if self.link is not None:
            self.link = None
            self.world.note(self.name, "link dies")
            self._later(20, lambda: self.start_link(is_continuing=True))

    def reload(self, config: HaConfig, groups: tuple[ResourceGroup, ...]) -> None:
        """Take another configuration, as `everbeat reload` does; link is replaced if it must be."""
        if self.core is None:
            return
        used, _ = live_part(self.config, config)
        is_for_another = needs_new_link(self.config, used)
        now_ms = self.clock_ms()
        verdict = self.core.on_configuration(used, groups, self.keys, None, now_ms)
        self.world.note(self.name, f"reload: {verdict.reason or 'accepted'}")
        if not verdict.is_accepted:
            return
        self.config, self.groups = used, groups
        if self.executor is not None:
            self.executor.install(groups)
        self._core_effects(verdict.effects)
        if is_for_another:
            self.crash_link()

    def distribute(self) -> None:
        """Bring the next version of the files to all nodes that are there, as reload --all does."""
        if self.core is None:
            return
        content = str(self.world.next_version()).encode()
        bundle = Bundle((FileContent(HARESOURCES, content),))
        offered = self.core.on_distribute(bundle, self.clock_ms(), may_pass_over=True)
        told = offered.verdict.reason or offered.offer
        self.world.note(self.name, f"distributes version {content.decode()}: {told}")
        self._core_effects(offered.verdict.effects)

    def crash_core(self) -> None:
        """Kill the core process; keeper brings it back."""
        if self.core is not None:
            self.safe = self.core.safe_nodes()
            self.core = None
            if self.executor is None:
                self.agents.heard.clear()
            else:
                self.executor.on_core_gone()
            self.world.note(self.name, "core dies")
            self._later(200, lambda: self.start_core(is_adopting=True))

    def crash_executor(self) -> None:
        """Kill the executor; what it started goes on, keeper brings another one."""
        if self.executor is not None:
            self._kill_executor()
            if self.core is None:
                self.agents.heard.clear()
            self.world.note(self.name, "executor dies")
            self._later(50, self.start_executor)

    def _kill_executor(self) -> None:
        if self.executor is not None:
            self.executor.die()
            self._former_executors.append(self.executor)
            self.executor = None

    def kill_service(self, number: int, *, is_noticed: bool) -> None:
        """Let a running resource die; `is_noticed`: the kernel tells."""
        word = self.agents.die(number)
        if word:
            self.world.note(self.name, f"{word} dies")
        if word and is_noticed and self.executor is not None:
            executor = self.executor
            self._later(1, lambda: executor.on_died(word))

    def stop(self) -> None:
        """Stop in order, as SIGTERM does."""
        if self.core is not None:
            self.world.note(self.name, "stop")
            self._core_effects(self.core.on_stop(self.clock_ms()))

    def start_link(self, *, is_continuing: bool) -> None:
        """Start the link process."""
        self.link_life += 1
        disk = self.disk
        if is_continuing:
            identity = continuing_identity(disk.uuid, disk.generation, disk.reserved_sequence)
            identity = replace(
                identity,
                promised=disk.promised,
                is_ping_proved=disk.ping_proof == self.config.ping_hosts,
                known=disk.known,
                had_right=self.had_right,
                until_ms=self.until_ms,
                stop_by_ms=self.stop_by_ms,
            )
        else:
            identity = Identity(
                uuid=disk.uuid,
                generation=disk.generation,
                promised=disk.promised,
                is_ping_proved=disk.ping_proof == self.config.ping_hosts,
                known=disk.known,
            )
        self.world.observe_generation(self.name, self.disk.generation)
        self.link = self.factory.link(self.config, self.keys, identity, self.random)
        self.link.on_keys(self.keys, self.cipher)
        self._surround(is_new=True)
        self._link_effects(self.link.on_start(self.clock_ms()))
        if self.stop_by_ms is not None:
            self._watch_stopping(self.stop_by_ms)
        if is_continuing and self.core is not None:
            view, core = self.link.view(), self.core
            self._core_effects(core.on_view(view, self.clock_ms()))

    def start_executor(self) -> None:
        """Start the executor process; a core that lives has lost one."""
        for former in self._former_executors:
            former.end_leftovers()
        self._former_executors.clear()
        self.executor = SimulatedExecutor(self.config, self.groups, self.agents, surroundings=self)
        if self.core is not None:
            self.executor.on_core(f"core-{self.core_life}")
            self._core_effects(self.core.on_executor_lost(self.clock_ms()))

    def start_core(self, *, is_adopting: bool) -> None:
        """Start the core process."""
        if self.link is None and is_adopting:
            self._later(20, lambda: self.start_core(is_adopting=True))
            return
        self.core_life += 1
        self.is_unfinished = True
        self.core = self.factory.core(
            self.config,
            self.groups,
            random=self.random,
            is_adopting=is_adopting,
            first_operation_id=self.core_life * 1_000_000,
            safe=self.safe if is_adopting else (),
        )
        self.core.use_keys(self.keys, self.cipher)
        if self.executor is not None:
            self.executor.on_core(f"core-{self.core_life}")
        if self.link is not None:
            self._core_effects(self.core.on_view(self.link.view(), self.clock_ms()))

    # --- inputs ------------------------------------------------------------------------------

    def hear(self, medium: int, data: bytes, source: str) -> None:
        """Take a datagram from the wire; a paused machine hears it when it wakes."""
        if self.world.now_ms < self.paused_until_ms:
            delay_ms = self.paused_until_ms - self.world.now_ms
            self._later(delay_ms, lambda: self.hear(medium, data, source))
        elif self.link is not None:
            self._surround()
            self._link_effects(self.link.on_datagram(medium, data, source, self.clock_ms()))

    def hear_witness(self, reply: WitnessReply) -> None:
        """Take the witness's answer."""

        def deliver() -> None:
            if self.link is not None:
                self._link_effects(self.link.on_witness_reply(reply, self.clock_ms()))

        self._later(0, deliver)

    def ask_standby(self, word: str) -> None:
        """Run hb_standby here."""
        if self.core is not None:
            verdict = self.core.on_standby(word, self.clock_ms())
            self.world.note(self.name, f"standby {word}: {verdict.reason or 'accepted'}")
            self._core_effects(verdict.effects)

    def ask_takeover(self, word: str) -> None:
        """Run hb_takeover here."""
        if self.core is not None:
            verdict = self.core.on_takeover(word)
            self.world.note(self.name, f"takeover {word}: {verdict.reason or 'accepted'}")
            self._core_effects(verdict.effects)

    def confirm_off(self, node: NodeName) -> str:
        """Run `everbeat fence confirm` here; return why it is refused, or nothing."""
        if self.core is None:
            return "everbeat does not run"
        verdict = self.core.on_fence_confirm(node, self.clock_ms())
        self.world.note(self.name, f"confirm {node}: {verdict.reason or 'accepted'}")
        self._core_effects(verdict.effects)
        return verdict.reason

    def pause(self, duration_ms: int) -> None:
        """Stop all processes for a while, as a hypervisor may."""
        if self.world.now_ms < self.paused_until_ms:
            return
        self.paused_until_ms = self.world.now_ms + duration_ms
        self.world.note(self.name, f"paused for {duration_ms} ms")
        if self.watchdog_ms is not None and duration_ms > self.watchdog_ms and self._is_guarded:
            self.life += 1  # nothing of what was under way goes on
            self.world.after(duration_ms, self.reset)
        else:
            self.world.after(duration_ms, self.world.observe_holding)

    def reset(self) -> None:
        """Be reset by the watchdog, and boot."""
        if self._is_guarded:
            self.world.note(self.name, "the watchdog resets it")
            self.power_off()
            self._later(BOOT_MS, self.power_on)

    # --- inside ------------------------------------------------------------------------------

    def _surround(self, *, is_new: bool = False) -> None:
        is_due = is_new or self.world.now_ms - self._surrounded_ms >= SURROUNDINGS_MS
        if self.link is not None and is_due:
            self._surrounded_ms = self.world.now_ms
            wall_s = FIRST_WALL_S + self.world.now_ms // 1_000 + self.wall_offset_s
            self.link.on_surroundings(wall_s, "0.00 0.00 0.00 1/1 1")

    def _link_effects(self, effects: Iterable[LinkEffect]) -> None:
        for effect in effects:
            match effect:
                case Transmit(media, data):
                    kinds = [m.kind.is_ping for m in self.config.media]
                    all_but_ping = [i for i, is_ping in enumerate(kinds) if not is_ping]
                    self.world.transmit(self.name, media or all_but_ping, data)
                case PersistPingProof(hosts):
                    self.disk.ping_proof = hosts
                case PersistPromise(nodes):
                    self._keep_promise(nodes)
                case AskWitness(ask):
                    self.world.ask_witness(ask)
                case RightGained() | RightExtended():
                    self.had_right, self.until_ms = True, effect.until_ms
                    self.world.observe(self.name, effect)
                    self._to_core(effect)
                case RightGivenBack():
                    self._forget_right()
                    self.world.observe(self.name, effect)
                    self._to_core(effect)
                case RightLost():
                    self.world.observe(self.name, effect)
                    self._to_core(effect)
                    self.until_ms, self.stop_by_ms = None, effect.stop_by_ms
                    self._watch_stopping(effect.stop_by_ms)
                case PersistGeneration(generation):
                    self._forget_right()
                    self.disk.generation = generation
                    self.world.observe_generation(self.name, generation)
                case PersistLives(known):
                    if not self.disk.is_full:
                        self.disk.known = known
                case ReserveSequence(up_to):
                    self.disk.reserved_sequence = up_to
                case fact:
                    self.world.observe(self.name, fact)
                    self._to_core(fact)
        self._arm_link()

    def _forget_right(self) -> None:
        self.had_right = self.config.quorum not in VOTING
        self.until_ms = self.stop_by_ms = None

    def _keep_promise(self, nodes: tuple[NodeName, ...]) -> None:
        is_kept = not self.disk.is_full
        if is_kept:
            self.disk.promised = nodes
        link = self.link

        def tell() -> None:
            if link is not None and link is self.link:
                self._link_effects(link.on_promise(nodes, self.clock_ms(), is_kept=is_kept))

        self._later(IPC_MS, tell)

    def _watch_stopping(self, stop_by_ms: int) -> None:
        """Have the watchdog bite if not everything is stopped in time."""

        def look() -> None:
            if self.watchdog_ms is not None and self.stop_by_ms == stop_by_ms:
                self.reset()

        self._later(self.moment_ms(stop_by_ms) - self.world.now_ms, look)

    def _to_core(self, fact: MembershipFact) -> None:
        def deliver() -> None:
            if self.core is not None:
                self._core_effects(self.core.on_membership(fact, self.clock_ms()))

        self._later(IPC_MS, deliver)

    def _core_effects(self, effects: Iterable[CoreEffect]) -> None:
        for effect in effects:
            match effect:
                case Broadcast() | RaiseGeneration():
                    self._to_link(effect)
                case (
                    RunOperation() | StartAgain() | WatchResources() | ForgetFailures() | Failures()
                ):
                    if self.executor is not None:
                        self.executor.on_order(effect)
                case RunFencing():
                    self.world.ask_device(self, effect)
                case ConfirmOff():
                    self._to_link(effect)
                case CheckFiles(offer):
                    self._after_disk(
                        partial(CoreNode.on_checked, offer=offer, reports=(), reason="")
                    )
                case InstallFiles(offer, bundle):
                    self._install(offer, bundle)
                case EventRecorded(event):
                    state = "" if event.is_finished else " …"
                    self.world.note(self.name, f"[{event.kind}] {event.text}{state}")
                case StopFinished():
                    self.life += 1
                    self.link = self.core = self.executor = None
                    self.is_unfinished, self.has_left = False, True
                    self.world.note(self.name, "stopped")
                case _:
                    pass
        self._arm_core()

    def _install(self, offer: str, bundle: Bundle) -> None:
        self.disk.version = int(bundle.files[0].content)
        self.world.note(self.name, f"installs version {self.disk.version}")
        self.world.observe_installed(self.name, self.disk.version)
        self._after_disk(partial(CoreNode.on_installed, offer=offer, error="", text=""))

    def _after_disk(self, tell: Callable[[CoreNode], list[CoreEffect]]) -> None:
        """Tell the core, if it still lives, after as long as the disk takes."""
        core = self.core

        def done() -> None:
            if core is not None and core is self.core:
                self._core_effects(tell(core))

        self._later(DISK_MS, done)

    def _to_link(self, order: Broadcast | RaiseGeneration | ConfirmOff) -> None:
        def deliver() -> None:
            if self.link is not None:
                self._surround()
                self._link_effects(self.link.on_order(order, self.clock_ms()))

        self._later(IPC_MS, deliver)

    def on_executor_fact(self, fact: ExecutorFact) -> None:
        """Carry a fact of the executor to the core."""
        life = self.core_life

        def deliver() -> None:
            if self.core is not None and self.core_life == life:
                self._core_effects(self.core.on_executor(fact, self.clock_ms()))

        self._later(IPC_MS, deliver)

    def delay_ms(self, clock_ms: int) -> int:
        """Return how long it is in the world until our clock shows this; 0 if it is past."""
        return max(0, self.moment_ms(clock_ms) - self.world.now_ms)

    def later(self, delay_ms: int, act: Callable[[], None]) -> None:
        """Call in this life only, and never while paused."""
        self._later(delay_ms, act)

    def _arm_link(self) -> None:
        link = self.link
        due_ms = link.next_wakeup_ms() if link is not None else None
        if link is None or due_ms is None:
            return

        def tick() -> None:
            if self.link is link and link.next_wakeup_ms() is not None:
                self._surround()
                self._link_effects(link.on_tick(self.clock_ms()))

        self._once(("link", self.link_life), due_ms, tick)

    def _arm_core(self) -> None:
        core = self.core
        due_ms = core.next_wakeup_ms() if core is not None else None
        if core is None or due_ms is None:
            return

        def tick() -> None:
            if self.core is core:
                self._core_effects(core.on_tick(self.clock_ms()))

        self._once(("core", self.core_life), due_ms, tick)

    _armed: dict[tuple[str, int], int] = field(default_factory=dict[tuple[str, int], int])

    def _once(self, timer: tuple[str, int], due_ms: int, act: Callable[[], None]) -> None:
        """Keep one timer for each process: a later one replaces an earlier one."""
        due_ms = max(self.moment_ms(due_ms), self.world.now_ms)
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
