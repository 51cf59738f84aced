"""everbeat demo: two nodes and a client on this machine, a crash, a failback, a graceful stop.

    everbeat demo ──> unshare (as a normal user: in a user namespace) ──> this module as a program

Everything runs below one PID namespace: when its first process ends, for whatever reason, the
kernel ends all others and takes the networks with them. Measured is what the client sees: one
new connection every 5 ms, an outage is the time between two good answers.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from everbeat.adapters.namespaces import NamespaceError, missing_tools
from everbeat.commands.demo_cluster import (
    ADDRESS,
    AUTHKEYS,
    HA_CF,
    HARESOURCES,
    DemoCluster,
    wait_until,
)
from everbeat.membership.heartbeat import STARTUP_MS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from everbeat.adapters.web_probe import Outage, Probe
    from everbeat.commands.demo_cluster import DemoNode
    from everbeat.model.groups import ClusterEvent

GENEROUS_MS: Final = STARTUP_MS + 1_500
"""After its start: the last status that announces the longer deadtime is over by then."""

START_SECONDS_MAX: Final = 30
MOVE_SECONDS_MAX: Final = 15
_NAMESPACES_REFUSED: Final = """\
The demo needs namespaces, and this machine refuses them: {why}
Run it as root, or allow them to normal users:
  sysctl kernel.unprivileged_userns_clone=1              (older Debian)
  sysctl kernel.apparmor_restrict_unprivileged_userns=0  (Ubuntu)"""


class DemoFailedError(Exception):
    """Something did not happen in time; says what, with the end of the logs."""


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """--json: one object at the end instead of a story. --keep: a shell on beta at the end."""

    is_json: bool = False
    is_kept: bool = False


@dataclass(slots=True)
class DemoResult:
    """What was measured, in ms."""

    outage_ms: dict[str, int] = field(default_factory=dict)
    phases: list[dict[str, object]] = field(default_factory=list)
    is_ok: bool = False
    problem: str = ""

    def as_json(self) -> str:
        """Return one JSON object."""
        value = {"outage_ms": self.outage_ms, "phases": self.phases, "ok": self.is_ok}
        return json.dumps({**value, "problem": self.problem} if self.problem else value)


def start_demo(options: DemoOptions) -> int:
    """Run the demo in namespaces of its own; return its exit status."""
    if missing := missing_tools():
        print(f"The demo needs iproute2 and util-linux: {' '.join(missing)} not found.")
        return 1
    enter = ["unshare", *([] if os.geteuid() == 0 else ["--user", "--map-root-user"])]
    enter += ["--net", "--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child=KILL"]
    enter += ["--mount-proc", "--"]
    allowed = subprocess.run([*enter, "true"], capture_output=True, text=True, check=False)
    if allowed.returncode:
        print(_NAMESPACES_REFUSED.format(why=allowed.stderr.strip()))
        return 1
    folder = tempfile.mkdtemp(prefix="everbeat-demo-")
    words = ["--folder", folder]
    words += ["--json"] if options.is_json else []
    words += ["--keep"] if options.is_kept else []
    module = (sys.executable, "-m", "everbeat.commands.demo")
    # Ctrl-C reaches the demo itself; we only wait for it to clean up.
    former = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        demo = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *enter, *module, *words],
            preexec_fn=_take_interrupts,  # noqa: PLW1509 - one thread here, and Ctrl-C is ignored
        )
        return demo.wait()
    finally:
        signal.signal(signal.SIGINT, former)
        shutil.rmtree(folder, ignore_errors=True)


def tell_story(cluster: DemoCluster, show: Callable[[str], None]) -> DemoResult:
    """Play the whole demo; what happens is told to `show`, line by line."""
    result = DemoResult()
    alpha, beta = cluster.nodes
    _show_files(show)
    show("Two machines, a network and a client are switched on.")
    for node in cluster.nodes:
        node.boot()
    probe = cluster.ask_from_client()
    show("alpha, beta:  everbeat run")
    started_ms = _now_ms()
    for node in cluster.nodes:
        node.start()
    seconds = _wait_answer(cluster, "alpha", START_SECONDS_MAX)
    show(
        f"After {seconds:.1f} s http://{ADDRESS}/ is served by alpha. A client asks it every 5 ms."
    )
    _wait_stable(cluster, alpha, beta)
    show("A node that has just started is given 2 s more: a few seconds until deadtime counts.")
    time.sleep(max(0.5, (started_ms + GENEROUS_MS - _now_ms()) / 1000))

    show("")
    show("1. alpha loses power: all its processes are gone, its link is down.")
    began_ms = _now_ms()
    alpha.crash()
    _wait_answer(cluster, "beta", MOVE_SECONDS_MAX)
    outage = _outage(probe, began_ms - 100, "alpha", "beta")
    result.outage_ms["crash"] = outage.length_ms
    result.phases = _phases(outage, beta.events(), began_ms)
    for row in result.phases:
        show(f"   {row['after_ms']:>6} ms  {row['name']}")
    show(f"   The client was without an answer for {outage.length_ms} ms.")

    show("")
    show("2. alpha comes back; with `auto_failback on` it gets its group again.")
    began_ms = _now_ms()
    alpha.boot()
    alpha.start()
    _wait_answer(cluster, "alpha", START_SECONDS_MAX)
    _wait_stable(cluster, alpha, beta)
    result.outage_ms["failback"] = _outage(probe, began_ms, "beta", "alpha").length_ms
    time.sleep(0.5)
    show(f"   The client was without an answer for {result.outage_ms['failback']} ms.")

    show("")
    show("3. alpha is stopped in good order (SIGTERM): it gives up its group first.")
    began_ms = _now_ms()
    alpha.stop()
    _wait_answer(cluster, "beta", MOVE_SECONDS_MAX)
    result.outage_ms["stop"] = _outage(probe, began_ms, "alpha", "beta").length_ms
    show(f"   The client was without an answer for {result.outage_ms['stop']} ms.")
    result.is_ok = True
    return result


def _show_files(show: Callable[[str], None]) -> None:
    for name, text in (("ha.cf", HA_CF), ("authkeys", AUTHKEYS), ("haresources", HARESOURCES)):
        show(f"/etc/ha.d/{name}")
        for line in text.splitlines():
            show(f"    {line}")
    show("")


def _show_end(result: DemoResult, show: Callable[[str], None]) -> None:
    show("")
    rows = (("crash", "power cut"), ("failback", "failback"), ("stop", "graceful stop"))
    show("Outages seen by the client:")
    for key, name in rows:
        show(f"   {name:<14} {result.outage_ms[key]:>6} ms")
    show("")
    show("Next: write these three files on two machines (`everbeat check` tells what is wrong")
    show("with them), then `everbeat run`, `everbeat status`, `everbeat events`.")


def _wait_answer(cluster: DemoCluster, name: str, timeout_s: float) -> float:
    assert cluster.probe is not None
    try:
        return cluster.probe.wait_answer(name, timeout_s)
    except TimeoutError as error:
        logs = "\n".join(f"--- {node.name}\n{node.log_tail()}" for node in cluster.nodes)
        raise DemoFailedError(f"{error}\n{logs}") from error


def _wait_stable(cluster: DemoCluster, *nodes: DemoNode) -> None:
    def is_stable() -> bool:
        replies = [node.status() for node in nodes]
        return all(reply is not None and reply.manager.state == "stable" for reply in replies)

    if not wait_until(is_stable, START_SECONDS_MAX):
        logs = "\n".join(f"--- {node.name}\n{node.log_tail()}" for node in cluster.nodes)
        raise DemoFailedError(f"the nodes do not become stable\n{logs}")


def _outage(probe: Probe, since_ms: int, giver: str, taker: str) -> Outage:
    """Return the gap in which the service moved from one node to the other."""
    gaps = probe.outages(since_ms, gap_ms_min=0)
    return max(
        (gap for gap in gaps if (gap.before, gap.after) == (giver, taker)),
        key=lambda gap: gap.length_ms,
    )


def _phases(
    outage: Outage, events: Sequence[ClusterEvent], since_ms: int
) -> list[dict[str, object]]:
    """Return the steps between the last good answer and the next: ours and the taker's."""
    steps = [(outage.began_ms, "last answer from alpha"), (outage.ended_ms, "answer from beta")]
    for event in events:
        if event.kind == "takeover" and event.at_ms >= since_ms:
            steps += [(phase.at_ms, phase.name) for phase in event.phases]
    steps.sort()
    return [{"after_ms": round(at_ms - outage.began_ms), "name": name} for at_ms, name in steps]


def _now_ms() -> int:
    return time.monotonic_ns() // 1_000_000


def _take_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _reap_until_end(child: int) -> int:
    """Be the first process of the namespace: reap orphans until the demo itself has ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        ended, status = os.wait()
        if ended == child:
            return os.waitstatus_to_exitcode(status) & 0xFF


def _show_line(text: str) -> None:
    print(text, flush=True)


def _stay(cluster: DemoCluster) -> None:
    """Give the user a shell on beta; the cluster ends with it."""
    beta = cluster.nodes[1].space
    assert beta is not None
    _show_line("")
    _show_line("This shell runs on beta, the cluster ends with it. Try: everbeat status")
    path = f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}"
    subprocess.run(beta.command("sh", "-i"), env={**os.environ, "PATH": path}, check=False)


def main(argv: Sequence[str] | None = None) -> int:
    """Play the demo; the process must already be root of namespaces of its own."""
    parser = argparse.ArgumentParser(description="The inner part of everbeat demo.")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--keep", action="store_true")
    chosen = parser.parse_args(argv)
    if os.getpid() == 1 and (child := os.fork()):
        return _reap_until_end(child)
    options = DemoOptions(is_json=chosen.json, is_kept=chosen.keep)
    show: Callable[[str], None] = (lambda _: None) if options.is_json else _show_line
    result = DemoResult()
    cluster: DemoCluster | None = None
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        cluster = DemoCluster(chosen.folder)
        result = tell_story(cluster, show)
        if not options.is_json:
            _show_end(result, show)
            if options.is_kept:
                _stay(cluster)
    except (DemoFailedError, NamespaceError, OSError, subprocess.SubprocessError) as error:
        result.problem = str(error)
        show(f"The demo failed: {error}")
    except KeyboardInterrupt:
        result.problem = "interrupted"
        show("\nInterrupted.")
    finally:
        if cluster is not None:
            cluster.close()
    if options.is_json:
        print(result.as_json())
    return 0 if result.is_ok else 1


if __name__ == "__main__":
    sys.exit(main())
