"""The link process: heartbeats and membership, alone with its sockets.

    media ── datagrams ──> LinkNode ── Transmit ──> media
    witness ── answers ──> │ ── AskWitness ──> witness
    RUN/link.sock ── orders ──> │ ── view, then facts ──> every connected core
    exact timer ── tick ──────> │ ── PersistGeneration, ReserveSequence ──> STATE, RUN
    EVERBEAT_LEASE_FD <── R when ready, then . each EVERBEAT_LEASE_MS or more

Effects are carried out in order; while a generation is being written, those behind it wait. The
sockets are read before time is allowed to pass, so that a process that was held up judges its
peers by what they sent meanwhile. SIGTERM: end at once. SIGHUP: read authkeys again.

UseConfiguration: other keys are used at once. What is open or counted by ha.cf (media, nodes,
limits of silence) is for another process: this one leaves it in RUN and ends with EXIT_HANDED_OVER;
the one in standby goes on with the same generation, and peers see a gap in the numbers. Core speaks
to the next process then: where there is none to come, it is hung up on.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import random
import signal
import sys
import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, get_args

from everbeat.adapters.cipher import CipherMissingError, cipher_for
from everbeat.adapters.clock import SystemClock
from everbeat.adapters.config_files import load_configuration
from everbeat.adapters.disk_identity import (
    DiskIdentityError,
    LinkState,
    keep_generation,
    keep_ping_proof,
    keep_promise,
    next_generation,
    node_uuid,
    read_link_state,
    read_ping_proof,
    read_promise,
    write_link_state,
)
from everbeat.adapters.known_lives import keep_lives, read_lives
from everbeat.adapters.lease import LeaseReport, lease_from_environment
from everbeat.adapters.link_snapshot import LinkSnapshot, read_snapshot, write_snapshot
from everbeat.adapters.links import Media
from everbeat.adapters.log import LOGGER_NAME, Log, targets_of
from everbeat.adapters.realtime import become_realtime, freeze_heap
from everbeat.adapters.right_record import RightRecord, read_right
from everbeat.adapters.unfinished_life import is_unfinished
from everbeat.adapters.witness_client import WitnessClient
from everbeat.config.quorum import BY_PING
from everbeat.daemons.loop_errors import watch_for_bugs
from everbeat.ipc.channel import listen
from everbeat.ipc.codec import Codec, IpcError
from everbeat.ipc.registries import LINK_TYPES
from everbeat.membership.identity import Identity, continuing_identity
from everbeat.model.cluster import Quorum
from everbeat.model.membership import MembershipOrder
from everbeat.model.quorum import (
    AskWitness,
    RightExtended,
    RightGained,
    RightGivenBack,
    RightLost,
)
from everbeat.model.reload import UseConfiguration
from everbeat.model.reports import Severity
from everbeat.node.link_backlog import LinkBacklog
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
from everbeat.node.log_lines import lines_of_fact
from everbeat.node.reload import needs_new_link
from everbeat.node.witness_presence import presence_ask
from everbeat.supervision.plan import (
    EXIT_HANDED_OVER,
    LOSING_RENEWAL_MS,
    unfed_before_ms,
    watchdog_ms_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from everbeat.ipc.channel import Channel
    from everbeat.membership.identity import KnownLife
    from everbeat.model.cluster import HaConfig
    from everbeat.model.keys import AuthKeys
    from everbeat.model.membership import MembershipFact
    from everbeat.model.names import NodeName
    from everbeat.model.quorum import WitnessReply
    from everbeat.node.link_effects import LinkEffect

EXIT_NOT_CONFIGURED: Final = 6  # LSB, as Heartbeat's
EXIT_BROKEN: Final = 1

TICK_MS_MIN: Final = 1
"""Ticks come no closer together, whatever the node asks for: we run with real-time priority."""

LEASE_MS_MAX: Final = 1_000
LEASE_PART: Final = 6
"""The lease is renewed this often within a deadtime, but not more often than the keeper asks."""

SURROUNDINGS_MS: Final = 500
"""How old the time and load in our messages may be."""

WAITING_EFFECTS_MAX: Final = 10_000
"""Effects that may wait for the disk; above that the process ends and is started again."""

_THREAD_STACK_BYTES: Final = 512 * 1024  # all of it is locked into memory
_LOAD_FILE: Final = Path("/proc/loadavg")
_ORDERS: Final = get_args(MembershipOrder)

_log = logging.getLogger(LOGGER_NAME)


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkOptions:
    """Command line. `is_continuing`: an earlier link process of this start has died."""

    etc: Path = Path("/etc/ha.d")
    state: Path = Path("/var/lib/heartbeat")
    run: Path = Path("/run/heartbeat")
    is_continuing: bool = False


class LinkDaemon:
    """Moves bytes and time between a LinkNode and the world. One per process."""

    def __init__(
        self, config: HaConfig, keys: AuthKeys, identity: Identity, options: LinkOptions
    ) -> None:
        self.media = Media(config.media, on_datagram=self._on_datagram, on_medium=self._on_medium)
        self.witness: WitnessClient | None = None
        if config.quorum is Quorum.WITNESS and config.witness is not None:
            self.witness = WitnessClient(
                config.witness,
                keys,
                presence_ask(config),
                on_reply=self._on_witness_reply,
                on_trouble=self._on_witness_trouble,
                on_heard=self._on_witness_heard,
            )
        self._node = LinkNode(config, keys, identity, random.SystemRandom(), cipher_for(keys))
        self._config = config
        self._keys = keys
        self._options = options
        self._generation = identity.generation
        self._reserved_seq = identity.first_seq
        # Where no quorum decides we may always hold; a successor with a quorum goes on from there.
        self._may_always_hold = config.quorum not in VOTING
        had_right = identity.had_right and identity.is_continuing
        self._had_right = had_right or self._may_always_hold
        self._right = RightRecord(options.run)
        if self._right.error:
            _log.error("a restart of link would not know its right: %s", self._right.error)
        if self._may_always_hold:  # nor is the last lease of a quorum that is gone the end
            self._right.write(self._generation, None)
        self._stop_by_ms = identity.stop_by_ms
        self.losing = asyncio.Event()  # the right is lost, and not everything was given up
        if self._stop_by_ms is not None:
            self.losing.set()
        self._clock = SystemClock()
        self._channels: set[Channel] = set()
        self._backlog = LinkBacklog()
        self._waiting: deque[LinkEffect] = deque()  # behind a generation that is being written
        self._disk = _warm_executor("disk")
        self._persisting: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._armed_ms: int | None = None
        self._is_started = False
        self._was_overdue = False
        self._surroundings_ms = -SURROUNDINGS_MS
        self.handed_over = asyncio.Event()

    def start(self) -> None:
        """Speak for the first time; the media must be open."""
        self._look_around()
        self._is_started = True
        self._perform(self._node.on_start(self._clock.now_ms()))

    async def on_channel(self, channel: Channel) -> None:
        """Serve a core: the view, what it missed, then facts; carry out its orders."""
        channel.on_dropped = lambda reason: _log.error("core process dropped: %s", reason)
        channel.send_nowait(self._node.view())
        for fact in self._backlog.take():
            channel.send_nowait(fact)
        self._channels.add(channel)
        try:
            async for value in channel:
                if isinstance(value, _ORDERS):
                    self._perform(self._node.on_order(value, self._clock.now_ms()))
                elif isinstance(value, UseConfiguration):
                    is_for_another = needs_new_link(self._config, value.config)
                    is_used = await self._use(value.config, value.keys)
                    if is_for_another and not is_used:
                        return
        except IpcError as error:
            _log.error("core process let go: %s", error)
        finally:
            self._channels.discard(channel)

    def is_overdue(self) -> bool:
        """Say whether resources run here still that others may take soon; told once."""
        now_ms = self._clock.now_ms()
        if self._config.watchdog:  # unfed from now on, it bites when they should have stopped
            now_ms += unfed_before_ms(watchdog_ms(self._config))
        is_overdue = self._node.is_overdue(now_ms)
        if is_overdue and not self._was_overdue:
            then = (
                "the watchdog is fed no more" if self._config.watchdog else "there is no watchdog"
            )
            _log.critical("Resources that others may take soon are not stopped yet: %s", then)
        self._was_overdue = is_overdue
        return is_overdue

    def close(self) -> None:
        """Let go of the record that a successor reads."""
        self._right.close()

    async def reread_keys(self) -> None:
        """Read authkeys again and use it; keep the old keys if it is wrong."""
        loop = asyncio.get_running_loop()
        parsed = await loop.run_in_executor(None, load_configuration, self._options.etc)
        if parsed.keys is None:
            for report in parsed.reports:
                if report.severity is Severity.ERROR:
                    _log.error("%s: %s", report.place.file, report.summary)
            _log.error("authkeys was not taken over; the former keys stay in use")
            return
        await self._use(self._config, parsed.keys)

    async def _use(self, config: HaConfig, keys: AuthKeys) -> bool:
        """Use other keys, and have another process use another configuration; or log why not."""
        try:
            cipher = cipher_for(keys)
        except CipherMissingError as error:
            _log.error("%s; the former configuration stays in use", error)
            return False
        if keys != self._keys:
            self._keys = keys
            self._node.on_keys(keys, cipher)
            if self.witness is not None:
                self.witness.use_keys(keys)
            _log.info("authkeys was read again")
        loop = asyncio.get_running_loop()
        try:
            snapshot = LinkSnapshot(config, keys)
            await loop.run_in_executor(None, write_snapshot, self._options.run, snapshot)
        except DiskIdentityError as error:
            _log.error("a restart of link would use the former configuration: %s", error)
            return False
        is_for_another = needs_new_link(self._config, config)
        self._config = config
        if is_for_another:
            if self._persisting is not None:
                await self._persisting
            _log.info("another process goes on with the changed ha.cf")
            self.handed_over.set()
        return True

    def _on_datagram(self, index: int, data: bytes, source: str) -> None:
        if self._is_started:
            self._perform(self._node.on_datagram(index, data, source, self._clock.now_ms()))

    def _on_witness_reply(self, reply: WitnessReply) -> None:
        self._perform(self._node.on_witness_reply(reply, self._clock.now_ms()))

    def _on_witness_heard(self) -> None:
        self._perform(self._node.on_witness_heard(self._clock.now_ms()))

    def _on_witness_trouble(self, trouble: str) -> None:
        self._perform(self._node.on_witness_trouble(trouble, self._clock.now_ms()))

    def _on_medium(self, index: int, error: str) -> None:
        self._perform(self._node.on_medium(index, error, self._clock.now_ms()))

    def _on_timer(self) -> None:
        self._armed_ms = self._timer = None
        self._look_around()
        self.media.drain()
        if self.witness is not None:
            self.witness.drain()
        self._perform(self._node.on_tick(self._clock.now_ms()))

    def _look_around(self) -> None:
        now_ms = self._clock.now_ms()
        if now_ms - self._surroundings_ms < SURROUNDINGS_MS:
            return
        self._surroundings_ms = now_ms
        wall_s = self._clock.wall_ms() // 1000
        self._node.on_surroundings(wall_s, _load())

    def _perform(self, effects: Sequence[LinkEffect]) -> None:
        if self._persisting is not None:
            self._waiting.extend(effects)
            assert len(self._waiting) <= WAITING_EFFECTS_MAX, "the disk does not answer"
        else:
            self._carry_out(deque(effects))
        self._arm()

    def _carry_out(self, effects: deque[LinkEffect]) -> None:
        while effects:
            effect = effects.popleft()
            match effect:
                case Transmit(media, data):
                    self.media.transmit(media, data)
                case ReserveSequence(up_to):
                    self._reserved_seq = up_to
                    self._write_link_state()
                case PersistGeneration(generation):
                    self._generation, self._stop_by_ms = generation, None
                    self._right.write(generation, None)
                    self._had_right = self._may_always_hold
                    self.losing.clear()
                    self._waiting.extend(effects)
                    write = partial(keep_generation, self._options.state, generation)
                    self._persist(write, "new generation")
                    return
                case PersistPingProof(hosts):
                    self._waiting.extend(effects)
                    write = partial(keep_ping_proof, self._options.state, hosts)
                    self._persist(write, "proof that both nodes have reached the ping nodes")
                    return
                case PersistPromise(nodes):
                    self._waiting.extend(effects)
                    write = partial(keep_promise, self._options.state, nodes)
                    self._persist(write, "promise of one that leaves", nodes)
                    return
                case RightExtended(until_ms):
                    self._right.write(self._generation, until_ms)
                    self._publish(effect)
                case RightGained(_, until_ms):
                    self._right.write(self._generation, until_ms)
                    self._keep_right(stop_by_ms=None)
                    self._publish(effect)
                case RightGivenBack():
                    self._had_right = self._may_always_hold
                    self._write_link_state()
                    self._publish(effect)
                case RightLost(_, stop_by_ms):
                    self._keep_right(stop_by_ms=stop_by_ms)
                    self.losing.set()
                    self._publish(effect)
                case PersistLives(known):
                    self._disk.submit(_keep_lives, self._options.state, known)
                case AskWitness(ask):
                    if self.witness is not None:
                        self.witness.ask(ask)
                case _:
                    self._publish(effect)

    def _persist(
        self, write: Callable[[], None], what: str, promise: tuple[NodeName, ...] | None = None
    ) -> None:
        writing = asyncio.get_running_loop().run_in_executor(self._disk, write)
        self._persisting = writing
        writing.add_done_callback(partial(self._on_persisted, what, promise))

    def _on_persisted(
        self, what: str, promise: tuple[NodeName, ...] | None, writing: asyncio.Future[None]
    ) -> None:
        if writing.cancelled():
            return
        error = writing.exception()
        if error is not None:  # to be silent would be worse than to be taken for a replay one day
            _log.critical("the %s could not be kept: %s", what, error)
        self._persisting = None
        waiting, self._waiting = self._waiting, deque()
        self._carry_out(waiting)
        if promise is not None:
            now_ms = self._clock.now_ms()
            self._perform(self._node.on_promise(promise, now_ms, is_kept=error is None))

    def _keep_right(self, *, stop_by_ms: int | None) -> None:
        """Note for a successor how the right stands, before anybody acts on it."""
        self._had_right, self._stop_by_ms = True, stop_by_ms
        self._write_link_state()

    def _write_link_state(self) -> None:
        link_state = LinkState(
            generation=self._generation,
            reserved_seq=self._reserved_seq,
            had_right=self._had_right,
            stop_by_ms=self._stop_by_ms,
        )
        try:
            write_link_state(self._options.run, link_state)
        except DiskIdentityError as error:
            _log.error("a restart of link would not be able to go on: %s", error)

    def _publish(self, fact: MembershipFact) -> None:
        for level, text in lines_of_fact(fact):
            _log.log(level, "%s", text)
        if not self._channels:
            self._backlog.keep(fact)
        for channel in tuple(self._channels):
            if not channel.send_nowait(fact):
                self._channels.discard(channel)

    def _arm(self) -> None:
        wakeup_ms = self._node.next_wakeup_ms()
        if wakeup_ms == self._armed_ms:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._armed_ms = wakeup_ms
        if wakeup_ms is not None:
            loop = asyncio.get_running_loop()
            soonest_s = loop.time() + TICK_MS_MIN / 1000
            self._timer = loop.call_at(max(wakeup_ms / 1000, soonest_s), self._on_timer)


async def run_link(
    config: HaConfig, keys: AuthKeys, identity: Identity, options: LinkOptions
) -> int:
    """Serve RUN/link.sock and the media; return 0 after SIGTERM, EXIT_HANDED_OVER for the next."""
    loop = asyncio.get_running_loop()
    loop.set_default_executor(_warm_executor("reader"))
    ended: asyncio.Future[None] = loop.create_future()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _end, ended, None)
    # A bug in a callback ends the process: the next one goes on where peers see but a gap.
    watch_for_bugs(loop, lambda context: _end(ended, context), _log.warning)
    daemon = LinkDaemon(config, keys, identity, options)
    _be_quick(config)
    await daemon.media.open()
    listener = await listen(
        options.run / "link.sock",
        Codec(LINK_TYPES),
        daemon.on_channel,
        allowed_uids={0, os.getuid()},
        program="link",
    )
    try:
        daemon.start()
        async with asyncio.TaskGroup() as group:
            loop.add_signal_handler(signal.SIGHUP, lambda: group.create_task(daemon.reread_keys()))
            tasks = [
                group.create_task(daemon.media.keep_open()),
                group.create_task(_renew(config, daemon)),
                group.create_task(_end_handed_over(daemon, ended)),
            ]
            if daemon.witness is not None:
                daemon.witness.open()
                tasks.append(group.create_task(daemon.witness.keep_present()))
            try:
                await ended
            finally:
                for task in tasks:
                    task.cancel()
    finally:
        daemon.close()
        daemon.media.close()
        if daemon.witness is not None:
            daemon.witness.close()
        listener.abort()
    return EXIT_HANDED_OVER if daemon.handed_over.is_set() else 0


def identity_from_disk(config: HaConfig, options: LinkOptions) -> Identity:
    """Return who we are: as before if we continue, else a new life. Raise DiskIdentityError."""
    uuid = node_uuid(options.state, config.node, config.uuidfrom)
    promised, lives = read_promise(options.state), read_lives(options.state)
    if lives.trouble:
        _log.warning("%s: a node without a line is believed anew", lives.trouble)
    is_ping_proved = read_ping_proof(options.state) == config.ping_hosts
    # After a kill of everything the others must not take us for one with empty hands.
    is_killed = config.quorum is not Quorum.NONE and is_unfinished(options.run)
    is_continuing = options.is_continuing or is_killed
    left = read_link_state(options.run) if is_continuing else None
    if left is not None:
        identity = continuing_identity(uuid, left.generation, left.reserved_seq)
        return replace(
            identity,
            promised=promised,
            is_ping_proved=is_ping_proved,
            known=lives.known,
            had_right=left.had_right,
            until_ms=read_right(options.run, left.generation),
            stop_by_ms=left.stop_by_ms,
        )
    wall_s = SystemClock().wall_ms() // 1000
    generation = next_generation(options.state, config.hbgenmethod, wall_s)
    return Identity(
        uuid=uuid,
        generation=generation,
        promised=promised,
        is_ping_proved=is_ping_proved,
        known=lives.known,
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the link process.

    Return 0 after SIGTERM, 7 to be followed by another one, 6 for a wrong configuration, 1 for a
    broken disk.
    """
    options = _options_from(argv)
    started = _configuration(options)
    if started is None:
        return EXIT_NOT_CONFIGURED
    config, keys = started.config, started.keys
    threading.stack_size(_THREAD_STACK_BYTES)
    log = Log(targets_of(config))
    log.start()
    try:
        write_snapshot(options.run, started)
        identity = identity_from_disk(config, options)
        _log.info("Heartbeat generation: %d", identity.generation)
        if config.quorum is Quorum.PING:
            _log.warning("%s", BY_PING)
        return asyncio.run(run_link(config, keys, identity, options))
    except CipherMissingError as error:
        _log.error("link cannot run: %s", error)
        return EXIT_NOT_CONFIGURED
    except (DiskIdentityError, IpcError) as error:
        _log.error("link cannot run: %s", error)
        return EXIT_BROKEN
    except BaseException:
        _log.critical("link ends by a bug", exc_info=True)
        raise
    finally:
        log.close()


def _configuration(options: LinkOptions) -> LinkSnapshot | None:
    """Return what to run with: the former process's configuration if we continue, else ha.cf's.

    None, with the reasons on stderr, for files that are wrong.
    """
    former = read_snapshot(options.run) if options.is_continuing else None
    if former is not None:
        return former
    parsed = load_configuration(options.etc)
    if parsed.config is not None and parsed.keys is not None:
        return LinkSnapshot(parsed.config, parsed.keys)
    for report in parsed.reports:
        if report.severity is Severity.ERROR:
            text = f"ERROR: {report.place.file}: {report.summary}; write: {report.remedy}"
            print(text, file=sys.stderr)  # noqa: T201 - no log yet
    return None


def watchdog_ms(config: HaConfig) -> int:
    """Return the timeout that this node's watchdog should have."""
    is_voting = config.quorum in VOTING
    stop_ms = config.timing.stoptime_ms if is_voting else None
    return watchdog_ms_of(config.timing.deadtime_ms, stop_ms)


def _be_quick(config: HaConfig) -> None:
    if config.is_realtime:
        for refusal in become_realtime(config.rtprio):
            _log.error("Not as quick as configured: %s", refusal)
    freeze_heap()


def _end(ended: asyncio.Future[None], context: Mapping[str, object] | None) -> None:
    """End: by a signal, or by what the event loop says of a callback that failed."""
    if ended.done():
        return
    if context is None:
        ended.set_result(None)
        return
    error = context.get("exception")
    ended.set_exception(
        error if isinstance(error, Exception) else RuntimeError(str(context.get("message")))
    )


async def _end_handed_over(daemon: LinkDaemon, ended: asyncio.Future[None]) -> None:
    await daemon.handed_over.wait()
    _end(ended, None)


async def _renew(config: HaConfig, daemon: LinkDaemon) -> None:
    lease = lease_from_environment()
    targets = targets_of(config)
    lease.ready(
        LeaseReport(
            deadtime_ms=config.timing.deadtime_ms,
            watchdog=config.watchdog,
            watchdog_ms=watchdog_ms(config),
            is_realtime=config.is_realtime,
            rtprio=config.rtprio,
            node=targets.node,
            logfile=targets.logfile,
            debugfile=targets.debugfile,
            facility=targets.facility,
        )
    )
    often_ms = min(config.timing.deadtime_ms // LEASE_PART, LEASE_MS_MAX)
    every_ms = max(often_ms, lease.every_ms)
    while True:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(every_ms / 1000):
                await daemon.losing.wait()
        if daemon.losing.is_set():
            await asyncio.sleep(LOSING_RENEWAL_MS / 1000)
        lease.renew(is_overdue=daemon.is_overdue())


def _keep_lives(state: Path, known: tuple[KnownLife, ...]) -> None:
    try:
        keep_lives(state, known)
    except DiskIdentityError as error:
        _log.error("a later start would not know the lives of other nodes: %s", error)


def _load() -> str:
    try:
        return _LOAD_FILE.read_text(encoding="ascii")
    except OSError:
        return ""


def _warm_executor(name: str) -> ThreadPoolExecutor:
    """Return an executor whose thread runs already: made before we become real-time, it is, too.

    A thread that is not would hold the interpreter's lock while other programs take its turn.
    """
    executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)
    executor.submit(lambda: None).result()
    return executor


def _options_from(argv: Sequence[str] | None) -> LinkOptions:
    defaults = LinkOptions()
    parser = argparse.ArgumentParser(prog="everbeat.daemons.link", description="The link process.")
    parser.add_argument("--etc", type=Path, default=defaults.etc)
    parser.add_argument("--state", type=Path, default=defaults.state)
    parser.add_argument("--run", type=Path, default=defaults.run)
    parser.add_argument("--continuing", action="store_true")
    chosen = parser.parse_args(argv)
    return LinkOptions(
        etc=chosen.etc, state=chosen.state, run=chosen.run, is_continuing=chosen.continuing
    )


if __name__ == "__main__":
    sys.exit(main())
