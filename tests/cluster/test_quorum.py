"""Real nodes whose right to hold is decided by ping nodes or by votes: cuts, also of one direction.

The kernels of all nodes tell who has the address: never two, one at the end.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from everbeat.model.cluster import lease_ms
from lab import Lab, Node, wait_until
from lab.node import everbeat
from lab.slowness import machine
from lab.watch import AddressWatch, overlaps

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("quorum")]

ADDRESS = "10.77.0.50"
CLIENT = "10.77.0.100"
DEADTIME_S = 4
LONG_DEADTIME_S = 10  # leaves a busy machine time to start all processes again
STOPTIME_S = 2
LONG_STOPTIME_S = 5


def quorum_of(node: Node) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(everbeat(node, "status", "--json"))["membership"]["quorum"]
    return value


def formed(
    lab: Lab,
    watch: AddressWatch,
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
    for node in nodes:
        watch.watch(node.name, node.on)
    lab.start()
    wait_until(lambda: watch.holders() == ["alpha"], "alpha serves", 40)
    nodes[0].wait_rscstatus("local", "all")
    return nodes


def wait_taken(lab: Lab, watch: AddressWatch, former: Node) -> Node:
    """Wait until another node alone has the address; return it."""
    others = [[name] for name in lab.nodes if name != former.name]
    wait_until(lambda: watch.holders() in others, "another node has the address", 20)
    return lab.nodes[watch.holders()[0]]


@pytest.fixture(params=["ping", "votes"])
def cluster(request: pytest.FixtureRequest) -> Iterator[tuple[Lab, AddressWatch, list[Node]]]:
    with Lab() as lab, AddressWatch(ADDRESS) as watch:
        if request.param == "ping":
            yield lab, watch, formed(lab, watch, ("alpha", "beta"), f"ping {CLIENT}\nquorum ping")
        else:
            yield lab, watch, formed(lab, watch, ("alpha", "beta", "gamma"), "")


def test_after_every_cut_one_side_holds_and_the_other_has_given_up_before(
    cluster: tuple[Lab, AddressWatch, list[Node]],
) -> None:
    lab, watch, nodes = cluster
    alpha = nodes[0]
    assert quorum_of(alpha)["is_held"]
    alpha.cut()
    cut_at = time.monotonic()
    second = wait_taken(lab, watch, alpha)
    late = machine().allowed(3_000, cut_at * 1000)
    assert time.monotonic() - cut_at < DEADTIME_S + late.ms / 1000, late
    assert not quorum_of(alpha)["is_held"]
    alpha.heal()
    wait_until(lambda: quorum_of(alpha)["is_held"], "alpha is back", 30)
    second.loss(100, is_one_way=True)  # it hears the others, and is heard by nobody
    third = wait_taken(lab, watch, second)
    second.loss(0)
    wait_until(lambda: quorum_of(second)["is_held"], "both are back", 30)
    assert overlaps(watch.spans()) == []
    assert watch.holders() == [third.name]


def kill_all(node: Node) -> None:
    """Kill every process of ours on a node, keeper first; what they started goes on."""
    ours = node.sh("grep -slE '^hb-' /proc/[0-9]*/comm; cat /run/heartbeat.pid").split()
    pids = [word.split("/")[2] if word.startswith("/") else word for word in ours]
    all_pids = f"{pids[-1]} {' '.join(pids[:-1])}"
    node.sh(f"kill -STOP {all_pids}; kill -KILL {all_pids}")  # so that none outlives another
    assert node.holds(ADDRESS), "what it started goes on"


def test_leftovers_of_a_node_whose_processes_were_all_killed_are_found_at_the_next_start() -> None:
    with Lab() as lab, AddressWatch(ADDRESS) as watch:
        names = ("alpha", "beta", "gamma")
        alpha = formed(lab, watch, names, "", LONG_DEADTIME_S)[0]
        kill_all(alpha)
        alpha.start()
        alpha.wait_rscstatus("local", "all")
        time.sleep(2 * LONG_DEADTIME_S)
        assert [span.node for span in watch.spans()] == ["alpha"], "never interrupted, never moved"


def test_leftovers_whose_right_has_ended_are_given_up_before_another_node_takes_them() -> None:
    lease_s = lease_ms(LONG_DEADTIME_S * 1_000, LONG_STOPTIME_S * 1_000) / 1_000
    with Lab() as lab, AddressWatch(ADDRESS) as watch:
        names = ("alpha", "beta", "gamma")
        alpha = formed(lab, watch, names, "", LONG_DEADTIME_S, LONG_STOPTIME_S)[0]
        kill_all(alpha)
        time.sleep(lease_s)
        alpha.start()
        wait_until(lambda: len(watch.spans()) > 1, "one node serves", 30)
        time.sleep(LONG_DEADTIME_S)
        assert overlaps(watch.spans()) == []
        assert len(watch.holders()) == 1
        assert "lost before this process began" in alpha.log()
