"""Two real link processes in two network namespaces."""

from __future__ import annotations

import os
import shutil
import signal
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cluster.link_process import Core, LinkProcess
from cluster.media_lab import Net
from everbeat.model.membership import (
    Broadcast,
    MediumChanged,
    MessageReceived,
    NodeRestarted,
    NodeReturned,
    NodeStatusChanged,
    PacketsRejected,
    RaiseGeneration,
)
from everbeat.model.message import message_of
from everbeat.model.names import NodeName
from lab import wait_until
from lab.slowness import stretched

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(
        os.geteuid() != 0 or not shutil.which("ip"), reason="needs root and iproute2"
    ),
]

ALPHA, BETA = NodeName("alpha"), NodeName("beta")
HA_CF = """
node alpha beta
keepalive 200ms
deadtime 2
initdead 15
bcast eth0
auto_failback on
"""


@pytest.fixture(scope="module")
def net() -> Iterator[Net]:
    with Net() as made:
        yield made


class Pair:
    """alpha and beta, active, each with a core."""

    def __init__(self, net: Net, folder: Path, stack: ExitStack, ha_cf: str = HA_CF) -> None:
        self.stack = stack
        self.alpha, self.beta = (
            LinkProcess(folder / node, node, ha_cf, net.name(number))
            for number, node in enumerate((ALPHA, BETA), 1)
        )
        stack.enter_context(self.alpha)
        stack.enter_context(self.beta)
        self.alpha_core: Core = stack.enter_context(self.alpha.core())
        self.beta_core: Core = stack.enter_context(self.beta.core())
        for core in (self.alpha_core, self.beta_core):
            for node in (ALPHA, BETA):
                core.wait_status(node, "active")


@pytest.fixture
def pair(net: Net, tmp_path: Path) -> Iterator[Pair]:
    with ExitStack() as stack:
        yield Pair(net, tmp_path, stack)


def of_beta(core: Core, kind: type) -> list[object]:
    return [f for f in core.facts if isinstance(f, kind) and getattr(f, "node", None) == BETA]


def exchange(pair: Pair, word: str) -> None:
    """One message each way reaches every core once."""
    cores = (pair.alpha_core, pair.beta_core)
    words = {f"{word} from alpha", f"{word} from beta"}
    for core, info in zip(cores, sorted(words), strict=True):
        core.order(Broadcast(message_of(t="cluster-test", info=info)))
    for core in cores:
        core.wait(lambda core=core: words <= set(heard(core)))
        assert all(heard(core).count(info) == 1 for info in words)


def heard(core: Core) -> list[str]:
    return [f.message.text("info") or "" for f in core.facts if isinstance(f, MessageReceived)]


def test_two_nodes_become_active_and_exchange_messages(pair: Pair) -> None:
    exchange(pair, "hello")
    assert set(pair.alpha.read_lease()) == set(b".")
    wait_for_line(pair.alpha, "info: Link beta:eth0 up.")
    assert (pair.alpha.folder / "run/link.sock").stat().st_mode & 0o777 == 0o600
    pair.beta.send_signal(signal.SIGTERM)
    assert pair.beta.wait_end() == 0
    pair.alpha_core.wait_status(BETA, "dead")
    wait_for_line(pair.alpha, "WARN: node beta: is dead")


def test_a_killed_link_process_goes_on_and_its_peer_sees_nothing(net: Net, tmp_path: Path) -> None:
    with ExitStack() as stack:  # a new process is started within deadtime, on a slow machine too
        ha_cf = HA_CF.replace("deadtime 2", f"deadtime {stretched(2)}")
        kill_and_continue(Pair(net, tmp_path, stack, ha_cf.replace("initdead 15", "initdead 99")))


def kill_and_continue(pair: Pair) -> None:
    exchange(pair, "before")
    pair.alpha_core.facts.clear()
    pair.beta.send_signal(signal.SIGKILL)
    pair.beta.wait_end()
    pair.beta.start("--continuing")
    pair.beta_core = pair.stack.enter_context(pair.beta.core())
    pair.beta_core.wait_status(ALPHA, "active")
    pair.beta_core.wait_status(BETA, "active")
    exchange(pair, "after")
    for kind in (NodeStatusChanged, NodeRestarted, NodeReturned):
        assert of_beta(pair.alpha_core, kind) == []


def test_a_killed_link_process_goes_on_without_its_files_and_its_interface(
    pair: Pair, net: Net
) -> None:
    pair.beta.send_signal(signal.SIGKILL)
    pair.beta.wait_end()
    (pair.beta.folder / "etc/ha.cf").write_text("being edi")
    net.unplug(2)
    pair.beta.start("--continuing")
    net.plug(2)
    pair.beta_core = pair.stack.enter_context(pair.beta.core())
    pair.beta_core.wait_status(ALPHA, "active")
    pair.alpha_core.wait_status(BETA, "active")
    exchange(pair, "after")
    assert of_beta(pair.alpha_core, NodeRestarted) == []


def test_a_new_start_is_a_restart_to_the_peer(pair: Pair) -> None:
    pair.beta.send_signal(signal.SIGTERM)
    pair.beta.wait_end()
    pair.beta.start()
    pair.alpha_core.wait(lambda: len(of_beta(pair.alpha_core, NodeRestarted)) == 1)
    pair.beta_core = pair.stack.enter_context(pair.beta.core())
    pair.beta_core.wait_status(BETA, "active")
    exchange(pair, "anew")


def test_a_raised_generation_is_on_disk_and_a_restart_to_the_peer(pair: Pair) -> None:
    path = pair.beta.folder / "state/hb_generation"
    before = int(path.read_text())
    pair.beta_core.order(RaiseGeneration())
    pair.alpha_core.wait(lambda: len(of_beta(pair.alpha_core, NodeRestarted)) == 1)
    assert int(path.read_text()) == before + 1
    exchange(pair, "raised")
    pair.beta.send_signal(signal.SIGKILL)
    pair.beta.wait_end()
    pair.beta.start("--continuing")
    pair.beta_core = pair.stack.enter_context(pair.beta.core())
    pair.beta_core.wait_status(BETA, "active")
    exchange(pair, "continued")


def test_a_process_that_was_stopped_blames_itself_and_not_its_peer(pair: Pair) -> None:
    pair.alpha.send_signal(signal.SIGSTOP)
    time.sleep(5)
    pair.alpha.send_signal(signal.SIGCONT)
    pair.beta_core.wait(
        lambda: any(isinstance(f, NodeRestarted) and f.node == ALPHA for f in pair.beta_core.facts)
    )
    exchange(pair, "awake")
    dead = [f for f in of_beta(pair.alpha_core, NodeStatusChanged) if f.new == "dead"]
    assert dead == []


def test_new_keys_are_taken_over_by_a_signal_and_wrong_ones_are_not(pair: Pair) -> None:
    nodes = (pair.alpha, pair.beta)
    for node in nodes:
        node.write_keys("auth 1\n1 nonsense\n")
        node.send_signal(signal.SIGHUP)
        wait_for_line(node, "the former keys stay in use")
    exchange(pair, "old-keys")
    for node in nodes:
        node.write_keys("auth 2\n1 sha1 secret\n2 sha1 fresh\n")
        node.send_signal(signal.SIGHUP)
        wait_for_line(node, "authkeys was read again")
    exchange(pair, "new-keys")
    pair.alpha.write_keys("auth 2\n1 sha1 secret\n2 sha1 another\n")
    pair.alpha.send_signal(signal.SIGHUP)
    pair.beta_core.wait(
        lambda: any(
            isinstance(f, PacketsRejected) and f.reason == "bad-digest"
            for f in pair.beta_core.facts
        )
    )


def wait_for_line(node: LinkProcess, text: str) -> None:
    wait_until(lambda: text in node.log(), f"{text} in the log", 10)


def sockets_of(node: LinkProcess) -> int:
    """Return how many sockets a link process has open."""
    assert node.process is not None
    count = 0
    for link in Path(f"/proc/{node.process.pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed since it was listed
            count += str(link.readlink()).startswith("socket:")
    return count


def test_messages_without_a_core_wait_for_the_next_one(pair: Pair) -> None:
    before = sockets_of(pair.beta)
    pair.beta_core.hang_up()
    wait_until(lambda: sockets_of(pair.beta) < before, "beta has noticed it", 10)
    for number in range(3):
        pair.alpha_core.order(Broadcast(message_of(t="cluster-test", info=f"missed {number}")))
    time.sleep(0.5)  # so that they arrive while there is none
    next_core = pair.stack.enter_context(pair.beta.core())
    next_core.wait(lambda: "missed 2" in heard(next_core))
    assert heard(next_core) == ["missed 0", "missed 1", "missed 2"]
    assert next_core.status(ALPHA) == "active"


def test_a_medium_that_goes_and_comes_is_told_and_the_nodes_meet_again(
    pair: Pair, net: Net
) -> None:
    net.unplug(2)
    pair.alpha_core.wait_status(BETA, "dead")
    pair.beta_core.wait_status(ALPHA, "dead")
    net.plug(2)
    pair.alpha_core.wait_status(BETA, "active")
    pair.beta_core.wait_status(ALPHA, "active")
    told = [f.error for f in pair.beta_core.facts if isinstance(f, MediumChanged)]
    assert len(told) == 2
    assert told[0]
    assert not told[1]


@pytest.mark.parametrize(
    "media",
    [
        "ucast eth0 10.98.0.1\nucast eth0 10.98.0.2",
        "mcast eth0 239.0.0.44 695 1 0",
        "ucast6 eth0 fd98::1\nucast6 eth0 fd98::2",
        "mcast6 eth0 ff12::44 695 1 0",
    ],
)
def test_other_media_make_nodes_active_too(net: Net, tmp_path: Path, media: str) -> None:
    with ExitStack() as stack:
        exchange(Pair(net, tmp_path, stack, HA_CF.replace("bcast eth0", media)), "hello")


def test_ping_nodes_answer_and_die(net: Net, tmp_path: Path) -> None:
    lines = "ping 10.98.0.1\nping_group group 10.98.0.77 10.98.0.2\nping 10.98.0.99\n"
    with ExitStack() as stack:
        pair = Pair(net, tmp_path, stack, HA_CF + "deadping 2\n" + lines)
        pair.alpha_core.wait_status(NodeName("group"), "ping")
        pair.beta_core.wait_status(NodeName("10.98.0.1"), "ping")
        pair.beta_core.wait_status(NodeName("10.98.0.99"), "dead")


def test_a_wrong_configuration_ends_with_status_6(net: Net, tmp_path: Path) -> None:
    process = LinkProcess(tmp_path, "alpha", "keepalive maybe", net.name(1))
    with pytest.raises(AssertionError), process:
        pass
    assert process.wait_end() == 6
