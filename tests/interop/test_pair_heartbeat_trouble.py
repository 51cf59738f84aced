"""Heartbeat 3.0.6 and everbeat as a pair: splits, stalls, replaced nodes, changed node lists."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from interop.mixed_pair import SIDES, VIP_A, WEB, Pair, Witness, pair_of, timing
from lab import EVERBEAT, HEARTBEAT, Lab
from lab.node import cl_status

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab import Node

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("with_heartbeat")]


@pytest.fixture
def lab() -> Iterator[Lab]:
    with Lab() as made:
        yield made


@pytest.mark.parametrize("sides", SIDES)
def test_after_a_split_has_healed_the_service_is_held_exactly_once(lab: Lab, sides: str) -> None:
    pair = pair_of(lab, *SIDES[sides])
    lab.configure(**timing(), resources=WEB)
    pair.start_beta_first()
    with lab.probing(VIP_A) as probe:
        probe.wait_answer("alpha")
        pair.wait_held("local", "local")
        client = Witness(probe, sides)
        client.sees("link cut", pair.alpha.cut, "beta")
        pair.wait(lambda: sorted(lab.holders(VIP_A)) == ["alpha", "beta"], "both hold it")
        since_ms = time.monotonic() * 1000
        pair.alpha.heal()
        pair.wait(lambda: "restart triggered" in pair.real.log(), "Heartbeat restarts itself")
        pair.wait_held("local", "local", 60)
        pair.wait(lambda: lab.holders(VIP_A) == ["alpha"], "held once, by its owner")
        probe.wait_answer("alpha")
        client.tell("split healed", since_ms)
    assert "restart triggered" not in pair.ours.log()


@pytest.mark.parametrize("sides", SIDES)
def test_a_stalled_node_of_ours_comes_back_as_restarted_and_heartbeat_keeps_serving(
    lab: Lab, sides: str
) -> None:
    pair = pair_of(lab, *SIDES[sides])
    lab.configure(**timing(), resources=WEB, auto_failback="off")
    pair.start_after(pair.ours)
    with lab.probing(VIP_A) as probe:
        probe.wait_answer(pair.ours.name)
        pair.wait(lambda: "transition" not in pair.held(), "settled")
        client = Witness(probe, sides)
        before = len(pair.real.log())
        pair.ours.freeze()
        pair.wait(lambda: pair.real.holds(VIP_A), "Heartbeat takes over")
        time.sleep(2)
        since_ms = time.monotonic() * 1000
        pair.ours.thaw()
        pair.wait(lambda: lab.holders(VIP_A) == [pair.real.name], "we give up", 10)
        probe.wait_answer(pair.real.name)
        client.tell("stall ends", since_ms)
        pair.real.wait_status(pair.ours.name, "active")
        time.sleep(4)
        assert lab.holders(VIP_A) == [pair.real.name]
    since = pair.real.log()[before:]
    assert f"Heartbeat restart on node {pair.ours.name}" in since
    assert "returning after partition" not in since
    assert "restart triggered" not in since


def test_a_pair_of_heartbeats_is_replaced_node_by_node_with_one_failover(lab: Lab) -> None:
    pair = pair_of(lab, HEARTBEAT, HEARTBEAT)
    lab.configure(**timing(), resources=WEB, auto_failback="off")
    pair.alpha.start()
    pair.wait(lambda: lab.holders(VIP_A) == ["alpha"], "alpha serves")
    pair.beta.start()
    lab.wait_formed()
    with lab.probing(VIP_A) as probe:
        probe.wait_answer("alpha")
        pair.wait_held("all", "none")
        client = Witness(probe, "replacement")
        assert client.sees("beta replaced", lambda: replace(pair, pair.beta), "alpha") == 0
        pair.wait_held("all", "none")
        client.sees("alpha replaced", lambda: replace(pair, pair.alpha), "beta")
        pair.wait_held("none", "all")
        assert len(client.gaps()) == 1, "one failover, by the order to stop"


def replace(pair: Pair, node: Node) -> None:
    """Stop Heartbeat, start everbeat in its place: same disk, same configuration."""
    generation = node.folder / "lib" / "hb_generation"
    uuid = (node.folder / "lib" / "hb_uuid").read_bytes()
    before = int(generation.read_text())
    node.stop()
    node.product = EVERBEAT
    node.start()
    pair.lab.wait_formed()
    assert int(generation.read_text()) > before
    assert (node.folder / "lib" / "hb_uuid").read_bytes() == uuid


def test_changes_of_the_node_list_are_understood_both_ways(lab: Lab) -> None:
    pair = pair_of(lab, HEARTBEAT, EVERBEAT)
    lab.configure(**timing())
    lab.start()
    everbeat = Path(sys.executable).with_name("everbeat")
    for tool in ("hb_addnode", "hb_delnode"):
        (pair.ours.folder / "lib" / tool).symlink_to(everbeat)
    ours, heartbeats = "/var/lib/heartbeat", "/usr/share/heartbeat"
    for adder, deleter, name in ((ours, heartbeats, "gamma"), (heartbeats, ours, "delta")):
        (pair.ours if adder == ours else pair.real).run(f"{adder}/hb_addnode", name)
        pair.wait(lambda n=name: all(n in nodes_of(node) for node in pair.nodes), f"{name} added")
        for node in pair.nodes:
            node.wait_status(name, "dead", timeout_s=10)
        (pair.ours if deleter == ours else pair.real).run(f"{deleter}/hb_delnode", name)
        pair.wait(lambda n=name: all(n not in nodes_of(node) for node in pair.nodes), "deleted")


def nodes_of(node: Node) -> list[str]:
    return cl_status(node, "listnodes").split()
