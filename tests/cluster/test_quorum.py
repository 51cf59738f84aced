"""Real nodes whose right to hold is decided by ping nodes or by votes: cuts, also of one direction.

Somebody looks at all nodes again and again who has the address: never two, one at the end.
"""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING, Any, Self

import pytest

from everbeat.model.cluster import lease_ms
from lab import Lab, Node, wait_until
from lab.node import everbeat

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("quorum")]

ADDRESS = "10.77.0.50"
CLIENT = "10.77.0.100"
DEADTIME_S = 4
LONG_DEADTIME_S = 10  # leaves a busy machine time to start all processes again
STOPTIME_S = 2
LONG_STOPTIME_S = 5
LOOK_S = 0.05


class Watcher:
    """Looks who has the address, until it is told to stop."""

    def __init__(self, lab: Lab) -> None:
        self.seen: list[tuple[str, ...]] = []
        self._lab = lab
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._is_over.wait(LOOK_S):
            holders = tuple(self._lab.holders(ADDRESS))
            if not self.seen or self.seen[-1] != holders:
                self.seen.append(holders)


def quorum_of(node: Node) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(everbeat(node, "status", "--json"))["membership"]["quorum"]
    return value


def formed(
    lab: Lab,
    names: tuple[str, ...],
    extra: str,
    deadtime_s: int = DEADTIME_S,
    stoptime_s: int = STOPTIME_S,
) -> list[Node]:
    nodes = [lab.everbeat(name) for name in names]
    lab.configure(
        resources=f"alpha {ADDRESS}/24/eth0 webd",
        deadtime=str(deadtime_s),
        initdead=str(deadtime_s + 1),
        auto_failback="off",
        extra=f"stoptime {stoptime_s}\n{extra}",
    )
    lab.start()
    wait_until(lambda: lab.holders(ADDRESS) == ["alpha"], "alpha serves", 40)
    return nodes


def wait_taken(lab: Lab, former: Node) -> Node:
    """Wait until another node has the address; return it."""
    found: list[str] = []

    def is_taken() -> bool:
        found[:] = lab.holders(ADDRESS)
        return len(found) == 1 and found != [former.name]

    wait_until(is_taken, "another node has the address", 20)
    return lab.nodes[found[0]]


@pytest.fixture(params=["ping", "votes"])
def cluster(request: pytest.FixtureRequest) -> Iterator[tuple[Lab, list[Node]]]:
    with Lab() as lab:
        if request.param == "ping":
            yield lab, formed(lab, ("alpha", "beta"), f"ping {CLIENT}")
        else:
            yield lab, formed(lab, ("alpha", "beta", "gamma"), "")


def test_after_every_cut_one_side_holds_and_the_other_has_given_up_before(
    cluster: tuple[Lab, list[Node]],
) -> None:
    lab, nodes = cluster
    alpha = nodes[0]
    assert quorum_of(alpha)["is_held"]
    with Watcher(lab) as watcher:
        alpha.cut()
        cut_at = time.monotonic()
        second = wait_taken(lab, alpha)
        assert time.monotonic() - cut_at < DEADTIME_S + 6, "deadtime, a heartbeat, a slow machine"
        assert not quorum_of(alpha)["is_held"]
        alpha.heal()
        wait_until(lambda: quorum_of(alpha)["is_held"], "alpha is back", 30)
        second.loss(100, is_one_way=True)  # it hears the others, and is heard by nobody
        third = wait_taken(lab, second)
        second.loss(0)
        wait_until(lambda: quorum_of(second)["is_held"], "both are back", 30)
    assert [holders for holders in watcher.seen if len(holders) > 1] == []
    assert lab.holders(ADDRESS) == [third.name]


def kill_all(node: Node) -> None:
    """Kill every process of ours on a node, keeper first; what they started goes on."""
    ours = node.sh("grep -slE '^hb-' /proc/[0-9]*/comm; cat /run/heartbeat.pid").split()
    pids = [word.split("/")[2] if word.startswith("/") else word for word in ours]
    node.sh(f"kill -KILL {pids[-1]} {' '.join(pids[:-1])}")
    assert node.holds(ADDRESS), "what it started goes on"


def test_leftovers_of_a_node_whose_processes_were_all_killed_are_found_at_the_next_start() -> None:
    with Lab() as lab:
        nodes = formed(lab, ("alpha", "beta", "gamma"), "", LONG_DEADTIME_S)
        alpha = nodes[0]
        with Watcher(lab) as watcher:
            kill_all(alpha)
            alpha.start()
            alpha.wait_rscstatus("local", "all")
            time.sleep(2 * LONG_DEADTIME_S)
        assert [holders for holders in watcher.seen if holders != ("alpha",)] == []


def test_leftovers_whose_right_has_ended_are_given_up_before_another_node_takes_them() -> None:
    lease_s = lease_ms(LONG_DEADTIME_S * 1_000, LONG_STOPTIME_S * 1_000) / 1_000
    with Lab() as lab:
        names = ("alpha", "beta", "gamma")
        nodes = formed(lab, names, "", LONG_DEADTIME_S, LONG_STOPTIME_S)
        alpha = nodes[0]
        with Watcher(lab) as watcher:
            kill_all(alpha)
            time.sleep(lease_s)
            alpha.start()
            wait_until(lambda: not alpha.holds(ADDRESS), "alpha gives up", LONG_STOPTIME_S)
            wait_until(lambda: bool(lab.holders(ADDRESS)), "one node serves", 30)
            time.sleep(LONG_DEADTIME_S)
        assert [holders for holders in watcher.seen if len(holders) > 1] == []
        assert len(lab.holders(ADDRESS)) == 1
        assert "lost before this process began" in alpha.log()
