"""Questions to fencing devices: each answered once, ended at its limit."""

from __future__ import annotations

from dataclasses import replace
from itertools import count

from everbeat.executor.deadline import ABANDON_MS, KILL_AFTER_MS
from everbeat.executor.effects import Ending, Launch, Signal
from everbeat.executor.fencing_runs import FencingRuns
from everbeat.model.fencing import (
    FenceAction,
    FenceDevice,
    FenceOutcome,
    FencingDone,
    RunFencing,
)
from everbeat.model.names import NodeName

DEVICE = FenceDevice(name="d", type="fence_x", parameters=("passwd=secret",))


def order(number: int, action: FenceAction = FenceAction.OFF) -> RunFencing:
    return RunFencing(
        id=number, device=DEVICE, action=action, node=NodeName("beta"), timeout_ms=1_000
    )


def runs() -> FencingRuns:
    return FencingRuns((("PATH", "/sbin"),), count(1))


def launched(core: FencingRuns, number: int = 1) -> Launch:
    [launch] = core.on_run(order(number), 100)
    assert isinstance(launch, Launch)
    return launch


def test_a_question_is_run_and_answered_once_and_secrets_are_not_shown() -> None:
    core = runs()
    launch = launched(core)
    assert launch.command == ("fence_x",)
    assert "passwd=secret" in launch.input
    assert "secret" not in repr(launch)
    assert core.on_run(order(1), 110) == []
    [done] = core.on_ended(launch.run, Ending(exit_code=0, output="Success: OFF"), 130) or []
    assert isinstance(done, FencingDone)
    assert (done.outcome, done.output, done.started_ms) == (FenceOutcome.DONE, "Success: OFF", 100)
    assert core.on_ended(launch.run, Ending(exit_code=0), 140) is None


def test_at_its_limit_it_is_ended_and_never_counts_as_done() -> None:
    core = runs()
    launch = launched(core)
    assert core.next_wakeup_ms() == 1_100
    assert core.on_tick(1_100) == [Signal(launch.run, is_hard=False)]
    [done] = core.on_ended(launch.run, Ending(exit_code=0), 1_200) or []
    assert isinstance(done, FencingDone)
    assert done.outcome is FenceOutcome.TIMEOUT


def test_one_that_not_even_kill_ends_is_left_behind() -> None:
    core = runs()
    launch = launched(core)
    core.on_tick(1_100)
    assert core.on_tick(1_100 + KILL_AFTER_MS) == [Signal(launch.run, is_hard=True)]
    [done] = core.on_tick(1_100 + KILL_AFTER_MS + ABANDON_MS)
    assert isinstance(done, FencingDone)
    assert done.outcome is FenceOutcome.TIMEOUT
    assert core.next_wakeup_ms() is None


def test_an_agent_that_is_not_there_is_told_apart() -> None:
    core = runs()
    [done] = core.on_ended(launched(core).run, Ending(exit_code=126), 130) or []
    assert isinstance(done, FencingDone)
    assert done.outcome is FenceOutcome.NOT_FOUND


def test_what_an_agent_says_of_its_secrets_is_not_told() -> None:
    glue = FenceDevice(
        name="g", type="external/site", parameters=("beta", "10.0.0.9", "admin", "hunter2")
    )
    said = "beta at 10.0.0.9: login admin:hunter2 failed, passwd=other"
    answers = []
    for device in (glue, DEVICE):
        core = runs()
        [launch] = core.on_run(replace(order(1), device=device), 100)
        assert isinstance(launch, Launch)
        [done] = core.on_ended(launch.run, Ending(exit_code=1, output=f"{said} secret"), 130) or []
        assert isinstance(done, FencingDone)
        answers.append(done.output)
    shown = "beta at 10.0.0.9: login ********:******** failed, passwd=********"
    assert answers == [
        f"{shown} secret",
        "beta at 10.0.0.9: login admin:hunter2 failed, passwd=******** ********",
    ]
