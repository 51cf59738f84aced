"""Each of our processes is killed in turn: what the peer and the client notice.

link: nothing; core and executor: nothing; keeper: the node stops by itself and hands over.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lab import Lab, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab import Node

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("crash-table")]

VIP = "10.77.0.50"


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab() as lab:
        for name in ("alpha", "beta"):
            lab.everbeat(name)
        lab.configure(
            resources=f"alpha IPaddr2::{VIP}/24/eth0 webd", keepalive="200ms", deadtime="2"
        )
        for node in lab.nodes.values():
            node.start()
        with lab.probing(VIP) as probe:
            probe.wait_answer("alpha", 40)
        yield lab


def pids(node: Node, daemon: str) -> list[int]:
    """Return the pids, as seen from outside, of a daemon of this node without its standby."""
    namespace = Path(f"/proc/{node.on.pid}/ns/pid").stat().st_ino
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "ns/pid").stat().st_ino != namespace:
                continue
            comm = (process / "comm").read_text().strip()
            words = (process / "cmdline").read_text().split("\0")
        except OSError:
            continue  # it has just ended
        if comm == f"hb-{daemon}" or f"everbeat.daemons.{daemon}" in words:
            found.append(int(process.name))
    return found


def kill_and_wait_for_another(node: Node, daemon: str) -> None:
    (pid,) = pids(node, daemon)
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: pids(node, daemon) not in ([], [pid]), f"another {daemon}", every_s=0.005)


@pytest.mark.parametrize("daemon", ["link", "core", "executor"])
def test_a_killed_process_comes_back_and_the_service_does_not_move(lab: Lab, daemon: str) -> None:
    alpha, beta = lab.nodes["alpha"], lab.nodes["beta"]
    dead_before = beta.log().count("is dead")
    with lab.probing(VIP) as probe:
        probe.wait_answer("alpha")
        kill_and_wait_for_another(alpha, daemon)
        alpha.wait_rscstatus("local", "all", timeout_s=20)
        wait_until(lambda: len(probe.samples) > 600, "three seconds of answers")
        assert {s.body for s in probe.samples if s.is_good} == {"alpha"}
    assert beta.log().count("is dead") == dead_before
    assert lab.holders(VIP) == ["alpha"]


def test_without_a_keeper_the_node_gives_its_resources_to_the_peer(lab: Lab) -> None:
    alpha, beta = lab.nodes["alpha"], lab.nodes["beta"]
    dead_before = beta.log().count("is dead")
    with lab.probing(VIP) as probe:
        probe.wait_answer("alpha")
        (pid,) = pids(alpha, "keeper")
        os.kill(pid, signal.SIGKILL)
        probe.wait_answer("beta", 20)
    assert beta.log().count("is dead") == dead_before
    assert lab.holders(VIP) == ["beta"]
    wait_until(lambda: not any(pids(alpha, d) for d in ("link", "executor", "core")), "all end")
    alpha.start()
    with lab.probing(VIP) as probe:
        probe.wait_answer("alpha", 40)
