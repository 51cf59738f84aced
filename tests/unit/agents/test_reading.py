from __future__ import annotations

import pytest

from everbeat.agents.agent import AddressAgent, ScriptAgent, SystemdAgent
from everbeat.agents.reading import condition_of, is_held, is_held_by_words
from everbeat.agents.unit import TASK_S, Condition

HELD = [
    "running",
    "Running",
    "OK",
    "INFO:  Running OK",
    "nginx is running, not stopped",
    "runningish",
    "not. running",
    "daemon (pid 12) is running...",
    "running but not there",
    "notrunning",
]
NOT_HELD = [
    "",
    "stopped",
    "not running",
    "Not  Running",
    "NOT Running",
    "ok",
    "Ok",
    "RUNNING",
    "active",
    "is not up\nbut was running",
    "OK but not really running",
    "cannot be running",
]


@pytest.mark.parametrize("words", HELD)
def test_a_script_holds_its_resource_if_it_says_so(words: str) -> None:
    assert is_held_by_words(words)


@pytest.mark.parametrize("words", NOT_HELD)
def test_a_script_that_says_anything_else_holds_nothing(words: str) -> None:
    assert not is_held_by_words(words)


@pytest.mark.parametrize("exit_code", [0, 3, 77])
def test_the_exit_code_of_a_script_does_not_count(exit_code: int) -> None:
    agent = ScriptAgent("/etc/ha.d/resource.d/X")
    assert is_held(agent, exit_code, "is running")
    assert not is_held(agent, exit_code, "stopped")


def test_output_of_systemctl_is_read_by_the_exit_code_because_it_quotes_the_journal() -> None:
    agent = ScriptAgent("/etc/init.d/nginx")
    dead = "o nginx.service\n   Active: failed (Result: exit-code)\nNov 22 nginx[1]: was running OK"
    alive = "o nginx.service\n   Active: active (running)\nNov 22 nginx[1]: could not keep running"
    assert not is_held(agent, 3, dead)
    assert is_held(agent, 0, alive)


def test_built_ins_are_read_by_the_exit_code() -> None:
    for agent in (AddressAgent("IPaddr", ("10.0.0.1",)),):
        assert is_held(agent, 0, "")
        assert not is_held(agent, 3, "running")


def test_a_long_output_is_read_in_linear_time() -> None:
    assert not is_held_by_words("not " * 16_000)


def unit(**told: str) -> Condition:
    words = {
        "Type": "simple",
        "RemainAfterExit": "no",
        "Restart": "no",
        "ActiveState": "inactive",
        "Result": "success",
        "ExecMainCode": "0",
        "ExecMainStatus": "0",
        "ExecMainStartTimestampMonotonic": "1000000",
        "ExecMainExitTimestampMonotonic": "2000000",
    }
    shown = "".join(f"{name}={value}\n" for name, value in (words | told).items())
    return condition_of(SystemdAgent("x.service"), 0, shown)


def test_a_unit_runs_moves_or_has_failed_as_systemd_says() -> None:
    assert unit(ActiveState="active") is Condition.HELD
    assert unit(ActiveState="reloading") is Condition.HELD
    assert unit(ActiveState="activating") is Condition.MOVING
    assert unit(ActiveState="deactivating") is Condition.MOVING
    assert unit(Job="815") is Condition.MOVING
    assert unit(Job="", ActiveState="failed") is Condition.DEAD
    assert unit(Result="oom-kill") is Condition.DEAD
    assert condition_of(SystemdAgent("x.service"), 1, "") is Condition.UNKNOWN


def test_a_task_that_ended_well_is_done_and_nobody_can_tell_for_whom() -> None:
    assert unit(Type="oneshot") is Condition.DONE
    assert unit(Type="oneshot", RemainAfterExit="yes") is Condition.STOPPED
    unloaded = {"ExecMainStartTimestampMonotonic": "0", "ExecMainExitTimestampMonotonic": "0"}
    assert unit(Type="oneshot", **unloaded) is Condition.DONE, "systemd has forgotten it"
    assert unit(Type="oneshot", ActiveState="failed", Result="exit-code") is Condition.DEAD
    assert is_held(SystemdAgent("x.service"), 0, "ActiveState=active\n")
    shown = "ActiveState=inactive\nType=oneshot\nExecMainExitTimestampMonotonic=7\n"
    assert is_held(SystemdAgent("x.service"), 0, shown) is None


def test_a_short_script_behind_a_unit_without_a_type_is_a_task_and_a_long_run_is_a_service() -> (
    None
):
    assert unit(ExecMainCode="1") is Condition.DONE
    assert unit(ExecMainCode="1", ExecMainStatus="42") is Condition.DONE  # SuccessExitStatus=42
    assert unit(ExecMainCode="1", ExecMainStatus="143") is Condition.STOPPED  # TERM, by Java
    assert unit(ExecMainCode="1", ExecMainStatus="1", Result="exit-code") is Condition.DEAD
    assert unit(ExecMainCode="2", ExecMainStatus="15") is Condition.STOPPED  # TERM: systemctl stop
    assert unit(ExecMainCode="1", Type="notify") is Condition.STOPPED
    assert unit(ExecMainCode="1", Restart="on-success") is Condition.STOPPED
    long_us = str((TASK_S + 2) * 1_000_000)
    assert unit(ExecMainCode="1", ExecMainExitTimestampMonotonic=long_us) is Condition.STOPPED


def test_what_systemd_has_unloaded_may_have_been_a_task() -> None:
    unloaded = {
        "ExecMainStartTimestampMonotonic": "0",
        "ExecMainExitTimestampMonotonic": "0",
    }
    assert unit(**unloaded) is Condition.FORGOTTEN
    assert unit(**unloaded, Type="exec") is Condition.FORGOTTEN
    assert unit(**unloaded, Type="notify") is Condition.STOPPED
    assert unit(**unloaded, Restart="on-failure") is Condition.STOPPED
    assert unit(**unloaded, RemainAfterExit="yes") is Condition.STOPPED
    shown = "ActiveState=inactive\nType=simple\nRestart=no\n"
    assert is_held(SystemdAgent("x.service"), 0, shown) is None
