"""Whatever is found and whenever: the check of an announced address is bounded, and ends."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from everbeat.journal.timeline import EventRecorded, Timeline
from everbeat.model.groups import GroupState, GroupView, ManagerView, ResourceGroup, ResourceSpec
from everbeat.model.members import MembershipView, NodeKind, NodeStatus, NodeView
from everbeat.model.membership import Broadcast
from everbeat.model.message import message_of
from everbeat.model.names import GroupKey, NodeName
from everbeat.model.neighbours import (
    AddressAnnounced,
    AddressesProbed,
    Finding,
    ProbeAddresses,
    RepeatAnnouncement,
)
from everbeat.node.address_check import ANSWER_MS, CHECK_AT_MS, AddressCheck, CheckEffect
from everbeat.node.address_messages import seen_message

ALPHA, BETA, GAMMA = NodeName("alpha"), NodeName("beta"), NodeName("gamma")
VIP = "10.0.0.50"
MACS = [f"02:00:00:00:00:0{number}" for number in range(4)]
OURS = MACS[0]
FINDINGS = st.builds(
    Finding,
    address=st.just(VIP),
    is_near=st.booleans(),
    held_at=st.sampled_from(["", *MACS]),
    cached=st.sampled_from(["", *MACS]),
    answers=st.lists(st.sampled_from(MACS), max_size=3, unique=True).map(tuple),
)
STEPS = st.lists(
    st.tuples(st.integers(0, 2_000), st.sampled_from([ALPHA, BETA, GAMMA]), FINDINGS), max_size=60
)
VIEW = MembershipView(
    ALPHA, tuple(NodeView(n, NodeKind.NORMAL, NodeStatus.ACTIVE) for n in (ALPHA, BETA, GAMMA))
)


class Manager:
    def __init__(self) -> None:
        self.timeline = Timeline(ALPHA)

    def view(self) -> ManagerView:
        resource = ResourceSpec(VIP, "IPaddr", (VIP,))
        group = ResourceGroup(key=GroupKey(VIP), owner=ALPHA, resources=(resource,))
        state = GroupState.STARTED
        view = GroupView(group=group, state=state, holder=ALPHA, since_ms=0, why="")
        return ManagerView(
            own=ALPHA,
            auto_failback="on",
            state="stable",
            holds="all",
            peer_holds=(),
            groups=(view,),
        )


@given(STEPS)
def test_one_announcement_is_asked_for_and_repeated_so_often_and_no_more(
    steps: list[tuple[int, NodeName, Finding]],
) -> None:
    check = AddressCheck(ALPHA, Manager())
    announced = AddressAnnounced(address=VIP, mac=OURS, own_macs=(OURS,), at_ms=0)
    check.on_announced(announced, 0)
    effects: list[CheckEffect] = []
    now_ms, number = 0, 0
    for wait_ms, node, finding in steps:
        now_ms += wait_ms
        asked = check.on_tick(VIEW, now_ms)
        for order in asked:
            if isinstance(order, ProbeAddresses):
                number = order.number
            elif isinstance(order, Broadcast) and (text := order.message.text("number")):
                number = int(text)
        probed = AddressesProbed(asker=ALPHA, number=number, findings=(finding,))
        seen = message_of(**dict(seen_message(probed).strings()), src=node)
        is_own = node == ALPHA
        effects += asked
        effects += check.on_probed(probed, now_ms) if is_own else check.on_message(seen, now_ms)
    for at_ms in (*CHECK_AT_MS, CHECK_AT_MS[-1] + ANSWER_MS):
        effects += check.on_tick(VIEW, max(at_ms, now_ms))
    assert check.next_wakeup_ms() is None
    kinds = [effect.event.kind for effect in effects if isinstance(effect, EventRecorded)]
    rounds = len(CHECK_AT_MS)
    assert sum(isinstance(e, RepeatAnnouncement) for e in effects) <= rounds
    assert sum(isinstance(e, Broadcast) for e in effects) <= rounds
    assert sum(isinstance(e, ProbeAddresses) for e in effects) <= rounds
    assert kinds.count("address-unreached") <= 2  # once a node
    assert kinds.count("address-conflict") <= 2 + len(MACS) - 1  # once a node, once a stranger
