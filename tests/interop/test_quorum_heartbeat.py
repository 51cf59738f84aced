"""A quorum by ping nodes beside a Heartbeat 3.0.6 partner, which sends no stamps, no votes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from interop.mixed_pair import TWO_GROUPS, VIP_A, VIP_B, Pair, held_by, pair_of
from lab import EVERBEAT, HEARTBEAT, Lab, wait_until
from lab.node import everbeat

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab import Node

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("with_heartbeat")]


@pytest.fixture
def pair() -> Iterator[Pair]:
    with Lab() as lab:
        yield pair_of(lab, HEARTBEAT, EVERBEAT)


def test_heartbeat_hears_our_stamped_status_and_to_hear_it_is_its_lease(pair: Pair) -> None:
    pair.lab.configure(deadtime="4", initdead="5", resources=TWO_GROUPS, extra="ping 10.77.0.100")
    pair.ours.sh("echo quorum ping >>/etc/ha.d/ha.cf")  # Heartbeat refuses the word
    pair.start_beta_first()
    pair.wait_held("local", "local")
    wait_until(lambda: leases_of(pair.ours) == [True, True, True], "all three agree", 10)
    assert "malformed" not in pair.real.log()
    pair.ours.cut()  # from its partner and from the ping node
    wait_until(lambda: not pair.ours.holds(VIP_B), "ours gives up", 10)
    wait_until(lambda: pair.real.holds(VIP_B), "Heartbeat takes over", 15)
    pair.ours.heal()
    pair.wait_held("local", "local", 60)
    pair.real.crash()
    wait_until(lambda: pair.ours.holds(VIP_A), "ours takes over", 15)


def leases_of(node: Node) -> list[bool]:
    """Return which voters have given a node their lease, as its status shows it."""
    quorum = json.loads(everbeat(node, "status", "--json"))["membership"]["quorum"]
    return [bool(voter["is_leasing"]) for voter in quorum["voters"]]


def test_in_legacy_mode_it_gives_our_group_back_where_ping_nodes_decide(pair: Pair) -> None:
    pair.lab.configure(
        deadtime="4",
        initdead="5",
        resources=TWO_GROUPS,
        auto_failback="legacy",
        extra="ping 10.77.0.100",
    )
    pair.ours.sh("echo quorum ping >>/etc/ha.d/ha.cf")  # Heartbeat refuses the word
    pair.start_beta_first()
    both = "each has its own group"
    pair.wait(lambda: held_by(pair.lab) == ("alpha", "beta"), both)
    pair.ours.stop()
    wait_until(lambda: pair.real.holds(VIP_B), "Heartbeat takes over", 20)
    pair.ours.start()
    pair.wait(lambda: held_by(pair.lab) == ("alpha", "beta"), both)
    assert pair.ours.log().count("it is ours and free") > 0
