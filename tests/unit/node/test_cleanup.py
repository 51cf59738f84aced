"""everbeat cleanup: whose failures are forgotten, and where."""

from __future__ import annotations

from random import Random

import pytest

from everbeat.model.cluster import HaConfig
from everbeat.model.groups import ResourceGroup, ResourceSpec
from everbeat.model.membership import Broadcast
from everbeat.model.names import GroupKey, NodeName
from everbeat.model.operations import ForgetFailures
from everbeat.node.core_node import CoreNode
from everbeat.node.failure_board import cleanup_from_message

ALPHA, BETA = NodeName("alpha"), NodeName("beta")
ADDRESS = ResourceSpec("10.0.0.50/24/eth0", "IPaddr", ("10.0.0.50/24/eth0",))
DISKS = tuple(ResourceSpec(f"Filesystem::/dev/{d}", "Filesystem", (d,)) for d in ("vdb", "vdc"))


def node() -> CoreNode:
    group = ResourceGroup(ALPHA, GroupKey(ADDRESS.text), (ADDRESS, *DISKS))
    config = HaConfig(node=ALPHA, nodes=(ALPHA, BETA))
    return CoreNode(config, [group], random=Random(0))  # noqa: S311 - no secret is made here


@pytest.mark.parametrize(
    ("named", "forgotten"),
    [
        ("", [""]),
        (ADDRESS.text, [ADDRESS.text]),
        ("10.0.0.50", [ADDRESS.text]),
        ("Filesystem", [disk.text for disk in DISKS]),
    ],
)
def test_failures_are_forgotten_by_what_people_call_a_resource(
    named: str, forgotten: list[str]
) -> None:
    verdict = node().on_cleanup(named, "")
    assert verdict.is_accepted
    assert verdict.text == f"{named or 'all failures'}: forgotten on all nodes"
    effects = verdict.effects
    assert [e.resource for e in effects if isinstance(e, ForgetFailures)] == forgotten
    messages = [effect.message for effect in effects if isinstance(effect, Broadcast)]
    told = [cleanup_from_message(message, BETA) for message in messages]
    assert told == forgotten
    verdict = node().on_cleanup(named, "beta")
    assert [type(effect) for effect in verdict.effects] == [Broadcast] * len(forgotten)


def test_what_is_not_there_is_told_with_what_is() -> None:
    verdict = node().on_cleanup("10.0.0.51", "")
    assert verdict.reason.startswith(f"10.0.0.51 is no resource of haresources: {ADDRESS.text}, ")
    assert verdict.effects == ()
    assert "gamma is no node" in node().on_cleanup("", "gamma").reason
