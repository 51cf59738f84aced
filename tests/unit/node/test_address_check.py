from __future__ import annotations

from dataclasses import replace

from everbeat.journal.timeline import EventRecorded, Timeline
from everbeat.model.groups import GroupState, GroupView, ManagerView, ResourceGroup, ResourceSpec
from everbeat.model.members import MembershipView, NodeKind, NodeStatus, NodeView
from everbeat.model.membership import Broadcast
from everbeat.model.message import Message, message_of
from everbeat.model.names import GroupKey, NodeName
from everbeat.model.neighbours import (
    AddressAnnounced,
    AddressesProbed,
    Finding,
    ProbeAddresses,
    RepeatAnnouncement,
)
from everbeat.model.reports import Severity
from everbeat.node.address_check import (
    ANSWER_MS,
    ASKED_MAX,
    CHECK_AT_MS,
    PROBE_MS_MAX,
    AddressCheck,
    CheckEffect,
)
from everbeat.node.address_messages import ADDRESSES_MAX, check_message, seen_message

ALPHA, BETA, GAMMA = NodeName("alpha"), NodeName("beta"), NodeName("gamma")
VIP = "10.0.0.50"
OURS, OUR_OTHER, THEIRS = "02:00:00:00:00:01", "02:00:00:00:00:02", "02:00:00:00:00:99"
RIGHT = Finding(address=VIP, is_near=True, cached=OURS, answers=(OURS,))
HERE = Finding(address=VIP, is_near=True, held_at=OURS)
STALE = replace(RIGHT, cached=THEIRS)


def announced(address: str = VIP) -> AddressAnnounced:
    return AddressAnnounced(address=address, mac=OURS, own_macs=(OURS, OUR_OTHER), at_ms=0)


def group_of(*addresses: str, state: GroupState = GroupState.STARTED) -> GroupView:
    resources = tuple(ResourceSpec(a, "IPaddr", (a,)) for a in addresses)
    group = ResourceGroup(key=GroupKey(addresses[0]), owner=ALPHA, resources=resources)
    return GroupView(group=group, state=state, holder=ALPHA, since_ms=0, why="")


class Manager:
    """What the check must know of a resource manager."""

    def __init__(self, group: GroupView) -> None:
        self.timeline = Timeline(ALPHA)
        self.group = group

    def view(self) -> ManagerView:
        return ManagerView(
            own=ALPHA,
            auto_failback="on",
            state="stable",
            holds="all",
            peer_holds=(),
            groups=(self.group,),
        )


class World:
    """A check on alpha, beta and gamma as its peers."""

    def __init__(self, *addresses: str, live: tuple[NodeName, ...] = (BETA, GAMMA)) -> None:
        self.manager = Manager(group_of(*(addresses or (VIP,))))
        self.check = AddressCheck(ALPHA, self.manager)
        self.live = live
        self.told: list[tuple[str, str]] = []
        self.announced_again = 0

    def view(self) -> MembershipView:
        nodes = tuple(
            NodeView(
                node,
                NodeKind.NORMAL,
                NodeStatus.ACTIVE if node in {ALPHA, *self.live} else NodeStatus.DEAD,
            )
            for node in (ALPHA, BETA, GAMMA)
        )
        return MembershipView(ALPHA, nodes)

    def tick(self, now_ms: int) -> tuple[list[Message], list[ProbeAddresses]]:
        """Let time pass; return what the others and our executor are asked."""
        effects = self.take(self.check.on_tick(self.view(), now_ms))
        sent = [e.message for e in effects if isinstance(e, Broadcast)]
        return sent, [e for e in effects if isinstance(e, ProbeAddresses)]

    def asked(self, now_ms: int) -> tuple[set[str], int]:
        """Let time pass; return who is asked, and the number of the question."""
        sent, own = self.tick(now_ms)
        nodes = {word for message in sent for word in (message.text("nodes") or "").split()}
        numbers = {int(message.text("number") or 0) for message in sent} | {o.number for o in own}
        assert len(numbers) <= 1
        return nodes | ({"alpha"} if own else set()), next(iter(numbers), 0)

    def found(self, node: NodeName, finding: Finding, number: int, now_ms: int = 0) -> None:
        probed = AddressesProbed(asker=ALPHA, number=number, findings=(finding,))
        if node == ALPHA:
            self.take(self.check.on_probed(probed, now_ms))
        else:
            message = message_of(**dict(seen_message(probed).strings()), src=node)
            self.take(self.check.on_message(message, now_ms))

    def take(self, effects: list[CheckEffect]) -> list[CheckEffect]:
        for effect in effects:
            if isinstance(effect, EventRecorded):
                self.told.append((effect.event.kind, effect.event.text))
            if isinstance(effect, RepeatAnnouncement):
                assert effect.address == VIP
                self.announced_again += 1
        return effects


def test_when_all_reach_it_they_are_asked_once_and_nothing_is_told() -> None:
    world = World()
    world.check.on_announced(announced(), 1_000)
    assert world.check.next_wakeup_ms() == 1_000 + CHECK_AT_MS[0]
    assert world.asked(1_199) == (set(), 0)
    nodes, number = world.asked(1_200)
    assert nodes == {"alpha", "beta", "gamma"}
    world.found(ALPHA, HERE, number)
    world.found(BETA, RIGHT, number)
    world.found(GAMMA, replace(RIGHT, cached="", answers=(OUR_OTHER, OURS)), number)
    assert world.asked(1_000 + CHECK_AT_MS[1]) == (set(), 0)
    assert world.check.next_wakeup_ms() is None
    assert (world.told, world.announced_again) == ([], 0)


def test_a_node_that_reaches_another_place_is_told_once_and_asked_until_it_is_right() -> None:
    world = World()
    world.check.on_announced(announced(), 0)
    _, number = world.asked(CHECK_AT_MS[0])
    for node, finding in ((ALPHA, HERE), (BETA, STALE), (GAMMA, RIGHT)):
        world.found(node, finding, number)
    assert world.announced_again == 1
    nodes, second = world.asked(CHECK_AT_MS[1])
    assert nodes == {"beta"}
    world.found(BETA, STALE, second)
    assert world.announced_again == 2
    _, third = world.asked(CHECK_AT_MS[2])
    world.found(BETA, RIGHT, third)
    assert world.asked(CHECK_AT_MS[3]) == (set(), 0)
    assert world.told == [
        ("address-unreached", f"beta still reaches {VIP} at {THEIRS}: announced again"),
        ("address-reached", f"beta reaches {VIP} here now, at {OURS}"),
    ]


def test_a_node_that_gets_no_answer_makes_it_announced_again() -> None:
    world = World(live=(BETA,))
    world.check.on_announced(announced(), 0)
    _, number = world.asked(CHECK_AT_MS[0])
    world.found(BETA, Finding(address=VIP, is_near=True), number)
    assert world.told == [("address-unreached", f"beta gets no answer for {VIP}: announced again")]


def test_another_machine_that_answers_is_told_once_whoever_heard_it() -> None:
    world = World()
    world.check.on_announced(announced(), 0)
    _, number = world.asked(CHECK_AT_MS[0])
    world.found(ALPHA, replace(HERE, answers=(THEIRS,)), number)
    world.found(BETA, replace(RIGHT, answers=(OURS, THEIRS)), number)
    world.found(GAMMA, replace(RIGHT, answers=(THEIRS,)), number)
    assert world.announced_again == 1
    assert world.told == [
        (
            "address-conflict",
            f"another machine answers for {VIP} (heard by alpha): {THEIRS}: announced again",
        )
    ]


def test_a_node_that_holds_the_address_too_is_told() -> None:
    world = World()
    world.check.on_announced(announced(), 0)
    _, number = world.asked(CHECK_AT_MS[0])
    world.found(BETA, replace(HERE, held_at=THEIRS, answers=(OURS,)), number)
    assert world.told == [("address-conflict", f"beta has {VIP} too: announced again")]


def test_it_is_given_up_after_the_last_question_and_told_as_an_error() -> None:
    world = World(live=(BETA,))
    world.check.on_announced(announced(), 0)
    for at_ms in CHECK_AT_MS:
        nodes, number = world.asked(at_ms)
        assert "beta" in nodes
        world.found(ALPHA, HERE, number)
        world.found(BETA, STALE, number)
    assert world.announced_again == len(CHECK_AT_MS)
    assert world.check.next_wakeup_ms() == CHECK_AT_MS[-1] + ANSWER_MS
    [event] = [
        effect.event
        for effect in world.check.on_tick(world.view(), CHECK_AT_MS[-1] + ANSWER_MS)
        if isinstance(effect, EventRecorded)
    ]
    assert (event.kind, event.severity) == ("address-given-up", Severity.ERROR)
    assert world.check.next_wakeup_ms() is None


def test_who_never_answers_is_asked_twice_and_no_trouble_is_made_of_it() -> None:
    world = World(live=(BETA,))
    world.check.on_announced(announced(), 0)
    asked = [world.asked(at_ms)[0] for at_ms in CHECK_AT_MS]
    assert [nodes for nodes in asked if nodes] == [{"alpha", "beta"}] * 2
    assert world.told == []
    assert world.check.next_wakeup_ms() is None


def test_a_node_elsewhere_has_nothing_to_say() -> None:
    world = World(live=(BETA,))
    world.check.on_announced(announced(), 0)
    _, number = world.asked(CHECK_AT_MS[0])
    world.found(ALPHA, HERE, number)
    world.found(BETA, Finding(address=VIP, is_near=False), number)
    assert world.asked(CHECK_AT_MS[1]) == (set(), 0)


def test_an_address_that_is_given_up_is_not_asked_for_and_answers_come_to_nothing() -> None:
    world = World()
    world.check.on_announced(announced(), 0)
    _, number = world.asked(CHECK_AT_MS[0])
    world.manager.group = group_of(VIP, state=GroupState.STOPPING)
    world.found(BETA, Finding(address=VIP, is_near=True), number)
    assert (world.told, world.check.next_wakeup_ms()) == ([], None)
    world.check.on_announced(announced(), 0)
    assert world.asked(CHECK_AT_MS[0]) == (set(), 0)


def test_an_address_that_somebody_has_removed_here_is_the_monitors_business() -> None:
    world = World()
    world.check.on_announced(announced(), 0)
    _, number = world.asked(CHECK_AT_MS[0])
    world.found(ALPHA, replace(RIGHT, answers=()), number)
    assert (world.told, world.check.next_wakeup_ms()) == ([], None)


def test_an_answer_to_an_older_question_counts_for_nothing() -> None:
    world = World()
    world.check.on_announced(announced(), 0)
    _, number = world.asked(CHECK_AT_MS[0])
    world.asked(CHECK_AT_MS[1])
    world.found(BETA, STALE, number)
    assert world.told == []


def test_many_addresses_go_into_few_messages() -> None:
    addresses = [f"10.0.{i}.50" for i in range(ADDRESSES_MAX + 8)]
    world = World(*addresses)
    for number, address in enumerate(addresses):
        world.check.on_announced(announced(address), number)
    sent, own = world.tick(CHECK_AT_MS[0])
    assert [len((m.text("addresses") or "").split()) for m in sent] == [ADDRESSES_MAX, 8]
    assert [o.addresses for o in own] == [
        tuple(addresses[:ADDRESSES_MAX]),
        tuple(addresses[ADDRESSES_MAX:]),
    ]


def question(number: int, *nodes: NodeName) -> Message:
    fields = dict(check_message(nodes, number, [VIP]).strings())
    return message_of(**fields, src="beta")


def test_a_question_is_probed_and_answered_to_who_asked() -> None:
    check = World().check
    order = ProbeAddresses(asker=BETA, number=7, addresses=(VIP,))
    assert check.on_message(question(7, GAMMA), 0) == []
    assert check.on_message(question(7, GAMMA, ALPHA), 0) == [order]
    probed = AddressesProbed(asker=BETA, number=7, findings=(RIGHT,))
    assert check.on_probed(probed, 0) == [Broadcast(seen_message(probed))]
    assert check.on_probed(probed, 0) == []


def test_only_so_many_questions_are_under_way_and_lost_ones_are_forgotten() -> None:
    check = World().check
    taken = [check.on_message(question(n, ALPHA), n) for n in range(ASKED_MAX + 3)]
    assert [len(orders) for orders in taken] == [1] * ASKED_MAX + [0] * 3
    later_ms = ASKED_MAX + PROBE_MS_MAX
    assert len(check.on_message(question(99, ALPHA), later_ms)) == 1
