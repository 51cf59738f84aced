"""No client of the API speaks as a node does: each type that a node understands is closed to it."""

from __future__ import annotations

import pytest

from everbeat.clients.api import LOOKING_CLIENT, MOVING_TYPES, ClientApi
from everbeat.clients.authorization import Accounts, Credentials
from everbeat.distribution import distributor
from everbeat.haresources import manager
from everbeat.model.cluster import ApiAuthorization, HaConfig
from everbeat.model.groups import AutoFailback, ManagerView
from everbeat.model.members import MembershipView
from everbeat.model.membership import Broadcast
from everbeat.model.message import message_of
from everbeat.model.names import NodeName
from everbeat.node import core_node, fencing_gate, link_node

ALPHA = NodeName("alpha")
ANN = Credentials(pid=7, uid=1000, gid=1000, groups=(1000,))
KNOWN = (
    core_node._INTERNAL_TYPES
    | manager._SPOKEN_TYPES
    | fencing_gate._SPOKEN_TYPES
    | link_node.OWN_TYPES
    | distributor.TYPES
    | {"addnode", "delnode", "setweight", "setsite"}  # Roster's
)


def broadcast_by(name: str, kind: str) -> bool:
    """Whether what a user may sign on as, with a rule of its own, goes to the cluster."""
    rule = ApiAuthorization(name, users=("ann",))
    api = ClientApi(HaConfig(node=ALPHA, nodes=(ALPHA,), apiauth=(rule,)), ALPHA)
    api.on_accounts(Accounts({"ann": 1000}, {}))
    view = MembershipView(ALPHA)
    shown = ManagerView(
        own=ALPHA,
        auto_failback=AutoFailback.ON,
        state="stable",
        holds="all",
        peer_holds=(),
        groups=(),
    )
    api.on_connect(1, ANN, 0)
    wish = message_of(
        t="hbapi-req", reqtype="signon", from_id=name, pid="7", uid="1000", gid="1000"
    )
    api.on_message(1, wish, view, shown, 0)
    assert name in api.names()
    said = api.on_message(1, message_of(t=kind), view, shown, 0)
    return any(isinstance(order, Broadcast) for order in said)


@pytest.mark.parametrize("kind", sorted(KNOWN))
def test_what_nodes_say_to_each_other_is_said_by_no_client(kind: str) -> None:
    assert not broadcast_by(LOOKING_CLIENT, kind)
    if kind not in MOVING_TYPES:
        assert not broadcast_by("mon", kind)


def test_a_client_s_own_types_go_to_the_cluster() -> None:
    assert broadcast_by(LOOKING_CLIENT, "num_ping_nodes")
    assert broadcast_by("mon", "hb_takeover")
