"""A paused group is left alone; what keeps data safe goes on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from everbeat.haresources.manager import HaresourcesManager
from everbeat.journal.timeline import EventRecorded
from everbeat.model.cluster import HaConfig
from everbeat.model.groups import AutoFailback, GroupState, ResourceGroup, ResourceSpec
from everbeat.model.members import MembershipView, NodeStatus
from everbeat.model.membership import (
    Broadcast,
    CommunicationUp,
    MessageReceived,
    NodeDialectChanged,
    NodeReturned,
    NodeStatusChanged,
    StatusReason,
)
from everbeat.model.message import message_of
from everbeat.model.names import GroupKey, NodeName
from everbeat.model.operations import (
    Action,
    MonitorFailed,
    OperationDone,
    Outcome,
    RunOperation,
    WatchResources,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from everbeat.haresources.effects import ManagerEffect

ALPHA, BETA = NodeName("alpha"), NodeName("beta")
WEB, MAIL = GroupKey("web"), GroupKey("mail")
FOR_MS = 600_000


@dataclass
class Alpha:
    """alpha, which owns and holds web and mail; beta is active and holds nothing."""

    owner: NodeName = ALPHA
    manager: HaresourcesManager = field(init=False)
    ran: list[str] = field(default_factory=list)
    watched: dict[str, int] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    now_ms: int = 0
    sequence: int = 0

    def __post_init__(self) -> None:
        config = HaConfig(node=ALPHA, nodes=(ALPHA, BETA), auto_failback=AutoFailback.ON)
        groups = [ResourceGroup(self.owner, k, (ResourceSpec(k, k),)) for k in (WEB, MAIL)]
        self.manager = HaresourcesManager(config, groups)
        self.take(self.manager.on_membership(CommunicationUp(0), 0))
        changed = NodeStatusChanged(
            node=BETA,
            old=NodeStatus.INIT,
            new=NodeStatus.ACTIVE,
            reason=StatusReason.HEARD,
            last_heard_ms=0,
            at_ms=0,
        )
        self.take(self.manager.on_membership(changed, 0))
        self.take(self.manager.on_membership(NodeDialectChanged(BETA, 1), 0))
        self.beta_says(t="starting")
        self.beta_says(t="resource", rsc_hold="none", rtype="full", isstable="1")
        self.ran.clear()
        self.said.clear()

    def take(self, effects: Iterable[ManagerEffect]) -> None:
        queue = [*effects]
        while queue:
            match queue.pop(0):
                case RunOperation() as operation:
                    words = f"{operation.resource.text} {operation.action.value}"
                    self.ran += [words] if operation.action is not Action.STATUS else []
                    queue += self.manager.on_operation(done_of(operation), self.now_ms)
                case WatchResources(group, watches):
                    self.watched[group] = len(watches)
                case Broadcast(message):
                    self.said.append(f"{message.type} {message.text('info')}")
                case EventRecorded(event):
                    self.events.append(event.kind)
                case _:
                    pass

    def beta_says(self, **fields: str) -> None:
        self.sequence += 1
        message = message_of(**fields, src="beta", hg="1", seq=f"{self.sequence:x}")
        self.take(self.manager.on_membership(MessageReceived(message, 0), self.now_ms))

    def pause(self, target: str = "web") -> str:
        verdict = self.manager.on_pause(target, FOR_MS, self.now_ms)
        self.take(verdict.effects)
        return verdict.reason

    def pass_time(self, duration_ms: int) -> None:
        self.now_ms += duration_ms
        self.take(self.manager.on_tick(self.now_ms))


def done_of(operation: RunOperation) -> OperationDone:
    return OperationDone(
        id=operation.id,
        group=operation.group,
        resource=operation.resource,
        action=operation.action,
        outcome=Outcome.DONE,
        exit_code=0,
        is_held=False if operation.action is Action.STATUS else None,
        output="",
        served_by="",
        started_ms=0,
        ended_ms=0,
    )


def web_failed() -> MonitorFailed:
    return MonitorFailed(
        group=WEB,
        resource=ResourceSpec("web", "web"),
        outcome=Outcome.DONE,
        exit_code=3,
        output="",
        served_by="",
        cause="interval",
        noticed_ms=0,
        ended_ms=0,
    )


def test_a_paused_group_is_not_watched_nor_recovered_and_others_are() -> None:
    node = Alpha()
    assert node.watched == {"web": 1, "mail": 1}
    assert node.pause() == ""
    assert node.watched == {"web": 0, "mail": 1}
    node.take(node.manager.on_monitor_failed(web_failed(), node.now_ms))  # it was on its way
    assert node.ran == []
    view = {group.group.key: group for group in node.manager.view().groups}
    assert view[WEB].paused_until_ms == FOR_MS
    assert view[MAIL].paused_until_ms is None


def test_a_pause_ends_by_itself_and_is_told() -> None:
    node = Alpha()
    node.pause()
    assert node.manager.next_wakeup_ms() is not None
    node.pass_time(FOR_MS - 1)
    assert node.watched["web"] == 0
    node.pass_time(1)
    assert node.watched["web"] == 1
    assert [kind for kind in node.events if kind in {"paused", "resumed"}] == ["paused", "resumed"]
    assert node.manager.pauses == ()


def test_resume_ends_it_at_once_and_says_what_is_not_paused() -> None:
    node = Alpha()
    node.pause("all")
    verdict = node.manager.on_resume("mail", 5)
    node.take(verdict.effects)
    assert verdict.is_accepted
    assert verdict.text == "mail: the pause is ended"
    assert node.watched == {"web": 0, "mail": 1}
    assert "not paused" in node.manager.on_resume("mail", 6).reason


@pytest.mark.parametrize("named", ["10.0.0.50", "10.0.0.50/24", "fd00::5", "fd00:0::5", "IPaddr2"])
def test_a_group_is_named_by_an_address_in_it(named: str) -> None:
    service, other = "IPaddr2::10.0.0.50/24/eth0", "IPv6addr::fd00:0:0:0:0:0:0:5/64/eth0"
    resources = tuple(ResourceSpec(w, *w.split("::")[:1], (w,)) for w in (service, other))
    config = HaConfig(node=ALPHA, nodes=(ALPHA, BETA), auto_failback=AutoFailback.ON)
    manager = HaresourcesManager(config, [ResourceGroup(ALPHA, WEB, resources)])
    assert manager.on_pause(named, FOR_MS, 0).reason == f"alpha does not hold {named}"
    for unknown in ("10.0.0.5", "fd00::50", "eth0", ""):
        assert "no group or resource is called" in manager.on_pause(unknown, FOR_MS, 0).reason


def test_what_cannot_be_paused_is_refused_with_the_reason() -> None:
    node = Alpha()
    assert node.pause("apache") == "no group or resource is called apache; there are: mail, web"
    assert "at most" in node.manager.on_pause("web", 0, 0).reason
    node.take(node.manager.on_standby("all", 0).effects)
    node.beta_says(t="ask_resources", info="other", rsc_hold="all")
    node.beta_says(t="resource", rsc_hold="foreign", rtype="full", isstable="1")
    assert "beta does: pause it there" in node.pause()


def test_a_paused_group_is_not_handed_over_by_people_nor_given_back() -> None:
    node = Alpha()
    node.pause()
    verdict = node.manager.on_standby("all", 1_000)
    assert verdict.reason.startswith("web is paused for 599 s more")
    assert verdict.effects == ()
    node.beta_says(t="hb_takeover", rsc_hold="all")
    assert node.events[-1] == "takeover-refused"
    assert node.said[-1] == "takeover-refused None"
    assert "ask_resources me" not in node.said
    guest = Alpha(owner=BETA)
    assert guest.pause("all") == ""
    guest.pass_time(5_000)
    assert "ask_resources me" not in guest.said
    guest.take(guest.manager.on_resume("all", guest.now_ms).effects)
    guest.pass_time(1_001)
    assert "ask_resources me" in guest.said


def test_who_asked_for_a_takeover_remembers_why_it_was_refused() -> None:
    node = Alpha(owner=BETA)
    texts = {event.text for event in node.manager.timeline.after(0)}
    for groups, asker in (("web mail", "alpha"), ("web", "gamma"), ("no-such", "alpha")):
        node.beta_says(t="takeover-refused", to=asker, groups=groups)
    [told] = {event.text for event in node.manager.timeline.after(0)} - texts
    assert told == "beta keeps its groups: mail, web is paused there (everbeat resume on beta)"


def test_a_node_that_stops_takes_its_pauses_with_it() -> None:
    node = Alpha()
    node.pause()
    node.take(node.manager.on_stop(0))
    assert node.ran == ["mail stop", "web stop"]
    assert node.manager.pauses == ()


def test_a_process_that_replaces_another_leaves_alone_what_was_paused() -> None:
    config = HaConfig(node=ALPHA, nodes=(ALPHA, BETA), auto_failback=AutoFailback.ON)
    groups = [ResourceGroup(ALPHA, k, (ResourceSpec(k, k),)) for k in (WEB, MAIL)]
    manager = HaresourcesManager(config, groups, is_adopting=True)
    manager.use_pauses(((WEB, 500),))
    effects = manager.on_view(MembershipView(ALPHA), 100)
    asked = [effect.resource.text for effect in effects if isinstance(effect, RunOperation)]
    assert asked == ["mail"]
    states = {view.group.key: view.state for view in manager.view().groups}
    assert states[WEB] is GroupState.STARTED
    assert manager.pauses == ((WEB, 500),)


def test_a_group_that_another_node_has_taken_meanwhile_is_paused_no_longer() -> None:
    node = Alpha()
    node.pause("all")
    node.beta_says(t="resource", rsc_hold="foreign", groups="web", rtype="full", isstable="1")
    assert node.manager.pauses == ((MAIL, FOR_MS),)
    assert node.watched == {"web": 1, "mail": 0}
    assert "resumed" in node.events
    assert node.pause("web") == "another node holds web too: one of the two gives it up soon"
    node.beta_says(t="resource", rsc_hold="none", rtype="full", isstable="1")
    assert node.pause("web") == ""


def test_after_a_split_that_may_have_doubled_them_nothing_is_paused() -> None:
    node = Alpha()
    node.pause()
    node.take(node.manager.on_membership(NodeReturned(BETA, 0), 0))
    assert node.manager.pauses == ()
    assert node.watched == {"web": 1, "mail": 1}


def test_what_is_being_handed_over_is_not_paused_any_more() -> None:
    node = Alpha()
    node.take(node.manager.on_standby("all", 0).effects)
    assert node.pause("web") == "web is being handed over to another node"
    node.beta_says(t="ask_resources", info="other", rsc_hold="all")
    assert node.pause("web") == "alpha does not hold web"
    assert node.manager.pauses == ()


@pytest.mark.parametrize("dialect", [0, 1])
def test_a_failback_that_was_due_does_not_take_what_is_paused_meanwhile(dialect: int) -> None:
    guest = Alpha(owner=BETA)
    guest.take(guest.manager.on_membership(NodeDialectChanged(BETA, dialect), 0))
    guest.beta_says(t="resource", rsc_hold="none", rtype="full", isstable="1")
    guest.beta_says(t="resource", rsc_hold="none", rtype="full", isstable="0")
    guest.pause("all")
    guest.pass_time(2_000)
    assert "ask_resources me" not in guest.said
    assert guest.ran == []
