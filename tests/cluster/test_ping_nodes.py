"""Real nodes with the ping lines that tutorials write: whatever answers, who is left serves on."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from lab import Lab, Node, wait_until
from lab.node import everbeat

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("ping-nodes")]

ADDRESS = "10.77.0.50"
CLIENT = "10.77.0.100"
NOWHERE = "10.77.0.254"

LINES = {
    "never-answers": f"ping {NOWHERE}",
    "group-never-answers": f"ping_group routers {NOWHERE} 10.77.0.253",
    "answers": f"ping {CLIENT}",
    "twice": f"ping {CLIENT} {CLIENT}",
    "service-address": f"ping {ADDRESS}",
    "peer-by-address": "ping 10.77.0.2 10.77.0.1",
    "is-to-decide-and-never-answers": f"ping {NOWHERE}\nquorum ping",
}


@pytest.fixture(params=LINES.values(), ids=LINES.keys())
def pair(request: pytest.FixtureRequest) -> Iterator[tuple[Node, Node]]:
    with Lab() as lab:
        alpha, beta = lab.everbeat("alpha"), lab.everbeat("beta")
        lab.configure(
            resources=f"alpha {ADDRESS}/24/eth0",
            deadtime="3",
            initdead="5",
            auto_failback="off",
            extra=request.param,
        )
        lab.start()
        wait_until(lambda: alpha.holds(ADDRESS), "alpha serves", 40)
        alpha.wait_rscstatus("local", "all")
        yield alpha, beta


def test_who_is_left_of_a_pair_serves_whatever_the_ping_node_does(pair: tuple[Node, Node]) -> None:
    alpha, beta = pair
    beta.crash()
    wait_until(lambda: _says_dead(alpha, "beta"), "alpha holds beta for dead", 20)
    wait_until(lambda: alpha.holds(ADDRESS), "alpha serves on", 5)
    beta.boot()
    beta.start()
    wait_until(lambda: not _says_dead(alpha, "beta"), "beta is back", 30)
    beta.wait_rscstatus("none", "foreign")
    assert alpha.holds(ADDRESS)
    alpha.crash()
    wait_until(lambda: beta.holds(ADDRESS), "beta takes over", 20)


def _says_dead(node: Node, other: str) -> bool:
    nodes = json.loads(everbeat(node, "status", "--json"))["membership"]["nodes"]
    return any(n["node"] == other and n["status"] == "dead" for n in nodes)
