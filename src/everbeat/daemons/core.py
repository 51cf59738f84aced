"""The core process: decides who holds what, and answers people and programs.

    RUN/link.sock ── view, facts ──► CoreNode ── orders ──► RUN/link.sock
    RUN/executor.sock ── results ──►    │     ── operations, hooks ──► RUN/executor.sock
    RUN/core.sock ⇄ tools    RUN/register ⇄ API clients    STATE/fifo ──► scripts' messages

link and executor may die and come back: their sockets are opened again, and the node is told.
SIGTERM: give up all resources, tell the others, end with 0. SIGHUP: use the files as
they are now. What this process does not know after its own death it asks: --adopting looks
at what runs before it joins again.
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
from random import SystemRandom
from typing import TYPE_CHECKING, Final, get_args

from everbeat import VERSION
from everbeat.adapters.accounts import ask_accounts, local_accounts
from everbeat.adapters.cipher import AesSiv, CipherMissingError, cipher_for
from everbeat.adapters.client_socket import ClientSocket
from everbeat.adapters.clock import SystemClock
from everbeat.adapters.config_files import read_configuration
from everbeat.adapters.configuration_store import check_bundle, install_bundle, read_again
from everbeat.adapters.disk_identity import DiskIdentityError
from everbeat.adapters.event_file import EventFile
from everbeat.adapters.fifo import Fifo
from everbeat.adapters.file_store import StoreError
from everbeat.adapters.files_version import keep_files_version, read_files_version
from everbeat.adapters.host_facts import RealHost
from everbeat.adapters.lease import lease_from_environment
from everbeat.adapters.log import LOGGER_NAME, Log, targets_of, wait_written
from everbeat.adapters.pauses_file import PausesFile
from everbeat.adapters.power import reboot_now
from everbeat.adapters.realtime import become_prompt
from everbeat.adapters.safe_nodes_file import SafeNodesFile
from everbeat.adapters.unfinished_life import begin_life, end_life, is_unfinished
from everbeat.clients.authorization import names_of_rules
from everbeat.clients.orders import Disconnect, Reply
from everbeat.config.configuration import config_from_files
from everbeat.daemons.loop_errors import watch_for_bugs
from everbeat.haresources.effects import GroupMoved, ResourceActed
from everbeat.ipc.channel import connect, listen
from everbeat.ipc.codec import Codec, IpcError
from everbeat.ipc.messages import (
    CORE_TYPES,
    Answer,
    ConfirmFenced,
    Distribute,
    DistributeReply,
    EventsReply,
    GetEvents,
    GetInUse,
    GetStatus,
    InUse,
    ReloadReply,
    RequestCleanup,
    RequestFence,
    RequestPause,
    RequestReload,
    RequestResume,
    RequestStandby,
    RequestTakeover,
    SendMessage,
    StatusReply,
    TestFencing,
)
from everbeat.ipc.registries import EXECUTOR_TYPES, LINK_TYPES
from everbeat.journal.timeline import EventRecorded
from everbeat.model.distribution import AUTHKEYS, CheckFiles, Distributed, InstallFiles
from everbeat.model.failures import Failures
from everbeat.model.fencing import RunFencing
from everbeat.model.members import MembershipView
from everbeat.model.membership import Broadcast, RaiseGeneration
from everbeat.model.neighbours import ProbeAddresses, RepeatAnnouncement
from everbeat.model.operations import (
    AnnounceAddresses,
    ExecutorFact,
    ForgetFailures,
    RunHook,
    RunOperation,
    StartAgain,
    StartClients,
    WatchResources,
)
from everbeat.model.quorum import ConfirmOff
from everbeat.model.reload import UseConfiguration
from everbeat.model.reports import Severity
from everbeat.model.shutdown import StopFinished
from everbeat.node.core_log_lines import lines_of_effect
from everbeat.node.core_node import CoreNode, RebootMachine
from everbeat.node.reload import live_part, needs_new_link

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable, Mapping, Sequence

    from everbeat.adapters.lease import Lease
    from everbeat.clients.authorization import Accounts, Credentials
    from everbeat.clients.orders import ApiOrder
    from everbeat.config.configuration import ConfigFiles, Parsed
    from everbeat.ipc.channel import Channel
    from everbeat.model.cluster import ApiAuthorization
    from everbeat.model.distribution import Bundle
    from everbeat.model.journal import ClusterEvent
    from everbeat.model.keys import AuthKeys
    from everbeat.model.membership import MembershipFact
    from everbeat.model.message import Message
    from everbeat.model.reports import Report
    from everbeat.model.verdict import Verdict
    from everbeat.node.core_node import CoreEffect

EXIT_NOT_CONFIGURED: Final = 6  # LSB, as Heartbeat's
RECONNECT_S: Final = 0.02
PENDING_MAX: Final = 10_000  # orders kept while link or executor is away; beyond: a bug
_EXECUTOR_FACTS: Final = get_args(ExecutorFact)

_log = logging.getLogger(LOGGER_NAME)


@dataclass(frozen=True, slots=True)
class Folders:
    """--etc, --state and --run."""

    etc: Path
    state: Path
    run: Path


class CoreDaemon:
    """Moves facts, orders and time between a CoreNode and the other processes."""

    def __init__(
        self, parsed: Parsed, files: ConfigFiles, folders: Folders, *, is_adopting: bool
    ) -> None:
        assert parsed.config is not None
        self._config = parsed.config  # as it is used now
        self._files = files  # as they were read for it
        self._clock = SystemClock()
        self._loop = asyncio.get_running_loop()
        self._event_file = EventFile(folders.state)
        self._safe_file = SafeNodesFile(folders.run)
        self._pauses_file = PausesFile(folders.run)
        is_unended = is_adopting or is_unfinished(folders.run)
        paused = self._pauses_file.read()
        earlier = self._event_file.read()
        self._earlier = earlier[-1_000:]
        last_id = earlier[-1].id if earlier else 0
        self._node = CoreNode(
            parsed.config,
            parsed.groups,
            is_adopting=is_unended,
            first_event_id=last_id + 1,
            first_operation_id=self._clock.now_ms() * 1_000,
            random=SystemRandom(),
            files_version=read_files_version(folders.state),
            safe=self._safe_file.read() if is_adopting else (),
        )
        if is_unended:
            self._node.use_pauses(paused)
        begin_life(folders.run)
        self._folders = folders
        if parsed.keys is not None:
            self._node.use_keys(parsed.keys, _cipher_or_none(parsed.keys))
        self._learn_accounts(parsed.config.apiauth)
        self._distributing: dict[str, tuple[Channel, Bundle]] = {}  # asked for here, by offer
        self._reloading = asyncio.Lock()
        self._link: Channel | None = None
        self._executor: Channel | None = None
        self._for_link: list[object] = []  # while it is away
        self._for_executor: list[object] = []
        self._timer: asyncio.TimerHandle | None = None
        self._followers: set[Channel] = set()
        self._clients = ClientSocket(folders.run / "register", self)
        self._fifo = Fifo(self._loop, folders.state / "fifo", self._on_fifo)
        self._tasks: set[asyncio.Task[object]] = set()
        self.finished: asyncio.Future[None] = self._loop.create_future()
        self.linked = asyncio.Event()

    def open(self) -> None:
        """Begin to read the FIFO."""
        try:
            self._fifo.open()
        except OSError as error:
            _log.error("scripts cannot speak to the cluster: %s", error)

    async def close(self) -> None:
        """Hang up on everybody."""
        self._fifo.close()
        await self._clients.close()
        if self._timer is not None:
            self._timer.cancel()
        self._event_file.close()

    def stop(self) -> None:
        """Give up all resources; `finished` follows."""
        _log.info("Heartbeat shutdown in progress. (%d)", os.getpid())
        self._perform(self._node.on_stop(self._now_ms()))

    # --- another configuration ---------------------------------------------------------------

    def reload_soon(self) -> None:
        """Use the files as they are now; the log tells what came of it."""
        self._spawn(self._reload())

    async def _reload(self, *, is_insisted_on: bool = False) -> ReloadReply:
        async with self._reloading:
            read = await asyncio.to_thread(read_again, self._folders.etc, self._files)
            if read.is_doubted and not is_insisted_on:
                text = "not all of it would work; all the same: everbeat reload --force"
                reply = ReloadReply(
                    is_accepted=False, text=text, reports=read.reports, is_doubted=True
                )
            else:
                reply = self._use(read.parsed, read.reports)
            if reply.is_accepted:
                self._files = read.files
        if reply.is_accepted:
            later = f"; at the next start: {', '.join(reply.later)}" if reply.later else ""
            _log.info("the configuration was read again%s", later)
            return reply
        for report in reply.reports:
            if report.severity is Severity.ERROR or reply.is_doubted:
                place = report.place
                _log.error("%s:%d: %s", place.file, place.line, report.summary)
                if Path(place.file).name == AUTHKEYS:
                    _log.error("authkeys was not taken over; the former keys stay in use")
        _log.error("nothing of it is used: %s", reply.text)
        return reply

    def _use(self, parsed: Parsed, reports: tuple[Report, ...]) -> ReloadReply:
        is_wrong = any(report.severity is Severity.ERROR for report in reports)
        if is_wrong or parsed.config is None or parsed.keys is None:
            return ReloadReply(
                is_accepted=False, text="the configuration is wrong", reports=reports
            )
        try:
            cipher = cipher_for(parsed.keys)
        except CipherMissingError as error:
            return ReloadReply(is_accepted=False, text=str(error))
        config, later = live_part(self._config, parsed.config)
        cipher = cipher or _cipher_or_none(parsed.keys)
        verdict = self._node.on_configuration(
            config, parsed.groups, parsed.keys, cipher, self._now_ms()
        )
        if not verdict.is_accepted:
            return ReloadReply(is_accepted=False, text=verdict.reason)
        self._perform(verdict.effects)
        if needs_new_link(self._config, config):
            self._link = None  # that process reads no more; what follows is for the next one
        self._config = config
        self._learn_accounts(config.apiauth)
        return ReloadReply(is_accepted=True, later=later, reports=reports)

    async def _check_files(self, order: CheckFiles) -> None:
        _, asked = self._distributing.get(order.offer, (None, None))
        # The files, not the id alone: another node could use that as well.
        is_ours = asked is not None and order.bundle.files == asked.files
        reports, reason = await asyncio.to_thread(
            check_bundle, self._folders.etc, order.bundle, None, self._files, is_ours=is_ours
        )
        for report in reports:
            if report.code == "program-not-allowed":
                _log.warning("files of another node are refused: %s", report.summary)
        self._perform(self._node.on_checked(order.offer, reports, reason))

    async def _install_files(self, order: InstallFiles) -> None:
        error, later = "", ""
        try:
            await asyncio.to_thread(keep_files_version, self._folders.state, order.version)
            await asyncio.to_thread(install_bundle, self._folders.etc, order.bundle)
        except (StoreError, DiskIdentityError) as failure:
            error = str(failure)
        else:
            reply = await self._reload(is_insisted_on=True)  # asked when it was offered
            error = "" if reply.is_accepted else reply.text
            later = ", ".join(reply.later)
        self._perform(self._node.on_installed(order.offer, error, later))

    def _spawn(self, work: Coroutine[object, object, object]) -> None:
        """Run in the background; a bug there ends this process as one anywhere else does."""
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._on_spawned)

    def _on_spawned(self, task: asyncio.Task[object]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (bug := task.exception()) is not None:
            _fail(self.finished, {"exception": bug})

    async def _answer_reload(self, channel: Channel, request: RequestReload) -> None:
        channel.send_nowait(await self._reload(is_insisted_on=request.is_insisted_on))

    def _distribute(self, channel: Channel, request: Distribute) -> None:
        offered = self._node.on_distribute(
            request.bundle, self._now_ms(), may_pass_over=request.may_pass_over
        )
        if offered.verdict.is_accepted:
            self._distributing[offered.offer] = channel, request.bundle
        else:
            channel.send_nowait(DistributeReply(offered.verdict.reason))
        self._perform(offered.verdict.effects)

    # --- link and executor -------------------------------------------------------------------

    async def keep_linked(self) -> None:
        """Be connected to link; again whenever it is a new one."""
        codec = Codec(LINK_TYPES)
        while True:
            channel = await _connected(self._folders.run / "link.sock", codec)
            self._link = channel
            async for value in channel:
                if isinstance(value, MembershipView):
                    self._perform(self._node.on_view(value, self._now_ms()))
                    self._send_pending(self._for_link, channel)
                    await self._open_clients()
                    self.linked.set()
                else:
                    await self._on_membership(value)  # type: ignore[arg-type] # the codec's types
            self._link = None
            _log.warning("link is away: %s", channel.closed_reason)

    async def keep_executor(self) -> None:
        """Be connected to the executor; again whenever it is a new one."""
        codec = Codec(EXECUTOR_TYPES)
        is_first = True
        while True:
            channel = await _connected(self._folders.run / "executor.sock", codec)
            self._executor = channel
            if not is_first:
                # Operations are asked again as far as they still matter; the rest is not.
                once = (RunHook, AnnounceAddresses, StartAgain, ForgetFailures)
                kept: list[object] = [o for o in self._for_executor if isinstance(o, once)]
                self._for_executor = kept
                self._perform(self._node.on_executor_lost(self._now_ms()))
            is_first = False
            self._send_pending(self._for_executor, channel)
            async for value in channel:
                if isinstance(value, _EXECUTOR_FACTS):
                    self._perform(self._node.on_executor(value, self._now_ms()))
            self._executor = None
            _log.warning("executor is away: %s", channel.closed_reason)

    async def _on_membership(self, fact: MembershipFact) -> None:
        self._perform(self._node.on_membership(fact, self._now_ms()))
        await self._open_clients()

    async def _open_clients(self) -> None:
        if self._node.membership().is_communication_up and not self._clients.is_open:
            await self._clients.open()

    @staticmethod
    def _send_pending(pending: list[object], channel: Channel) -> None:
        for value in pending:
            channel.send_nowait(value)
        pending.clear()

    # --- tools -------------------------------------------------------------------------------

    async def on_channel(self, channel: Channel) -> None:
        """Serve one tool."""
        try:
            async for request in channel:
                self._answer(channel, request)
        finally:
            self._followers.discard(channel)

    def _answer(self, channel: Channel, request: object) -> None:
        match request:
            case GetStatus():
                channel.send_nowait(self._status())
            case GetEvents(after_id, is_followed):
                known = (*self._earlier, *self._node.events_after(0))
                channel.send_nowait(EventsReply(tuple(e for e in known if e.id > after_id)))
                if is_followed:
                    self._followers.add(channel)
            case RequestStandby(hold):
                self._decide(channel, self._node.on_standby(hold, self._now_ms()))
            case RequestTakeover(hold):
                self._decide(channel, self._node.on_takeover(hold))
            case RequestCleanup(resource, node):
                self._decide(channel, self._node.on_cleanup(resource, node))
            case RequestPause(target, for_ms):
                self._decide(channel, self._node.on_pause(target, for_ms, self._now_ms()))
            case RequestResume(target):
                self._decide(channel, self._node.on_resume(target, self._now_ms()))
            case RequestFence(node, action):
                self._decide(channel, self._node.on_fence(node, action, self._now_ms()))
            case ConfirmFenced(node):
                self._decide(channel, self._node.on_fence_confirm(node, self._now_ms()))
            case TestFencing(node):
                self._decide(channel, self._node.on_fence_test(node, self._now_ms()))
            case GetInUse():
                files = self._files
                channel.send_nowait(InUse(files.ha_cf.text, files.haresources.text))
            case RequestReload():
                self._spawn(self._answer_reload(channel, request))
            case Distribute():
                self._distribute(channel, request)
            case SendMessage(message):
                self._perform(self._node.on_message(message, self._now_ms()))
                channel.send_nowait(Answer(is_accepted=True, text=f"{message.type} was sent"))
            case _:
                channel.drop("no request")

    def _decide(self, channel: Channel, verdict: Verdict[CoreEffect]) -> None:
        self._perform(verdict.effects)
        text = verdict.reason or verdict.text or "the other node was asked"
        channel.send_nowait(Answer(is_accepted=verdict.is_accepted, text=text))

    def _status(self) -> StatusReply:
        return StatusReply(
            version=VERSION,
            now_ms=self._now_ms(),
            wall_ms=self._clock.wall_ms(),
            membership=self._node.membership(),
            manager=self._node.manager(),
            fencing=self._node.fencing(),
            failures=self._node.failures(),
        )

    # --- programs ----------------------------------------------------------------------------

    def on_client_connected(self, client: int, credentials: Credentials) -> None:
        """Take a new API client."""
        self._perform(self._node.on_client_connect(client, credentials, self._now_ms()))

    def on_client_message(self, client: int, message: Message) -> None:
        """Take a message of an API client."""
        self._perform(self._node.on_client_message(client, message, self._now_ms()))

    def on_client_gone(self, client: int, reason: str) -> None:
        """Take that an API client is gone."""
        _log.debug("API client %d is gone: %s", client, reason)
        self._perform(self._node.on_client_disconnect(client))

    def _on_fifo(self, message: Message) -> None:
        self._perform(self._node.on_message(message, self._now_ms()))

    def _learn_accounts(self, rules: tuple[ApiAuthorization, ...]) -> None:
        """Turn the names of apiauth to numbers; what only a name service knows comes later."""
        users, groups = names_of_rules(rules)
        known = local_accounts(users, groups)
        self._node.on_accounts(known)

        def tell(accounts: Accounts) -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
                self._loop.call_soon_threadsafe(self._on_accounts, rules, accounts)

        ask_accounts(users, groups, known, tell)

    def _on_accounts(self, rules: tuple[ApiAuthorization, ...], accounts: Accounts) -> None:
        """Take what a name service said, unless other names are in force by now."""
        if rules == self._config.apiauth:
            self._node.on_accounts(accounts)

    # --- effects -----------------------------------------------------------------------------

    def _now_ms(self) -> int:
        now_ms = self._clock.now_ms()
        self._node.on_clock(self._clock.wall_ms(), now_ms)
        return now_ms

    def _perform(self, effects: Iterable[CoreEffect | ApiOrder]) -> None:
        for effect in effects:
            match effect:
                case Broadcast() | RaiseGeneration():
                    _send(self._link, self._for_link, effect)
                case ConfirmOff():
                    _send(self._link, self._for_link, effect)
                case RunFencing():
                    _send(self._executor, self._for_executor, effect)
                case RebootMachine(reason):
                    _log.critical("reboot: %s", reason)
                    refusal = reboot_now(wait_written, self._event_file.wait_written)
                    _log.critical("the kernel refused: %s", refusal)
                case (
                    RunOperation() | RunHook() | AnnounceAddresses() | StartAgain() | StartClients()
                ):
                    _send(self._executor, self._for_executor, effect)
                case WatchResources() | ForgetFailures() | Failures():
                    _send(self._executor, self._for_executor, effect)
                case ProbeAddresses() | RepeatAnnouncement() if self._executor is not None:
                    self._executor.send_nowait(effect)
                case Reply() | Disconnect():
                    self._clients.carry_out(effect)
                case EventRecorded(event):
                    self._tell(event)
                case UseConfiguration():
                    _send(self._link, self._for_link, effect)
                    _send(self._executor, self._for_executor, effect)
                case CheckFiles():
                    self._spawn(self._check_files(effect))
                case InstallFiles():
                    self._spawn(self._install_files(effect))
                case Distributed(offer, outcomes):
                    asker, _ = self._distributing.pop(offer, (None, None))
                    if asker is not None:
                        asker.send_nowait(DistributeReply("", outcomes, effect.is_done))
                case StopFinished():
                    end_life(self._folders.run)
                    if not self.finished.done():
                        self.finished.set_result(None)
                case GroupMoved() | ResourceActed():
                    pass
                case ProbeAddresses() | RepeatAnnouncement():
                    pass  # the executor is away: the next question comes
            for level, text in lines_of_effect(effect):
                _log.log(level, "%s", text)
        self._safe_file.write(self._node.safe_nodes())
        self._pauses_file.write(self._node.pauses())
        self._arm()

    def _tell(self, event: ClusterEvent) -> None:
        if event.is_finished:
            self._event_file.append_nowait(event)
        for follower in tuple(self._followers):
            follower.send_nowait(EventsReply((event,)))

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due_ms = self._node.next_wakeup_ms()
        if due_ms is not None:
            delay_ms = max(0, due_ms - self._clock.now_ms())
            self._timer = self._loop.call_later(delay_ms / 1000, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._perform(self._node.on_tick(self._now_ms()))


def _cipher_or_none(keys: AuthKeys) -> AesSiv | None:
    """Return a cipher for files even where authkeys needs none; None without the library."""
    try:
        return cipher_for(keys) or AesSiv()
    except CipherMissingError:
        return None


def _send(channel: Channel | None, pending: list[object], value: object) -> None:
    if channel is not None and channel.send_nowait(value):
        return
    pending.append(value)
    assert len(pending) <= PENDING_MAX, "link or executor stays away"


async def _connected(path: Path, codec: Codec) -> Channel:
    while True:
        with contextlib.suppress(IpcError):
            return await connect(path, codec, program="core")
        await asyncio.sleep(RECONNECT_S)


async def serve(
    parsed: Parsed, files: ConfigFiles, folders: Folders, lease: Lease, *, is_adopting: bool
) -> None:
    """Serve until SIGTERM and all is given up. A bug in any callback ends it as that exception."""
    loop = asyncio.get_running_loop()
    daemon = CoreDaemon(parsed, files, folders, is_adopting=is_adopting)
    if parsed.config is not None and parsed.config.is_realtime:
        for refusal in become_prompt():
            _log.warning("decisions wait behind busy programs: %s", refusal)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, daemon.stop)
    loop.add_signal_handler(signal.SIGHUP, daemon.reload_soon)
    watch_for_bugs(loop, lambda context: _fail(daemon.finished, context), _log.warning)
    daemon.open()
    listener = await listen(
        folders.run / "core.sock", Codec(CORE_TYPES), daemon.on_channel, program="core"
    )
    async with asyncio.TaskGroup() as tasks:
        running = [
            tasks.create_task(daemon.keep_linked()),
            tasks.create_task(daemon.keep_executor()),
            tasks.create_task(_beat(lease, daemon.linked)),
        ]
        try:
            await daemon.finished
        finally:
            for task in running:
                task.cancel()
    await listener.close()
    await daemon.close()
    _log.info("Heartbeat shutdown complete.")


def _fail(finished: asyncio.Future[None], context: Mapping[str, object]) -> None:
    error = context.get("exception")
    if not finished.done():
        bug = error if isinstance(error, Exception) else RuntimeError(str(context.get("message")))
        finished.set_exception(bug)


async def _beat(lease: Lease, linked: asyncio.Event) -> None:
    await linked.wait()
    lease.ready()
    while True:
        await asyncio.sleep(lease.every_ms / 1000)
        lease.renew()


def main(argv: Sequence[str] | None = None) -> int:
    """Run the core process; 0 after SIGTERM, 6 for a configuration that cannot be used."""
    parser = argparse.ArgumentParser(prog="everbeat.daemons.core", description="The core process.")
    parser.add_argument("--etc", type=Path, default=Path("/etc/ha.d"))
    parser.add_argument("--state", type=Path, default=Path("/var/lib/heartbeat"))
    parser.add_argument("--run", type=Path, default=Path("/run/heartbeat"))
    parser.add_argument("--adopting", action="store_true", help="keep what already runs")
    chosen = parser.parse_args(argv)
    files = read_configuration(chosen.etc)
    parsed = config_from_files(files, RealHost(chosen.etc))
    if parsed.config is None:
        sys.stderr.write(f"everbeat-core: the configuration in {chosen.etc} cannot be used\n")
        return EXIT_NOT_CONFIGURED
    log = Log(targets_of(parsed.config))
    log.start()
    try:
        folders = Folders(chosen.etc, chosen.state, chosen.run)
        lease = lease_from_environment()
        asyncio.run(serve(parsed, files, folders, lease, is_adopting=chosen.adopting))
    except BaseException:  # the top level: told in the log as well, then the process dies of it
        _log.critical("a bug ends this process", exc_info=True)
        raise
    finally:
        log.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
