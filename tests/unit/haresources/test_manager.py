from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from everbeat.haresources.joining import REQUEST_DELAY_MS
from everbeat.haresources.manager import HaresourcesManager
from everbeat.haresources.takeover import ORPHAN_MS, OVERLAP_MS
from everbeat.journal.timeline import EventRecorded
from everbeat.model.cluster import HaConfig
from everbeat.model.groups import AutoFailback, GroupState, ResourceGroup, ResourceSpec
from everbeat.model.members import NodeStatus
from everbeat.model.membership import (
    Broadcast,
    CommunicationUp,
    MembershipFact,
    MessageReceived,
    NodeDialectChanged,
    NodeRestarted,
    NodeReturned,
    NodeStatusChanged,
    OwnHeartbeatLate,
    RaiseGeneration,
    StatusReason,
)
from everbeat.model.message import Message, message_of
from everbeat.model.names import GroupKey, NodeName
from everbeat.model.operations import (
    Action,
    AnnounceAddresses,
    OperationDone,
    Outcome,
    RunOperation,
    StartAgain,
)
from everbeat.model.shutdown import StopFinished

if TYPE_CHECKING:
    from collections.abc import Iterable

    from everbeat.haresources.effects import ManagerEffect
    from everbeat.model.journal import ClusterEvent

ALPHA, BETA = NodeName("alpha"), NodeName("beta")
VIP = ResourceSpec("10.0.0.1", "IPaddr", ("10.0.0.1",))
WEB = ResourceSpec("web", "web")
GROUPS = (
    ResourceGroup(ALPHA, GroupKey("10.0.0.1"), (VIP,)),
    ResourceGroup(BETA, GroupKey("web"), (WEB,)),
)


@dataclass
class Node:
    """beta's manager, with scripts that do as they are told and a memory of what it said."""

    mode: AutoFailback = AutoFailback.ON
    is_adopting: bool = False
    now_ms: int = 0
    running: set[str] = field(default_factory=set)
    ran: list[str] = field(default_factory=list)
    said: list[Message] = field(default_factory=list)
    events: list[ClusterEvent] = field(default_factory=list)
    failing: set[str] = field(default_factory=set)
    orders: list[ManagerEffect] = field(default_factory=list)
    seq: int = 0
    generation: int = 1

    def __post_init__(self) -> None:
        config = HaConfig(node=BETA, nodes=(ALPHA, BETA), auto_failback=self.mode)
        self.manager = HaresourcesManager(config, GROUPS, is_adopting=self.is_adopting)

    def take(self, effects: Iterable[ManagerEffect]) -> None:
        queue = list(effects)
        while queue:
            effect = queue.pop(0)
            match effect:
                case Broadcast(message):
                    self.said.append(message)
                case EventRecorded(event):
                    self.events.append(event)
                case RunOperation():
                    queue += self.manager.on_operation(self._run(effect), self.now_ms)
                case RaiseGeneration() | StopFinished() | AnnounceAddresses() | StartAgain():
                    self.orders.append(effect)
                case _:
                    pass

    def _run(self, operation: RunOperation) -> OperationDone:
        word = operation.resource.text
        is_failing = f"{word} {operation.action.value}" in self.failing
        held = word in self.running
        if operation.action is Action.START and not is_failing:
            self.running.add(word)
        if operation.action is Action.STOP and not is_failing:
            self.running.discard(word)
        if operation.action is not Action.STATUS:
            self.ran.append(f"{word} {operation.action.value}")
        return OperationDone(
            id=operation.id,
            group=operation.group,
            resource=operation.resource,
            action=operation.action,
            outcome=Outcome.DONE,
            exit_code=int(is_failing and operation.action is not Action.STATUS),
            is_held=held if operation.action is Action.STATUS else None,
            output="",
            served_by="",
            started_ms=self.now_ms,
            ended_ms=self.now_ms,
        )

    def fact(self, fact: MembershipFact) -> None:
        self.take(self.manager.on_membership(fact, self.now_ms))

    def alpha_says(self, **fields: str) -> None:
        self.seq += 1
        hg = f"{self.generation:x}"
        message = message_of(**fields, src="alpha", hg=hg, seq=f"{self.seq:x}")
        self.fact(MessageReceived(message, self.now_ms))

    def alpha_holds(self, word: str, *, is_stable: bool = True, **more: str) -> None:
        stable = "1" if is_stable else "0"
        self.alpha_says(t="resource", rsc_hold=word, rtype="full", isstable=stable, **more)

    def alpha_is(self, new: NodeStatus, old: NodeStatus = NodeStatus.INIT) -> None:
        self.fact(
            NodeStatusChanged(
                node=ALPHA,
                old=old,
                new=new,
                reason=StatusReason.HEARD,
                last_heard_ms=self.now_ms + 1,
                at_ms=self.now_ms,
            )
        )

    def pass_time(self, ms: int) -> None:
        end_ms = self.now_ms + ms
        for _ in range(1_000):
            due_ms = self.manager.next_wakeup_ms()
            if due_ms is None or due_ms > end_ms:
                break
            self.now_ms = max(self.now_ms, due_ms)
            self.take(self.manager.on_tick(self.now_ms))
        self.now_ms = end_ms

    def last(self, kind: str) -> dict[str, str]:
        return dict(next(m for m in reversed(self.said) if m.type == kind).strings())

    def types(self) -> list[str]:
        return [message.type for message in self.said]


def _joined(mode: AutoFailback = AutoFailback.ON, alpha_holds: str = "local") -> Node:
    node = Node(mode)
    node.alpha_is(NodeStatus.ACTIVE)
    node.fact(CommunicationUp(0))
    node.alpha_holds(alpha_holds)
    return node


def _alone() -> Node:
    node = Node()
    node.alpha_is(NodeStatus.DEAD)
    node.fact(CommunicationUp(0))
    return node


def test_a_node_alone_takes_everything_at_once() -> None:
    node = _alone()
    assert node.running == {"10.0.0.1", "web"}
    assert node.manager.view().holds == "all"


def test_a_node_asks_the_others_before_it_takes_anything() -> None:
    node = Node()
    node.alpha_is(NodeStatus.ACTIVE)
    node.fact(CommunicationUp(0))
    assert node.types() == ["starting"]
    assert node.ran == []


def test_a_newcomer_to_a_settled_node_takes_its_own_groups() -> None:
    node = _joined()
    assert node.running == {"web"}
    assert node.last("resource")["rsc_hold"] == "local"


def test_a_newcomer_leaves_its_groups_with_a_node_that_holds_all() -> None:
    node = _joined(alpha_holds="all")
    assert node.ran == []
    assert node.manager.view().holds == "none"


def test_nodes_that_start_together_wait_ten_seconds() -> None:
    node = Node()
    node.alpha_is(NodeStatus.ACTIVE)
    node.fact(CommunicationUp(0))
    node.alpha_holds("none", is_stable=False)
    node.pass_time(REQUEST_DELAY_MS - 1)
    assert node.ran == []
    node.pass_time(1)
    assert node.ran == ["web start"]


def test_starting_is_answered_with_what_we_hold() -> None:
    node = _joined()
    node.said.clear()
    node.alpha_says(t="starting")
    assert node.last("resource") == {
        "t": "resource",
        "rsc_hold": "local",
        "rtype": "full",
        "isstable": "1",
        "groups": "web",
    }


def test_a_dead_node_is_taken_over() -> None:
    node = _joined()
    node.alpha_is(NodeStatus.DEAD, NodeStatus.ACTIVE)
    assert node.running == {"10.0.0.1", "web"}
    phases = [phase.name for phase in node.events[-1].phases]
    assert phases == ["last heard", "declared dead", "started 10.0.0.1", "announced"]


def test_a_node_that_has_given_up_needs_no_takeover_when_it_dies() -> None:
    node = _joined()
    node.alpha_holds("none", is_stable=False, info="shutdown")
    node.alpha_says(t="shutdone", st="dead")
    assert node.running == {"10.0.0.1", "web"}
    node.ran.clear()
    node.alpha_is(NodeStatus.DEAD, NodeStatus.ACTIVE)
    assert node.ran == []
    assert node.manager.view().left == ("alpha",)
    node.alpha_is(NodeStatus.UP, NodeStatus.DEAD)
    assert node.manager.view().left == ()


def test_what_a_stopping_node_still_runs_is_not_touched() -> None:
    node = _joined()
    node.alpha_holds("none", is_stable=False, info="shutdown")
    node.pass_time(60_000)
    assert node.running == {"web"}


def test_standby_hands_over_in_three_steps() -> None:
    node = _joined()
    verdict = node.manager.on_standby("local", node.now_ms)
    node.take(verdict.effects)
    assert verdict.is_accepted
    assert node.last("ask_resources")["info"] == "me"
    assert "web" in node.running
    node.alpha_says(t="ask_resources", rsc_hold="local", info="other")
    assert node.running == set()
    assert node.last("ask_resources")["info"] == "done"
    node.alpha_says(t="ask_resources", rsc_hold="local", info="done")
    assert node.manager.view().holds == "none"


def test_a_giver_whose_hand_over_is_forgotten_here_does_not_wait() -> None:
    """As after a cut in which only we thought it dead; an answer to that answer is none."""
    node = _joined()
    node.said.clear()
    fields = {"t": "ask_resources", "rsc_hold": "local", "info": "done", "to": "beta"}
    node.alpha_says(**fields, released="1")
    assert [(m.text("info"), m.text("to")) for m in node.said] == [("done", "alpha")]
    assert node.running == {"web"}
    node.alpha_says(**fields)
    assert len(node.said) == 1


def test_a_node_that_only_asks_calls_itself_stable_and_says_so_before() -> None:
    """3.0.6 ignores the question of a node that it believes to be in flux."""
    node = _joined()
    node.take(node.manager.on_standby("local", node.now_ms).effects)
    assert node.last("resource")["isstable"] == "1"
    assert node.types()[-1] == "ask_resources"
    node.alpha_says(t="ask_resources", rsc_hold="local", info="other")
    assert node.last("resource")["isstable"] == "0"


def test_a_standby_that_nobody_answers_is_cancelled() -> None:
    node = _joined()
    node.take(node.manager.on_standby("all", node.now_ms).effects)
    node.pass_time(10_000)
    assert node.running == {"web"}
    assert node.manager.on_standby("all", node.now_ms).is_accepted


def test_a_second_standby_is_refused_with_the_reason() -> None:
    node = _joined()
    node.take(node.manager.on_standby("all", node.now_ms).effects)
    assert "under way" in node.manager.on_standby("all", node.now_ms).reason


def test_an_offer_is_taken_and_finished() -> None:
    node = _joined()
    node.alpha_says(t="ask_resources", rsc_hold="all", info="me")
    assert node.last("ask_resources")["info"] == "other"
    assert node.running == {"web"}
    node.alpha_holds("none", is_stable=False, info="standby")
    node.alpha_says(t="ask_resources", rsc_hold="all", info="done")
    assert node.running == {"10.0.0.1", "web"}
    assert node.last("ask_resources")["info"] == "done"


def test_of_two_that_ask_each_other_at_once_the_later_one_in_ha_cf_answers() -> None:
    node = _joined()
    node.fact(NodeDialectChanged(ALPHA, 1))
    node.take(node.manager.on_standby("local", node.now_ms).effects)
    node.alpha_says(t="ask_resources", rsc_hold="all", info="me")
    assert node.last("ask_resources")["info"] == "other"
    node.alpha_holds("none", is_stable=False, info="standby")
    node.alpha_says(t="ask_resources", rsc_hold="all", info="done")
    assert node.running == {"10.0.0.1", "web"}
    node.alpha_holds("none")
    assert node.manager.view().holds == "all"


def test_of_two_that_ask_each_other_at_once_the_first_one_in_ha_cf_goes_on() -> None:
    node = _joined()
    node.fact(NodeDialectChanged(ALPHA, 1))
    node.manager._desk.order = (BETA, ALPHA)
    node.take(node.manager.on_standby("local", node.now_ms).effects)
    node.alpha_says(t="ask_resources", rsc_hold="all", info="me")
    assert node.last("ask_resources")["info"] == "me"
    node.alpha_says(t="ask_resources", rsc_hold="local", info="other")
    assert node.running == set()


def test_an_offer_that_was_overtaken_is_not_taken() -> None:
    node = _joined()
    node.said.clear()
    old = message_of(t="ask_resources", rsc_hold="all", info="me", src="alpha", hg="1", seq="0")
    node.fact(MessageReceived(old, 0))
    assert "ask_resources" not in node.types()


def test_a_giver_that_dies_midway_is_taken_over() -> None:
    node = _joined()
    node.alpha_says(t="ask_resources", rsc_hold="all", info="me")
    node.alpha_is(NodeStatus.DEAD, NodeStatus.ACTIVE)
    assert node.running == {"10.0.0.1", "web"}


def test_a_returned_owner_gets_its_groups_back_after_a_second() -> None:
    node = _alone()
    node.generation = 2
    node.fact(NodeRestarted(ALPHA, 2, 0))
    node.alpha_is(NodeStatus.ACTIVE, NodeStatus.DEAD)
    node.alpha_says(t="starting")
    node.alpha_holds("none")
    node.pass_time(1_000)
    assert node.last("ask_resources") == {
        "t": "ask_resources",
        "rsc_hold": "foreign",
        "info": "me",
    }


def test_a_failback_that_is_due_does_not_begin_once_it_is_turned_off() -> None:
    node = _alone()
    node.generation = 2
    node.fact(NodeRestarted(ALPHA, 2, 0))
    node.alpha_is(NodeStatus.ACTIVE, NodeStatus.DEAD)
    node.alpha_says(t="starting")
    node.alpha_holds("none")
    off = HaConfig(node=BETA, nodes=(ALPHA, BETA), auto_failback=AutoFailback.OFF)
    node.take(node.manager.on_configuration(off, GROUPS, node.now_ms).effects)
    node.pass_time(60_000)
    assert "ask_resources" not in node.types()


def test_a_removed_group_that_cannot_be_stopped_is_shown_until_it_is() -> None:
    node = _alone()
    node.failing = {"web stop"}
    off = HaConfig(node=BETA, nodes=(ALPHA, BETA), auto_failback=AutoFailback.OFF)
    node.take(node.manager.on_configuration(off, GROUPS[:1], node.now_ms).effects)
    node.pass_time(20_000)
    shown = {view.group.key: (view.state, view.why) for view in node.manager.view().groups}
    assert shown["web"] == (GroupState.STUCK, "web cannot be stopped")
    node.failing = set()
    node.pass_time(60_000)
    assert [view.group.key for view in node.manager.view().groups] == ["10.0.0.1"]


def test_without_failback_a_returned_owner_waits() -> None:
    node = Node(AutoFailback.OFF)
    node.alpha_is(NodeStatus.DEAD)
    node.fact(CommunicationUp(0))
    node.alpha_is(NodeStatus.ACTIVE, NodeStatus.DEAD)
    node.alpha_says(t="starting")
    node.alpha_holds("none")
    node.pass_time(60_000)
    assert "ask_resources" not in node.types()


def test_after_a_split_the_node_that_is_not_the_owner_gives_up() -> None:
    node = _joined()
    node.alpha_is(NodeStatus.DEAD, NodeStatus.ACTIVE)
    node.fact(NodeReturned(ALPHA, node.now_ms))
    node.alpha_is(NodeStatus.ACTIVE, NodeStatus.DEAD)
    node.alpha_holds("all")
    node.pass_time(OVERLAP_MS + 1)
    assert node.running == {"web"}


def test_after_a_split_a_node_that_gives_up_leaves_us_untouched() -> None:
    node = _joined()
    node.alpha_is(NodeStatus.DEAD, NodeStatus.ACTIVE)
    node.fact(NodeReturned(ALPHA, node.now_ms))
    node.alpha_is(NodeStatus.ACTIVE, NodeStatus.DEAD)
    node.alpha_holds("none", is_stable=False, info="shutdown")
    node.ran.clear()
    node.pass_time(OVERLAP_MS + 1)
    assert node.ran == []


def test_after_a_split_the_node_that_keeps_a_group_announces_it_when_the_other_is_quiet() -> None:
    node = _joined()
    node.alpha_is(NodeStatus.DEAD, NodeStatus.ACTIVE)
    node.fact(NodeReturned(ALPHA, node.now_ms))
    node.alpha_is(NodeStatus.ACTIVE, NodeStatus.DEAD)
    node.alpha_holds("all")
    node.pass_time(OVERLAP_MS + 1)
    node.alpha_holds("local", is_stable=False)
    assert node.orders == []
    node.alpha_holds("local")
    again = StartAgain(group=GroupKey("web"), resource=WEB, timeout_ms=300_000)
    assert node.orders == [AnnounceAddresses((WEB,)), again]


def test_a_node_that_returns_from_a_crash_makes_us_start_nothing_again() -> None:
    node = _joined()
    node.alpha_is(NodeStatus.DEAD, NodeStatus.ACTIVE)
    node.alpha_is(NodeStatus.ACTIVE, NodeStatus.DEAD)
    node.alpha_holds("none")
    assert not [order for order in node.orders if isinstance(order, StartAgain)]


def test_a_group_that_nobody_claims_is_taken_by_its_owner_after_a_while() -> None:
    node = _joined(alpha_holds="all")
    node.alpha_holds("local")
    node.pass_time(ORPHAN_MS + 1)
    assert node.running == {"web"}


def test_a_node_that_was_silent_too_long_gives_up_and_rejoins_as_another_life() -> None:
    node = _joined()
    node.said.clear()
    node.fact(OwnHeartbeatLate(40_000, node.now_ms))
    assert node.running == set()
    assert node.orders == [RaiseGeneration()]
    assert "starting" in node.types()


def test_a_short_silence_changes_nothing() -> None:
    node = _joined()
    node.fact(OwnHeartbeatLate(20_000, node.now_ms))
    assert node.running == {"web"}


def test_a_failed_start_is_claimed_and_handed_on_after_thirty_seconds() -> None:
    node = _joined()
    node.failing = {"10.0.0.1 start"}
    node.alpha_says(t="ask_resources", rsc_hold="all", info="me")
    node.alpha_holds("none", is_stable=False, info="standby")
    node.alpha_says(t="ask_resources", rsc_hold="all", info="done")
    node.alpha_holds("none")
    assert node.last("resource")["rsc_hold"] == "all"
    node.said.clear()
    node.failing.clear()
    node.pass_time(30_000)
    assert node.last("ask_resources")["rsc_hold"] == "foreign"


def test_stopping_gives_everything_up_and_says_so() -> None:
    node = _joined()
    node.said.clear()
    node.take(node.manager.on_stop(node.now_ms))
    assert node.types() == ["resource", "shutdone"]
    assert node.last("resource")["info"] == "shutdown"
    assert node.running == set()
    node.pass_time(1_000)
    assert node.orders == [StopFinished()]


def test_a_stop_that_fails_keeps_the_node_from_leaving() -> None:
    node = _joined()
    node.failing = {"web stop"}
    node.take(node.manager.on_stop(node.now_ms))
    node.pass_time(20_000)
    assert "shutdone" not in node.types()
    assert any(event.kind == "stop-stuck" for event in node.events)


def test_an_adopting_node_keeps_what_runs() -> None:
    node = Node(is_adopting=True)
    node.running = {"web"}
    node.alpha_is(NodeStatus.ACTIVE)
    node.fact(CommunicationUp(0))
    node.alpha_holds("local")
    assert "web stop" not in node.ran
    assert node.manager.view().holds == "local"


def test_legacy_asks_for_its_groups_one_by_one() -> None:
    node = Node(AutoFailback.LEGACY)
    node.alpha_is(NodeStatus.ACTIVE)
    node.fact(CommunicationUp(0))
    assert node.last("ip-request") == {"t": "ip-request", "ipaddr": "web"}
    node.alpha_says(t="ip-request-resp", dest="beta", ipaddr="web", weown="yes", ok="OK")
    assert node.running == {"web"}
    assert node.manager.view().holds == "none"


def _joining_an_everbeat_in_legacy_mode() -> Node:
    node = Node(AutoFailback.LEGACY)
    node.fact(NodeDialectChanged(ALPHA, 1))
    node.alpha_is(NodeStatus.ACTIVE)
    node.fact(CommunicationUp(0))
    assert node.last("starting")
    return node


def test_legacy_is_on_beside_an_everbeat() -> None:
    node = _joining_an_everbeat_in_legacy_mode()
    node.alpha_holds("all")
    node.pass_time(10_000)
    assert node.running == set()
    assert node.manager.on_standby("all", node.now_ms).is_accepted


def test_a_heartbeat_that_comes_up_while_we_join_is_asked_in_its_way() -> None:
    node = _joining_an_everbeat_in_legacy_mode()
    node.fact(NodeDialectChanged(ALPHA, 0))
    assert node.last("ip-request") == {"t": "ip-request", "ipaddr": "web"}


def test_what_a_heartbeat_was_asked_for_is_taken_when_it_dies() -> None:
    node = Node(AutoFailback.LEGACY)
    node.alpha_is(NodeStatus.ACTIVE)
    node.fact(CommunicationUp(0))
    assert node.last("ip-request")
    node.alpha_is(NodeStatus.DEAD, NodeStatus.ACTIVE)
    assert node.running == {"10.0.0.1", "web"}
    asked = [message.type for message in node.said].count("ip-request")
    node.pass_time(60_000)
    assert [message.type for message in node.said].count("ip-request") == asked


def test_a_heartbeat_that_left_and_comes_up_again_is_there() -> None:
    node = Node(AutoFailback.LEGACY)
    node.alpha_is(NodeStatus.ACTIVE)
    node.fact(CommunicationUp(0))
    node.alpha_says(t="shutdone", st="dead")
    assert node.running == {"10.0.0.1", "web"}
    node.alpha_is(NodeStatus.UP)  # a new link process has heard it first
    assert node.manager._desk.live_peers()


def test_legacy_gives_a_group_back_and_answers_when_it_has_stopped() -> None:
    node = Node(AutoFailback.LEGACY)
    node.alpha_is(NodeStatus.DEAD)
    node.fact(CommunicationUp(0))
    assert node.running == {"10.0.0.1", "web"}
    node.alpha_is(NodeStatus.ACTIVE, NodeStatus.DEAD)
    node.alpha_says(t="ip-request", ipaddr="10.0.0.1")
    assert node.running == {"web"}
    answer = node.last("ip-request-resp")
    assert (answer["dest"], answer["weown"], answer["ok"]) == ("alpha", "yes", "OK")


def test_a_takeover_request_of_the_other_node_is_a_standby_of_ours() -> None:
    node = _joined()
    node.alpha_says(t="hb_takeover", rsc_hold="foreign")
    assert node.last("ask_resources")["rsc_hold"] == "local"
