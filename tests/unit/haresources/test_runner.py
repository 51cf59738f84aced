from __future__ import annotations

from everbeat.haresources.effects import GroupMoved
from everbeat.haresources.runner import (
    STOP_RETRIES,
    STOP_RETRY_MS,
    STUCK_RETRY_MS,
    GroupRunner,
)
from everbeat.model.cluster import Monitoring
from everbeat.model.groups import GroupState, ResourceGroup, ResourceSpec
from everbeat.model.names import GroupKey, NodeName
from everbeat.model.operations import Action, OperationDone, Outcome, RunOperation

WEB = GroupKey("vip")
MAIL = GroupKey("vip2")


def _group(key: str, *words: str) -> ResourceGroup:
    resources = tuple(ResourceSpec(word, word.split("::", maxsplit=1)[0]) for word in words)
    return ResourceGroup(NodeName("alpha"), GroupKey(key), resources)


def _runner(*groups: ResourceGroup) -> GroupRunner:
    return GroupRunner(groups or (_group("vip", "vip", "web"),), Monitoring())


def _asked(effects: object) -> list[str]:
    assert isinstance(effects, list)
    return [f"{e.resource.text} {e.action.value}" for e in effects if isinstance(e, RunOperation)]


def _operation(effects: object) -> RunOperation:
    assert isinstance(effects, list)
    return next(e for e in effects if isinstance(e, RunOperation))


def _done(
    operation: RunOperation,
    *,
    is_held: bool | None = None,
    exit_code: int = 0,
    outcome: Outcome = Outcome.DONE,
) -> OperationDone:
    return OperationDone(
        id=operation.id,
        group=operation.group,
        resource=operation.resource,
        action=operation.action,
        outcome=outcome,
        exit_code=exit_code,
        is_held=is_held,
        output="",
        served_by="test",
        started_ms=0,
        ended_ms=0,
    )


def _play(runner: GroupRunner, effects: object, now_ms: int = 0) -> list[str]:
    """Answer every operation well (status: stopped) until none is left; return what was asked."""
    asked = []
    while operations := [e for e in effects if isinstance(e, RunOperation)]:  # type: ignore[attr-defined]
        asked += [f"{o.resource.text} {o.action.value}" for o in operations]
        effects = [
            effect
            for operation in operations
            for effect in runner.on_done(
                _done(operation, is_held=False if operation.action is Action.STATUS else None),
                now_ms,
            )
        ]
    return asked


def test_a_group_starts_left_to_right_each_after_its_status() -> None:
    runner = _runner()
    asked = _play(runner, runner.acquire([WEB], "test", 0))
    assert asked == ["vip status", "vip start", "web status", "web start"]
    assert runner.state(WEB) is GroupState.STARTED


def test_a_resource_that_is_held_is_not_started() -> None:
    runner = _runner()
    first = _operation(runner.acquire([WEB], "test", 0))
    assert _asked(runner.on_done(_done(first, is_held=True), 0)) == ["web status"]


def test_a_group_stops_right_to_left() -> None:
    runner = _runner()
    _play(runner, runner.acquire([WEB], "test", 0))
    assert _play(runner, runner.release([WEB], "test", 0)) == ["web stop", "vip stop"]
    assert runner.state(WEB) is GroupState.STOPPED


def test_releasing_stops_even_what_was_never_started() -> None:
    runner = _runner()
    assert _play(runner, runner.release([WEB], "test", 0)) == ["web stop", "vip stop"]


def test_a_failed_start_stops_the_whole_group() -> None:
    runner = _runner()
    status = _operation(runner.acquire([WEB], "test", 0))
    start = _operation(runner.on_done(_done(status, is_held=False), 0))
    effects = runner.on_done(_done(start, exit_code=1), 0)
    assert _play(runner, effects) == ["web stop", "vip stop"]
    assert runner.state(WEB) is GroupState.FAILED
    assert runner.wanted() == {WEB}


def test_a_failed_group_starts_when_it_is_acquired_again() -> None:
    runner = _runner()
    status = _operation(runner.acquire([WEB], "test", 0))
    start = _operation(runner.on_done(_done(status, is_held=False), 0))
    _play(runner, runner.on_done(_done(start, exit_code=1), 0))
    _play(runner, runner.acquire([WEB], "again", 0))
    assert runner.state(WEB) is GroupState.STARTED


def _fail_stops(runner: GroupRunner, stop: RunOperation) -> tuple[RunOperation, int]:
    """Let a stop fail until status is asked; return that operation and the time."""
    now_ms = 0
    for _ in range(STOP_RETRIES):
        assert runner.on_done(_done(stop, exit_code=1), now_ms)
        now_ms += STOP_RETRY_MS
        stop = _operation(runner.on_tick(now_ms))
    return _operation(runner.on_done(_done(stop, exit_code=1), now_ms)), now_ms


def test_a_stop_is_tried_eleven_times_and_then_status_decides() -> None:
    runner = _runner()
    _play(runner, runner.acquire([WEB], "test", 0))
    check, now_ms = _fail_stops(runner, _operation(runner.release([WEB], "test", 0)))
    assert check.action is Action.STATUS
    assert _asked(runner.on_done(_done(check, is_held=False), now_ms)) == ["vip stop"]


def test_what_cannot_be_stopped_is_stuck_and_tried_again_later() -> None:
    runner = _runner()
    _play(runner, runner.acquire([WEB], "test", 0))
    check, now_ms = _fail_stops(runner, _operation(runner.release([WEB], "test", 0)))
    runner.on_done(_done(check, is_held=True), now_ms)
    assert runner.state(WEB) is GroupState.STUCK
    assert WEB in runner.touched()
    assert _asked(runner.on_tick(now_ms + STUCK_RETRY_MS - 1)) == []
    assert _asked(runner.on_tick(now_ms + STUCK_RETRY_MS)) == ["web stop"]


def test_what_was_called_stopped_before_it_got_stuck_is_stopped_again() -> None:
    runner = _runner()
    _play(runner, runner.acquire([WEB], "test", 0))
    web = _operation(runner.release([WEB], "test", 0))
    vip = _operation(runner.on_done(_done(web), 0))
    check, now_ms = _fail_stops(runner, vip)
    runner.on_done(_done(check, is_held=True), now_ms)
    assert runner.state(WEB) is GroupState.STUCK
    assert _asked(runner.on_tick(now_ms + STUCK_RETRY_MS)) == ["web stop"]


def test_an_unknown_status_after_failed_stops_counts_as_held() -> None:
    runner = _runner()
    _play(runner, runner.acquire([WEB], "test", 0))
    check, now_ms = _fail_stops(runner, _operation(runner.release([WEB], "test", 0)))
    runner.on_done(_done(check, outcome=Outcome.TIMEOUT, exit_code=124), now_ms)
    assert runner.state(WEB) is GroupState.STUCK


def test_a_resource_without_script_counts_as_stopped() -> None:
    runner = _runner(_group("vip", "nothing"))
    stop = _operation(runner.release([WEB], "test", 0))
    runner.on_done(_done(stop, outcome=Outcome.NOT_FOUND, exit_code=127), 0)
    assert runner.state(WEB) is GroupState.STOPPED


def test_two_groups_never_run_the_same_script_at_once() -> None:
    runner = _runner(_group("vip", "IPaddr::1"), _group("vip2", "IPaddr::2"))
    effects = runner.acquire([WEB, MAIL], "test", 0)
    assert _asked(effects) == ["IPaddr::1 status"]
    assert _play(runner, effects)[:3] == ["IPaddr::1 status", "IPaddr::1 start", "IPaddr::2 status"]


def test_groups_of_other_owners_and_scripts_move_side_by_side() -> None:
    mail = ResourceGroup(NodeName("beta"), MAIL, _group("vip2", "mail").resources)
    runner = _runner(_group("vip", "web"), mail)
    assert _asked(runner.acquire([WEB, MAIL], "test", 0)) == ["web status", "mail status"]


def test_a_start_under_way_is_finished_before_the_group_stops() -> None:
    runner = _runner()
    status = _operation(runner.acquire([WEB], "test", 0))
    start = _operation(runner.on_done(_done(status, is_held=False), 0))
    assert _asked(runner.release([WEB], "test", 0)) == []
    assert _play(runner, runner.on_done(_done(start), 0)) == ["web stop", "vip stop"]


def test_a_stop_under_way_is_finished_before_the_group_starts_again() -> None:
    runner = _runner()
    _play(runner, runner.acquire([WEB], "test", 0))
    stop = _operation(runner.release([WEB], "test", 0))
    assert _asked(runner.acquire([WEB], "back", 0)) == []
    asked = _play(runner, runner.on_done(_done(stop), 0))
    assert asked[:2] == ["vip stop", "vip status"]
    assert runner.state(WEB) is GroupState.STARTED


def test_adopting_keeps_a_group_that_runs_whole() -> None:
    runner = _runner()
    first = _operation(runner.adopt(0))
    second = _operation(runner.on_done(_done(first, is_held=True), 0))
    assert _asked(runner.on_done(_done(second, is_held=True), 0)) == []
    assert runner.state(WEB) is GroupState.STARTED
    assert runner.wanted() == {WEB}


def test_adopting_stops_a_group_that_runs_half() -> None:
    runner = _runner()
    first = _operation(runner.adopt(0))
    second = _operation(runner.on_done(_done(first, is_held=True), 0))
    assert _play(runner, runner.on_done(_done(second, is_held=False), 0)) == [
        "web stop",
        "vip stop",
    ]


def test_an_answer_of_an_earlier_life_is_ignored() -> None:
    runner = GroupRunner((_group("vip", "web"),), Monitoring(), first_operation_id=1_000)
    operation = _operation(runner.acquire([WEB], "test", 0))
    assert operation.id == 1_000
    stale = RunOperation(
        id=7,
        group=WEB,
        resource=operation.resource,
        action=Action.STATUS,
        timeout_ms=1,
    )
    assert runner.on_done(_done(stale, is_held=True), 0) == []


def test_what_a_dead_executor_was_asked_is_asked_again_from_its_status() -> None:
    runner = _runner()
    status = _operation(runner.acquire([WEB], "test", 0))
    runner.on_done(_done(status, is_held=False), 0)
    assert _asked(runner.on_executor_lost(0)) == ["vip status"]


def test_a_group_without_resources_is_where_it_is_wanted_at_once() -> None:
    runner = _runner(_group("@beta"))
    runner.acquire([GroupKey("@beta")], "test", 0)
    assert runner.state(GroupKey("@beta")) is GroupState.STARTED
    runner.release([GroupKey("@beta")], "test", 0)
    assert runner.state(GroupKey("@beta")) is GroupState.STOPPED


def test_every_change_of_state_is_told() -> None:
    runner = _runner(_group("vip", "web"))
    effects: list[object] = list(runner.acquire([WEB], "test", 0))
    status = _operation(effects)
    effects += runner.on_done(_done(status, is_held=True), 0)
    told = [effect.new for effect in effects if isinstance(effect, GroupMoved)]
    assert told == [GroupState.STARTING, GroupState.STARTED]


def test_a_release_while_probing_stops_the_group_whatever_is_found() -> None:
    runner = _runner()
    first = _operation(runner.adopt(0))
    runner.release([WEB], "stop", 0)
    assert _play(runner, runner.on_done(_done(first, is_held=True), 0)) == ["web stop", "vip stop"]
    assert runner.state(WEB) is GroupState.STOPPED
    assert runner.wanted() == frozenset()


def test_adopting_starts_again_what_nobody_can_tell_of_where_all_else_runs() -> None:
    runner = _runner()
    first = _operation(runner.adopt(0))
    second = _operation(runner.on_done(_done(first, is_held=True), 0))
    status = _operation(runner.on_done(_done(second, is_held=None), 0))
    status = _operation(runner.on_done(_done(status, is_held=True), 0))
    start = _operation(runner.on_done(_done(status, is_held=None), 0))
    assert (start.resource.text, start.action) == ("web", Action.START)
    runner.on_done(_done(start), 0)
    assert runner.state(WEB) is GroupState.STARTED


def test_adopting_stops_a_group_of_which_nobody_can_tell_anything() -> None:
    runner = _runner(_group("vip", "web"))
    asked = _operation(runner.adopt(0))
    assert _play(runner, runner.on_done(_done(asked, is_held=None), 0)) == ["web stop"]
