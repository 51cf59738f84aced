"""Two whole nodes: who reaches an address where, until everybody reaches its holder."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from cluster.pair_lab import ADDRESS, GROUP, Pair, events_of, now_ms
from everbeat.adapters.namespaces import Space, SpaceConfig
from everbeat.adapters.neighbours import WAIT_MS
from everbeat.node.address_check import CHECK_AT_MS
from lab import wait_until
from lab.slowness import machine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab import Node

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("address-check")]

ADDRESS6 = "fd77::50"
BOTH = (ADDRESS, ADDRESS6)
NOBODY = "02:00:00:00:00:99"


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with Pair(resources=f"alpha {GROUP} IPaddr2::{ADDRESS6}/64/eth0 webd") as pair:
        pair.start()
        pair.probe.wait_answer("alpha")
        yield pair


def wait_logged(node: Node, *texts: str) -> None:
    """Wait for lines of the log: quicker read than events, which a busy machine shows late."""
    wait_until(lambda: all(text in node.log() for text in texts), f"{texts} in the log", 20)


def mac_of(space: Space) -> str:
    words = space.run("ip", "-o", "link", "show", "eth0").stdout.split()
    return words[words.index("link/ether") + 1]


def believe(node: Node, mac: str, state: str) -> None:
    """Have a node's kernel believe that the addresses are there."""
    for address in BOTH:
        node.sh(f"ip neigh replace {address} lladdr {mac} dev eth0 nud {state}")


def neighbour(space: Space, address: str) -> str:
    return space.run("ip", "neigh", "show", address, "dev", "eth0").stdout


def test_after_a_split_nobody_goes_on_sending_to_the_node_that_gave_up(pair: Pair) -> None:
    began_ms = now_ms()
    alpha, beta = pair.alpha, pair.beta
    alpha.cut()
    pair.probe.wait_answer("beta", 20)
    believe(beta, NOBODY, "permanent")  # no announcement changes it
    alpha.heal()
    wait_until(lambda: pair.lab.holders(ADDRESS) == ["alpha"], "only the owner is left")
    wait_logged(alpha, *(f"beta still reaches {a} at {NOBODY}: announced again" for a in BOTH))
    believe(beta, NOBODY, "stale")  # now one would, and the answer to our question does
    mac = mac_of(alpha.on)
    wait_logged(alpha, *(f"beta reaches {address} here now, at {mac}" for address in BOTH))
    for address in BOTH:
        assert mac in neighbour(beta.on, address)
    pair.probe.wait_answer("alpha", 3)
    assert mac in neighbour(pair.lab.client, ADDRESS)
    assert {"address-unreached", "address-reached"} <= {
        e["kind"] for e in events_of(alpha, began_ms)
    }


def test_another_machine_that_answers_for_an_address_is_told(pair: Pair) -> None:
    began_ms = now_ms()
    alpha = pair.alpha
    other = Space(SpaceConfig(host="other"))
    try:
        pair.lab.switch.plug(other, "eth0", "10.77.0.66/24", f"{ADDRESS6}/64", port="other")
        other.run("ip", "addr", "add", f"{ADDRESS}/32", "dev", "eth0")
        alpha.sh(f"ip addr del {ADDRESS}/24 dev eth0; ip addr del {ADDRESS6}/64 dev eth0")
        mac = mac_of(other)
        wait_logged(
            alpha, *(f"another machine answers for {address} (heard by " for address in BOTH)
        )
        conflicts = [e["text"] for e in events_of(alpha, began_ms, "address-conflict")]
        assert len(conflicts) == 2
        assert all(mac in text for text in conflicts), conflicts
    finally:
        other.kill()
    pair.probe.wait_answer("alpha", 5)


def test_where_all_is_well_nothing_is_told(pair: Pair) -> None:
    pair.wait_settled()
    began_ms = now_ms()
    pair.alpha.standby("all")
    pair.probe.wait_answer("beta")
    pair.wait_settled("none", "all")
    pair.beta.wait_rscstatus("all")
    time.sleep(CHECK_AT_MS[1] / 1000)  # both questions were asked by then, had there been trouble
    answered = machine().allowed(20, began_ms)  # in which a quiet machine answers by far
    for node in (pair.alpha, pair.beta):
        if answered.ms < WAIT_MS:  # what another machine did before may be told to be over
            assert set(kinds_told(node, began_ms)) <= {"address-reached"}, answered
        else:  # an answer may come after we have looked for it: told, and taken back
            wait_until(lambda n=node: is_taken_back(n, began_ms), "what was told is over", 15)
            told = kinds_told(node, began_ms)
            assert set(told) <= {"address-unreached", "address-reached"}, told


def kinds_told(node: Node, began_ms: float) -> list[str]:
    """Return the kinds of events that tell of addresses."""
    kinds = [str(event["kind"]) for event in events_of(node, began_ms)]
    return [kind for kind in kinds if kind.startswith("address")]


def is_taken_back(node: Node, began_ms: float) -> bool:
    told = kinds_told(node, began_ms)
    return told.count("address-unreached") == told.count("address-reached")
