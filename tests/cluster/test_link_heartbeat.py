"""A link process of ours beside a real Heartbeat 3.0.6, each a machine of namespaces."""

from __future__ import annotations

import importlib.util
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cluster.cable import Cable
from cluster.link_process import SOURCE, Core
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
from lab.slowness import is_over, stretched

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HEARTBEAT = Path("/usr/libexec/heartbeat/heartbeat")
SHARED = Path(os.environ.get("EVERBEAT_SHARED", Path(__file__).parents[2] / ".." / "shared"))
LABORATORY = SHARED / "bench/heartbeat/hblab.py"

pytestmark = [
    pytest.mark.real,
    pytest.mark.shared,
    # The laboratory leaves its files to the garbage collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.skipif(
        os.geteuid() != 0 or not HEARTBEAT.exists(), reason="needs root and Debian's heartbeat"
    ),
    pytest.mark.skipif(not LABORATORY.exists(), reason=f"{LABORATORY} is missing"),
]

ALPHA, BETA = NodeName("alpha"), NodeName("beta")
WAIT_S = 30.0
HA_CF = """
logfile /var/log/ha-log
node alpha beta
keepalive 200ms
deadtime 2
initdead 20
auto_failback on
bcast eth0
"""
MEDIA = (
    "ucast eth0 10.77.0.1\nucast eth0 10.77.0.2",
    "mcast eth0 239.0.0.43 694 1 0",
    "mcast6 eth0 ff12::43 694 1 0",
    "ping 10.77.0.100\nping_group group 10.77.0.99 10.77.0.100\nbcast eth0",
)


class Cluster:
    """alpha: Heartbeat 3.0.6 with cl_status; beta: our link process with a core's end."""

    def __init__(self, laboratory: Any, ha_cf: str) -> None:  # Any: a module loaded from a file
        self.alpha = laboratory.node("alpha", 1)
        self.beta = laboratory.node("beta", 2)
        for node in (self.alpha, self.beta):
            node.config(ha_cf, haresources="alpha 10.77.0.50/24/eth0\n")
        self.run = Path(self.beta.dir) / "run"
        for name in ("run", "state"):
            (Path(self.beta.dir) / name).mkdir()
        self._entered: Any = None

    def start_link(self, *options: str) -> None:
        folder = self.beta.dir
        self._entered = self.beta.popen(
            f"echo $$ > {folder}/pid; PYTHONPATH={SOURCE} exec {sys.executable}"
            f" -m everbeat.daemons.link --state {folder}/state --run {folder}/run"
            f" {' '.join(options)}"
        )

    def end_link(self, signal: str) -> None:
        """Send the process a signal (its number is that of the inner namespace), see it end."""
        self.beta.x(f"kill -{signal} $(cat {self.beta.dir}/pid)", check=True)
        self._entered.wait(WAIT_S)

    def close(self) -> None:
        """Switch both machines off."""
        for node in (self.alpha, self.beta):
            node.kill_all()
        if self._entered is not None:
            self._entered.wait(WAIT_S)

    def core(self) -> Core:
        return Core(self.run / "link.sock")

    def wait(self, is_reached: Callable[[], bool], what: str) -> None:
        began = time.monotonic()
        while not is_reached():
            assert not is_over(began, WAIT_S), f"{what}\n{self.alpha.log()}"
            time.sleep(0.1)

    def wait_both_active(self, core: Core) -> None:
        for node in (ALPHA, BETA):
            core.wait_status(node, "active")
        self.wait(lambda: self.alpha.status("beta") == "active", "beta is active for alpha")


@pytest.fixture
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    spec = importlib.util.spec_from_file_location("hblab", LABORATORY)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    made = module.Lab(tag=f"ebh{os.getpid()}")
    cluster = Cluster(made, getattr(request, "param", HA_CF))
    yield cluster
    cluster.close()
    made.down()


@pytest.mark.parametrize(
    "cluster",
    [
        HA_CF,
        "msgfmt netstring\n" + HA_CF,
        "debug 1\ncompression zlib\ntraditional_compression yes\n" + HA_CF,
    ],
    indirect=True,
    ids=["classic", "netstring", "compressed"],
)
def test_both_become_active_and_notice_each_others_end(cluster: Cluster) -> None:
    cluster.alpha.start()
    cluster.start_link()
    with cluster.core() as core:
        cluster.wait_both_active(core)
        core.wait(lambda: any(is_of_type(f, "starting") for f in core.facts))
        cluster.end_link("TERM")
        cluster.wait(lambda: cluster.alpha.status("beta") == "dead", "beta is dead for alpha")
    cluster.start_link()
    with cluster.core() as core:
        cluster.wait_both_active(core)
        cluster.alpha.kill_all()
        core.wait_status(ALPHA, "dead")


def is_of_type(fact: object, kind: str) -> bool:
    return isinstance(fact, MessageReceived) and fact.message.type == kind


def test_a_killed_link_process_goes_on_and_heartbeat_sees_a_gap_only(cluster: Cluster) -> None:
    for node in (cluster.alpha, cluster.beta):  # a new process is started within deadtime
        deadtime = f"deadtime {stretched(2)}"
        node.write(
            "ha.cf", HA_CF.replace("deadtime 2", deadtime).replace("initdead 20", "initdead 99")
        )
    cluster.alpha.start()
    cluster.start_link()
    with cluster.core() as core:
        cluster.wait_both_active(core)
    before = cluster.alpha.log()
    cluster.end_link("KILL")
    cluster.start_link("--continuing")
    with cluster.core() as core:
        cluster.wait_both_active(core)
        time.sleep(4)
        assert not [f for f in core.facts if isinstance(f, NodeRestarted | NodeReturned)]
        assert not [f for f in core.facts if isinstance(f, NodeStatusChanged) and f.new == "dead"]
    since = cluster.alpha.log()[len(before) :]
    assert "is dead" not in since
    assert "returning after partition" not in since
    assert "restart on node" not in since


def test_three_hundred_messages_arrive_and_clients_are_not_frozen(cluster: Cluster) -> None:
    """More than the flow-control window each way: without acknowledgements Heartbeat stalls."""
    cluster.alpha.start()
    cluster.start_link()
    with cluster.core() as core:
        cluster.wait_both_active(core)
        for number in range(400):
            core.order(Broadcast(message_of(t="cluster-test", info=f"number {number}")))
            if number % 50 == 49:
                time.sleep(0.2)
        send = ">>>\\nt=cluster-test\\ninfo=from alpha\\n<<<\\n"
        cluster.alpha.x(
            f"for i in $(seq 300); do printf '{send}' > /var/lib/heartbeat/fifo; done", timeout=60
        )
        core.wait(lambda: sum(is_from_alpha(f) for f in core.facts) == 300)
        time.sleep(2)
        assert core.view is not None
        assert not core.view.is_client_flow_paused
        assert not [f for f in core.facts if isinstance(f, MessagesMissing) and f.is_lost]
        assert "hist queue is filling up" not in cluster.alpha.log()
        assert core.status(ALPHA) == "active"
        assert cluster.alpha.status("beta") == "active"


def is_from_alpha(fact: object) -> bool:
    return is_of_type(fact, "cluster-test") and (
        isinstance(fact, MessageReceived) and fact.message.text("info") == "from alpha"
    )


@pytest.mark.parametrize(
    "cluster",
    [HA_CF.replace("bcast eth0", media) for media in MEDIA],
    indirect=True,
    ids=[media.split()[0] for media in MEDIA],
)
def test_every_medium_speaks_with_heartbeats(
    cluster: Cluster, request: pytest.FixtureRequest
) -> None:
    cluster.alpha.start()
    cluster.start_link()
    with cluster.core() as core:
        cluster.wait_both_active(core)
        if "ping" in request.node.callspec.id:
            core.wait_status(NodeName("10.77.0.100"), "ping")
            core.wait_status(NodeName("group"), "ping")


def test_a_serial_cable_is_enough(cluster: Cluster) -> None:
    with Cable() as cable:
        for node, end in zip((cluster.alpha, cluster.beta), cable.ends, strict=True):
            node.write("ha.cf", HA_CF.replace("bcast eth0", f"baud 115200\nserial {end}"))
        cluster.alpha.start()
        cluster.start_link()
        with cluster.core() as core:
            cluster.wait_both_active(core)
            assert dict(core.view.node(ALPHA).links) == {cable.ends[1]: "up"}
            cluster.alpha.kill_all()
            core.wait_status(ALPHA, "dead")
