"""Real everbeat nodes with watchdogs that faults are done to, and who serves is seen of.

    WITNESS   alpha, beta, a witness: beats on the first bridge, the witness on the second
    VOTES     alpha, beta, gamma: beats on one bridge

Each node's /var/lib/heartbeat is a small disk of its own. What a person or systemd does is done
here as well: a machine that was reset is switched on again, a keeper that ended is started again.
Needs a mount namespace of its own (`unshare --mount`): the small disks vanish with it.
"""

from __future__ import annotations

import errno
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from everbeat.adapters.namespaces import NamespaceError, Space
from everbeat.adapters.web_probe import Probe
from faults.schedule import LOSS_PERCENT, Cluster, Fault, FaultKind, nodes_of
from lab import EVERBEAT, EverbeatNode, Lab, Node, wait_until
from lab.watch import SERVER, AddressWatch, ServerWatch
from lab.watchdog import PLACE, WatchdogHardware
from lab.witness_machine import WITNESS_ADDRESS, WitnessMachine

if TYPE_CHECKING:
    from collections.abc import Sequence

ADDRESS: Final = "10.77.0.50"
DEADTIME_S: Final = 4
STOPTIME_S: Final = 2
INITDEAD_S: Final = 5
WATCHDOG_S: Final = 2  # what everbeat asks of a device with these times
DISK_BYTES: Final = 2_000_000
PROBE_EVERY_MS: Final = 10
BOOT_S: Final = 3.0
"""How long a machine is off: longer than its watchdog counts."""
RESTART_S: Final = 1.0
"""RestartSec of everbeat.service."""

RESET_S: Final = 3.0
"""What a reset may take on a busy machine, from the first process killed to the last."""

PROGRAM: Final = str(Path(sys.executable).with_name("everbeat"))
FAKETIME: Final = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1")
CLOCK_FILE: Final = "clock"
_CLOCK: Final = {
    "LD_PRELOAD": str(FAKETIME),
    "FAKETIME_TIMESTAMP_FILE": f"/etc/ha.d/{CLOCK_FILE}",
    "FAKETIME_CACHE_DURATION": "1",
    "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    "NO_FAKE_STAT": "1",
}
_SIGNAL_BY_NAME: Final = (
    "for p in $(grep -slx '{name}' /proc/[0-9]*/comm); do p=${{p%/comm}};"
    " kill -{signal} ${{p#/proc/}}; done"
)
_KILL_STANDBY: Final = (
    "for p in $(grep -slz -- '[-]-standby' /proc/[0-9]*/cmdline); do p=${p%/cmdline};"
    " kill -KILL ${p#/proc/}; done"
)


class FaultyCluster:
    """The machines, the watches and the client. `notes`: what could not be done, and why."""

    def __init__(self, cluster: Cluster, *, has_clock: bool = False) -> None:
        self.notes: list[str] = []
        self._has_clock = has_clock and FAKETIME.exists()
        self.lab = Lab(has_second_link=cluster is Cluster.WITNESS)
        self.witness = self._witness() if cluster is Cluster.WITNESS else None
        self.addresses, self.servers = AddressWatch(ADDRESS), ServerWatch()
        product = EverbeatNode(environment=_CLOCK) if self._has_clock else EVERBEAT
        self.nodes = {name: self.lab.node(name, product) for name in nodes_of(cluster)}
        self._watchdogs: list[WatchdogHardware] = []
        self._off_since: dict[str, float] = {}
        self._ended_since: dict[str, float] = {}
        self._commands: list[subprocess.Popen[bytes]] = []
        self.probe: Probe | None = None

    def _witness(self) -> WitnessMachine:
        folder = self.lab.folder / "witness"
        folder.mkdir()
        return WitnessMachine(self.lab, folder)

    def __enter__(self) -> Self:
        """Start everything; wait until alpha serves."""
        try:
            self._start()
        except BaseException:
            self.close()
            raise
        return self

    def _start(self) -> None:
        self.addresses.__enter__()
        self.lab.configure(
            resources=f"alpha {ADDRESS}/24/eth0 webd",
            deadtime=str(DEADTIME_S),
            initdead=str(INITDEAD_S),
            auto_failback="off",
            media="bcast eth0",
            extra=f"stoptime {STOPTIME_S}\nwatchdog {PLACE}"
            + (f"\nwitness {WITNESS_ADDRESS}" if self.witness else ""),
        )
        for node in self.nodes.values():
            node.crash()  # its small disk is to be there when it is switched on
            disk = ("mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES},mode=755", "tmpfs")
            subprocess.run([*disk, node.folder / "lib"], check=True)
            node.write("webd.py", SERVER)
            node.write(CLOCK_FILE, "+0\n")
            self._watchdogs.append(WatchdogHardware(node, WATCHDOG_S))
            self._switch_on(node)
        self.lab.wait_formed()
        self.probe = Probe(self.lab.client, ADDRESS, PROBE_EVERY_MS)
        wait_until(lambda: self.serving() is not None, "one serves", 40)

    def _switch_on(self, node: Node) -> None:
        node.boot()
        self.addresses.watch(node.name, node.on)
        self.servers.watch(node.name, node.on)
        if self._has_clock:  # its processes' numbers are those of other machines' as well
            node.sh("mount -t tmpfs tmpfs /dev/shm")
        node.start()

    def serving(self) -> str | None:
        """Return who alone has the address and answers the client; None if nobody does."""
        holders = self.addresses.holders()
        assert self.probe is not None
        answer = (self.probe.answering() or "").partition(".")[0]
        return answer if holders == [answer] else None

    def keep_up(self) -> None:
        """Switch on what was reset, start again what has ended; call it often."""
        now_s = time.monotonic()
        for name, node in self.nodes.items():
            if node.space is None:
                if now_s - self._off_since.setdefault(name, now_s) > BOOT_S:
                    del self._off_since[name]
                    self._ended_since.pop(name, None)
                    self._switch_on(node)
            elif node.is_running():
                self._ended_since.pop(name, None)
            elif now_s - self._ended_since.setdefault(name, now_s) > RESTART_S:
                del self._ended_since[name]
                node.start()

    def is_settled(self) -> bool:
        """Whether one serves, all run, see all others, and nothing moves."""
        return self.serving() is not None and all(
            node.space is not None
            and node.is_running()
            and all(node.status(peer) == "active" for peer in self.nodes if peer != node.name)
            and node.rscstatus() in {"none", "local", "foreign", "all"}
            for node in self.nodes.values()
        )

    def begin(self, fault: Fault) -> None:
        """Do it. What cannot be done is noted, with the reason."""
        if fault.kind is FaultKind.WITNESS_KILLED:
            self._kill_witness()
            return
        involved = [self.nodes[name] for name in (fault.node, fault.what) if name in self.nodes]
        spaces = [node.space for node in involved]
        if spaces[0] is None or None in spaces:
            self.notes.append(f"not done, a machine is off: {fault}")
            return
        try:
            self._begin_on(involved[0], spaces[0], fault)
        except (NamespaceError, AssertionError) as error:
            if not any(map(_was_reset, involved, spaces)):
                raise
            self.notes.append(f"reset meanwhile: {fault}: {error}")

    def _begin_on(self, node: Node, space: Space, fault: Fault) -> None:
        match fault.kind:
            case FaultKind.LINK_KILLED:
                if fault.is_hard:
                    _sh(space, _KILL_STANDBY)
                _signal(space, "hb-link", "KILL")
            case FaultKind.CORE_KILLED:
                _signal(space, "hb-core", "KILL")
            case FaultKind.EXECUTOR_KILLED:
                _signal(space, "hb-executor", "KILL")
            case FaultKind.KEEPER_KILLED:
                _sh(space, "kill -KILL $(cat /run/heartbeat.pid)")
            case FaultKind.PROCESS_HANGS:
                _signal(space, fault.what, "STOP")
            case FaultKind.NODE_PAUSED:
                node.freeze()
            case FaultKind.POWER_CUT:
                node.crash()
            case FaultKind.CABLE_CUT:
                node.cut(fault.link)
            case FaultKind.CABLE_CUT_ONE_WAY:
                node.loss(100, fault.link, is_one_way=True)
            case FaultKind.PARTED:
                self.lab.deafen(node, self.nodes[fault.what])
                self.lab.deafen(self.nodes[fault.what], node)
            case FaultKind.DEAF:
                self.lab.deafen(node, self.nodes[fault.what])
            case FaultKind.LOSS:
                node.loss(LOSS_PERCENT, fault.link)
            case FaultKind.DISK_FULL:
                _fill(node.folder / "lib" / "ballast")
            case FaultKind.CLOCK_JUMP:
                self._set_clock(node, fault)
            case FaultKind.STANDBY:
                self._command(space, "standby", "all")
            case FaultKind.TAKEOVER:
                self._command(space, "takeover", "all")
            case FaultKind.WITNESS_KILLED:
                raise AssertionError(fault)

    def _command(self, space: Space, *words: str) -> None:
        """Have a person type a command: not one of the node's processes that may be stopped."""
        command = subprocess.Popen(
            space.network_command(PROGRAM, *words),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._commands = [each for each in self._commands if each.poll() is None] + [command]

    def end(self, fault: Fault) -> None:
        """Undo it, if there is anything to undo."""
        if fault.kind is FaultKind.WITNESS_KILLED:
            assert self.witness is not None
            if self.witness.process is None:
                self.witness.start()
            return
        node = self.nodes[fault.node]
        space = node.space
        if fault.kind is FaultKind.DISK_FULL:
            (node.folder / "lib" / "ballast").unlink(missing_ok=True)
        if space is None:
            return  # switched on, it has new cables and runs
        try:
            self._end_on(node, space, fault)
        except (NamespaceError, AssertionError):
            if not _was_reset(node, space):
                raise

    def _end_on(self, node: Node, space: Space, fault: Fault) -> None:
        match fault.kind:
            case FaultKind.PROCESS_HANGS:
                _signal(space, fault.what, "CONT")
            case FaultKind.NODE_PAUSED:
                node.thaw()
            case FaultKind.CABLE_CUT:
                node.heal(fault.link)
            case FaultKind.CABLE_CUT_ONE_WAY | FaultKind.LOSS | FaultKind.DEAF:
                node.loss(0, fault.link)
            case FaultKind.PARTED:
                node.loss(0)
                self.nodes[fault.what].loss(0)
            case _:
                pass  # without an end, or ended already

    def _kill_witness(self) -> None:
        assert self.witness is not None
        if self.witness.process is not None:
            self.witness.kill()
            self.witness.process = None

    def _set_clock(self, node: Node, fault: Fault) -> None:
        if self._has_clock:
            node.write(CLOCK_FILE, f"{fault.seconds:+d}\n")
        else:
            self.notes.append(f"not done, libfaketime is not installed: {fault}")

    def logs(self) -> dict[str, str]:
        """Return what the machines wrote, by file name."""
        texts = {
            f"{name}.{file}": node.log(file)
            for name, node in self.nodes.items()
            for file in ("ha-log", "ha-debug", "everbeat.log")
        }
        return {**texts, **({"witness.log": self.witness.log()} if self.witness else {})}

    def reset_count(self) -> int:
        """Return how often watchdogs have bitten."""
        return sum(len(watchdog.resets) for watchdog in self._watchdogs)

    def close(self) -> None:
        """Remove everything."""
        if self.probe is not None:
            self.probe.stop()
        for command in self._commands:
            command.kill()
            command.wait()
        for watchdog in self._watchdogs:
            watchdog.close()
        if self.witness is not None:
            self.witness.close()
        for node in self.nodes.values():
            node.crash()
        self.servers.__exit__()
        self.addresses.__exit__()
        for node in self.nodes.values():
            subprocess.run(
                ["umount", "-l", node.folder / "lib"], check=False, stderr=subprocess.DEVNULL
            )
        self.lab.close()

    def __exit__(self, *_: object) -> None:
        self.close()


def _was_reset(node: Node, space: Space | None) -> bool:
    """Say whether this is no longer the machine it was; its watchdog may be about to reset it."""
    until_s = time.monotonic() + RESET_S
    while node.space is space and time.monotonic() < until_s:
        time.sleep(0.02)
    return node.space is not space


def _sh(space: Space, command: str) -> None:
    space.run("sh", "-c", command, is_checked=False)


def _signal(space: Space, name: str, signal: str) -> None:
    _sh(space, _SIGNAL_BY_NAME.format(name=name, signal=signal))


def _fill(path: Path) -> None:
    """Write until the disk is full."""
    try:
        with path.open("ab", buffering=0) as file:
            while True:
                file.write(bytes(4_096))
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise


def has_clock_jump(faults: Sequence[Fault]) -> bool:
    """Whether these need a wall clock that can be set."""
    return any(fault.kind is FaultKind.CLOCK_JUMP for fault in faults)
