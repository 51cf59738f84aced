"""A pair of everbeat nodes that serves a web page, for the tests of whole nodes.

alpha owns the group `10.77.0.50/24/eth0 webd`; a client asks for the page every few milliseconds
and hears the heartbeats on the wire.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, Self

from lab import EVERBEAT, Lab, Node, Probe, Product, wait_until
from lab.node import everbeat
from lab.slowness import machine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from everbeat.adapters.web_probe import Outage

ADDRESS = "10.77.0.50"
GROUP = f"{ADDRESS}/24/eth0"
DEADTIME_MS = 2_000
KEEPALIVE_MS = 200
GAP_MS = 1_000
"""A shorter time without an answer is a hiccup of a machine that runs several tests."""

_EAR = """import socket, time
ear = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
ear.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
ear.bind(("", 694))
while True:
    _, (source, _) = ear.recvfrom(65536)
    print(f"{time.monotonic() * 1000:.1f} {source}", flush=True)
"""


def now_ms() -> int:
    """The clock of probes, events and heartbeats: CLOCK_MONOTONIC."""
    return time.monotonic_ns() // 1_000_000


def pid_of(node: Node, process: str) -> int | None:
    """Return the pid, on the node, of hb-link, hb-core or hb-executor; None if it does not run."""
    found = node.sh(f"grep -slx {process} /proc/[0-9]*/comm || true").split()
    return int(found[0].split("/")[2]) if found else None


def keeper_pid(node: Node) -> int:
    """Return the keeper's pid on the node."""
    return int(node.sh("cat /run/heartbeat.pid"))


def signal_process(node: Node, process: str, signal: str = "KILL") -> int:
    """Send one of our processes a signal; return its pid."""
    pid = pid_of(node, process)
    assert pid is not None, f"{process} does not run on {node.name}"
    node.sh(f"kill -{signal} {pid}")
    return pid


def wait_replaced(node: Node, process: str, old: int, timeout_s: float = 20) -> None:
    """Wait until another process does this one's work."""
    wait_until(
        lambda: pid_of(node, process) not in {None, old},
        f"another {process} on {node.name}",
        timeout_s,
    )


def wait_standby(node: Node) -> None:
    """Wait until the next link process has imported all, and waits for its turn."""
    command = (
        "for p in /proc/[0-9]*; do grep -qsa -e --standby $p/cmdline && ! grep -qs hb- $p/comm &&"
        " cat $p/wchan && echo; done; true"
    )
    wait_until(lambda: "pipe_read" in node.sh(command), "another link is in standby")


def status_of(node: Node) -> dict[str, Any]:
    """Return `everbeat status --json`."""
    value: dict[str, Any] = json.loads(everbeat(node, "status", "--json"))
    return value


def group_of(node: Node, key: str = GROUP) -> dict[str, Any]:
    """Return what a node says of a group."""
    return next(g for g in status_of(node)["manager"]["groups"] if g["group"]["key"] == key)


def events_of(node: Node, since_ms: float = 0, kind: str = "") -> list[dict[str, Any]]:
    """Return the events of a node since a moment, of one kind or all."""
    lines = everbeat(node, "events", "--json", "--last", "0").splitlines()
    events: list[dict[str, Any]] = [json.loads(line) for line in lines]
    return [e for e in events if e["at_ms"] >= since_ms and kind in {"", e["kind"]}]


def outages_of(probe: Probe, since_ms: float, gap_ms_min: float = GAP_MS) -> list[Outage]:
    """Return when a client had no answer since a moment; it has one now.

    Another node answers afterwards; or the same one, then it took longer than this machine lets
    an answer wait, and more questions failed than were answered late.
    """
    probe.wait_answer()
    allowed = machine().allowed(gap_ms_min, since_ms)
    return [
        gap
        for gap in probe.outages(since_ms, gap_ms_min)
        if gap.before != gap.after or (gap.length_ms >= allowed.ms and gap.failed > gap.late)
    ]


def script_log(node: Node, name: str = "calls") -> list[str]:
    """Return the lines that scripts of a test wrote to /var/log/<name>."""
    return node.log(name).splitlines()


def logging_script(name: str, body: str = "") -> str:
    """Return a resource script that logs its calls, keeps its state in /run and runs `body`."""
    return f"""#!/bin/sh
for last; do :; done
echo "$last {name} $*" >>/var/log/calls
{body}
case "$last" in
start) touch "/run/{name}.held" ;;
stop) rm -f "/run/{name}.held" ;;
status) [ -e "/run/{name}.held" ] && echo running || echo stopped ;;
esac
exit 0
"""


class Ear:
    """Hears the heartbeats on the first bridge."""

    def __init__(self, lab: Lab) -> None:
        self.heard: list[tuple[float, str]] = []
        self._process = subprocess.Popen(
            lab.client.network_command(sys.executable, "-I", "-S", "-c", _EAR),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._collect, daemon=True)
        self._reader.start()

    def _collect(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            at, source = line.decode().split()
            self.heard.append((float(at), source))

    def longest_silence_ms(self, node: Node, since_ms: float) -> float:
        """Return the longest gap between two packets of a node since a moment."""
        times = [at for at, source in self.heard if source == f"10.77.0.{node.number}"]
        assert times
        assert times[-1] > now_ms() - 1_000, "it is silent now"
        pairs = itertools.pairwise(times)
        return max((later - former for former, later in pairs if later >= since_ms), default=0.0)

    def stop(self) -> None:
        """End the listener."""
        self._process.terminate()
        self._process.wait()
        self._reader.join()
        assert self._process.stdout is not None
        self._process.stdout.close()


class Pair:
    """The lab, its two nodes, the client's probe and ear."""

    def __init__(self, product: Product = EVERBEAT, **configuration: str) -> None:
        self.lab = Lab()
        self.alpha = self.lab.node("alpha", product)
        self.beta = self.lab.node("beta", product)
        wanted = {
            "resources": f"alpha {GROUP} webd",
            "keepalive": f"{KEEPALIVE_MS}ms",
            "deadtime": str(DEADTIME_MS // 1000),
            "initdead": "4",
        }
        self.lab.configure(**{**wanted, **configuration})  # type: ignore[arg-type] # all are texts
        self._probe: Probe | None = None
        self._ear: Ear | None = None

    @property
    def probe(self) -> Probe:
        """The client that asks for the page."""
        if self._probe is None:
            self._probe = Probe(self.lab.client, ADDRESS)
        return self._probe

    @property
    def ear(self) -> Ear:
        """The client that hears the heartbeats."""
        if self._ear is None:
            self._ear = Ear(self.lab)
        return self._ear

    def start(self) -> None:
        """Start alpha, then beta: quicker than both at once, who wait for each other's groups."""
        self.alpha.start()
        self.alpha.wait_rscstatus("all", timeout_s=30)
        self.beta.start()
        self.wait_settled()

    def wait_settled(self, alpha: str = "local", beta: str = "local") -> None:
        """Wait until both are stable and hold this."""
        self.alpha.wait_rscstatus(alpha, timeout_s=40)
        self.beta.wait_rscstatus(beta, timeout_s=40)

    def outages(self, since_ms: float, gap_ms_min: float = GAP_MS) -> list[Outage]:
        """Return when the client had no answer; it has one now."""
        return outages_of(self.probe, since_ms, gap_ms_min)

    def close(self) -> None:
        """Remove everything."""
        if self._probe is not None:
            self._probe.stop()
        if self._ear is not None:
            self._ear.stop()
        self.lab.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@contextlib.contextmanager
def settled_pair(**configuration: str) -> Iterator[Pair]:
    """Yield a pair that is up, alpha serving."""
    with Pair(**configuration) as pair:
        pair.start()
        yield pair
