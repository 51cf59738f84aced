"""Machines and networks made of Linux namespaces: for the demo and the tests with real peers.

    Space    a set of namespaces that live as long as their PID 1; killing it is a power cut
    Switch   a network namespace with bridges; spaces are plugged in with veth pairs

Nothing has a name on the host: no `ip netns` entry, no interface, no file. Every process is
killed when the one that made the space ends (PR_SET_PDEATHSIG), so nothing is left behind even
after SIGKILL. Make spaces from a thread that outlives them. Needs root (or to be root in a user
namespace), iproute2 and util-linux.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

COMMAND_SECONDS_MAX: Final = 120

_INIT: Final = r"""
import os, signal, socket, subprocess, sys
host, binds, tmpfs, hidden = eval(sys.argv[1])
def mount(*words):
    subprocess.run(["mount", *words], check=True)
def overlay(path):
    over = "/run/.over/" + path.strip("/").replace("/", "_")
    for part in ("up", "work"):
        os.makedirs(over + "/" + part)
    mount("-t", "overlay", "overlay", path, "-o",
          f"lowerdir={path},upperdir={over}/up,workdir={over}/work")
if host:
    socket.sethostname(host)
mount("--make-rprivate", "/")
mount("-t", "proc", "proc", "/proc")
for path, options in tmpfs:
    mount("-t", "tmpfs", "tmpfs", path, "-o", options)
for path, source in binds:
    if not os.path.isdir(path):
        overlay(os.path.dirname(path))
        os.makedirs(path)
    mount("--bind", source, path)
for path, source in hidden:
    if os.path.exists(path) and os.path.exists(source):
        mount("--bind", source, path)
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
print("ready", flush=True)
while True:
    signal.pause()
"""


class NamespaceError(Exception):
    """A command that builds namespaces failed; says which and what it printed."""


def missing_tools() -> list[str]:
    """Return the programs this module needs and cannot find."""
    return [t for t in ("ip", "unshare", "nsenter", "setpriv", "mount") if not shutil.which(t)]


def can_make_spaces() -> str:
    """Return why spaces cannot be made here, or an empty string."""
    if missing := missing_tools():
        return f"programs not found: {' '.join(missing)}"
    probe = subprocess.run(
        ["unshare", "--net", "--mount", "--uts", "--ipc", "--pid", "--fork", "true"],
        capture_output=True,
        text=True,
        check=False,
    )
    return probe.stderr.strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class SpaceConfig:
    """What a space has of its own besides its network.

    binds: (path inside, directory outside); a path the host lacks is made on an overlay.
    tmpfs: (path, mount options). hidden: (file inside, file that covers it).
    """

    host: str = ""
    binds: tuple[tuple[str, str], ...] = ()
    tmpfs: tuple[tuple[str, str], ...] = ()
    hidden: tuple[tuple[str, str], ...] = ()


class Space:
    """Own network, mount, UTS, IPC and PID namespaces, held by a PID 1 that reaps orphans."""

    def __init__(self, config: SpaceConfig) -> None:
        facts = repr((config.host, config.binds, config.tmpfs, config.hidden))
        self._holder = subprocess.Popen(
            [
                *("setpriv", "--pdeathsig", "KILL"),
                *("unshare", "--net", "--mount", "--uts", "--ipc", "--pid"),
                *("--fork", "--kill-child=KILL", "--"),
                *(sys.executable, "-I", "-S", "-c", _INIT, facts),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        assert self._holder.stdout is not None
        assert self._holder.stderr is not None
        if self._holder.stdout.readline() != b"ready\n":
            text = self._holder.stderr.read().decode(errors="replace")
            self._holder.wait()
            raise NamespaceError(f"cannot make a namespace: {text}")
        children = Path(f"/proc/{self._holder.pid}/task/{self._holder.pid}/children")
        self.pid = int(children.read_text().split()[0])
        self.run("ip", "link", "set", "lo", "up")

    @property
    def root(self) -> Path:
        """The file system as the space sees it, reachable from outside."""
        return Path(f"/proc/{self.pid}/root")

    @property
    def is_alive(self) -> bool:
        """Whether PID 1 of the space still runs."""
        return self._holder.poll() is None

    def command(self, *argv: str) -> list[str]:
        """Return the command line that runs `argv` inside."""
        return ["nsenter", "-t", str(self.pid), "-m", "-u", "-i", "-n", "-p", "--", *argv]

    def network_command(self, *argv: str) -> list[str]:
        """Return the command line that runs `argv` on the space's network and files only.

        It stays in our PID namespace and dies when we do; a signal reaches it without a middleman.
        """
        enter = ["nsenter", "-t", str(self.pid), "-m", "-u", "-i", "-n", "--"]
        return ["setpriv", "--pdeathsig", "KILL", *enter, *argv]

    def run(
        self,
        *argv: str,
        is_checked: bool = True,
        timeout_s: float = COMMAND_SECONDS_MAX,
        environment: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a program inside and wait; stdout and stderr are captured apart."""
        done = subprocess.run(
            self.command(*argv),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            check=False,
            start_new_session=True,
            env={**os.environ, **environment} if environment else None,
        )
        if is_checked and done.returncode:
            raise NamespaceError(f"{argv}: {done.returncode}: {done.stdout}{done.stderr}")
        return done

    def spawn(
        self,
        *argv: str,
        stdout: int | None = subprocess.DEVNULL,
        stderr: int | None = subprocess.DEVNULL,
        environment: Mapping[str, str] | None = None,
    ) -> subprocess.Popen[bytes]:
        """Start a program inside and return at once; it dies with the space."""
        return subprocess.Popen(
            self.command(*argv),
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,  # Ctrl-C is for whoever made the space
            env={**os.environ, **environment} if environment else None,
        )

    def kill(self) -> None:
        """Kill every process inside at once, as a power cut does, and wait for the end."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, 9)
        self._holder.wait()
        for stream in (self._holder.stdout, self._holder.stderr):
            if stream is not None:
                stream.close()


@dataclass(frozen=True, slots=True)
class Plug:
    """Where a space is plugged in: its port on the switch, and its own device."""

    port: str
    device: str


class Switch:
    """A network namespace with bridges, numbered br0, br1 and so on."""

    def __init__(self, bridges: int = 1) -> None:
        self._space = Space(SpaceConfig(host="switch"))
        self._sink_made = False
        for number in range(bridges):
            self._ip("link", "add", "name", f"br{number}", "type", "bridge", "forward_delay", "0")
            self._ip("link", "set", f"br{number}", "up")

    def plug(self, space: Space, device: str, *addresses: str, port: str, bridge: int = 0) -> Plug:
        """Give the space a device (`eth0`) with addresses (`10.77.0.1/24`) on a bridge.

        A port of this name left by a space that was killed is replaced.
        """
        self._space.run("ip", "link", "del", port, is_checked=False)
        self._ip("link", "add", "name", port, "type", "veth", "peer", "name", "plug0")
        give = ["ip", "link", "set", "plug0", "netns", str(space.pid), "name", device]
        # only the network of the switch is entered: the pid is one of our PID namespace
        subprocess.run(["nsenter", "-t", str(self._space.pid), "-n", "--", *give], check=True)
        self._ip("link", "set", port, "master", f"br{bridge}", "up")
        for address in addresses:
            broadcast = [] if ":" in address else ["brd", "+"]
            nodad = ["nodad"] if ":" in address else []
            space.run("ip", "addr", "add", address, *broadcast, "dev", device, *nodad)
        space.run("ip", "link", "set", device, "up")
        return Plug(port, device)

    def command(self, *argv: str) -> list[str]:
        """Return the command line that runs `argv` on the switch, where the ports are."""
        return self._space.command(*argv)

    def cut(self, plug: Plug) -> None:
        """Pull the cable. The space's own device loses its carrier as a real one does."""
        self._ip("link", "set", plug.port, "down")

    def heal(self, plug: Plug) -> None:
        """Put the cable back."""
        self._ip("link", "set", plug.port, "up")

    def loss(self, plug: Plug, percent: float, *, is_one_way: bool = False) -> None:
        """Lose this share of packets in each direction, or of what leaves the plug; 0 ends it.

        netem is not in every kernel: a classic BPF program that draws a number matches the
        packets to lose, and mirred redirects them to a device without a cable.
        """
        self._tc("qdisc", "del", "dev", plug.port, "clsact", is_checked=False)
        if not percent:
            return
        self._make_sink()
        limit = int((1 - percent / 100) * 2**32)
        # ld random; jge limit ? lose : keep; lose: match all; keep: match nothing
        program = f"4,32 0 0 4294963256,53 0 1 {limit},6 0 0 4294967295,6 0 0 0"
        self._tc("qdisc", "add", "dev", plug.port, "clsact")
        for direction in ("ingress",) if is_one_way else ("ingress", "egress"):
            self._redirect(plug, direction, program)

    def deafen(self, plug: Plug, address: str) -> None:
        """Let nothing that an IPv4 address sends reach this plug; `loss` of 0 ends it as well."""
        self._tc("qdisc", "del", "dev", plug.port, "clsact", is_checked=False)
        self._make_sink()
        source = int.from_bytes(socket.inet_aton(address), "big")
        # half-word 12 is the protocol: the sender stands at 26 in IPv4 and at 28 in ARP
        load = "40 0 0 12,21 2 0 2048,32 0 0 28,5 0 0 1,32 0 0 26"
        program = f"8,{load},21 0 1 {source},6 0 0 4294967295,6 0 0 0"
        self._tc("qdisc", "add", "dev", plug.port, "clsact")
        self._redirect(plug, "egress", program)

    def kill(self) -> None:
        """Remove the switch and all its cables."""
        self._space.kill()

    def __enter__(self) -> Self:
        """Return the switch; leaving the block removes it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Remove the switch."""
        self.kill()

    def _make_sink(self) -> None:
        if not self._sink_made:
            self._ip("link", "add", "name", "sink", "type", "veth", "peer", "name", "sink-end")
            self._ip("link", "set", "sink", "up")
            self._sink_made = True

    def _redirect(self, plug: Plug, direction: str, program: str) -> None:
        self._tc(
            *("filter", "add", "dev", plug.port, direction, "protocol", "all"),
            *("bpf", "bytecode", program),
            *("action", "mirred", "egress", "redirect", "dev", "sink"),
        )

    def _ip(self, *words: str) -> None:
        self._space.run("ip", *words)

    def _tc(self, *words: str, is_checked: bool = True) -> None:
        self._space.run("tc", *words, is_checked=is_checked)
