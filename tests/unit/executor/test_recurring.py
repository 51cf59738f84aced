from __future__ import annotations

from dataclasses import replace
from itertools import count, pairwise

from everbeat.executor.deadline import KILL_AFTER_MS
from everbeat.executor.effects import (
    Ending,
    EndRemains,
    Examine,
    Launch,
    LookForHands,
    Observe,
    SetAddress,
    Signal,
    Unobserve,
)
from everbeat.executor.recurring import (
    CAUSE_GAP_MS,
    GRACE_MS,
    GRACE_RETRY_MS,
    MONITORS_MAX,
    Recurring,
    RecurringEffect,
)
from everbeat.executor.suspicion import AT_WORK_LOOK_MS, AT_WORK_MS_MAX, ORDERLY_MS
from everbeat.model.groups import ResourceSpec
from everbeat.model.names import GroupKey
from everbeat.model.operations import (
    Action,
    MonitorFailed,
    MonitorUnheard,
    OperationHung,
    Outcome,
    Watch,
    WatchResources,
)

G = GroupKey("g")
INTERVAL = 10_000
TIMEOUT = 2_000
UP = Ending(exit_code=0, words="running")
DOWN = Ending(exit_code=3, output="stopped", words="stopped")
KILLED = Ending(exit_code=137)


class Scripts:
    def __init__(self) -> None:
        self.missing: set[str] = set()

    def script_path(self, name: str) -> str | None:
        is_there = name != "IPaddr" and name not in self.missing
        return f"/r/{name}" if is_there else None

    def knows_status(self, path: str) -> bool:
        return not path.startswith("/r/any-")

    def has_unit(self, name: str) -> bool:  # noqa: ARG002 - a machine without systemd
        return False


def watches(*scripts: str, group: GroupKey = G) -> WatchResources:
    resources = [ResourceSpec(s, s, ("10.0.0.1",) if s == "IPaddr" else ()) for s in scripts]
    return WatchResources(
        group,
        tuple(Watch(resource=r, interval_ms=INTERVAL, timeout_ms=TIMEOUT) for r in resources),
    )


def recurring() -> Recurring:
    core = Recurring(Scripts(), (("PATH", "/bin"),), count(1))
    core.on_manager("core-1", 0)
    return core


def launches(effects: list[RecurringEffect] | None) -> list[Launch]:
    return [effect for effect in effects or [] if isinstance(effect, Launch)]


def kinds(effects: list[RecurringEffect] | None) -> list[str]:
    return [type(effect).__name__ for effect in effects or []]


def seen_up(*scripts: str) -> tuple[Recurring, int]:
    """Return a core whose watched scripts have said "running" once, and the time."""
    core = recurring()
    for launch in launches(core.on_watch(watches(*scripts), 0)):
        assert kinds(core.on_ended(launch.run, UP, 100)) == ["MonitorHeard"]
    return core, 100


def alone(
    core: Recurring, effects: list[RecurringEffect] | None, now_ms: int
) -> list[RecurringEffect]:
    """Return what follows where nobody else is at work on what does not run."""
    told: list[RecurringEffect] = []
    for effect in effects or []:
        if isinstance(effect, LookForHands):
            is_orderly = effect.is_orderly
            told += core.on_hands(effect.watch, now_ms, are_at_work=False, is_orderly=is_orderly)
        else:
            told.append(effect)
    return told


def look(core: Recurring, ending: Ending, now_ms: int) -> list[RecurringEffect]:
    [launch] = launches(core.on_cause(1, "hint", now_ms))
    return alone(core, core.on_ended(launch.run, ending, now_ms), now_ms)


def test_what_is_watched_is_observed_and_asked_at_once_then_each_interval() -> None:
    core = recurring()
    observe, launch = core.on_watch(watches("Rsc"), 0)
    assert isinstance(observe, Observe)
    assert isinstance(launch, Launch)
    assert (launch.command, launch.is_read) == (("/r/Rsc", "status"), True)
    core.on_ended(launch.run, UP, 100)
    second_ms = core.next_wakeup_ms()
    assert second_ms is not None
    assert 100 + INTERVAL // 2 <= second_ms <= 100 + INTERVAL
    [again] = launches(core.on_tick(second_ms))
    core.on_ended(again.run, UP, second_ms + 50)
    assert core.next_wakeup_ms() == second_ms + 50 + INTERVAL


def test_a_new_manager_is_told_whose_status_can_be_believed() -> None:
    core, now_ms = seen_up("Rsc")
    core.on_watch(watches(), now_ms)
    assert kinds(core.on_manager("core-2", now_ms)) == ["MonitorHeard"]
    assert core.on_manager("core-2", now_ms) == []


def test_the_second_monitors_of_many_are_spread() -> None:
    core, _ = seen_up(*(f"Rsc{n}" for n in range(8)))
    due = sorted(one.due_ms or 0 for one in core._watched.values())
    gaps = [later - former for former, later in pairwise(due)]
    assert min(gaps) > 200


def test_the_kernel_is_believed_from_the_start_but_only_what_it_says() -> None:
    for ending, said in ((DOWN, "MonitorFailed"), (Ending(exit_code=1), "MonitorUnheard")):
        core, told, now_ms = recurring(), list[str](), 0
        effects = core.on_watch(watches("IPaddr"), now_ms)
        while now_ms <= 2 * GRACE_MS:
            while asked := [effect for effect in effects if isinstance(effect, SetAddress)]:
                effects = core.on_ended(asked[0].run, ending, now_ms) or []
                told += kinds(effects)
            now_ms = core.next_wakeup_ms() or 0
            effects = core.on_tick(now_ms)
        assert [kind for kind in told if kind.startswith("Monitor")] == [said]


def test_a_built_in_address_is_asked_without_a_process() -> None:
    core = recurring()
    effects = core.on_watch(watches("IPaddr"), 0)
    [asked] = [effect for effect in effects if isinstance(effect, SetAddress)]
    assert asked.action is Action.STATUS
    core.on_ended(asked.run, Ending(exit_code=0), 5)
    [asked] = [e for e in core.on_cause(1, "address removed", 9) if isinstance(e, SetAddress)]
    remains, failed = core.on_ended(asked.run, Ending(exit_code=3), 10) or []
    assert isinstance(failed, MonitorFailed)
    assert isinstance(remains, EndRemains)
    assert (failed.cause, failed.noticed_ms, failed.ended_ms) == ("address removed", 9, 10)
    assert failed.is_repaired_alone


def test_what_was_seen_running_and_does_not_run_has_failed() -> None:
    core, now_ms = seen_up("Rsc")
    _, failed = look(core, DOWN, now_ms + 500)
    assert isinstance(failed, MonitorFailed)
    assert (failed.outcome, failed.output, failed.served_by) == (Outcome.DONE, "stopped", "/r/Rsc")
    assert not failed.is_repaired_alone


def test_a_status_that_never_says_running_is_told_of_once_and_nothing_follows() -> None:
    core = recurring()
    [launch] = launches(core.on_watch(watches("Rsc"), 0))
    now_ms, told = 100, []
    while now_ms < 60_000:
        told += kinds(core.on_ended(launch.run, DOWN, now_ms))
        now_ms = core.next_wakeup_ms() or 0
        [launch] = launches(core.on_tick(now_ms))
    assert told == ["MonitorUnheard"]


def test_after_a_start_a_service_may_need_a_while_to_say_that_it_runs() -> None:
    core, _ = seen_up("Rsc")
    core.on_watch(WatchResources(G, ()), 1_000)
    [launch] = launches(core.on_watch(watches("Rsc"), 2_000))
    assert core.on_ended(launch.run, DOWN, 2_100) == []
    assert core.next_wakeup_ms() == 2_100 + GRACE_RETRY_MS
    [launch] = launches(core.on_tick(2_100 + GRACE_RETRY_MS))
    effects = alone(core, core.on_ended(launch.run, DOWN, 2_000 + GRACE_MS), 2_000 + GRACE_MS)
    assert "MonitorFailed" in kinds(effects)


def test_a_hung_monitor_is_examined_ended_and_asked_once_more_before_it_counts() -> None:
    core, now_ms = seen_up("Rsc")
    [launch] = launches(core.on_cause(1, "hint", now_ms))
    assert core.on_tick(now_ms + TIMEOUT) == [Examine(launch.run)]
    hung, term = core.on_examined(launch.run, ("7 Rsc: D",), now_ms + TIMEOUT + 5) or []
    assert isinstance(hung, OperationHung)
    assert (hung.is_monitor, hung.limit_ms, hung.lines) == (True, TIMEOUT, ("7 Rsc: D",))
    assert term == Signal(launch.run, is_hard=False)
    [again] = launches(core.on_ended(launch.run, KILLED, 3_000))
    core.on_tick(3_000 + TIMEOUT)
    core.on_examined(again.run, (), 3_000 + TIMEOUT)
    [failed] = core.on_ended(again.run, KILLED, 6_000) or []
    assert isinstance(failed, MonitorFailed)
    assert failed.outcome is Outcome.TIMEOUT


def test_a_slow_monitor_that_then_answers_is_no_failure() -> None:
    core, now_ms = seen_up("Rsc")
    [launch] = launches(core.on_cause(1, "hint", now_ms))
    core.on_tick(now_ms + TIMEOUT)
    core.on_examined(launch.run, (), now_ms + TIMEOUT)
    [again] = launches(core.on_ended(launch.run, KILLED, 3_000))
    assert core.on_ended(again.run, UP, 3_100) == []
    assert kinds(look(core, KILLED, 4_000)) == ["Launch"]  # doubted anew


def test_a_cause_while_a_monitor_runs_asks_once_more_after_it() -> None:
    core, now_ms = seen_up("Rsc")
    [launch] = launches(core.on_cause(1, "first", now_ms))
    assert core.on_cause(1, "second", now_ms + 1) == []
    assert core.on_cause(1, "third", now_ms + 2) == []
    assert core.on_ended(launch.run, UP, now_ms + 10) == []
    assert core.next_wakeup_ms() == now_ms + 10 + CAUSE_GAP_MS
    [again] = launches(core.on_tick(now_ms + 10 + CAUSE_GAP_MS))
    _, failed = alone(core, core.on_ended(again.run, DOWN, now_ms + 90), now_ms + 90)
    assert isinstance(failed, MonitorFailed)
    assert (failed.cause, failed.noticed_ms) == ("third", now_ms + 2)


def test_a_main_process_certainly_gone_needs_no_script() -> None:
    core, now_ms = seen_up("Rsc")
    told = core.on_cause(1, "process 8 ended", now_ms, is_certain=True)
    assert kinds(alone(core, told, now_ms)) == [
        "EndRemains",
        "MonitorFailed",
    ]


def test_nobody_is_certain_of_what_was_never_seen_running() -> None:
    core = recurring()
    [launch] = launches(core.on_watch(watches("Rsc"), 0))
    core.on_ended(launch.run, DOWN, 10)
    assert kinds(core.on_cause(1, "process 8 ended", 20, is_certain=True)) == ["Launch"]


def test_what_is_not_watched_any_more_is_ended_unheard() -> None:
    core, now_ms = seen_up("Rsc")
    [launch] = launches(core.on_cause(1, "hint", now_ms))
    assert core.on_watch(WatchResources(G, ()), now_ms + 1) == [
        Unobserve(1),
        Signal(launch.run, is_hard=False),
    ]
    assert core.on_tick(now_ms + 1 + KILL_AFTER_MS) == [Signal(launch.run, is_hard=True)]
    assert core.on_ended(launch.run, DOWN, now_ms + 3_000) == []
    assert core.next_wakeup_ms() is None
    assert core.on_cause(1, "late", now_ms + 3_001) == []


def test_scripts_asked_at_once_are_limited_and_the_others_follow() -> None:
    core = recurring()
    effects = core.on_watch(watches(*(f"Rsc{n}" for n in range(MONITORS_MAX + 2))), 0)
    running = launches(effects)
    assert len(running) == MONITORS_MAX
    [next_one] = launches(core.on_ended(running[0].run, UP, 10))
    assert next_one.command == (f"/r/Rsc{MONITORS_MAX}", "status")


def test_an_executor_that_is_a_new_one_is_told_whose_status_was_heard() -> None:
    core = recurring()
    [watch] = watches("Rsc").watches
    heard = WatchResources(G, (replace(watch, is_heard=True),))
    [launch] = launches(core.on_watch(heard, 0))
    told = alone(core, core.on_ended(launch.run, DOWN, GRACE_MS), GRACE_MS)
    assert "MonitorFailed" in kinds(told)


def test_a_script_that_is_being_replaced_is_no_failure() -> None:
    scripts = Scripts()
    core = Recurring(scripts, (), count(1))
    core.on_manager("core-1", 0)
    [launch] = launches(core.on_watch(watches("Rsc"), 0))
    core.on_ended(launch.run, UP, 10)
    scripts.missing.add("Rsc")
    [unheard] = core.on_cause(1, "hint", 20)
    assert isinstance(unheard, MonitorUnheard)
    scripts.missing.clear()
    assert launches(core.on_cause(1, "hint", 30))


def test_without_a_manager_no_monitor_begins_and_another_one_watches_nothing() -> None:
    core, now_ms = seen_up("Rsc")
    core.on_manager_gone()
    assert core.on_tick(now_ms + 2 * INTERVAL) == []
    assert core.next_wakeup_ms() is None
    assert launches(core.on_manager("core-1", now_ms + 2 * INTERVAL))
    core.on_manager_gone()
    assert "Unobserve" in kinds(core.on_manager("core-2", now_ms + 3 * INTERVAL))
    assert core.next_wakeup_ms() is not None  # the run that is being ended


def hands(
    core: Recurring, now_ms: int, *, are_at_work: bool = False, is_orderly: bool = False
) -> list[RecurringEffect]:
    return core.on_hands(1, now_ms, are_at_work=are_at_work, is_orderly=is_orderly)


def test_while_its_script_restarts_it_a_service_has_not_failed() -> None:
    core, now_ms = seen_up("Rsc")
    assert kinds(core.on_cause(1, "process 8 ended", now_ms, is_certain=True)) == ["LookForHands"]
    for _ in range(6):
        assert hands(core, now_ms, are_at_work=True) == []
        now_ms += AT_WORK_LOOK_MS
        assert core.next_wakeup_ms() == now_ms
        assert kinds(core.on_tick(now_ms)) == ["LookForHands"]  # and no status beside the restart
    [launch] = launches(hands(core, now_ms))
    assert core.on_ended(launch.run, UP, now_ms + 50) == []
    assert core.next_wakeup_ms() == now_ms + 50 + INTERVAL


def told_until(core: Recurring, kind: str, until_ms: int) -> int | None:
    """Answer "stopped", with nobody at work, until an effect of this kind comes; when it came."""
    while (now_ms := core.next_wakeup_ms() or until_ms) < until_ms:
        [launch] = launches(core.on_tick(now_ms))
        if kind in kinds(alone(core, core.on_ended(launch.run, DOWN, now_ms), now_ms)):
            return now_ms
    return None


def test_what_only_a_status_finds_stopped_may_be_started_again_by_others() -> None:
    core, now_ms = seen_up("Rsc")
    first_ms = core.next_wakeup_ms() or 0
    failed_ms = told_until(core, "MonitorFailed", now_ms + 3 * INTERVAL)
    assert failed_ms is not None
    assert first_ms + ORDERLY_MS <= failed_ms <= first_ms + ORDERLY_MS + GRACE_RETRY_MS


def test_what_others_have_started_again_meanwhile_has_not_failed() -> None:
    core, _ = seen_up("Rsc")
    stopped_ms = core.next_wakeup_ms() or 0
    [launch] = launches(core.on_tick(stopped_ms))
    assert alone(core, core.on_ended(launch.run, DOWN, stopped_ms), stopped_ms) == []
    assert told_until(core, "MonitorFailed", stopped_ms + ORDERLY_MS - 1) is None
    [launch] = launches(core.on_tick(stopped_ms + ORDERLY_MS))
    assert core.on_ended(launch.run, UP, stopped_ms + ORDERLY_MS) == []
    assert core.next_wakeup_ms() == stopped_ms + ORDERLY_MS + INTERVAL


def test_a_death_that_was_seen_while_the_status_of_the_interval_ran_is_told_at_once() -> None:
    core, _ = seen_up("Rsc")
    now_ms = core.next_wakeup_ms() or 0
    [launch] = launches(core.on_tick(now_ms))
    core.on_cause(1, "process 8 ended", now_ms)
    assert "MonitorFailed" in kinds(alone(core, core.on_ended(launch.run, DOWN, now_ms), now_ms))


def test_a_stop_in_order_that_stays_one_is_mended_after_a_while() -> None:
    core, now_ms = seen_up("Rsc")
    core.on_cause(1, "process 8 ended", now_ms, is_certain=True)
    stopped_ms, told = now_ms, hands(core, now_ms, is_orderly=True)
    while "MonitorFailed" not in kinds(told):
        assert told == []
        now_ms = core.next_wakeup_ms() or 0
        [launch] = launches(core.on_tick(now_ms))
        assert kinds(core.on_ended(launch.run, DOWN, now_ms)) == ["LookForHands"]
        told = hands(core, now_ms)
    assert now_ms - stopped_ms == ORDERLY_MS
    assert isinstance(told[1], MonitorFailed)
    assert told[1].cause == "process 8 ended"


def test_a_restart_that_does_not_end_has_failed() -> None:
    core, now_ms = seen_up("Rsc")
    core.on_cause(1, "process 8 ended", now_ms, is_certain=True)
    assert hands(core, now_ms + AT_WORK_MS_MAX - 1, are_at_work=True) == []
    core.on_tick(now_ms + AT_WORK_MS_MAX + AT_WORK_LOOK_MS)
    told = hands(core, now_ms + AT_WORK_MS_MAX + AT_WORK_LOOK_MS, are_at_work=True)
    assert "MonitorFailed" in kinds(told)


def test_a_script_that_does_not_know_the_word_is_never_asked_and_told_of_once() -> None:
    core = recurring()
    told = core.on_watch(watches("any-word"), 0)
    assert kinds(told) == ["Observe", "MonitorUnheard"]
    for now_ms in range(0, 5 * INTERVAL, INTERVAL // 2):
        assert core.on_tick(now_ms) == []
        assert core.on_cause(1, "process 8 ended", now_ms, is_certain=True) == []


def test_an_operation_ends_the_monitor_of_its_resource_and_waits_for_it() -> None:
    core = recurring()
    resource = watches("Rsc").watches[0].resource
    [launch] = launches(core.on_watch(watches("Rsc"), 0))
    assert core.is_monitored(resource)
    assert core.on_operation(resource, 10) == [Signal(launch.run, is_hard=False)]
    assert core.is_monitored(resource)
    assert core.on_ended(launch.run, KILLED, 20) == []
    assert not core.is_monitored(resource)


def test_what_is_operated_on_is_not_monitored() -> None:
    core = Recurring(Scripts(), (), count(1), lambda resource: resource.text == "Rsc")
    core.on_manager("core-1", 0)
    assert launches(core.on_watch(watches("Rsc"), 0)) == []
    assert len(launches(core.on_watch(watches("Other", group=GroupKey("h")), 0))) == 1


def test_a_new_watch_waits_for_the_end_of_the_monitor_of_the_former_one() -> None:
    core = recurring()
    [former] = launches(core.on_watch(watches("Rsc"), 0))
    core.on_watch(watches(), 10)
    assert launches(core.on_watch(watches("Rsc"), 10)) == []
    core.on_ended(former.run, KILLED, 20)
    assert core.next_wakeup_ms() == 10 + CAUSE_GAP_MS
    assert len(launches(core.on_tick(10 + CAUSE_GAP_MS))) == 1


def test_a_script_that_was_away_for_a_while_is_told_to_be_watched_again() -> None:
    scripts = Scripts()
    core = Recurring(scripts, (), count(1))
    core.on_manager("core-1", 0)
    [launch] = launches(core.on_watch(watches("Rsc"), 0))
    assert kinds(core.on_ended(launch.run, UP, 100)) == ["MonitorHeard"]
    for now_ms in (1_000, 5_000):  # its package is being replaced
        scripts.missing = {"Rsc"}
        assert kinds(core.on_cause(1, "hint", now_ms)) == ["MonitorUnheard"]
        scripts.missing = set()
        [launch] = launches(core.on_cause(1, "hint", now_ms + 1_000))
        assert kinds(core.on_ended(launch.run, UP, now_ms + 1_100)) == ["MonitorHeard"]
        [launch] = launches(core.on_cause(1, "hint", now_ms + 2_000))
        assert core.on_ended(launch.run, UP, now_ms + 2_100) == []


def test_what_dies_while_its_monitor_runs_has_failed_by_its_own_cause() -> None:
    core, now_ms = seen_up("web")
    [launch] = launches(core.on_tick(now_ms + INTERVAL))
    assert core.on_cause(1, "process 7 ended", 10_500, is_certain=True) == []
    told = alone(core, core.on_ended(launch.run, DOWN, 10_600), 10_600)
    [failed] = [effect for effect in told if isinstance(effect, MonitorFailed)]
    assert (failed.cause, failed.noticed_ms) == ("process 7 ended", 10_500)
