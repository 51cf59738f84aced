"""The executor process: does on this machine what the core daemon orders.

    RUN/executor.sock ── ExecutorOrder ─► ExecutorNode ── Launch, Signal ─► Processes
                      ◄─ ExecutorFact ──       │       ── SetAddress ─────► Addresses, Announcer
                                               │       ── ProbeAddresses ─► Neighbours
                                               │       ◄─ causes ─── MainProcesses,
                                               │                     AddressEvents, UnitEvents
                                               │       ── LookForHands ───► Hands
    EVERBEAT_LEASE_FD ◄─ R once ready, then . each EVERBEAT_LEASE_MS

Never realtime, whatever its parent is; before ordinary programs unless ha.cf says `realtime off`,
but what it starts is ordinary. What it started goes on when it dies, except respawn
clients, which the next executor starts again. SIGTERM: stop the clients, wait for what runs, end.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, get_args

from everbeat.adapters.address_events import AddressEvents
from everbeat.adapters.addresses import Addresses
from everbeat.adapters.announce import Announcer
from everbeat.adapters.clock import SystemClock
from everbeat.adapters.config_files import load_configuration
from everbeat.adapters.flight_record import flight_record
from everbeat.adapters.hands import Hands
from everbeat.adapters.installed import InstalledFiles, make_agents_scratch
from everbeat.adapters.interfaces import hardware_addresses
from everbeat.adapters.lease import lease_from_environment
from everbeat.adapters.log import LEVELS, Log, targets_of, wait_written
from everbeat.adapters.main_processes import MainProcesses
from everbeat.adapters.neighbours import Neighbours, mac_text
from everbeat.adapters.operation_record import OperationRecord
from everbeat.adapters.power import reboot_now
from everbeat.adapters.processes import Processes
from everbeat.adapters.realtime import become_prompt
from everbeat.adapters.unit_events import UnitEvents
from everbeat.agents.environment import Places
from everbeat.daemons.loop_errors import watch_for_bugs
from everbeat.executor.effects import (
    AnnounceAddress,
    Ending,
    EndRemains,
    Examine,
    Launch,
    LookForHands,
    Note,
    Observe,
    Publish,
    Reboot,
    SetAddress,
    Signal,
    Unobserve,
)
from everbeat.ipc.channel import listen
from everbeat.ipc.codec import Codec
from everbeat.ipc.registries import EXECUTOR_TYPES
from everbeat.model.neighbours import (
    AddressAnnounced,
    AddressesProbed,
    ProbeAddresses,
    RepeatAnnouncement,
)
from everbeat.model.operations import Action, ExecutorOrder
from everbeat.model.reload import UseConfiguration
from everbeat.node.executor_node import ExecutorNode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from everbeat.adapters.announce import Announced
    from everbeat.adapters.lease import Lease
    from everbeat.executor.effects import ExecutorEffect
    from everbeat.ipc.channel import Channel
    from everbeat.model.cluster import HaConfig
    from everbeat.model.operations import ExecutorFact

STOP_MS: Final = 30_000
"""How long a SIGTERM waits for clients and running operations."""

CONFIGURATION_EXIT: Final = 6
_ORDINARY_OOM_SCORE: Final = "0"
_ORDERS: Final = get_args(ExecutorOrder)

_log = logging.getLogger("everbeat.executor")


@dataclass(frozen=True, slots=True)
class Folders:
    """--etc, --state and --run."""

    etc: Path
    state: Path
    run: Path


class ExecutorDaemon:
    """Moves effects to the world and what the world answers back to the node."""

    def __init__(self, config: HaConfig, folders: Folders, tasks: asyncio.TaskGroup) -> None:
        loop = asyncio.get_running_loop()
        places = Places(etc=str(folders.etc), state=str(folders.state))
        self._node = ExecutorNode(config, places, InstalledFiles(folders.etc))
        self._clock = SystemClock()
        self._loop = loop
        self._tasks = tasks
        self._announcer = Announcer(loop, _log.warning, self._on_announced)
        self._addresses = Addresses(self._announcer)
        self._neighbours = Neighbours(loop, self._addresses, _log.info)
        record = OperationRecord(folders.run)
        for pid in record.end_leftovers():
            _log.warning("ended what the executor before this one had left under way: [%d]", pid)
        self._processes = Processes(
            loop, self._on_ended, is_prompt=config.is_realtime, record=record
        )
        self._main_processes = MainProcesses(loop, self._on_cause)
        self._hands = Hands(loop)
        self._address_events = AddressEvents(loop, self._on_cause, self._on_link)
        self._unit_events = UnitEvents(self._on_cause, _log.warning)
        self._manager: Channel | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._is_idle = asyncio.Event()

    async def open(self) -> None:
        """Open what operations need, so that none of them pays for it."""
        await self._addresses.open()
        try:
            self._address_events.open()
        except OSError as error:
            _log.warning("addresses removed by others are only seen by monitors: %s", error)

    async def on_channel(self, channel: Channel) -> None:
        """Serve one manager until it goes away; the newest one replaces an older one."""
        if self._manager is not None:
            self._manager.drop("another manager came")
        self._manager = channel
        program = channel.hello.program if channel.hello else ""
        session = f"{program}[{channel.peer.pid}]"
        _log.info("%s gives the orders", session)
        self._perform(self._node.on_manager(session, self._clock.now_ms()))
        try:
            async for order in channel:
                if self._manager is not channel:
                    return  # what a replaced manager sent before is not ordered any more
                if isinstance(order, UseConfiguration):
                    self._node.on_configuration(order.config)
                elif isinstance(order, _ORDERS):
                    self._perform(self._node.on_order(order, self._clock.now_ms()))
        finally:
            if self._manager is channel:
                self._manager = None
                self._node.on_manager_gone()

    async def stop(self) -> None:
        """Stop the clients and wait for what runs, STOP_MS at most."""
        self._perform(self._node.on_stop(self._clock.now_ms()))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._wait_idle(), STOP_MS / 1000)
        if self._timer is not None:
            self._timer.cancel()
        self._announcer.close()
        self._neighbours.close()
        self._main_processes.close()
        self._hands.close()
        self._address_events.close()
        self._unit_events.close()
        await self._addresses.close()

    async def _wait_idle(self) -> None:
        while self._node.is_busy():
            self._is_idle.clear()
            await self._is_idle.wait()

    def _on_ended(self, run: int, ending: Ending) -> None:
        self._perform(self._node.on_ended(run, ending, self._clock.now_ms()))
        self._is_idle.set()

    def _on_cause(self, watch: int, cause: str, is_certain: bool = False) -> None:  # noqa: FBT001, FBT002 - a callback
        _log.info("watch %d: %s", watch, cause)
        now_ms = self._clock.now_ms()
        self._perform(self._node.on_cause(watch, cause, now_ms, is_certain=is_certain))

    def _on_announced(self, announced: Announced) -> None:
        self._loop.call_soon(self._tell_announced, announced)  # the answer to its start goes first

    def _on_link(self, interface: str, is_up: bool) -> None:  # noqa: FBT001 - a callback
        self._perform(self._node.on_interface(interface, self._clock.now_ms(), is_up=is_up))

    def _on_timer(self) -> None:
        self._timer = None
        self._perform(self._node.on_tick(self._clock.now_ms()))
        self._is_idle.set()

    def _perform(self, effects: Sequence[ExecutorEffect]) -> None:
        for effect in effects:
            match effect:
                case Launch():
                    self._launch(effect)
                case SetAddress():
                    level = logging.DEBUG if effect.action is Action.STATUS else logging.INFO
                    words = "::".join(effect.arguments)
                    _log.log(level, "address %s %s", effect.action.value, words)
                    self._tasks.create_task(self._set_address(effect))
                case AnnounceAddress(arguments, is_repeated):
                    _log.info("address announce %s", "::".join(arguments))
                    again = self._addresses.announce_again(arguments, is_repeated=is_repeated)
                    self._tasks.create_task(again)
                case RepeatAnnouncement(address):
                    _log.info("address announce %s again", address)
                    self._tasks.create_task(self._addresses.repeat(address))
                case ProbeAddresses():
                    self._tasks.create_task(self._probe(effect))
                case Signal(run, is_hard):
                    _log.warning("run %d is ended by %s", run, "KILL" if is_hard else "TERM")
                    self._processes.signal(run, is_hard=is_hard)
                case Examine(run):
                    self._tasks.create_task(self._examine(run))
                case Observe(watch, agent):
                    self._main_processes.observe(watch, agent)
                    self._address_events.observe(watch, agent)
                    self._unit_events.observe(watch, agent)
                case Unobserve(watch):
                    self._main_processes.unobserve(watch)
                    self._address_events.unobserve(watch)
                    self._unit_events.unobserve(watch)
                case EndRemains(watch):
                    if killed := self._main_processes.end_remains(watch):
                        _log.warning("watch %d: what was left is killed: %s", watch, killed)
                case LookForHands():
                    self._tasks.create_task(self._look_for_hands(effect))
                case Publish(fact):
                    self._publish(fact)
                case Note(severity, text):
                    _log.log(LEVELS[severity], "%s", text)
                case Reboot(reason):
                    _log.critical("reboot: %s", reason)
                    _log.critical("the kernel refused: %s", reboot_now(wait_written))
        self._set_timer()

    def _launch(self, order: Launch) -> None:
        if order.unless_it_lives and self._main_processes.is_alive(order.command):
            ending = Ending(exit_code=0, output="not run: its process lives")
            self._loop.call_soon(self._on_ended, order.run, ending)
            return
        level = logging.DEBUG if order.is_read else logging.INFO  # a status changes nothing
        _log.log(level, "running %s", " ".join(order.command))
        self._processes.launch(order)
        pid = self._processes.pid(order.run)
        if pid is not None and order.command[-1] == Action.START.value:
            self._main_processes.on_started(order.command, pid)

    async def _look_for_hands(self, order: LookForHands) -> None:
        ended = self._main_processes.ended_main(order.watch)
        seen = await self._hands.look(order.agent, ended, is_orderly=order.is_orderly)
        if seen.worker:
            _log.info("watch %d: somebody is at work on it: %s", order.watch, seen.worker)
        told = self._node.on_hands(
            order.watch,
            self._clock.now_ms(),
            are_at_work=bool(seen.worker),
            is_orderly=order.is_orderly or seen.is_tidied_up,
        )
        self._perform(told)

    async def _examine(self, run: int) -> None:
        pid, output = self._processes.pid(run), self._processes.output(run)
        lines: tuple[str, ...] = ()
        if pid is not None:
            lines = await asyncio.to_thread(flight_record, pid, output)
        self._perform(self._node.on_examined(run, lines, self._clock.now_ms()))

    def _publish(self, fact: ExecutorFact) -> None:
        if self._manager is None or not self._manager.send_nowait(fact):
            self._node.on_unsent(fact)

    async def _set_address(self, order: SetAddress) -> None:
        ending = await self._addresses.perform(order.action, order.arguments)
        self._on_ended(order.run, ending)

    def _tell_announced(self, announced: Announced) -> None:
        fact = AddressAnnounced(
            address=str(announced.address),
            mac=mac_text(announced.mac),
            own_macs=tuple(mac_text(mac) for mac in hardware_addresses()),
            at_ms=self._clock.now_ms(),
        )
        self._perform(self._node.on_neighbours(fact))

    async def _probe(self, order: ProbeAddresses) -> None:
        findings = await self._neighbours.probe(order.addresses)
        probed = AddressesProbed(asker=order.asker, number=order.number, findings=findings)
        self._perform(self._node.on_neighbours(probed))

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        wakeup_ms = self._node.next_wakeup_ms()
        if wakeup_ms is not None:
            delay_ms = max(0, wakeup_ms - self._clock.now_ms())
            self._timer = self._loop.call_later(delay_ms / 1000, self._on_timer)


async def serve(config: HaConfig, folders: Folders, lease: Lease) -> None:
    """Serve RUN/executor.sock until SIGTERM or SIGINT.

    A bug in any callback ends it with that exception: the next executor starts afresh.
    """
    loop = asyncio.get_running_loop()
    ending: asyncio.Future[None] = loop.create_future()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _end, ending)
    watch_for_bugs(loop, lambda context: _end(ending, context), _log.warning)
    async with asyncio.TaskGroup() as tasks:
        daemon = ExecutorDaemon(config, folders, tasks)
        await daemon.open()
        if config.is_realtime:
            for refusal in become_prompt():
                _log.warning("takeovers wait behind busy programs: %s", refusal)
        path = folders.run / "executor.sock"
        codec = Codec(EXECUTOR_TYPES)
        listener = await listen(path, codec, daemon.on_channel, program="executor")
        beating = tasks.create_task(_beat(lease))
        _log.info("ready")
        await ending
        await daemon.stop()
        await listener.close()
        beating.cancel()


def _end(ending: asyncio.Future[None], context: Mapping[str, object] | None = None) -> None:
    """End `serve`: with the exception of an asyncio error context, or well."""
    error = (context or {}).get("exception")
    if context is not None and not isinstance(error, BaseException):
        _log.warning("%s", context.get("message"))
    elif not ending.done() and isinstance(error, BaseException):
        ending.set_exception(error)
    elif isinstance(error, BaseException):
        _log.critical("a bug while ending", exc_info=error)
    elif not ending.done():
        ending.set_result(None)


async def _beat(lease: Lease) -> None:
    """Tell the keeper that we are ready, then that we live."""
    lease.ready()
    while True:
        await asyncio.sleep(lease.every_ms / 1000)
        lease.renew()


def become_ordinary() -> None:
    """Leave realtime scheduling, niceness and protection from the OOM killer: children inherit."""
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, 0)
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_ORDINARY_OOM_SCORE)


def main(words: Sequence[str] | None = None) -> int:
    """Run the executor; exit status 0 after SIGTERM, 6 for a configuration that cannot be used."""
    parser = argparse.ArgumentParser(prog="everbeat-executor", description="run what is ordered")
    parser.add_argument("--etc", type=Path, default=Path("/etc/ha.d"))
    parser.add_argument("--state", type=Path, default=Path("/var/lib/heartbeat"))
    parser.add_argument("--run", type=Path, default=Path("/run/heartbeat"))
    chosen = parser.parse_args(words)
    become_ordinary()
    make_agents_scratch()
    config = load_configuration(chosen.etc).config
    if config is None:
        sys.stderr.write(f"everbeat-executor: the configuration in {chosen.etc} cannot be used\n")
        return CONFIGURATION_EXIT
    log = Log(targets_of(config))
    log.start()
    try:
        folders = Folders(chosen.etc, chosen.state, chosen.run)
        asyncio.run(serve(config, folders, lease_from_environment()))
    except BaseException:  # the top level: told in the log as well, then the process dies of it
        _log.critical("a bug ends this process", exc_info=True)
        raise
    finally:
        log.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
