"""Laws of the group runner, whatever scripts answer and people want."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st

from everbeat.haresources.effects import GroupMoved
from everbeat.haresources.runner import GroupRunner
from everbeat.model.cluster import Monitoring
from everbeat.model.groups import GroupState, ResourceGroup, ResourceSpec
from everbeat.model.names import GroupKey, NodeName
from everbeat.model.operations import (
    Action,
    MonitorFailed,
    OperationDone,
    Outcome,
    RunOperation,
)

SCRIPTS = ("IPaddr", "web", "mail")
KEYS = tuple(GroupKey(key) for key in ("one", "two"))


def _groups() -> tuple[ResourceGroup, ...]:
    return tuple(
        ResourceGroup(
            NodeName("alpha"),
            key,
            tuple(ResourceSpec(f"{script}::{key}", script, (key,)) for script in SCRIPTS[: i + 2]),
        )
        for i, key in enumerate(KEYS)
    )


class _Scripts:
    """A machine whose scripts do what the drawn numbers say."""

    def __init__(self) -> None:
        self.groups = _groups()
        self.runner = GroupRunner(self.groups, Monitoring())
        self.under_way: list[RunOperation] = []
        self.told = dict.fromkeys(KEYS, GroupState.STOPPED)
        self.now_ms = 0

    def take(self, effects: object) -> None:
        assert isinstance(effects, list)
        for effect in effects:
            if isinstance(effect, RunOperation):
                self.under_way.append(effect)
            if isinstance(effect, GroupMoved):
                self.told[effect.key] = effect.new
        groups = [operation.group for operation in self.under_way]
        scripts = [operation.resource.script for operation in self.under_way]
        assert len(groups) == len(set(groups)), "two operations of one group at once"
        assert len(scripts) == len(set(scripts)), "one script twice at once"

    def answer(self, number: int, *, is_good: bool) -> None:
        if not self.under_way:
            return
        operation = self.under_way.pop(number % len(self.under_way))
        is_status = operation.action is Action.STATUS
        done = OperationDone(
            id=operation.id,
            group=operation.group,
            resource=operation.resource,
            action=operation.action,
            outcome=Outcome.DONE,
            exit_code=0 if is_good else 1,
            is_held=(not is_good) if is_status else None,
            output="",
            served_by="",
            started_ms=0,
            ended_ms=self.now_ms,
        )
        self.take(self.runner.on_done(done, self.now_ms))

    def die(self, number: int) -> None:
        """A resource of a group dies: found stopped, hanging, or (an address) repaired alone."""
        group = self.groups[number % len(KEYS)]
        failed = MonitorFailed(
            group=group.key,
            resource=group.resources[number % len(group.resources)],
            outcome=Outcome.TIMEOUT if number % 3 == 0 else Outcome.DONE,
            exit_code=3,
            output="",
            served_by="",
            cause="drawn",
            is_repaired_alone=number % 3 == 1,
            noticed_ms=self.now_ms,
            ended_ms=self.now_ms,
        )
        pause_ms = 5_000 if number % 2 else 0
        self.take(self.runner.recover(failed, "drawn", self.now_ms, pause_ms))


WHAT = ("acquire", "release", "good", "good", "bad", "wait", "die", "fail")
STEPS = st.lists(st.tuples(st.sampled_from(WHAT), st.integers(0, 9)), max_size=60)


@given(STEPS)
@example([("release", 1), ("release", 0)])  # the one above waits for the one below to stop
@settings(max_examples=200)
def test_one_operation_for_each_group_and_script_and_all_is_told(
    steps: list[tuple[str, int]],
) -> None:
    world = _Scripts()
    for what, number in steps:
        key = KEYS[number % len(KEYS)]
        match what:
            case "acquire":
                world.take(world.runner.acquire([key], "drawn", world.now_ms))
            case "release":
                world.take(world.runner.release([key], "drawn", world.now_ms))
            case "die":
                world.die(number)
            case "fail":
                world.take(world.runner.fail(key, "drawn", world.now_ms))
            case "wait":
                world.now_ms += number * 1_000
                world.take(world.runner.on_tick(world.now_ms))
            case _:
                world.answer(number, is_good=what == "good")
        assert world.told == {k: world.runner.state(k) for k in KEYS}


@given(STEPS)
@settings(max_examples=100)
def test_once_scripts_behave_every_group_gets_where_it_is_wanted(
    steps: list[tuple[str, int]],
) -> None:
    world = _Scripts()
    for what, number in steps:
        key = KEYS[number % len(KEYS)]
        if what == "acquire":
            world.take(world.runner.acquire([key], "drawn", world.now_ms))
        elif what == "release":
            world.take(world.runner.release([key], "drawn", world.now_ms))
        elif what == "die":
            world.die(number)
        elif what == "fail":
            world.take(world.runner.fail(key, "drawn", world.now_ms))
        elif what != "wait":
            world.answer(number, is_good=what == "good")
    for _ in range(200):
        world.answer(0, is_good=True)
        world.now_ms += 1_000
        world.take(world.runner.on_tick(world.now_ms))
    wanted = world.runner.wanted()
    for key in KEYS:
        state = world.runner.state(key)
        if key in wanted:
            assert state in {GroupState.STARTED, GroupState.FAILED}
        else:
            assert state is GroupState.STOPPED
