from __future__ import annotations

import pytest

from everbeat.agents.agent import AddressAgent, ScriptAgent, SystemdAgent
from everbeat.agents.reading import is_held, is_held_by_words

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


def test_built_ins_and_units_are_read_by_the_exit_code() -> None:
    for agent in (AddressAgent("IPaddr", ("10.0.0.1",)), SystemdAgent("nginx.service")):
        assert is_held(agent, 0, "")
        assert not is_held(agent, 3, "running")


def test_a_long_output_is_read_in_linear_time() -> None:
    assert not is_held_by_words("not " * 16_000)
