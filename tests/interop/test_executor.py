"""The executor daemon in a namespace of its own: real scripts, addresses, services and kills."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from ipaddress import IPv6Address
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from everbeat.adapters.namespaces import Space, SpaceConfig, Switch, can_make_spaces
from everbeat.ipc.channel import Channel, connect
from everbeat.ipc.codec import Codec, IpcError
from everbeat.ipc.registries import EXECUTOR_TYPES
from everbeat.model.groups import ResourceSpec
from everbeat.model.names import GroupKey
from everbeat.model.operations import (
    Action,
    ClientsStopped,
    ExecutorFact,
    OperationDone,
    Outcome,
    RunHook,
    RunOperation,
    StartClients,
)
from lab import wait_until
from lab.slowness import is_over, machine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(bool(can_make_spaces()), reason=f"no namespaces: {can_make_spaces()}"),
]

DEBIAN_SCRIPTS = Path("/etc/ha.d/resource.d")
START_S_MAX = 20.0
_HA_CF = "node alpha beta\nbcast eth0\nauto_failback on\nkeepalive 1\ndeadtime 5\nwarntime 3\n"


@dataclass
class Lab:
    """alpha with an executor on it, beta that listens, both on one switch."""

    alpha: Space
    beta: Space
    folder: Path
    pid: int = 0
    ids: Iterator[int] = field(default_factory=lambda: count(1))
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def script(self, name: str, text: str, folder: str = "resource.d") -> Path:
        path = self.folder / "etc" / folder / name
        path.write_text("#!/bin/sh\n" + text)
        path.chmod(0o755)
        return path

    def start_executor(self) -> None:
        words = [f"--{name}={self.folder / name}" for name in ("etc", "state", "run")]
        log = (self.folder / "log").open("ab")
        process = self.alpha.spawn(
            sys.executable, "-m", "everbeat.daemons.executor", *words, stdout=log, stderr=log
        )
        log.close()
        self.started.append(process)
        began = time.monotonic()
        path = self.folder / "run/executor.sock"
        while not _listens(path):
            assert process.poll() is None, self.log()
            assert not is_over(began, START_S_MAX), self.log()
            time.sleep(0.05)
        self.pid = _child_of(process.pid)

    def log(self) -> str:
        return (self.folder / "log").read_text()

    def order(self, text: str, action: Action, timeout_ms: int = 20_000) -> RunOperation:
        script, *arguments = text.split("::")
        return RunOperation(
            id=next(self.ids),
            group=GroupKey("group"),
            resource=ResourceSpec(text, script, tuple(arguments)),
            action=action,
            timeout_ms=timeout_ms,
        )

    def run(self, text: str, *actions: Action, timeout_ms: int = 20_000) -> list[OperationDone]:
        """Order actions of one resource as a manager does, and return the answers."""
        orders = [self.order(text, action, timeout_ms) for action in actions]

        async def session() -> list[OperationDone]:
            async with manager(self.folder) as channel:
                for order in orders:
                    channel.send_nowait(order)
                return [await _answer(channel, order.id) for order in orders]

        return asyncio.run(session())


@contextlib.asynccontextmanager
async def manager(folder: Path, program: str = "core"):  # type: ignore[no-untyped-def] # noqa: ANN201 - an async context manager of a Channel
    path = folder / "run/executor.sock"
    channel = await connect(path, Codec(EXECUTOR_TYPES), program=program)
    try:
        yield channel
    finally:
        await channel.close()


async def _fact(channel: Channel) -> ExecutorFact:
    fact = await asyncio.wait_for(channel.receive(), 60)
    assert fact is not None
    return fact  # type: ignore[return-value] # the executor publishes facts only


async def _answer(channel: Channel, number: int) -> OperationDone:
    while True:
        fact = await _fact(channel)
        if isinstance(fact, OperationDone) and fact.id == number:
            return fact


def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
        return True


def _child_of(pid: int) -> int:
    """Return the process that runs inside: nsenter forks for the PID namespace."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(children[0]) if children else pid


def _is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    for folder in ("etc/resource.d", "etc/rc.d", "state", "run"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "etc/ha.cf").write_text(_HA_CF)
    (tmp_path / "etc/nodeinfo").write_text("alpha\n")
    (tmp_path / "etc/authkeys").write_text("auth 1\n1 sha1 secret\n")
    (tmp_path / "etc/authkeys").chmod(0o600)
    (tmp_path / "etc/haresources").write_text("")
    binds: tuple[tuple[str, str], ...] = ()
    if shutil.which("modprobe") is None:  # Debian's Filesystem asks for it, and needs it no more
        (tmp_path / "sbin").mkdir()
        (tmp_path / "sbin/modprobe").write_text("#!/bin/sh\n")
        (tmp_path / "sbin/modprobe").chmod(0o755)
        binds = (("/usr/local/sbin", str(tmp_path / "sbin")),)
    with Switch() as switch:
        tmpfs = (("/run", "mode=755"),)
        alpha = Space(SpaceConfig(host="alpha", tmpfs=tmpfs, binds=binds))
        beta = Space(SpaceConfig(host="beta"))
        try:
            switch.plug(alpha, "eth0", "10.77.0.1/24", "fd77::1/64", port="ebx0")
            switch.plug(beta, "eth0", "10.77.0.2/24", "fd77::2/64", port="ebx1")
            made = Lab(alpha, beta, tmp_path)
            yield made
            for process in made.started:
                process.kill()
        finally:
            alpha.kill()
            beta.kill()
        for process in made.started:
            process.wait()


@pytest.mark.parametrize(
    ("resource", "shown"),
    [
        ("IPaddr::10.77.0.50", "inet 10.77.0.50/24 brd 10.77.0.255"),
        ("IPaddr::10.77.0.50/24", "inet 10.77.0.50/24 brd 10.77.0.255"),
        ("IPaddr::10.77.0.50/255.255.255.0/eth0", "inet 10.77.0.50/24 brd 10.77.0.255"),
        ("IPaddr2::10.77.0.50/24/eth0:vip", "eth0:vip"),
        ("IPaddr2::10.77.0.50/24/10.77.0.254", "inet 10.77.0.50/24 brd 10.77.0.254"),
        ("IPaddr2::10.88.0.50/16/eth0/10.88.1.1", "inet 10.88.0.50/16 brd 10.88.1.1"),
        ("IPaddr2::10.77.0.50/32", "inet 10.77.0.50/32 scope"),
        ("IPaddr2::fd77::50", "inet6 fd77::50/64 scope global nodad"),
        ("IPaddr2::fd78:0:0:0:0:0:0:50/64/eth0", "inet6 fd78::50/64 scope global nodad"),
    ],
)
def test_a_built_in_address_starts_is_held_and_stops_also_twice(
    lab: Lab, resource: str, shown: str
) -> None:
    lab.start_executor()
    status, start, stop = Action.STATUS, Action.START, Action.STOP
    before, first, again, held = lab.run(resource, status, start, start, status)
    assert before.is_held is False
    assert first.is_success, first.output
    assert again.is_success, again.output
    assert held.is_held is True
    assert held.served_by.startswith("builtin:IPaddr")
    assert shown in lab.alpha.run("ip", "addr", "show", "dev", "eth0").stdout
    gone, twice, after = lab.run(resource, stop, stop, status)
    assert gone.is_success
    assert twice.is_success
    assert after.is_held is False
    address = (
        resource.partition("::")[2].partition("/")[0].replace("fd78:0:0:0:0:0:0:50", "fd78::50")
    )
    assert address + "/" not in lab.alpha.run("ip", "addr").stdout


def test_an_address_that_cannot_be_placed_says_why(lab: Lab) -> None:
    lab.start_executor()
    [no_route] = lab.run("IPaddr::192.0.2.1/24", Action.START)
    [no_device] = lab.run("IPaddr::192.0.2.1/24/eth9", Action.START)
    [nonsense] = lab.run("IPaddr::hello", Action.START)
    assert (no_route.exit_code, no_device.exit_code, nonsense.exit_code) == (2, 2, 2)
    assert "no route" in no_route.output
    assert "eth9" in no_device.output
    assert "not an address" in nonsense.output


def test_the_first_address_of_a_subnet_goes_without_the_others(lab: Lab) -> None:
    lab.start_executor()
    lab.run("IPaddr::10.9.0.1/24/eth0", Action.START)
    lab.run("IPaddr::10.9.0.2/24/eth0", Action.START)
    lab.run("IPaddr::10.9.0.1/24/eth0", Action.STOP)
    [kept] = lab.run("IPaddr::10.9.0.2/24/eth0", Action.STATUS)
    assert kept.is_held is True


def test_a_neighbour_hears_of_an_address_at_once_and_no_more_after_its_stop(lab: Lab) -> None:
    lab.start_executor()
    mac = bytes.fromhex(_mac_of(lab.alpha).replace(":", ""))
    vip = socket.inet_aton("10.77.0.50")
    vip6 = IPv6Address("fd77::50").packed
    with sniffing(lab.beta) as frames:
        lab.run("IPaddr::10.77.0.50/24", Action.START)
        lab.run("IPaddr2::fd77::50/64/eth0", Action.START)
        wait_until(lambda: len(arps_of(frames, vip)) >= 4, "four ARP packets", 5)
        wait_until(lambda: len(adverts_of(frames, vip6)) >= 3, "three advertisements", 5)
        lab.run("IPaddr::10.77.0.50/24", Action.STOP)
        time.sleep(0.2)
        before = len(arps_of(frames, vip))
        time.sleep(1.5)
    arps = arps_of(frames, vip)
    operations = [struct.unpack("!H", frame[20:22])[0] for frame in arps]
    assert operations[:4] == [1, 2, 1, 2]
    assert all(frame[6:12] == mac and frame[22:28] == mac for frame in arps)
    assert all(frame[38:42] == vip for frame in arps)
    assert len(arps) == before
    assert all(frame[80:86] == mac and frame[58] == 0x20 for frame in adverts_of(frames, vip6))


def arps_of(frames: list[bytes], vip: bytes) -> list[bytes]:
    """Return the ARP packets that tell of an address."""
    return [f for f in list(frames) if f[12:14] == b"\x08\x06" and f[28:32] == vip]


def adverts_of(frames: list[bytes], vip6: bytes) -> list[bytes]:
    """Return the neighbour advertisements of an address."""
    return [
        f for f in list(frames) if f[12:14] == b"\x86\xdd" and f[54] == 136 and f[62:78] == vip6
    ]


def test_a_neighbour_believes_the_announcement(lab: Lab) -> None:
    lab.start_executor()
    for neighbour in ("10.77.0.50", "fd77::50"):
        stale = ("lladdr", "02:00:00:00:00:99", "dev", "eth0", "nud", "reachable")
        lab.beta.run("ip", "neigh", "replace", neighbour, *stale)
    time.sleep(1.2)  # the kernel ignores changes within locktime, one second
    lab.run("IPaddr::10.77.0.50/24", Action.START)
    lab.run("IPaddr2::fd77::50/64/eth0", Action.START)
    mac = _mac_of(lab.alpha)
    wait_until(lambda: lab.beta.run("ip", "neigh").stdout.count(mac) >= 2, "both are believed", 5)
    assert "02:00:00:00:00:99" not in lab.beta.run("ip", "neigh").stdout


def _mac_of(space: Space) -> str:
    words = space.run("ip", "-o", "link", "show", "eth0").stdout.split()
    return words[words.index("link/ether") + 1]


@contextlib.contextmanager
def sniffing(space: Space) -> Iterator[list[bytes]]:
    """Collect the frames that arrive on eth0 of a space."""
    frames: list[bytes] = []
    listening = _socket_in(space)
    listening.settimeout(0.1)
    over = threading.Event()

    def collect() -> None:
        while not over.is_set():
            with contextlib.suppress(TimeoutError):
                frames.append(listening.recv(2_048))

    collecting = threading.Thread(target=collect)
    collecting.start()
    try:
        yield frames
    finally:
        over.set()
        collecting.join()
        listening.close()


def _socket_in(space: Space) -> socket.socket:
    """Return a packet socket of the space's network, made by a thread that enters it."""
    made: list[socket.socket] = []

    def make() -> None:
        import ctypes  # noqa: PLC0415 - Python 3.11 has no os.setns

        with Path(f"/proc/{space.pid}/ns/net").open() as namespace:
            libc = ctypes.CDLL(None, use_errno=True)
            assert libc.setns(namespace.fileno(), 0) == 0
        packet = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        packet.bind(("eth0", 0x0003))
        made.append(packet)

    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    return made[0]


@pytest.mark.skipif(not DEBIAN_SCRIPTS.is_dir(), reason="Debian's heartbeat is not installed")
def test_debians_address_script_works_through_us(lab: Lab) -> None:
    (lab.folder / "etc/resource.d/IPaddr").symlink_to(DEBIAN_SCRIPTS / "IPaddr")
    lab.start_executor()
    status, start, stop = Action.STATUS, Action.START, Action.STOP
    answers = lab.run("IPaddr::10.77.0.50/24/eth0", status, start, status, stop, status)
    assert [done.is_held for done in answers] == [False, None, True, None, False], [
        done.output for done in answers
    ]
    assert all(done.is_success for done in answers if done.action is not status), answers
    assert answers[0].served_by.endswith("/resource.d/IPaddr")


@pytest.mark.skipif(not DEBIAN_SCRIPTS.is_dir(), reason="Debian's heartbeat is not installed")
def test_debians_filesystem_script_mounts_through_us(lab: Lab) -> None:
    image = lab.folder / "image"
    with image.open("wb") as file:
        file.truncate(8 * 1024 * 1024)
    point = lab.folder / "mounted"
    point.mkdir()
    lab.alpha.run("mkfs.ext4", "-q", "-F", str(image))
    attached = lab.alpha.run("losetup", "-f", "--show", str(image), is_checked=False)
    if attached.returncode and not os.environ.get("CI"):
        pytest.skip(f"no loop device: {attached.stderr}")
    assert attached.returncode == 0, attached.stderr
    device = attached.stdout.strip()
    try:
        (lab.folder / "etc/resource.d/Filesystem").symlink_to(DEBIAN_SCRIPTS / "Filesystem")
        lab.start_executor()
        status, start, stop = Action.STATUS, Action.START, Action.STOP
        word = f"Filesystem::{device}::{point}::ext4"
        before, started, held = lab.run(word, status, start, status)
        assert before.is_held is False
        assert started.is_success, started.output
        assert held.is_held is True
        assert str(point) in lab.alpha.run("cat", "/proc/mounts").stdout
        stopped, after = lab.run(word, stop, status)
        assert stopped.is_success, stopped.output
        assert after.is_held is False
    finally:
        lab.alpha.run("umount", str(point), is_checked=False)
        lab.alpha.run("losetup", "-d", device, is_checked=False)


def test_a_script_that_hangs_is_killed_as_a_group_at_its_timeout(lab: Lab) -> None:
    pids = lab.folder / "pids"
    text = f"trap '' TERM\nsleep 1000 &\necho $! >{pids}\necho $$ >>{pids}\necho hung\nwait\nwait\n"
    lab.script("Hang", text)
    lab.start_executor()
    [done] = lab.run("Hang", Action.START, timeout_ms=500)
    assert (done.outcome, done.output) == (Outcome.TIMEOUT, "hung\n")
    for pid in pids.read_text().split():
        running = lab.alpha.run("sh", "-c", f"kill -0 {pid}", is_checked=False)
        assert running.returncode != 0


def test_a_script_that_leaves_a_service_behind_does_not_keep_us(lab: Lab) -> None:
    text = (
        f"(i=0; while :; do i=$((i+1)); echo tick $i; echo $i >{lab.folder}/ticks;"
        f" sleep 0.05; done) &\necho started\n"
    )
    lab.script("Daemon", text)
    lab.start_executor()
    [done] = lab.run("Daemon", Action.START, timeout_ms=5_000)
    assert done.is_success
    assert "started" in done.output
    allowed = machine().allowed(3_000, done.started_ms)
    assert done.ended_ms - done.started_ms < allowed.ms, allowed
    os.kill(lab.pid, signal.SIGKILL)  # the service writes to an output that nobody reads now
    wait_until(lambda: not _is_alive(lab.pid), "the executor ends", 5)
    first = (lab.folder / "ticks").read_text()
    ticks = (lab.folder / "ticks").read_text
    wait_until(lambda: ticks() not in {"", first}, "the service goes on", 5)


def test_only_the_end_of_much_output_is_kept_and_status_reads_all_of_it(lab: Lab) -> None:
    lab.script("Chatty", "[ $1 = status ] && echo running; seq 1 4000; echo the end >&2\n")
    lab.script(
        "Reopens", "[ $1 = status ] && echo one; echo two >/dev/stderr; echo OK >/dev/stdout\n"
    )
    lab.script("Broken", "[ $1 = status ] && echo BROKEN running >&2\n")
    lab.start_executor()
    [chatty] = lab.run("Chatty", Action.STATUS)
    assert len(chatty.output) == 4_096
    assert "the end\n" in chatty.output
    assert chatty.is_held is True
    [reopens] = lab.run("Reopens", Action.STATUS)
    assert sorted(reopens.output.split()) == ["OK", "one", "two"]
    assert reopens.is_held is True
    [broken] = lab.run("Broken", Action.STATUS)
    assert (broken.is_held, broken.output) == (False, "BROKEN running\n")


def test_scripts_run_as_under_a_shell(lab: Lab) -> None:
    lab.script("Shows", 'echo "$@"; env; ulimit -r; cat; pwd\n')
    (lab.folder / "etc/resource.d/Bare").write_text("echo bare $1\n")
    (lab.folder / "etc/resource.d/Bare").chmod(0o755)
    (lab.folder / "etc/resource.d/Wrong").write_text("#!/nowhere/sh\n")
    (lab.folder / "etc/resource.d/Wrong").chmod(0o755)
    lab.start_executor()
    [shows] = lab.run("Shows::a::b c", Action.START)
    lines = shows.output.splitlines()
    assert lines[0] == "a b c start"
    assert "HA_CURHOST=alpha" in lines
    assert lines[-1] == "/"
    assert not [line for line in lines if line.startswith("EVERBEAT")]
    [bare] = lab.run("Bare", Action.STOP)
    assert bare.output == "bare stop\n"
    [wrong] = lab.run("Wrong", Action.STOP)
    assert (wrong.outcome, wrong.exit_code) == (Outcome.DONE, 126)


@pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed")
def test_nginx_survives_the_death_of_the_executor(lab: Lab) -> None:
    lab.start_executor()
    started, held = lab.run("nginx", Action.START, Action.STATUS)
    assert started.is_success, started.output
    assert held.is_held is True, held.output
    assert held.served_by == "/etc/init.d/nginx"
    os.kill(lab.pid, signal.SIGKILL)
    time.sleep(0.5)
    assert "200 OK" in lab.alpha.run("curl", "-sI", "http://127.0.0.1/").stdout
    lab.start_executor()
    again, stopped, after = lab.run("nginx", Action.STATUS, Action.STOP, Action.STATUS)
    assert again.is_held is True
    assert stopped.is_success
    assert after.is_held is False


def test_a_restarted_manager_hears_what_it_missed_under_the_negative_id(lab: Lab) -> None:
    lab.script("Slow", f"echo $$ >{lab.folder}/pid; sleep 0.7; echo slow\n")
    lab.start_executor()

    async def sessions() -> OperationDone:
        async with manager(lab.folder, "first") as channel:
            channel.send_nowait(lab.order("Slow", Action.START))
            channel.send_nowait(lab.order("Slow", Action.STOP))
            await until(lambda: lines(lab.folder / "pid") == 1, "it has begun")
        # Fails once the executor has waited for it.
        lives = ("sh", "-c", f"kill -0 $(cat {lab.folder}/pid)")
        await until(lambda: lab.alpha.run(*lives, is_checked=False).returncode != 0, "it has ended")
        async with manager(lab.folder, "second") as channel:
            done = await _answer(channel, -1)
            lost = await _answer(channel, -2)
            assert lost.outcome is Outcome.LOST
            return done

    done = asyncio.run(sessions())
    assert (done.outcome, done.output) == (Outcome.DONE, "slow\n")


def test_clients_are_kept_running_and_stopped_last_one_first(lab: Lab) -> None:
    for name in ("one", "two"):
        text = f"trap 'echo {name} stopped >>{lab.folder}/calls; exit 0' TERM\n"
        text += f"echo {name} $HA_keepalive $HA_CURHOST >>{lab.folder}/calls\n"
        lab.script(name, text + "sleep 100 & wait\n", folder="")
        with (lab.folder / "etc/ha.cf").open("a") as file:
            file.write(f"respawn root {lab.folder}/etc/{name}\n")
    lab.start_executor()

    async def session() -> None:
        async with manager(lab.folder) as channel:
            channel.send_nowait(StartClients())
            channel.send_nowait(StartClients())
            await until(lambda: lines(lab.folder / "calls") == 2, "both have started")
            os.kill(lab.pid, signal.SIGTERM)
            while not isinstance(await _fact(channel), ClientsStopped):
                pass

    with contextlib.suppress(IpcError):
        asyncio.run(session())
    calls = (lab.folder / "calls").read_text().splitlines()
    assert sorted(calls[:2]) == ["one 1 alpha", "two 1 alpha"]
    assert calls[2:] == ["two stopped", "one stopped"]


def test_clients_end_with_a_killed_executor_because_the_next_one_starts_them(lab: Lab) -> None:
    lab.script("client", f"echo $$ >{lab.folder}/pid\nexec sleep 100\n", folder="")
    with (lab.folder / "etc/ha.cf").open("a") as file:
        file.write(f"respawn root {lab.folder}/etc/client\n")
    lab.start_executor()

    async def session() -> None:
        async with manager(lab.folder) as channel:
            channel.send_nowait(StartClients())
            await until(lambda: lines(lab.folder / "pid") == 1, "it has started")

    asyncio.run(session())
    pid = (lab.folder / "pid").read_text().strip()
    os.kill(lab.pid, signal.SIGKILL)
    lives = ("sh", "-c", f"kill -0 {pid}")
    wait_until(lambda: lab.alpha.run(*lives, is_checked=False).returncode != 0, "it ends", 5)


async def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for a condition beside an open channel."""
    began = time.monotonic()
    while not condition():
        assert not is_over(began, 10), what
        await asyncio.sleep(0.02)


def lines(path: Path) -> int:
    """Return how many whole lines a file has; 0 if there is none."""
    return path.read_bytes().count(b"\n") if path.exists() else 0


def test_a_hook_of_the_site_runs_and_heartbeats_own_does_not(lab: Lab) -> None:
    lab.script("ifstat", f"echo $1 $HA_src $HA_link >>{lab.folder}/calls\n", folder="rc.d")
    lab.script("status", f"echo wrong >>{lab.folder}/calls; mach_down $HA_src\n", folder="rc.d")
    lab.start_executor()

    async def session() -> None:
        async with manager(lab.folder) as channel:
            fields = (("HA_src", "beta"), ("HA_link", "b\xe9 $(id)"))
            channel.send_nowait(RunHook(name="status", environment=fields))
            channel.send_nowait(RunHook(name="ifstat", environment=fields))
            await until(lambda: lines(lab.folder / "calls") > 0, "it has run")
            await asyncio.sleep(0.3)  # the other one would follow now

    asyncio.run(session())
    assert (lab.folder / "calls").read_bytes() == b"ifstat beta b\xe9 $(id)\n"


def test_sigterm_stops_the_clients_and_ends_with_success(lab: Lab) -> None:
    says_bye = f"trap 'echo bye >{lab.folder}/bye; exit' TERM; echo >{lab.folder}/up"
    lab.script("client", f"{says_bye}; sleep 100 & wait\n", "")
    with (lab.folder / "etc/ha.cf").open("a") as file:
        file.write(f"respawn root {lab.folder}/etc/client\n")
    lab.start_executor()

    async def session() -> None:
        async with manager(lab.folder) as channel:
            channel.send_nowait(StartClients())
            await until(lambda: lines(lab.folder / "up") == 1, "it has started")
            os.kill(lab.pid, signal.SIGTERM)
            while not isinstance(await _fact(channel), ClientsStopped):
                pass

    with contextlib.suppress(IpcError):
        asyncio.run(session())
    wait_until(lambda: not _is_alive(lab.pid), "the executor ends", 5)
    assert (lab.folder / "bye").read_text() == "bye\n"
    assert "Traceback" not in lab.log()


def test_a_keeper_reads_when_it_is_ready_and_that_it_lives(lab: Lab) -> None:
    reading, writing = os.pipe()
    words = [f"--{name}={lab.folder / name}" for name in ("etc", "state", "run")]
    process = subprocess.Popen(
        lab.alpha.command(sys.executable, "-m", "everbeat.daemons.executor", *words),
        env={**os.environ, "EVERBEAT_LEASE_FD": str(writing)},
        pass_fds=(writing,),
    )
    lab.started.append(process)
    os.close(writing)
    assert os.read(reading, 1) == b"R"
    assert _listens(lab.folder / "run/executor.sock")
    assert os.read(reading, 1) == b"."
    lab.script("Sleeps", "sleep 100 &\nls /proc/$!/fd\n")
    [done] = lab.run("Sleeps", Action.START)
    os.kill(_child_of(process.pid), signal.SIGKILL)
    while os.read(reading, 100):  # the end comes although what it started still runs
        pass
    os.close(reading)
    assert done.is_success
