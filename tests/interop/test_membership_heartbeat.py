"""Our link process and a real Heartbeat 3.0.6 under loss and stalls."""

from __future__ import annotations

import signal
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cluster.link_beside_heartbeat import LinkPair
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
from lab.laboratory import Lab, wait_until
from lab.node import HEARTBEAT_PROGRAM
from lab.slowness import stretched

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cluster.link_process import Core

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(bool(can_make_spaces()), reason=f"no namespaces: {can_make_spaces()}"),
    pytest.mark.skipif(
        not Path(HEARTBEAT_PROGRAM).exists(), reason="Debian's heartbeat is not installed"
    ),
]


@pytest.fixture
def pair() -> Iterator[LinkPair]:
    with Lab() as lab:
        made = LinkPair(lab)
        made.start()
        yield made
        made.signal_link(signal.SIGCONT)  # a stopped process would keep the machine from ending


def test_messages_lost_on_the_way_are_asked_for_and_sent_again_both_ways(pair: LinkPair) -> None:
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
        core.wait(lambda: core.view is not None and not core.view.is_client_flow_paused)
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


def test_after_a_long_stall_heartbeat_sees_a_restart_and_no_partition(pair: LinkPair) -> None:
    with pair.core() as core:
        pair.wait_both_active(core)
        before = len(pair.alpha.log())
        pair.signal_link(signal.SIGSTOP)
        wait_until(lambda: pair.alpha.status("beta") == "dead", "alpha gives beta up")
        time.sleep(0.5)
        pair.signal_link(signal.SIGCONT)
        pair.alpha.wait_status("beta", "active")
        core.wait(lambda: any(isinstance(fact, OwnHeartbeatLate) for fact in core.facts))
        time.sleep(3)
        assert not deaths(core), "alpha spoke all the time"
    since = pair.alpha.log()[before:]
    assert "Heartbeat restart on node beta" in since
    assert "returning after partition" not in since
    assert pair.alpha.is_running()


@pytest.fixture
def patient() -> Iterator[tuple[LinkPair, int]]:
    """A pair whose deadtime a busy machine does not miss when it is to wake somebody in time."""
    deadtime_s = stretched(2)
    with Lab() as lab:
        pair = LinkPair(lab, deadtime=str(deadtime_s), initdead=str(max(20, 2 * deadtime_s)))
        pair.start()
        yield pair, deadtime_s
        pair.signal_link(signal.SIGCONT)  # as above


def test_a_short_stall_is_no_more_than_a_late_heartbeat(patient: tuple[LinkPair, int]) -> None:
    pair, deadtime_s = patient
    with pair.core() as core:
        pair.wait_both_active(core)
        before = len(pair.alpha.log())
        pair.signal_link(signal.SIGSTOP)
        time.sleep(0.65 * deadtime_s)
        pair.signal_link(signal.SIGCONT)
        core.wait(lambda: any(isinstance(fact, OwnHeartbeatLate) for fact in core.facts))
        time.sleep(1)
        assert not deaths(core)
        assert pair.alpha.status("beta") == "active"
    since = pair.alpha.log()[before:]
    assert "restart on node beta" not in since
    assert "is dead" not in since
