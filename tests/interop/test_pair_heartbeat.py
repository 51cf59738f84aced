"""Heartbeat 3.0.6 and everbeat form a pair: keys, media, encodings, start order, loss."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

import pytest

from everbeat.adapters.namespaces import NamespaceError
from interop.mixed_pair import SIDES, TWO_GROUPS, VIP_A, WEB, Pair, held_by, pair_of, timing
from lab import EVERBEAT, HEARTBEAT, Lab
from lab.node import cl_status

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab import Node

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("with_heartbeat")]

CLIENT = "10.77.0.100"
LARGE_PARTS, LARGE_PART = 20, 400  # the FIFO of 3.0.6 takes lines of 511 bytes
COUNT_PARTS = """#!/bin/sh
# rc.d script: note how many whole parts of a message of this type arrived
echo "$HA_src $(env | grep -c '^HA_part.*=x\\{400\\}$')" >>/run/recorded
"""


@pytest.fixture
def lab() -> Iterator[Lab]:
    with Lab() as made:
        yield made


@pytest.mark.parametrize(
    "keys", ["auth 1\n1 crc\n", "auth 2\n1 crc\n2 md5 geheim\n", "auth 3\n3 sha1 a b\n"]
)
def test_both_see_each_other_active_with_every_kind_of_key(lab: Lab, keys: str) -> None:
    pair_of(lab, HEARTBEAT, EVERBEAT)
    lab.configure(**timing(initdead_s=4), authkeys=keys)
    lab.start(timeout_s=20)


@pytest.mark.parametrize("sides", SIDES)
def test_started_together_each_takes_its_own_group(lab: Lab, sides: str) -> None:
    pair = pair_of(lab, *SIDES[sides])
    lab.configure(**timing(initdead_s=4), resources=TWO_GROUPS)
    began = time.monotonic()
    lab.start()
    assert held_by(lab) == ("", "")
    pair.wait_held("local", "local")
    assert time.monotonic() - began > 10, "they wait for each other, as 3.0.6 does"
    assert held_by(lab) == ("alpha", "beta")


@pytest.mark.parametrize(
    "media",
    [
        "ucast eth0 10.77.0.1\nucast eth0 10.77.0.2",
        "mcast eth0 239.0.0.43 694 1 0",
        f"bcast eth0\nping {CLIENT}",
    ],
)
def test_both_see_each_other_and_a_ping_node_over_every_medium(lab: Lab, media: str) -> None:
    pair = pair_of(lab, HEARTBEAT, EVERBEAT)
    lab.configure(**timing(initdead_s=4), media=media, extra="deadping 1")
    lab.start(timeout_s=20)
    if "ping" not in media:
        return
    for node in pair.nodes:
        assert set(cl_status(node, "listnodes").split()) == {"alpha", "beta", CLIENT}
        assert cl_status(node, "nodetype", CLIENT) == "ping"
        node.wait_status(CLIENT, "ping", timeout_s=5)
    lab.client.run("ip", "link", "set", "eth0", "down")
    for node in pair.nodes:
        node.wait_status(CLIENT, "dead", timeout_s=5)
        assert node.status(pair.other(node).name) == "active"


def test_with_two_links_one_cut_moves_nothing() -> None:
    with Lab(has_second_link=True) as lab:
        pair = pair_of(lab, HEARTBEAT, EVERBEAT)
        lab.configure(**timing(), resources=WEB, auto_failback="off")
        pair.start_beta_first()
        pair.wait_held("none", "all")
        for link in (0, 1):
            pair.alpha.cut(link)
            for node in pair.nodes:
                wait_link(pair, node, f"eth{link}", "dead")
            time.sleep(1)
            pair.alpha.heal(link)
            for node in pair.nodes:
                wait_link(pair, node, f"eth{link}", "up")
        assert pair.held() == ("none", "all")
        assert lab.holders(VIP_A) == ["beta"]
        for node in pair.nodes:
            assert f"node {pair.other(node).name}: is dead" not in after_forming(node)


def wait_link(pair: Pair, node: Node, link: str, wanted: str) -> None:
    peer = pair.other(node).name
    what = f"{node.name} sees {peer} {wanted} on {link}"
    pair.wait(lambda: cl_status(node, "hblinkstatus", peer, link) == wanted, what, 10)


def after_forming(node: Node) -> str:
    return node.log().rpartition("status active")[2]


@pytest.mark.parametrize(
    "compression",
    [
        "compression zlib\ntraditional_compression yes\ncompression_threshold 1",
        "compression bz2\ntraditional_compression yes\ncompression_threshold 2",
        "compression zlib\ntraditional_compression no",
    ],
)
def test_large_messages_arrive_both_ways_compressed_or_not(lab: Lab, compression: str) -> None:
    pair = pair_of(lab, HEARTBEAT, EVERBEAT)
    lab.configure(**timing(initdead_s=4), extra=compression)
    for node in pair.nodes:
        node.write("rc.d/large", COUNT_PARTS, 0o755)
    lab.start(timeout_s=20)
    parts = "".join(f"part{number}={'x' * LARGE_PART}\\n" for number in range(LARGE_PARTS))
    for sender in pair.nodes:
        receiver = pair.other(sender)
        sender.sh(f"printf '>>>\\nt=large\\n{parts}<<<\\n' >/var/lib/heartbeat/fifo")
        expected = f"{sender.name} {LARGE_PARTS}"
        pair.wait(lambda n=receiver, e=expected: e in recorded(n), f"{expected} recorded", 10)


def recorded(node: Node) -> list[str]:
    return node.sh("cat /run/recorded", is_checked=False).splitlines()


def test_a_node_with_msgfmt_netstring_may_stay_in_transition_but_we_do_not(lab: Lab) -> None:
    """Its scripts' messages get lost inside 3.0.6, and it never learns that it is done."""
    pair = pair_of(lab, HEARTBEAT, EVERBEAT)
    lab.configure(**timing(), resources=TWO_GROUPS)
    pair.add_to_ha_cf(pair.real, "msgfmt netstring")
    pair.start_beta_first()
    pair.wait(lambda: held_by(lab) == ("alpha", "beta"), "each has its group")
    pair.beta.stop()
    pair.wait(lambda: held_by(lab) == ("alpha", "alpha"), "alpha takes over")
    pair.beta.start()
    lab.wait_formed()
    pair.beta.wait_rscstatus("none", "local")
    time.sleep(1)
    assert held_by(lab) in {("alpha", "alpha"), ("alpha", "beta")}, "each group once"
    pair.alpha.crash()
    pair.wait(lambda: held_by(lab) == ("beta", "beta"), "beta takes over")
    pair.beta.wait_rscstatus("all")


@pytest.mark.parametrize("sides", SIDES)
def test_a_fifth_of_all_packets_lost_kills_nobody_and_moves_still_work(
    lab: Lab, sides: str
) -> None:
    pair = pair_of(lab, *SIDES[sides])
    lab.configure(deadtime="3", initdead="4", resources=TWO_GROUPS, auto_failback="off")
    pair.start_beta_first()
    pair.wait_held("none", "all")
    formed = {node.name: len(node.log()) for node in pair.nodes}
    pair.alpha.loss(20)
    hand_over(pair, pair.beta, "all", ("all", "none"))
    hand_over(pair, pair.alpha, "all", ("none", "all"))
    hand_over(pair, pair.beta, "foreign", ("local", "local"))
    time.sleep(2)
    for node in pair.nodes:
        since = node.log()[formed[node.name] :]
        assert "lost packet(s)" in since
        assert "is dead" not in since
        assert "Irretrievably lost" not in since
        assert node.status(pair.other(node).name) == "active"


def hand_over(pair: Pair, giver: Node, hold: str, wanted: tuple[str, str]) -> None:
    """Ask until it is done: 3.0.6 refuses while it believes us unstable, and loses commands."""
    for _ in range(3):
        with contextlib.suppress(NamespaceError):  # refused
            giver.standby(hold)
        with contextlib.suppress(TimeoutError):
            pair.wait_held(*wanted, timeout_s=12)
            return
    pair.wait_held(*wanted, timeout_s=1)
