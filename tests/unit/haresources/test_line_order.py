"""Groups of one owner go in the order of their lines, and one that fails goes alone."""

from __future__ import annotations

from everbeat.haresources.manager import HaresourcesManager
from everbeat.haresources.runner import GroupRunner
from everbeat.model.cluster import HaConfig, Monitoring
from everbeat.model.failures import ResourceFailures
from everbeat.model.groups import AutoFailback, GroupState, ResourceGroup, ResourceSpec
from everbeat.model.members import NodeStatus
from everbeat.model.membership import (
    Broadcast,
    CommunicationUp,
    MessageReceived,
    NodeDialectChanged,
    NodeStatusChanged,
    StatusReason,
)
from everbeat.model.message import message_of
from everbeat.model.names import GroupKey, NodeName
from everbeat.model.operations import Action, OperationDone, Outcome, RunOperation

ALPHA, BETA = NodeName("alpha"), NodeName("beta")


def group(key: str, *words: str, owner: NodeName = ALPHA) -> ResourceGroup:
    resources = tuple(
        ResourceSpec(word, "IPaddr" if word[0].isdigit() else word) for word in (words or (key,))
    )
    return ResourceGroup(owner, GroupKey(key), resources)


def keys(*names: str) -> list[GroupKey]:
    return [GroupKey(name) for name in names]


class Runs:
    """A runner whose operations are answered one after the other."""

    def __init__(self, *groups: ResourceGroup) -> None:
        self.runner = GroupRunner(groups, Monitoring())
        self.open: list[RunOperation] = []
        self.failing: set[str] = set()

    def take(self, effects: object) -> None:
        assert isinstance(effects, list)
        self.open += [effect for effect in effects if isinstance(effect, RunOperation)]

    def asked(self) -> list[str]:
        return [f"{one.resource.text} {one.action.value}" for one in self.open]

    def answer(self) -> str:
        done = done_of(self.open.pop(0), self.failing)
        self.take(self.runner.on_done(done, 0))
        return f"{done.resource.text} {done.action.value}"

    def play(self) -> list[str]:
        asked = []
        while self.open:
            assert len(self.open) == 1, self.asked()  # never side by side
            asked.append(self.answer())
        return [words for words in asked if not words.endswith("status")]


def done_of(operation: RunOperation, failing: set[str]) -> OperationDone:
    is_bad = f"{operation.resource.text} {operation.action.value}" in failing
    return OperationDone(
        id=operation.id,
        group=operation.group,
        resource=operation.resource,
        action=operation.action,
        outcome=Outcome.DONE,
        exit_code=int(is_bad),
        is_held=False if operation.action is Action.STATUS else None,
        output="",
        served_by="",
        started_ms=0,
        ended_ms=0,
    )


def test_groups_of_one_owner_start_in_line_order_and_stop_in_the_other() -> None:
    runs = Runs(group("disk"), group("data"), group("web"))
    runs.take(runs.runner.acquire(keys("web", "data", "disk"), "test", 0))
    assert runs.runner.why(GroupKey("web")) == "test; waits for alpha's lines above it"
    assert runs.play() == ["disk start", "data start", "web start"]
    assert runs.runner.why(GroupKey("web")) == "test"
    runs.take(runs.runner.release(keys("disk", "data", "web"), "test", 0))
    assert runs.runner.moving() == set(keys("disk", "data", "web"))
    assert runs.play() == ["web stop", "data stop", "disk stop"]
    assert not runs.runner.moving() | runs.runner.touched()


def test_one_that_fails_holds_up_no_other() -> None:
    runs = Runs(group("disk"), group("web"))
    runs.failing = {"disk start"}
    runs.take(runs.runner.acquire(keys("disk", "web"), "test", 0))
    assert runs.play() == ["disk start", "disk stop", "web start"]
    assert runs.runner.state(GroupKey("disk")) is GroupState.FAILED
    assert runs.runner.state(GroupKey("web")) is GroupState.STARTED


def test_groups_of_two_owners_do_not_wait_for_each_other() -> None:
    runs = Runs(group("disk"), group("mail", owner=BETA))
    runs.take(runs.runner.acquire(keys("disk", "mail"), "test", 0))
    assert runs.asked() == ["disk status", "mail status"]


def test_addresses_alone_wait_for_nobody_and_services_wait_for_them() -> None:
    runs = Runs(group("disk"), group("10.0.0.1"), group("web"))
    runs.take(runs.runner.acquire(keys("disk", "10.0.0.1", "web"), "test", 0))
    assert runs.asked() == ["disk status", "10.0.0.1 status"]
    runs = Runs(group("10.0.0.1"), group("web"))
    runs.take(runs.runner.acquire(keys("10.0.0.1", "web"), "test", 0))
    assert runs.play() == ["10.0.0.1 start", "web start"]


def test_a_stop_that_must_be_over_soon_waits_for_nobody() -> None:
    runs = Runs(group("disk"), group("web"))
    runs.take(runs.runner.acquire(keys("disk", "web"), "test", 0))
    runs.play()
    runs.take(runs.runner.release(keys("disk", "web"), "test", 0, is_hurried=True))
    assert runs.asked() == ["disk stop", "web stop"]


def test_a_group_that_comes_back_in_the_middle_finds_its_place() -> None:
    runs = Runs(group("disk"), group("web"))
    runs.take(runs.runner.acquire(keys("disk", "web"), "test", 0))
    runs.play()
    runs.take(runs.runner.release(keys("disk", "web"), "test", 0))
    runs.take(runs.runner.acquire(keys("disk", "web"), "back", 0))
    assert runs.play() == ["web stop", "web start"]  # disk had not been touched yet
    assert not runs.runner.moving()


def joined(dialect: int, *groups: ResourceGroup) -> tuple[HaresourcesManager, list[object]]:
    """Return alpha's manager, which holds its groups; `web` does not start; and what it ordered."""
    config = HaConfig(node=ALPHA, nodes=(ALPHA, BETA), auto_failback=AutoFailback.ON)
    manager = HaresourcesManager(config, groups)
    changed = NodeStatusChanged(
        node=BETA,
        old=NodeStatus.INIT,
        new=NodeStatus.ACTIVE,
        reason=StatusReason.HEARD,
        last_heard_ms=0,
        at_ms=0,
    )
    effects: list[object] = [*manager.on_membership(changed, 0)]
    effects += manager.on_membership(NodeDialectChanged(BETA, dialect), 0)
    effects += manager.on_membership(CommunicationUp(0), 0)
    said = message_of(
        t="resource", rsc_hold="none", rtype="full", isstable="1", src="beta", hg="1", seq="1"
    )
    effects += manager.on_membership(MessageReceived(said, 0), 0)
    for effect in effects:
        if isinstance(effect, RunOperation):
            effects += manager.on_operation(done_of(effect, {"web start"}), 0)
    return manager, effects


def offers(effects: list[object]) -> list[str | None]:
    said = [effect.message for effect in effects if isinstance(effect, Broadcast)]
    return [message.text("groups") for message in said if message.text("info") == "me"]


def test_between_everbeat_nodes_a_group_that_fails_moves_alone() -> None:
    _, effects = joined(1, group("disk"), group("web"))
    assert offers(effects) == ["web"]


def test_a_heartbeat_is_asked_by_its_words() -> None:
    _, effects = joined(0, group("disk"), group("web"))
    assert offers(effects) == [None]


def test_what_an_owner_has_not_failed_is_given_back_without_what_it_has() -> None:
    config = HaConfig(node=BETA, nodes=(ALPHA, BETA), auto_failback=AutoFailback.ON)
    manager = HaresourcesManager(config, (group("disk"), group("web")))
    effects: list[object] = [*manager.on_membership(CommunicationUp(0), 0)]
    for effect in effects:
        if isinstance(effect, RunOperation):
            effects += manager.on_operation(done_of(effect, set()), 0)
    failed = ResourceFailures(
        group=GroupKey("web"), resource="web", count=1, is_barred=True, last_ms=0, clears_ms=9_999
    )
    changed = NodeStatusChanged(
        node=ALPHA,
        old=NodeStatus.INIT,
        new=NodeStatus.ACTIVE,
        reason=StatusReason.HEARD,
        last_heard_ms=0,
        at_ms=0,
    )
    manager.on_membership(changed, 0)
    manager.on_membership(NodeDialectChanged(ALPHA, 1), 0)
    fields = {"src": "alpha", "hg": "1"}
    starting = message_of(t="starting", seq="1", **fields)
    manager.on_membership(MessageReceived(starting, 0), 0)
    manager.on_failures(ALPHA, (failed,), 0)
    said = message_of(t="resource", rsc_hold="none", rtype="full", isstable="1", seq="2", **fields)
    manager.on_membership(MessageReceived(said, 0), 0)
    assert offers([*manager.on_tick(1_001)]) == ["disk"]
