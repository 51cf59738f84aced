"""What the manager does with a resource that was found dead, and with fail counts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from everbeat.haresources.manager import HaresourcesManager
from everbeat.haresources.recovery import RETRY_MS
from everbeat.journal.timeline import EventRecorded
from everbeat.model.cluster import HaConfig
from everbeat.model.failures import ResourceFailures
from everbeat.model.groups import AutoFailback, ResourceGroup, ResourceSpec
from everbeat.model.members import NodeStatus
from everbeat.model.membership import (
    Broadcast,
    CommunicationUp,
    MessageReceived,
    NodeStatusChanged,
    StatusReason,
)
from everbeat.model.message import Message, message_of
from everbeat.model.names import GroupKey, NodeName
from everbeat.model.operations import (
    Action,
    ForgetFailures,
    MonitorFailed,
    OperationDone,
    Outcome,
    RunOperation,
    WatchResources,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from everbeat.haresources.effects import ManagerEffect
    from everbeat.model.journal import ClusterEvent

ALPHA, BETA = NodeName("alpha"), NodeName("beta")
VIP = GroupKey("vip")
WORDS = ("vip", "db", "web")
GROUP = ResourceGroup(BETA, VIP, tuple(ResourceSpec(word, word) for word in WORDS))


@dataclass
class Beta:
    """The node beta, owner of vip, db and web; alpha is active and holds nothing."""

    manager: HaresourcesManager = field(init=False)
    running: set[str] = field(default_factory=set)
    failing: set[str] = field(default_factory=set)  # "web start"
    dying: dict[str, str] = field(default_factory=dict)  # while this is under way: "db start"
    ran: list[str] = field(default_factory=list)
    said: list[Message] = field(default_factory=list)
    watched: tuple[str, ...] = ()
    events: list[ClusterEvent] = field(default_factory=list)
    now_ms: int = 1_000
    sequence: int = 0

    def __post_init__(self) -> None:
        nodes = (ALPHA, BETA)
        config = HaConfig(node=BETA, nodes=nodes, auto_failback=AutoFailback.OFF)
        self.manager = HaresourcesManager(config, (GROUP,))
        changed = NodeStatusChanged(
            node=ALPHA,
            old=NodeStatus.INIT,
            new=NodeStatus.ACTIVE,
            reason=StatusReason.HEARD,
            last_heard_ms=0,
            at_ms=0,
        )
        self.take(self.manager.on_membership(changed, self.now_ms))
        self.take(self.manager.on_membership(CommunicationUp(0), self.now_ms))
        self.alpha_says(t="resource", rsc_hold="none", rtype="full", isstable="1")
        self.ran.clear()

    def take(self, effects: Iterable[ManagerEffect]) -> None:
        queue = [*effects]
        while queue:
            effect = queue.pop(0)
            match effect:
                case Broadcast(message):
                    self.said.append(message)
                case EventRecorded(event):
                    self.events.append(event)
                case WatchResources(group, watches) if group == VIP:
                    self.watched = tuple(watch.resource.text for watch in watches)
                case RunOperation():
                    word = f"{effect.resource.text} {effect.action.value}"
                    if (dead := self.dying.pop(word, "")) != "":
                        self.fails(dead, alone=dead == "vip")
                    queue += self.manager.on_operation(self._run(effect), self.now_ms)
                case _:
                    pass

    def _run(self, operation: RunOperation) -> OperationDone:
        word = f"{operation.resource.text} {operation.action.value}"
        held = operation.resource.text in self.running
        is_status = operation.action is Action.STATUS
        is_good = is_status or word not in self.failing
        if is_good and operation.action is Action.START:
            self.running.add(operation.resource.text)
        if is_good and operation.action is Action.STOP:
            self.running.discard(operation.resource.text)
        self.ran.append(word + ("" if operation.is_counted else " (try)"))
        return OperationDone(
            id=operation.id,
            group=operation.group,
            resource=operation.resource,
            action=operation.action,
            outcome=Outcome.DONE,
            exit_code=0 if is_good else 1,
            is_held=held if is_status else None,
            output="",
            served_by="",
            started_ms=self.now_ms,
            ended_ms=self.now_ms,
        )

    def alpha_says(self, **fields: str) -> None:
        self.sequence += 1
        message = message_of(**fields, src="alpha", hg="1", seq=f"{self.sequence:x}")
        fact = MessageReceived(message, self.now_ms)
        self.take(self.manager.on_membership(fact, self.now_ms))

    def fails(
        self, word: str, count: int = 1, *, outcome: Outcome = Outcome.DONE, alone: bool = False
    ) -> None:
        """The resource dies; the executor has counted it."""
        self.running.discard(word)
        self.counts(BETA, count, word=word)
        failed = MonitorFailed(
            group=VIP,
            resource=ResourceSpec(word, word),
            outcome=outcome,
            exit_code=3,
            output="stopped",
            served_by="/r",
            cause="process 8 ended",
            is_repaired_alone=alone,
            noticed_ms=self.now_ms - 5,
            ended_ms=self.now_ms,
        )
        self.take(self.manager.on_monitor_failed(failed, self.now_ms))

    def counts(self, node: NodeName, count: int, *, word: str = "web", bars: bool = False) -> None:
        entry = ResourceFailures(
            group=VIP,
            resource=word,
            count=count,
            is_barred=bars or count >= 3,
            last_ms=self.now_ms,
            clears_ms=self.now_ms + 3_600_000,
        )
        counts = (entry,) if count else ()
        self.take(self.manager.on_failures(node, counts, self.now_ms))

    def wait(self, duration_ms: int) -> None:
        self.now_ms += duration_ms
        self.take(self.manager.on_tick(self.now_ms))

    def asks(self) -> list[str]:
        """What was said of hand-overs."""
        asked = [m for m in self.said if m.type == "ask_resources"]
        return [m.text("info") or "" for m in asked]


def test_what_is_held_is_watched_and_nothing_while_it_moves() -> None:
    beta = Beta()
    assert beta.watched == WORDS
    beta.take(beta.manager.on_stop(beta.now_ms))
    assert beta.watched == ()


def test_a_dead_resource_and_those_after_it_are_restarted_in_order() -> None:
    beta = Beta()
    beta.fails("db")
    assert beta.ran == ["web stop", "db start (try)", "web start"]
    assert beta.watched == WORDS
    [begun, ended] = [event for event in beta.events if event.kind == "recovery"]
    assert [phase.name for phase in ended.phases] == [
        "noticed: process 8 ended",
        "found not running",
        "stopped web",
        "started db",
        "started web",
        "announced",
    ]
    assert begun.text == "db has failed (process 8 ended); db is restarted"
    assert "vip" in beta.running


def test_what_its_status_calls_stopped_yet_does_not_start_is_stopped_before_the_next_try() -> None:
    beta = Beta()
    beta.failing.add("web start")
    beta.fails("web")
    assert beta.ran[:3] == ["web start (try)", "web stop", "web start"]


def test_what_hangs_is_stopped_first() -> None:
    beta = Beta()
    beta.fails("web", outcome=Outcome.TIMEOUT)
    assert beta.ran == ["web stop", "web start"]


def test_an_address_is_added_again_and_what_stands_after_it_goes_on() -> None:
    beta = Beta()
    beta.fails("vip", alone=True)
    assert beta.ran == ["vip start (try)"]
    assert beta.running == set(WORDS)


@pytest.mark.parametrize(
    ("first", "meanwhile", "second", "ran"),
    [
        ("web", "web start", "vip", ["web start (try)", "vip start (try)"]),
        ("vip", "vip start", "web", ["vip start (try)", "web start (try)"]),
        ("db", "web stop", "vip", ["web stop", "db start (try)", "web start", "vip start (try)"]),
        ("db", "db start", "web", ["web stop", "db start (try)", "web start"]),
        ("web", "web start", "db", ["web start (try)", "web stop", "db start (try)", "web start"]),
    ],
)
def test_what_dies_while_another_one_is_restarted_is_restarted_too(
    first: str, meanwhile: str, second: str, ran: list[str]
) -> None:
    beta = Beta()
    beta.dying[meanwhile] = second
    beta.fails(first, alone=first == "vip")
    assert beta.ran == ran
    assert beta.running == set(WORDS)
    assert beta.watched == WORDS


def test_after_so_many_failures_the_group_goes_to_the_other_node_at_once() -> None:
    beta = Beta()
    beta.fails("web", count=3)
    assert beta.ran == ["web stop", "db stop", "vip stop"]
    assert beta.asks() == ["me"]
    beta.alpha_says(t="ask_resources", rsc_hold="local", info="other")
    assert beta.asks() == ["me", "done"]
    assert beta.ran == ["web stop", "db stop", "vip stop"]  # not stopped a second time


def test_a_failed_start_goes_to_the_other_node_at_once() -> None:
    beta = Beta()
    beta.failing.add("web start")
    beta.fails("web")
    assert beta.running == set()
    assert beta.asks() == ["me"]


def test_what_the_other_node_has_failed_too_is_restarted_here() -> None:
    beta = Beta()
    beta.counts(ALPHA, 3)
    beta.fails("web", count=3)
    assert beta.ran == ["web start (try)"]
    assert beta.asks() == []


def test_what_fails_again_and_again_with_nobody_else_to_take_it_is_not_hurried() -> None:
    beta = Beta()
    beta.counts(ALPHA, 3)
    beta.fails("web", count=5)
    assert beta.ran == []
    beta.wait(1_999)
    assert beta.ran == []
    beta.wait(1)
    assert beta.ran == ["web start (try)"]


def test_a_group_that_failed_on_both_is_tried_again_here_now_and_then() -> None:
    beta = Beta()
    beta.counts(ALPHA, 1, bars=True)
    beta.failing.add("web start")
    beta.fails("web")
    assert beta.running == set()
    beta.failing.clear()
    beta.wait(RETRY_MS - 1)
    assert beta.running == set()
    beta.wait(1)
    assert beta.running == set(WORDS)


def test_a_group_that_failed_here_goes_on_when_the_other_nodes_failures_are_forgotten() -> None:
    beta = Beta()
    beta.counts(ALPHA, 1, bars=True)
    beta.failing.add("web start")
    beta.fails("web")
    assert beta.asks() == []
    beta.counts(ALPHA, 0)
    assert beta.asks() == ["me"]


def test_forgetting_our_own_failures_tries_a_failed_group_at_once() -> None:
    beta = Beta()
    beta.counts(ALPHA, 1, bars=True)
    beta.failing.add("web start")
    beta.fails("web")
    beta.failing.clear()
    beta.counts(BETA, 0)
    assert beta.running == set(WORDS)


def test_a_stop_in_the_midst_of_a_restart_ends_it() -> None:
    beta = Beta()
    beta.counts(ALPHA, 3)
    beta.fails("web", count=9)  # it pauses
    beta.take(beta.manager.on_stop(beta.now_ms))
    assert beta.running == set()
    assert beta.ran[-3:] == ["web stop", "db stop", "vip stop"]


def test_a_monitor_that_fails_while_its_group_moves_is_late_news() -> None:
    beta = Beta()
    beta.take(beta.manager.on_stop(beta.now_ms))
    beta.ran.clear()
    beta.fails("web")
    assert beta.ran == []


def test_the_failures_of_what_left_its_group_are_forgotten() -> None:
    beta = Beta()
    count = ResourceFailures(
        group=VIP, resource="web", count=1, is_barred=True, last_ms=1_000, clears_ms=9_000_000
    )
    beta.take(beta.manager.on_failures(BETA, (count,), beta.now_ms))
    fewer = ResourceGroup(BETA, VIP, GROUP.resources[:2])
    config = HaConfig(node=BETA, nodes=(ALPHA, BETA), auto_failback=AutoFailback.OFF)
    verdict = beta.manager.on_configuration(config, (fewer,), beta.now_ms)
    assert ForgetFailures("web") in verdict.effects
    verdict = beta.manager.on_configuration(config, (GROUP,), beta.now_ms)
    assert not [effect for effect in verdict.effects if isinstance(effect, ForgetFailures)]
