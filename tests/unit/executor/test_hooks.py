from __future__ import annotations

from itertools import count
from pathlib import Path

import pytest

from everbeat.executor.effects import Ending, Launch, Note, Signal
from everbeat.executor.hooks import KILL_AFTER_MS, TIMEOUT_MS, WAITING_MAX, Hooks, is_stock
from everbeat.model.operations import RunHook

STOCK_NAMES = ["ask_resources", "hb_takeover", "ip-request", "ip-request-resp", "status"]
STATUS = ". $HA_FUNCS\ncase $HA_st in\n  dead) $HA_NOARCHBIN/mach_down $HA_src;;\nesac\n"


class Scripts:
    def __init__(self, **texts: str) -> None:
        self.texts = texts

    def hook(self, name: str) -> tuple[str, str] | None:
        return (f"/rc.d/{name}", self.texts[name]) if name in self.texts else None


def hooks(**texts: str) -> Hooks:
    return Hooks(Scripts(**texts), (("HA_CURHOST", "alpha"),), count(1))


def hook(name: str) -> RunHook:
    return RunHook(name=name, environment=(("HA_src", "beta"), ("LD_PRELOAD", "/evil")))


def test_a_script_of_the_site_runs_with_its_name_and_the_message() -> None:
    [launch] = hooks(ifstat="logger $HA_src").on_hook(hook("ifstat"), 0)
    assert isinstance(launch, Launch)
    assert launch.command == ("/rc.d/ifstat", "ifstat")
    assert dict(launch.environment) == {"HA_src": "beta", "HA_CURHOST": "alpha"}


def test_what_the_node_does_itself_is_passed_over() -> None:
    assert hooks(status=STATUS).on_hook(hook("status"), 0) == []
    assert len(hooks(status="logger $HA_src").on_hook(hook("status"), 0)) == 1


def test_an_edited_copy_is_still_ours_but_a_comment_is_no_call() -> None:
    assert is_stock("status", STATUS + "logger $HA_src is $HA_st\n")
    assert not is_stock("status", "# unlike mach_down\nlogger x # mach_down\n")
    assert not is_stock("status", "my_mach_down_wrapper; mach_down-not\n")


def test_a_script_of_another_name_may_call_the_tools() -> None:
    assert not is_stock("raid-failed", "/usr/share/heartbeat/hb_standby all\n")


@pytest.mark.parametrize("name", STOCK_NAMES)
def test_the_installed_scripts_of_heartbeat_are_recognised(name: str) -> None:
    path = Path("/etc/ha.d/rc.d") / name
    if not path.exists():
        pytest.skip("Debian's heartbeat package is not installed")
    assert is_stock(name, path.read_text())


@pytest.mark.parametrize(
    "name", ["", "..", "../x", "a/b", ".hidden", "a b", "x\0", "n" * 65, "a\n"]
)
def test_a_message_type_that_is_no_plain_word_selects_nothing(name: str) -> None:
    core = Hooks(Scripts(**{name: "true"}), (), count(1))
    assert core.on_hook(hook(name), 0) == []


def test_hooks_run_one_after_the_other() -> None:
    core = hooks(a="true", b="true")
    assert len(core.on_hook(hook("a"), 0)) == 1
    assert core.on_hook(hook("missing"), 0) == []
    assert core.on_hook(hook("b"), 0) == []
    effects = core.on_ended(1, Ending(exit_code=1, output="oh\n"), 5)
    assert effects is not None
    note, launch = effects
    assert isinstance(note, Note)
    assert note.text == "rc.d/a ended with 1: oh"
    assert isinstance(launch, Launch)
    assert core.on_ended(77, Ending(exit_code=0), 5) is None


def test_a_hook_that_hangs_is_ended_and_killed() -> None:
    core = hooks(a="true", b="true")
    core.on_hook(hook("a"), 0)
    core.on_hook(hook("b"), 0)
    assert core.next_wakeup_ms() == TIMEOUT_MS
    assert core.on_tick(TIMEOUT_MS) == [Signal(1, is_hard=False)]
    assert core.on_tick(TIMEOUT_MS + KILL_AFTER_MS) == [Signal(1, is_hard=True)]
    [launch] = core.on_tick(2 * TIMEOUT_MS)
    assert isinstance(launch, Launch)


def test_only_so_many_hooks_wait() -> None:
    core = hooks(a="true")
    for _ in range(WAITING_MAX + 1):
        core.on_hook(hook("a"), 0)
    [note] = core.on_hook(hook("a"), 0)
    assert isinstance(note, Note)
    assert core.dropped_count == 1
