from __future__ import annotations

from itertools import count

from everbeat.agents.agent import ScriptAgent
from everbeat.executor.deadline import ABANDON_MS, EXAMINE_MS, KILL_AFTER_MS
from everbeat.executor.effects import Ending, Examine, Launch, SetAddress, Signal
from everbeat.executor.operations import WAITING_MAX, Answer, OperationEffect, Operations
from everbeat.model.groups import ResourceSpec
from everbeat.model.names import GroupKey
from everbeat.model.operations import (
    Action,
    OperationDone,
    OperationHung,
    Outcome,
    RunOperation,
    StartAgain,
)


class Machine:
    def script_path(self, name: str) -> str | None:
        return f"/r/{name}" if name.startswith("Rsc") else None

    def knows_status(self, path: str) -> bool:
        return path != "/r/RscAnyWord"

    def has_unit(self, name: str) -> bool:  # noqa: ARG002 - a machine without systemd
        return False


def order(
    number: int,
    script: str = "Rsc",
    action: Action = Action.START,
    group: str = "g",
    **more: object,
) -> RunOperation:
    spec = ResourceSpec(script, script, ("10.0.0.1",) if script == "IPaddr" else ())
    return RunOperation(
        id=number,
        group=GroupKey(group),
        resource=spec,
        action=action,
        timeout_ms=int(str(more.get("timeout_ms", 1_000))),
    )


def operations() -> Operations:
    made = Operations(Machine(), (("PATH", "/bin"),), count(1))
    made.on_manager("core-1", 0)
    return made


def answers(effects: list[OperationEffect] | None) -> list[OperationDone]:
    return [effect.done for effect in effects or [] if isinstance(effect, Answer)]


def test_an_operation_runs_and_is_answered_with_what_came_of_it() -> None:
    core = operations()
    [launch] = core.on_run(order(7), 100)
    assert isinstance(launch, Launch)
    assert launch.command == ("/r/Rsc", "start")
    assert dict(launch.environment) == {"PATH": "/bin"}
    assert not launch.is_read
    [done] = answers(core.on_ended(launch.run, Ending(exit_code=1, output="no"), 130))
    assert (done.id, done.outcome, done.exit_code, done.output) == (7, Outcome.DONE, 1, "no")
    assert (done.served_by, done.started_ms, done.ended_ms) == ("/r/Rsc", 100, 130)
    assert done.is_held is None
    assert not done.is_success
    assert core.on_ended(launch.run, Ending(exit_code=0), 140) is None


def test_a_status_is_read_from_standard_output() -> None:
    core = operations()
    [launch] = core.on_run(order(1, action=Action.STATUS), 0)
    assert isinstance(launch, Launch)
    assert launch.is_read
    ending = Ending(exit_code=3, output="BROKEN running", words="running")
    [done] = answers(core.on_ended(launch.run, ending, 5))
    assert done.is_held is True


def test_a_group_runs_one_operation_after_the_other_and_groups_do_not_wait() -> None:
    core = operations()
    [first] = core.on_run(order(1, "RscA"), 0)
    assert core.on_run(order(2, "RscB"), 0) == []
    [other] = core.on_run(order(3, "RscC", group="h"), 0)
    assert isinstance(first, Launch)
    assert isinstance(other, Launch)
    effects = core.on_ended(first.run, Ending(exit_code=0), 5)
    assert effects is not None
    assert [done.id for done in answers(effects)] == [1]
    second = effects[-1]
    assert isinstance(second, Launch)
    assert second.command == ("/r/RscB", "start")


def test_a_built_in_address_needs_no_program() -> None:
    core = operations()
    [effect] = core.on_run(order(1, "IPaddr"), 0)
    assert effect == SetAddress(run=1, action=Action.START, arguments=("10.0.0.1",))


def test_what_nothing_serves_is_answered_and_the_next_one_runs() -> None:
    core = operations()
    [launch] = core.on_run(order(1), 0)
    assert core.on_run(order(2, "Nowhere"), 0) == []
    assert core.on_run(order(3), 0) == []
    assert isinstance(launch, Launch)
    effects = core.on_ended(launch.run, Ending(exit_code=0), 9)
    assert effects is not None
    assert [(d.id, d.outcome) for d in answers(effects)] == [
        (1, Outcome.DONE),
        (2, Outcome.NOT_FOUND),
    ]
    assert isinstance(effects[-1], Launch)


def test_an_order_repeated_under_its_id_is_ignored() -> None:
    core = operations()
    [launch] = core.on_run(order(1), 0)
    assert core.on_run(order(1), 0) == []
    assert isinstance(launch, Launch)
    core.on_ended(launch.run, Ending(exit_code=0), 1)
    assert core.on_run(order(1), 2) == []


def test_at_its_timeout_an_operation_is_ended_and_then_killed() -> None:
    core = operations()
    [launch] = core.on_run(order(1, action=Action.STATUS), 0)
    assert isinstance(launch, Launch)
    assert core.next_wakeup_ms() == 1_000
    assert core.on_tick(999) == []
    assert core.on_tick(1_000) == [Examine(launch.run)]
    hung, term = core.on_examined(launch.run, ("912 Rsc: D in nfs_wait",), 1_050) or []
    assert isinstance(hung, OperationHung)
    assert (hung.resource.script, hung.limit_ms, hung.lines[0][:3]) == ("Rsc", 1_000, "912")
    assert term == Signal(launch.run, is_hard=False)
    assert core.on_examined(launch.run, ("again",), 1_060) == []
    assert core.on_tick(1_050 + KILL_AFTER_MS) == [Signal(launch.run, is_hard=True)]
    ending = Ending(exit_code=137, output="half", words="running")
    [done] = answers(core.on_ended(launch.run, ending, 3_001))
    assert (done.outcome, done.output, done.is_held) == (Outcome.TIMEOUT, "half", None)
    assert core.next_wakeup_ms() is None


def test_a_process_that_does_not_end_is_left_behind_and_its_group_goes_on() -> None:
    core = operations()
    [launch] = core.on_run(order(1), 0)
    core.on_run(order(2, "RscB"), 0)
    assert isinstance(launch, Launch)
    core.on_tick(1_000)
    [hung, term] = core.on_tick(1_000 + EXAMINE_MS)  # a machine that cannot even be examined
    assert isinstance(hung, OperationHung)
    assert term == Signal(launch.run, is_hard=False)
    killed_ms = 1_000 + EXAMINE_MS + KILL_AFTER_MS
    core.on_tick(killed_ms)
    effects = core.on_tick(killed_ms + ABANDON_MS)
    assert [done.outcome for done in answers(effects)] == [Outcome.TIMEOUT]
    assert isinstance(effects[-1], Launch)
    assert core.on_ended(launch.run, Ending(exit_code=137), 20_000) is None


def test_without_a_manager_nothing_begins_and_the_same_one_finds_its_work_again() -> None:
    core = operations()
    [launch] = core.on_run(order(1), 0)
    core.on_run(order(2, "RscB"), 0)
    core.on_manager_gone()
    assert isinstance(launch, Launch)
    effects = core.on_ended(launch.run, Ending(exit_code=0), 5)
    assert effects is not None
    assert len(effects) == 1
    [second] = core.on_manager("core-1", 9)
    assert isinstance(second, Launch)


def test_a_restarted_manager_inherits_no_work_and_may_use_the_same_ids() -> None:
    core = operations()
    core.on_run(order(1), 0)
    core.on_run(order(2, "RscB"), 0)
    core.on_manager_gone()
    [lost] = core.on_manager("core-2", 9)
    assert isinstance(lost, Answer)
    assert (lost.session, lost.done.id, lost.done.outcome) == ("core-1", 2, Outcome.LOST)
    assert core.on_run(order(1, "RscC"), 10) == []  # waits for what still runs
    effects = core.on_ended(1, Ending(exit_code=0), 11)
    assert effects is not None
    first, launch = effects
    assert isinstance(first, Answer)
    assert first.session == "core-1"
    assert isinstance(launch, Launch)
    assert launch.command == ("/r/RscC", "start")


def test_a_group_has_room_for_so_many_orders() -> None:
    core = operations()
    for number in range(WAITING_MAX + 1):
        assert answers(core.on_run(order(number), 0)) == []
    [done] = answers(core.on_run(order(WAITING_MAX + 1), 0))
    assert done.outcome is Outcome.LOST


def test_agents_are_named_in_answers() -> None:
    assert ScriptAgent("/etc/init.d/nginx").served_by == "/etc/init.d/nginx"


def test_a_script_that_does_not_know_the_word_is_not_asked_for_its_status() -> None:
    core = operations()
    [done] = answers(core.on_run(order(1, "RscAnyWord", Action.STATUS), 5))
    assert (done.outcome, done.is_held, done.served_by) == (Outcome.DONE, None, "/r/RscAnyWord")
    [launch] = core.on_run(order(2, "RscAnyWord"), 5)
    assert isinstance(launch, Launch)


def test_an_operation_waits_for_the_end_of_a_monitor_of_its_resource() -> None:
    monitored = {"Rsc"}
    core = Operations(Machine(), (), count(1), lambda resource: resource.text in monitored)
    core.on_manager("core-1", 0)
    assert core.on_run(order(1), 0) == []
    assert core.is_operated(order(1).resource)
    assert core.on_monitors_ended(10) == []
    monitored.clear()
    [launch] = core.on_monitors_ended(20)
    assert isinstance(launch, Launch)
    assert core.on_monitors_ended(30) == []


def again(script: str = "Rsc", group: str = "g") -> StartAgain:
    return StartAgain(group=GroupKey(group), resource=order(1, script).resource, timeout_ms=1_000)


def test_what_runs_is_started_again_unless_its_process_lives() -> None:
    core = operations()
    [launch] = core.on_start_again(again(), 0)
    assert isinstance(launch, Launch)
    assert (launch.command, launch.unless_it_lives) == (("/r/Rsc", "start"), True)
    told = core.on_ended(launch.run, Ending(exit_code=1), 5)
    assert told is not None
    assert isinstance(told[0], Answer)
    assert told[0].is_again


def test_addresses_are_not_started_again() -> None:
    assert operations().on_start_again(again("IPaddr"), 0) == []


def test_a_start_again_never_runs_beside_its_script_and_gives_way_to_an_order() -> None:
    core = operations()
    [first] = core.on_start_again(again("RscA"), 0)
    assert core.on_start_again(again("RscA", group="h"), 0) == []
    assert core.on_start_again(again("RscB"), 0) == []
    assert core.on_run(order(2, "RscB", Action.STOP), 0) == []
    assert isinstance(first, Launch)
    begun = [*(core.on_ended(first.run, Ending(exit_code=0), 5) or []), *core.on_monitors_ended(5)]
    commands = [effect.command for effect in begun if isinstance(effect, Launch)]
    assert commands == [("/r/RscB", "stop"), ("/r/RscA", "start")]


def test_a_start_again_that_has_not_begun_ends_unanswered_with_the_manager_that_wanted_it() -> None:
    core = operations()
    core.on_run(order(1), 0)
    assert core.on_start_again(again(), 0) == []
    core.on_run(order(2, group="h"), 0)
    core.on_run(order(3, group="h"), 0)
    core.on_manager_gone()
    lost = core.on_manager("core-2", 10)
    assert [(done.id, done.outcome) for done in answers(lost)] == [(3, Outcome.LOST)]
