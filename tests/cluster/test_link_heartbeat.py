"""A link process of ours beside a real Heartbeat 3.0.6, each a machine of namespaces."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

import pytest

from cluster.cable import Cable
from cluster.link_beside_heartbeat import ALPHA, LinkPair
from everbeat.model.membership import (
    Broadcast,
    MessageReceived,
    MessagesMissing,
    NodeRestarted,
    NodeReturned,
    NodeStatusChanged,
)
from everbeat.model.message import message_of
from everbeat.model.names import NodeName
from lab import Lab, wait_until
from lab.slowness import stretched

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cluster.link_process import Core

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("with_heartbeat")]

MEDIA = {
    "ucast": "ucast eth0 10.77.0.1\nucast eth0 10.77.0.2",
    "mcast": "mcast eth0 239.0.0.43 694 1 0",
    "mcast6": "mcast6 eth0 ff12::43 694 1 0",
    "ping": "ping 10.77.0.100\nping_group group 10.77.0.99 10.77.0.100\nbcast eth0",
}


@pytest.fixture
def lab() -> Iterator[Lab]:
    with Lab() as made:
        yield made


@pytest.mark.parametrize(
    "extra",
    [
        "",
        "msgfmt netstring",
        "debug 1\ncompression zlib\ntraditional_compression yes",
    ],
    ids=["classic", "netstring", "compressed"],
)
def test_both_become_active_and_notice_each_others_end(lab: Lab, extra: str) -> None:
    pair = LinkPair(lab, extra=extra)
    pair.start()
    with pair.core() as core:
        pair.wait_both_active(core)
        core.wait(lambda: any(is_of_type(f, "starting") for f in core.facts))
        pair.end_link(signal.SIGTERM)
        pair.alpha.wait_status("beta", "dead")
    pair.start_link()
    with pair.core() as core:
        pair.wait_both_active(core)
        pair.alpha.crash()
        core.wait_status(ALPHA, "dead")


def is_of_type(fact: object, kind: str) -> bool:
    return isinstance(fact, MessageReceived) and fact.message.type == kind


def test_a_killed_link_process_goes_on_and_heartbeat_sees_a_gap_only(lab: Lab) -> None:
    deadtime_s = stretched(2)  # within which a new process is started
    pair = LinkPair(lab, deadtime=str(deadtime_s), initdead="99")
    pair.start()
    with pair.core() as core:
        pair.wait_both_active(core)
    before = pair.alpha.log()
    pair.end_link(signal.SIGKILL)
    pair.start_link("--continuing")
    with pair.core() as core:
        pair.wait_both_active(core)
        time.sleep(2 * deadtime_s)
        assert not [f for f in core.facts if isinstance(f, NodeRestarted | NodeReturned)]
        assert not [f for f in core.facts if isinstance(f, NodeStatusChanged) and f.new == "dead"]
    since = pair.alpha.log()[len(before) :]
    assert "is dead" not in since
    assert "returning after partition" not in since
    assert "restart on node" not in since


def test_three_hundred_messages_arrive_and_clients_are_not_frozen(lab: Lab) -> None:
    """More than the flow-control window each way: without acknowledgements Heartbeat stalls."""
    pair = LinkPair(lab)
    pair.start()
    with pair.core() as core:
        pair.wait_both_active(core)
        for number in range(400):
            core.order(Broadcast(message_of(t="cluster-test", info=f"number {number}")))
            if number % 50 == 49:
                time.sleep(0.2)
        send = ">>>\\nt=cluster-test\\ninfo=from alpha\\n<<<\\n"
        pair.alpha.sh(f"for i in $(seq 300); do printf '{send}' > /var/lib/heartbeat/fifo; done")
        core.wait(lambda: sum(is_from_alpha(f) for f in core.facts) == 300)
        time.sleep(2)
        core.wait(lambda: core.view is not None and not core.view.is_client_flow_paused)
        assert not [f for f in core.facts if isinstance(f, MessagesMissing) and f.is_lost]
        assert "hist queue is filling up" not in pair.alpha.log()
        assert core.status(ALPHA) == "active"
        assert pair.alpha.status("beta") == "active"


def is_from_alpha(fact: object) -> bool:
    return is_of_type(fact, "cluster-test") and (
        isinstance(fact, MessageReceived) and fact.message.text("info") == "from alpha"
    )


@pytest.mark.parametrize("media", MEDIA)
def test_every_medium_speaks_with_heartbeats(lab: Lab, media: str) -> None:
    pair = LinkPair(lab, media=MEDIA[media])
    pair.start()
    with pair.core() as core:
        pair.wait_both_active(core)
        if media == "ping":
            core.wait_status(NodeName("10.77.0.100"), "ping")
            core.wait_status(NodeName("group"), "ping")


def test_a_serial_cable_is_enough(lab: Lab) -> None:
    pair = LinkPair(lab)
    with Cable() as cable:
        for node, end in zip((pair.alpha, pair.beta), cable.ends, strict=True):
            ha_cf = (node.folder / "ha.d/ha.cf").read_text()
            node.write("ha.cf", ha_cf.replace("bcast eth0", f"baud 115200\nserial {end}"))
        pair.start()
        with pair.core() as core:
            pair.wait_both_active(core)
            wait_until(lambda: links_of_alpha(core) == {cable.ends[1]: "up"}, "the cable is up")
            pair.alpha.crash()
            core.wait_status(ALPHA, "dead")


def links_of_alpha(core: Core) -> dict[str, str]:
    known = core.view.node(ALPHA) if core.view else None
    return dict(known.links) if known else {}
