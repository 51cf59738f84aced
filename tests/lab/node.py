"""One node of the laboratory, and the two products it may run."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from everbeat.adapters.namespaces import NamespaceError, Space, SpaceConfig
from lab.slowness import is_over

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from everbeat.adapters.namespaces import Plug
    from lab.laboratory import Lab

HEARTBEAT_PROGRAM = "/usr/libexec/heartbeat/heartbeat"
IN_PIECES = '(echo ">>>"; cat -; echo "<<<")\t| cat - >> $HA_FIFO'
IN_ONE_PIECE = 'printf ">>>\\n%s\\n<<<\\n" "$(cat -)" >> $HA_FIFO'
TREE = Path(__file__).parents[2]

WEBD = f"""#!/bin/sh
# a web server that says its node's name; resource script in the manner of Heartbeat V1
pid=/run/webd.pid
case "$1" in
start)
    [ -e "$pid" ] && kill -0 "$(cat $pid)" 2>/dev/null && exit 0
    {sys.executable} -I -S /etc/ha.d/webd.py "$(uname -n)" </dev/null >/dev/null 2>&1 &
    echo $! >$pid
    n=0
    while ! [ -e /run/webd.ready ] && [ $n -lt 500 ]; do sleep 0.01; n=$((n + 1)); done ;;
stop)
    [ -e "$pid" ] && kill "$(cat $pid)" 2>/dev/null
    rm -f $pid /run/webd.ready ;;
status)
    if [ -e "$pid" ] && kill -0 "$(cat $pid)" 2>/dev/null
    then echo running; else echo stopped; exit 3; fi ;;
esac
exit 0
"""

WEB_ANSWERING = """import socket
server = socket.socket(socket.AF_INET6)
server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind(("::", 80))
server.listen(1000)
open("/run/webd.ready", "w").close()
head = b"HTTP/1.0 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(answer)
while True:
    connection, _ = server.accept()
    connection.settimeout(0.2)
    try:
        connection.recv(4096)
        connection.sendall(head + answer)
    except OSError:
        pass
    connection.close()
"""
"""A web server that says `answer`, which has to stand before it."""

WEBD_SERVER = 'import sys\nanswer = sys.argv[1].encode() + b"\\n"\n' + WEB_ANSWERING


class Product(Protocol):
    """How a product is prepared, started, stopped and asked on a node."""

    def prepare(self, node: Node) -> None:
        """Make the directories the product's package would have made."""
        ...

    def on_boot(self, node: Node) -> None:
        """Make what lives in /run."""
        ...

    def start(self, node: Node) -> None: ...
    def stop(self, node: Node, timeout_s: float) -> None: ...
    def is_running(self, node: Node) -> bool: ...
    def status(self, node: Node, peer: str) -> str: ...
    def rscstatus(self, node: Node) -> str: ...
    def standby(self, node: Node, hold: str) -> None: ...
    def takeover(self, node: Node, hold: str) -> None: ...


class Node:
    """A machine: switched on (`boot`), crashed (`crash`), its product started and stopped."""

    def __init__(self, lab: Lab, name: str, number: int, product: Product) -> None:
        self.lab, self.name, self.number, self.product = lab, name, number, product
        self.folder = lab.folder / name
        for part in ("ha.d/resource.d", "ha.d/rc.d", "lib", "log"):
            (self.folder / part).mkdir(parents=True)
        product.prepare(self)
        self.plugs: list[Plug] = []
        self.processes: list[subprocess.Popen[bytes]] = []
        self.mounts: list[tuple[str, str]] = []  # places on the node, and what is to be seen there
        self.space: Space | None = None
        self.boot()

    # machine

    def boot(self) -> None:
        """Switch the machine on: fresh kernel state, old disk."""
        self.space = Space(
            SpaceConfig(
                host=self.name,
                tmpfs=(("/run", "mode=755"),),
                binds=(
                    ("/etc/ha.d", f"{self.folder}/ha.d"),
                    ("/var/lib/heartbeat", f"{self.folder}/lib"),
                    ("/var/log", f"{self.folder}/log"),
                ),
                hidden=(  # a resource manager may try to reboot the machine
                    ("/bin/systemctl", "/bin/false"),
                    ("/proc/sysrq-trigger", "/dev/null"),
                ),
            )
        )
        self.mount_all()
        self.plugs = self.lab.plug(self.space, self.number)
        self.product.on_boot(self)

    def mount_all(self) -> None:
        """Bind what the node's users have put over other places."""
        for place, source in self.mounts:
            self.sh(f"mount --bind {source} {place}")

    def crash(self) -> None:
        """Kill every process at once and take the addresses away, as a power cut does."""
        if self.space is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.space.pid, signal.SIGKILL)
        for process in self.processes:  # see thaw; the space ends when they have reaped
            process.send_signal(signal.SIGCONT)
        if self.space is not None:
            self.space.kill()
        self.space = None
        for process in self.processes:
            process.wait()
        self.processes = []

    def freeze(self) -> None:
        """Stop every process, as a hypervisor may; the kernel goes on to answer ARP."""
        self.sh("kill -STOP -1")

    def thaw(self) -> None:
        """Let every process go on."""
        self.sh("kill -CONT -1")
        for process in self.processes:  # nsenter stops itself when its child is stopped
            process.send_signal(signal.SIGCONT)

    def cut(self, link: int = 0) -> None:
        """Pull the cable of eth<link>."""
        self.lab.switch.cut(self.plugs[link])

    def heal(self, link: int = 0) -> None:
        """Put the cable of eth<link> back."""
        self.lab.switch.heal(self.plugs[link])

    def loss(self, percent: float, link: int = 0, *, is_one_way: bool = False) -> None:
        """Lose this share of packets in each direction, or of those it sends; 0 ends it."""
        self.lab.switch.loss(self.plugs[link], percent, is_one_way=is_one_way)

    @property
    def on(self) -> Space:
        """The space of a machine that is switched on."""
        assert self.space is not None, f"{self.name} is off"
        return self.space

    def run(
        self, *argv: str, is_checked: bool = True, timeout_s: float = 120
    ) -> subprocess.CompletedProcess[str]:
        """Run a program on the node."""
        return self.on.run(*argv, is_checked=is_checked, timeout_s=timeout_s)

    def sh(self, command: str, *, is_checked: bool = True, timeout_s: float = 120) -> str:
        """Run a shell command on the node and return its stdout."""
        return self.run("sh", "-c", command, is_checked=is_checked, timeout_s=timeout_s).stdout

    def holds(self, address: str) -> bool:
        """Whether this address is configured here (False when the machine is off)."""
        if self.space is None:
            return False
        try:
            return f" {address}/" in self.sh("ip -o addr show")
        except NamespaceError:
            return False  # it was switched off meanwhile

    # product

    def write_config(
        self,
        ha_cf: str,
        haresources: str = "",
        authkeys: str = "auth 1\n1 sha1 laboratory\n",
    ) -> None:
        """Write the three files, and the resource script `webd`."""
        self.write("ha.cf", ha_cf)
        self.write("haresources", haresources.rstrip("\n") + "\n")
        self.write("authkeys", authkeys, 0o600)
        self.write("resource.d/webd", WEBD, 0o755)
        self.write("webd.py", WEBD_SERVER)

    def write(self, name: str, text: str, mode: int = 0o644) -> None:
        """Write a file below /etc/ha.d of the node."""
        path = self.folder / "ha.d" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)

    def start(self) -> None:
        """Start the product and return at once."""
        self.product.start(self)

    def stop(self, timeout_s: float = 90) -> None:
        """Stop the product gracefully and wait for its end."""
        self.product.stop(self, timeout_s)

    def is_running(self) -> bool:
        """Whether the product runs."""
        return self.space is not None and self.product.is_running(self)

    def status(self, peer: str) -> str:
        """Return what cl_status nodestatus would say, "" when it cannot be asked."""
        return self.product.status(self, peer)

    def rscstatus(self) -> str:
        """Return none, local, foreign, all or transition; "" when it cannot be asked."""
        return self.product.rscstatus(self)

    def standby(self, hold: str = "all") -> None:
        """Ask this node to give groups away."""
        self.product.standby(self, hold)

    def takeover(self, hold: str = "all") -> None:
        """Ask this node to take groups."""
        self.product.takeover(self, hold)

    def wait_status(self, peer: str, *wanted: str, timeout_s: float = 60) -> float:
        """Wait until `peer` has one of these statuses; return the seconds waited."""
        return self._wait(
            lambda: self.status(peer), f"{peer} seen by {self.name}", wanted, timeout_s
        )

    def wait_rscstatus(self, *wanted: str, timeout_s: float = 60) -> float:
        """Wait until this node holds this; return the seconds waited."""
        return self._wait(self.rscstatus, f"rscstatus of {self.name}", wanted, timeout_s)

    def log(self, name: str = "ha-log") -> str:
        """Return a file of /var/log of the node, "" if there is none."""
        path = self.folder / "log" / name
        return path.read_text(errors="replace") if path.exists() else ""

    def _wait(
        self, ask: Callable[[], str], what: str, wanted: tuple[str, ...], timeout_s: float
    ) -> float:
        began = time.monotonic()
        while (answer := ask()) not in wanted:
            if is_over(began, timeout_s):
                logs = "\n".join(self.log(name)[-3000:] for name in ("ha-log", "everbeat.log"))
                raise TimeoutError(f"{what} is {answer!r}, wanted {wanted}\n{logs}")
            time.sleep(0.05)
        return time.monotonic() - began


@dataclass(frozen=True, slots=True)
class HeartbeatNode:
    """Heartbeat 3.0.6 of the Debian package.

    Its scripts write a message in several pieces, and its FIFO reader loses the message when it
    looks between two of them ("Message with zero fields"): 3 of 11 hb_standby on a busy machine.
    That is not what our tests are about.
    """

    is_mended: bool = True  # its scripts write a message in one piece

    def prepare(self, node: Node) -> None:
        for source, part in (("/etc/ha.d", "ha.d"), ("/var/lib/heartbeat", "lib")):
            subprocess.run(["cp", "-a", f"{source}/.", f"{node.folder}/{part}"], check=True)
        if self.is_mended:
            functions = node.folder / "ha.d" / "shellfuncs"
            text = functions.read_text()
            assert IN_PIECES in text
            functions.write_text(text.replace(IN_PIECES, IN_ONE_PIECE))

    def on_boot(self, node: Node) -> None:
        node.sh(
            "mkdir -p /run/lock/subsys /run/resource-agents; chmod 1755 /run/resource-agents;"
            "for i in heartbeat heartbeat/ccm heartbeat/crm heartbeat/dopd; do"
            " mkdir -p /run/$i; chmod 750 /run/$i; chown hacluster:haclient /run/$i; done;"
            "mkdir -p /run/heartbeat/rsctmp; chmod 1777 /run/heartbeat/rsctmp"
        )

    def start(self, node: Node) -> None:
        node.run(HEARTBEAT_PROGRAM, timeout_s=30)

    def stop(self, node: Node, timeout_s: float) -> None:
        node.run(HEARTBEAT_PROGRAM, "-k", timeout_s=timeout_s)

    def is_running(self, node: Node) -> bool:
        return "running" in node.run(HEARTBEAT_PROGRAM, "-s", is_checked=False).stdout

    def status(self, node: Node, peer: str) -> str:
        return cl_status(node, "nodestatus", peer)

    def rscstatus(self, node: Node) -> str:
        return cl_status(node, "rscstatus")

    def standby(self, node: Node, hold: str) -> None:
        node.run("/usr/share/heartbeat/hb_standby", hold)

    def takeover(self, node: Node, hold: str) -> None:
        node.run("/usr/share/heartbeat/hb_takeover", hold)


@dataclass(frozen=True, slots=True)
class EverbeatNode:
    """Everbeat from this tree, at its default places."""

    has_package_scripts: bool = False  # shellfuncs, resource.d and rc.d of the Debian package
    environment: Mapping[str, str] | None = None  # of the daemons, besides ours

    def prepare(self, node: Node) -> None:
        if self.has_package_scripts:
            shutil.copytree("/etc/ha.d", node.folder / "ha.d", dirs_exist_ok=True)

    def on_boot(self, node: Node) -> None:
        node.sh("mkdir -p /run/resource-agents /run/lock")

    def start(self, node: Node) -> None:
        node.processes = [process for process in node.processes if process.poll() is None]
        with (node.folder / "log" / "everbeat.log").open("ab") as log:
            process = node.on.spawn(
                *(sys.executable, "-m", "everbeat.daemons.keeper"),
                stdout=log.fileno(),
                stderr=log.fileno(),
                environment=self.environment,
            )
        node.processes.append(process)

    def stop(self, node: Node, timeout_s: float) -> None:
        node.sh("kill -TERM $(cat /run/heartbeat.pid)")
        for process in node.processes:
            process.wait(timeout=timeout_s)
        node.processes = []

    def is_running(self, node: Node) -> bool:
        return any(process.poll() is None for process in node.processes)

    def status(self, node: Node, peer: str) -> str:
        return cl_status(node, "nodestatus", peer)

    def rscstatus(self, node: Node) -> str:
        return cl_status(node, "rscstatus")

    def standby(self, node: Node, hold: str) -> None:
        everbeat(node, "standby", hold)

    def takeover(self, node: Node, hold: str) -> None:
        everbeat(node, "takeover", hold)


def everbeat(node: Node, *words: str, is_checked: bool = True) -> str:
    """Run the everbeat command on a node and return its stdout."""
    program = str(Path(sys.executable).with_name("everbeat"))
    return node.run(program, *words, is_checked=is_checked).stdout


def cl_status(node: Node, *words: str) -> str:
    """Ask the node with the Debian package's cl_status, over the client API."""
    if node.space is None:
        return ""
    answer = node.run("cl_status", *words, is_checked=False)
    return answer.stdout.strip() if answer.returncode in (0, 1) else ""


HEARTBEAT = HeartbeatNode()
EVERBEAT = EverbeatNode()
