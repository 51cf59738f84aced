"""The keeper: starts link, executor and core, restarts them, stops them; feeds the watchdog.

    supervision.Supervisor -- StartChild, SignalChild --> children (processes)
           ^  <-- R, renewals, ends --                       link: one process, one in standby
           '-- FeedWatchdog --> watchdog device, systemd

No configuration parser and no network: what must be known of ha.cf comes with link's first sign of
life. One loop over file descriptors: signals, leases, ends of processes. A bug here ends the
process; the children then stop in order by themselves (daemons.child), the watchdog is left armed.
"""

from __future__ import annotations

import argparse
import errno
import logging
import selectors
import signal
import socket
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from everbeat.adapters.children import ChildProcess, ChildStarter
from everbeat.adapters.lease import LeaseReport, signs_from_bytes
from everbeat.adapters.log import LEVELS, LOGGER_NAME, Log, LogTargets
from everbeat.adapters.notify import notify
from everbeat.adapters.own_files import is_folder_ours, take_folder
from everbeat.adapters.realtime import become_realtime, freeze_heap, prefer_session
from everbeat.adapters.run_lock import RunLock, remove_pidfile, write_pidfile
from everbeat.adapters.watchdog import Watchdog, WatchdogError
from everbeat.supervision.plan import (
    Child,
    ChildChanged,
    ChildSignal,
    ChildState,
    FeedWatchdog,
    Finish,
    Limits,
    NodeReady,
    Noted,
    SignalChild,
    StartChild,
    limits_of_deadtime,
    watchdog_slack_ms,
)
from everbeat.supervision.supervisor import PROGRESS_MS, Supervisor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from everbeat.supervision.plan import SupervisionEffect

LEASE_MS: Final = {"link": 100, "executor": 1_000, "core": 1_000}
"""How often children are asked to renew: four times or more within the shortest lease of each."""

EXIT_ALREADY_RUNNING: Final = 1
EXIT_UNSAFE_PLACE: Final = 6  # LSB: not configured; systemd does not try again
RUN_CHECK_MS: Final = 1_000
"""How often RUN is looked at: systemd-tmpfiles gives it back to Heartbeat's user at any time."""

RUN_NAMES: Final = (
    *("keeper.lock", "children.lock", "link.state", "link.config", "right", "unfinished"),
    *("safe-nodes", "pauses", "operations", "core.sock", "executor.sock", "link.sock", "register"),
)
"""What our processes have in RUN. All else there is Heartbeat's, and none of our business."""

_RESTART_WORD: Final = {Child.LINK: "--continuing", Child.CORE: "--adopting"}
_SIGNALS: Final = {
    ChildSignal.TERM: signal.SIGTERM,
    ChildSignal.KILL: signal.SIGKILL,
    ChildSignal.HUP: signal.SIGHUP,
}

_log = logging.getLogger(LOGGER_NAME)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeeperOptions:
    """Places, and for tests: another command for the children, limits before link's report."""

    etc: Path = Path("/etc/ha.d")
    state: Path = Path("/var/lib/heartbeat")
    run: Path = Path("/run/heartbeat")
    pidfile: Path = Path("/run/heartbeat.pid")
    command: tuple[str, ...] = (sys.executable, "-P", "-m", "everbeat.daemons.child")
    limits: Limits = field(default_factory=Limits)


class Keeper:
    """Moves orders to processes and what they say to the supervisor."""

    def __init__(self, options: KeeperOptions, lock: RunLock, log: Log) -> None:
        self._options = options
        self._log = log
        self._supervisor = Supervisor(options.limits)
        self._starter = ChildStarter(options.command, LEASE_MS, held=(lock.shared,))
        self._children: dict[Child, ChildProcess] = {}
        self._standby: ChildProcess | None = None
        self._report: LeaseReport | None = None
        self._watchdog: Watchdog | None = None
        self._is_armed = False
        self._selector = selectors.DefaultSelector()
        self._signals = _signal_socket()
        self._selector.register(self._signals, selectors.EVENT_READ)
        self._exit_code: int | None = None
        self._run_checked_ms = _now_ms()
        self._run_trouble = ""

    def run(self) -> int:
        """Run until every child has ended on purpose; return the exit status."""
        self._perform(self._supervisor.on_start(_now_ms()))
        while self._exit_code is None:
            wakeup_ms = self._supervisor.next_wakeup_ms()
            due_ms = self._run_checked_ms + RUN_CHECK_MS
            due_ms = due_ms if wakeup_ms is None else min(due_ms, wakeup_ms)
            wait_s = max(0, due_ms - _now_ms()) / 1000
            for key, _ in self._selector.select(wait_s):
                self._on_readable(key)
            if wakeup_ms is not None and _now_ms() >= wakeup_ms:
                self._perform(self._supervisor.on_tick(_now_ms()))
            if _now_ms() >= self._run_checked_ms + RUN_CHECK_MS:
                self._check_run()
        self._end_standby()
        return self._exit_code

    def _check_run(self) -> None:
        """Keep RUN ours while we run; what stands in the way is told once."""
        self._run_checked_ms = _now_ms()
        try:
            told, trouble = take_folder(self._options.run, RUN_NAMES), ""
        except OSError as error:
            told, trouble = (), f"{self._options.run} may belong to others: {error.strerror}"
        for line in told:
            _log.warning("%s", line)
        if trouble not in {"", self._run_trouble}:
            _log.error("%s", trouble)
        self._run_trouble = trouble

    def _on_readable(self, key: selectors.SelectorKey) -> None:
        if key.fileobj is self._signals:
            for number in self._signals.recv(64):
                self._on_signal(number)
            return
        child: Child
        process: ChildProcess
        child, process = key.data
        if self._children.get(child) is not process:
            return  # it was reaped a moment ago
        if key.fd == process.lease:
            self._on_lease(child, process)
        else:
            self._on_end(child, process)

    def _on_signal(self, number: int) -> None:
        if number == signal.SIGHUP:
            self._perform(self._supervisor.on_reload())
        elif number in (signal.SIGTERM, signal.SIGINT):
            _log.info("stopping on %s", signal.Signals(number).name)
            notify("STOPPING=1\nSTATUS=giving up resources")
            self._perform(self._supervisor.on_stop(_now_ms()))

    def _on_lease(self, child: Child, process: ChildProcess) -> None:
        data = process.read_lease()
        if not data:
            self._selector.unregister(process.lease)  # closed: its end will follow
            return
        signs = signs_from_bytes(data)
        if signs.report is not None:
            self._on_report(signs.report)
        if signs.is_ready:
            self._perform(self._supervisor.on_ready(child, _now_ms()))
        elif signs.is_alive:
            self._supervisor.on_renewed(child, _now_ms(), is_overdue=signs.is_overdue)

    def _on_report(self, report: LeaseReport) -> None:
        if report == self._report:
            return
        limits = limits_of_deadtime(report.deadtime_ms, has_watchdog=bool(report.watchdog))
        self._supervisor.on_limits(limits)
        if self._report is None:
            self._log.close()
            self._log = Log(_targets(report))
            self._log.start()
            if report.is_realtime:
                for refusal in become_realtime(report.rtprio):
                    _log.warning("keeper is not as quick as configured: %s", refusal)
            else:
                self._share()
            freeze_heap()
        self._report = report

    def _share(self) -> None:
        """Let the children go no longer before other programs."""
        self._starter.is_prompt = False
        for process in self._children.values():
            prefer_session(process.process.pid, is_preferred=False)

    def _on_end(self, child: Child, process: ChildProcess) -> None:
        if process.lease in self._selector.get_map():
            self._selector.unregister(process.lease)
        self._selector.unregister(process.end)
        del self._children[child]
        self._perform(self._supervisor.on_exited(child, process.close(), _now_ms()))

    def _perform(self, effects: Sequence[SupervisionEffect]) -> None:
        for effect in effects:
            match effect:
                case StartChild(child, is_again):
                    self._start(child, is_again=is_again)
                case SignalChild(child, number):
                    if child in self._children:
                        self._children[child].send(_SIGNALS[number])
                case FeedWatchdog():
                    notify("WATCHDOG=1")
                    self._arm_watchdog()
                    if self._watchdog is not None:
                        self._watchdog.feed()
                case NodeReady():
                    notify("READY=1\nSTATUS=link, executor and core are up")
                    _log.info("everbeat is up")
                case ChildChanged(child, state):
                    self._on_child_changed(child, state)
                case Noted(severity, text):
                    _log.log(LEVELS[severity], "%s", text)
                case Finish(exit_code, is_clean):
                    self._finish(exit_code, is_clean=is_clean)

    def _start(self, child: Child, *, is_again: bool) -> None:
        options = self._options
        words = [
            "--etc",
            str(options.etc),
            "--state",
            str(options.state),
            "--run",
            str(options.run),
        ]
        if is_again and child in _RESTART_WORD:
            words.append(_RESTART_WORD[child])
        standby, self._standby = (
            (self._standby, None) if child is Child.LINK else (None, self._standby)
        )
        if standby is not None and self._starter.wake(standby, words):
            process = standby
        else:
            process = self._starter.start(child.value, words)
        self._children[child] = process
        self._selector.register(process.lease, selectors.EVENT_READ, (child, process))
        self._selector.register(process.end, selectors.EVENT_READ, (child, process))

    def _on_child_changed(self, child: Child, state: ChildState) -> None:
        _log.debug("%s is %s", child.value, state.value)
        if state is not ChildState.UP or self._standby is not None:
            return
        if child is Child.CORE or Child.CORE in self._children:  # not while the node starts
            self._standby = self._starter.start_standby(Child.LINK.value)

    def _arm_watchdog(self) -> None:
        """Open it at the first feeding: that is one, too, and one of a former keeper may run."""
        if self._is_armed or self._report is None or not self._report.watchdog:
            return
        self._is_armed = True
        path = self._report.watchdog
        try:
            self._watchdog = Watchdog(path, self._report.watchdog_ms)
        except WatchdogError as error:
            _log.error("Cannot open watchdog device: %s", error)
        else:
            timeout_ms = self._watchdog.timeout_ms
            slack_ms = watchdog_slack_ms(timeout_ms, self._report.deadtime_ms)
            _log.info("watchdog %s resets after %d ms", path, timeout_ms)
            if slack_ms < 0:
                text = "a hung machine is reset %d ms after its groups may be taken; raise deadtime"
                _log.warning(text, -slack_ms)

    def _end_standby(self) -> None:
        if self._standby is not None:
            self._standby.send(signal.SIGKILL)
            self._standby.close()
            self._standby = None

    def _finish(self, exit_code: int, *, is_clean: bool) -> None:
        self._exit_code = exit_code
        if self._watchdog is not None and is_clean:
            self._watchdog.disarm()
        self._end_standby()
        _log.info("Heartbeat shutdown complete.")
        self._log.close()


def keep(options: KeeperOptions) -> int:
    """Run everbeat in the foreground until SIGTERM or SIGINT; return the exit status."""
    log = Log(LogTargets(node=socket.gethostname(), program="everbeat"))
    log.start()
    try:
        _take_places(options)
        lock = RunLock(options.run)
        if not _take(lock):
            _log.error("everbeat runs already as process %s (%s)", lock.keeper(), options.run)
            log.close()
            return EXIT_ALREADY_RUNNING
        write_pidfile(options.pidfile)
    except OSError as error:
        _log.error("%s: %s", error.filename or options.run, error.strerror)
        log.close()
        return EXIT_UNSAFE_PLACE
    try:
        return Keeper(options, lock, log).run()
    finally:
        remove_pidfile(options.pidfile)


def main(argv: Sequence[str] | None = None) -> int:
    """Take the command line of `everbeat run`; return the exit status."""
    defaults = KeeperOptions()
    parser = argparse.ArgumentParser(prog="everbeat run", description="Run this node.")
    for name in ("etc", "state", "run", "pidfile"):
        parser.add_argument(f"--{name}", type=Path, default=getattr(defaults, name))
    chosen = parser.parse_args(argv)
    return keep(
        KeeperOptions(etc=chosen.etc, state=chosen.state, run=chosen.run, pidfile=chosen.pidfile)
    )


def _take_places(options: KeeperOptions) -> None:
    """Make RUN and STATE if need be, and see to it that nobody else writes there. Raise OSError.

    RUN we take over: Debian's heartbeat gives it to its user at each boot. Nothing does so with
    STATE, where the node's identity lies: if others could write there, somebody must look.
    """
    options.run.mkdir(mode=0o755, parents=True, exist_ok=True)
    options.state.mkdir(mode=0o755, parents=True, exist_ok=True)
    for line in take_folder(options.run, RUN_NAMES):
        _log.warning("%s", line)
    if not is_folder_ours(options.state):
        mend = "others may write here: see what they did, then chown root, chmod go-w"
        raise PermissionError(errno.EPERM, mend, str(options.state))


def _take(lock: RunLock) -> bool:
    """Take the lock; wait for children whose keeper was killed; False: a keeper runs."""
    if not lock.take_own():
        return False
    told_ms = _now_ms() - PROGRESS_MS
    while not lock.take_shared():
        if _now_ms() - told_ms >= PROGRESS_MS:
            told_ms = _now_ms()
            _log.warning("waiting for the processes of an everbeat whose keeper has died")
        time.sleep(0.1)
    return True


def _signal_socket() -> socket.socket:
    """Return a socket from which the numbers of arriving signals can be read."""
    ours, theirs = socket.socketpair()
    for end in (ours, theirs):
        end.setblocking(False)  # noqa: FBT003 - positional only in socket
    signal.set_wakeup_fd(theirs.detach())
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    return ours


def _targets(report: LeaseReport) -> LogTargets:
    return LogTargets(
        node=report.node or socket.gethostname(),
        logfile=report.logfile,
        debugfile=report.debugfile,
        facility=report.facility,
    )


def _now_ms() -> int:
    return time.monotonic_ns() // 1_000_000


if __name__ == "__main__":
    sys.exit(main())
