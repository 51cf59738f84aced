"""Our link process and a real Heartbeat 3.0.6 under loss and stalls."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cluster.link_process import Core
from everbeat.adapters.namespaces import can_make_spaces
from everbeat.model.members import NodeStatus
from everbeat.model.membership import (
    Broadcast,
    MessageReceived,
    MessagesMissing,
    NodeStatusChanged,
    OwnHeartbeatLate,
)
from everbeat.model.message import message_of
from everbeat.model.names import NodeName
from lab.laboratory import Lab, wait_until
from lab.node import HEARTBEAT_PROGRAM

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.node import Node

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(bool(can_make_spaces()), reason=f"no namespaces: {can_make_spaces()}"),
    pytest.mark.skipif(
        not Path(HEARTBEAT_PROGRAM).exists(), reason="Debian's heartbeat is not installed"
    ),
]

ALPHA, BETA = NodeName("alpha"), NodeName("beta")


@dataclass(frozen=True, slots=True)
class LinkOnly:
    """A node that runs our link process and nothing else; the test is its core."""

    def prepare(self, node: Node) -> None: ...

    def on_boot(self, node: Node) -> None:
        node.sh("mkdir -p /run/heartbeat")

    def start(self, node: Node) -> None:
        process = node.on.spawn(sys.executable, "-m", "everbeat.daemons.link")
        node.processes.append(process)

    def stop(self, node: Node, timeout_s: float) -> None:
        for process in node.processes:
            process.terminate()
            process.wait(timeout_s)

    def is_running(self, node: Node) -> bool:
        return any(process.poll() is None for process in node.processes)

    def status(self, node: Node, peer: str) -> str:
        raise NotImplementedError

    rscstatus = standby = takeover = status  # type: ignore[assignment] # a link process alone has none


class Pair:
    """alpha: Heartbeat 3.0.6; beta: our link process, its core in the test."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.alpha = lab.heartbeat("alpha")
        self.beta = lab.node("beta", LinkOnly())  # type: ignore[arg-type] # as above
        lab.configure(resources="alpha 10.77.0.50/24/eth0", initdead="20")
        self.alpha.start()
        self.beta.start()

    def core(self) -> Core:
        return Core(self.beta.on.root / "run/heartbeat/link.sock")

    def wait_both_active(self, core: Core) -> None:
        core.wait_status(ALPHA, "active")
        core.wait_status(BETA, "active")
        self.alpha.wait_status("beta", "active")

    def signal_link(self, number: signal.Signals) -> None:
        """Signal the link process: the only child of nsenter, which stops when its child does."""
        (entered,) = self.beta.processes
        children = Path(f"/proc/{entered.pid}/task/{entered.pid}/children").read_text()
        for child in children.split():
            os.kill(int(child), number)
        if number is signal.SIGCONT:
            entered.send_signal(number)


@pytest.fixture
def pair() -> Iterator[Pair]:
    with Lab() as lab:
        made = Pair(lab)
        yield made
        made.signal_link(signal.SIGCONT)  # a stopped process would keep the machine from ending


def test_messages_lost_on_the_way_are_asked_for_and_sent_again_both_ways(pair: Pair) -> None:
    count = 200
    with pair.core() as core:
        pair.wait_both_active(core)
        pair.beta.loss(15)
        for number in range(count):
            core.order(Broadcast(message_of(t="cluster-test", info=f"{number}")))
            if number % 20 == 19:
                time.sleep(0.2)
        send = "printf '>>>\\nt=cluster-test\\ninfo=%d\\n<<<\\n' $i >/var/lib/heartbeat/fifo"
        pair.alpha.sh(f"for i in $(seq {count}); do {send}; sleep 0.02; done")
        pair.beta.loss(0)
        wanted = {str(number) for number in range(1, count + 1)}
        core.wait(lambda: set(heard_of_alpha(core)) >= wanted)
        assert max(heard_of_alpha(core).values()) == 1
        assert [f for f in core.facts if isinstance(f, MessagesMissing) and not f.is_lost]
        assert not [f for f in core.facts if isinstance(f, MessagesMissing) and f.is_lost]
        time.sleep(1.5)
        assert core.view is not None
        assert not core.view.is_client_flow_paused
        assert not deaths(core)
    log = pair.alpha.log()
    assert "lost packet(s) for [beta]" in log
    assert "Irretrievably lost" not in log
    assert "is dead" not in log


def heard_of_alpha(core: Core) -> Counter[str]:
    return Counter(
        fact.message.text("info") or ""
        for fact in core.facts
        if isinstance(fact, MessageReceived)
        and fact.message.type == "cluster-test"
        and fact.message.text("src") == "alpha"
    )


def deaths(core: Core) -> list[NodeStatusChanged]:
    return [
        fact
        for fact in core.facts
        if isinstance(fact, NodeStatusChanged) and fact.new is NodeStatus.DEAD
    ]


def test_after_a_long_stall_heartbeat_sees_a_restart_and_no_partition(pair: Pair) -> None:
    with pair.core() as core:
        pair.wait_both_active(core)
        before = len(pair.alpha.log())
        pair.signal_link(signal.SIGSTOP)
        wait_until(lambda: pair.alpha.status("beta") == "dead", "alpha gives beta up")
        time.sleep(0.5)
        pair.signal_link(signal.SIGCONT)
        pair.alpha.wait_status("beta", "active")
        time.sleep(3)
        assert [fact for fact in core.facts if isinstance(fact, OwnHeartbeatLate)]
        assert not deaths(core), "alpha spoke all the time"
    since = pair.alpha.log()[before:]
    assert "Heartbeat restart on node beta" in since
    assert "returning after partition" not in since
    assert pair.alpha.is_running()


def test_a_short_stall_is_no_more_than_a_late_heartbeat(pair: Pair) -> None:
    with pair.core() as core:
        pair.wait_both_active(core)
        before = len(pair.alpha.log())
        pair.signal_link(signal.SIGSTOP)
        time.sleep(1.3)
        pair.signal_link(signal.SIGCONT)
        core.wait(lambda: any(isinstance(fact, OwnHeartbeatLate) for fact in core.facts))
        time.sleep(1)
        assert not deaths(core)
        assert pair.alpha.status("beta") == "active"
    since = pair.alpha.log()[before:]
    assert "restart on node beta" not in since
    assert "is dead" not in since
