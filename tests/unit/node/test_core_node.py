"""The core's boxes together: what of membership's word is passed on to them."""

from __future__ import annotations

from random import Random

from everbeat.model.cluster import HaConfig
from everbeat.model.groups import ResourceGroup, ResourceSpec
from everbeat.model.members import NodeKind, NodeStatus
from everbeat.model.membership import (
    CommunicationUp,
    MessageReceived,
    NodeAdded,
    NodeRestarted,
    NodeStatusChanged,
    StatusReason,
)
from everbeat.model.message import message_of
from everbeat.model.names import GroupKey, NodeName
from everbeat.node.core_node import CoreNode

ALPHA, BETA = NodeName("alpha"), NodeName("beta")


def core_beside_beta() -> CoreNode:
    """Return alpha's core; beta is active in generation 7, and holds its own group."""
    config = HaConfig(node=ALPHA, nodes=(ALPHA, BETA))
    group = ResourceGroup(BETA, GroupKey("web"), (ResourceSpec("web", "web"),))
    core = CoreNode(config, [group], random=Random(0))  # noqa: S311 - no secret is made here
    status = NodeStatusChanged(
        node=BETA,
        old=NodeStatus.INIT,
        new=NodeStatus.ACTIVE,
        reason=StatusReason.HEARD,
        last_heard_ms=0,
        at_ms=0,
    )
    said = {"t": "resource", "rsc_hold": "local", "rtype": "full", "isstable": "1"}
    message = message_of(**said, src="beta", hg="7", seq="1")
    for fact in (
        NodeAdded(BETA, NodeKind.NORMAL, b""),
        CommunicationUp(0),
        status,
        MessageReceived(message, 0),
    ):
        core.on_membership(fact, 0)
    return core


def test_a_link_process_that_missed_a_restart_does_not_tell_it_again() -> None:
    core = core_beside_beta()
    held = ((BETA, "local", True),)
    assert core.manager().peer_holds == held
    assert core.on_membership(NodeRestarted(BETA, 7, 5), 5) == []
    assert core.manager().peer_holds == held
    core.on_membership(NodeRestarted(BETA, 8, 6), 6)
    assert core.manager().peer_holds == ((BETA, "none", False),)
