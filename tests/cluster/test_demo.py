"""everbeat demo, as somebody runs it who has just met everbeat."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from everbeat.commands.demo_cluster import ADDRESS, DEADTIME_MS
from lab.slowness import machine

pytestmark = [pytest.mark.real(programs=["setpriv"]), pytest.mark.xdist_group("demo")]

PROGRAM = str(Path(sys.executable).with_name("everbeat"))
TRIED_IN_THE_SHELL = f"""
alpha uname -n; beta uname -n
alpha everbeat status --json | grep -c '"dead"'
page
alpha sh -c 'kill $(cat /run/webpage.pid)'
alpha sh -c 'until grep -q webpage.is.restarted.*announced /var/log/ha-log; do sleep .05; done'
page
alpha ip addr del {ADDRESS}/24 dev eth0
alpha sh -c 'until ip addr show eth0 | grep -q {ADDRESS}; do sleep .05; done'
page
alpha everbeat standby >&2; page
alpha everbeat takeover >&2; page
cut alpha
beta sh -c 'until ip addr show eth0 | grep -q {ADDRESS}; do sleep .05; done'
mend alpha
cut gamma; echo $?
"""


def demo(*options: str, tried: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PROGRAM, "demo", *options],
        input=tried,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_the_first_number_is_what_deadtime_gives() -> None:
    began_ms = time.monotonic() * 1000
    done = demo("--json")
    assert done.returncode == 0, done.stdout
    value: dict[str, Any] = json.loads(done.stdout)
    assert set(value) == {"outage_ms", "phases", "ok"}
    assert set(value["outage_ms"]) == {"crash", "failback", "stop"}
    at_ms = {phase["name"]: phase["after_ms"] for phase in value["phases"]}
    silent_ms = at_ms["declared dead"] - at_ms["last heard"]
    late = machine().allowed(300, began_ms)
    assert DEADTIME_MS <= silent_ms < DEADTIME_MS + late.ms, (value, late)


def test_the_shell_at_the_end_reaches_both_nodes_and_all_can_be_tried_there() -> None:
    done = demo("--keep", tried=TRIED_IN_THE_SHELL)
    assert done.returncode == 0, done.stdout
    story, _, tried = done.stdout.partition("mend alpha                 ")
    assert "waiting for" in story or "to go" in story, "it tells what it waits for"
    answers = tried.splitlines()[2:10]
    assert answers == ["alpha", "beta", "0", "alpha", "alpha", "alpha", "beta", "alpha"], tried
    assert "write: cut alpha or cut beta" in done.stderr
    told = done.stdout.partition("two machines of yours")[2]
    assert told.index("everbeat init") < told.index("everbeat join") < told.index("add vip")


def test_a_shell_is_no_json() -> None:
    done = demo("--keep", "--json")
    assert (done.returncode, "exclude each other" in done.stderr) == (2, True)
