"""everbeat demo: two nodes and a client on this machine, a crash, a failback, a graceful stop.

    everbeat demo ──> unshare (as a normal user: in a user namespace) ──> this module as a program

Everything runs below one PID namespace: when its first process ends, for whatever reason, the
kernel ends all others and takes the networks with them. What is played is in `demo_story`.
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
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from everbeat.adapters.namespaces import NamespaceError, missing_tools
from everbeat.commands.demo_cluster import DemoCluster
from everbeat.commands.demo_shell import stay
from everbeat.commands.demo_story import DemoFailedError, DemoResult, bring_back, tell_story

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_NEXT: Final = """
Next, as root on two machines of yours with everbeat installed (docs/operate/pair.md):
    alpha# everbeat init shop
    beta#  everbeat join eb1-...                        the line that init prints
    alpha# everbeat add vip 192.0.2.50 service nginx"""
_NAMESPACES_REFUSED: Final = """\
The demo needs namespaces, and this machine refuses them: {why}
Run it as root, or allow them to normal users:
  sysctl kernel.unprivileged_userns_clone=1              (older Debian)
  sysctl kernel.apparmor_restrict_unprivileged_userns=0  (Ubuntu)"""


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """--json: one object at the end instead of a story. --keep: a shell at the end."""

    is_json: bool = False
    is_kept: bool = False


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
    module = (sys.executable, "-P", "-m", "everbeat.commands.demo")
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


def _show_outages(result: DemoResult, show: Callable[[str], None]) -> None:
    show("")
    rows = (("crash", "power cut"), ("failback", "failback"), ("stop", "graceful stop"))
    show("Outages seen by the client:")
    for key, name in rows:
        show(f"   {name:<14} {result.outage_ms[key]:>6} ms")


def _as_json(result: DemoResult) -> str:
    value = {"outage_ms": result.outage_ms, "phases": result.phases, "ok": result.is_ok}
    return json.dumps({**value, "problem": result.problem} if result.problem else value)


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
            _show_outages(result, show)
        if options.is_kept:
            bring_back(cluster, show)
            cluster.stop_asking()
            stay(cluster)
        show(_NEXT)
        if not options.is_kept:
            show("To try things here first: the same with --keep")
    except (DemoFailedError, NamespaceError, OSError, subprocess.SubprocessError) as error:
        result.is_ok, result.problem = False, str(error)
        show(f"The demo failed: {error}")
    except KeyboardInterrupt:
        result.is_ok, result.problem = False, "interrupted"
        show("\nInterrupted.")
    finally:
        if cluster is not None:
            cluster.close()
    if options.is_json:
        print(_as_json(result))
    return 0 if result.is_ok else 1


if __name__ == "__main__":
    sys.exit(main())
