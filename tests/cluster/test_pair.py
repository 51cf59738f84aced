"""Two whole nodes: starting, stopping, moving, and what the tools say of it."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cluster.pair_lab import (
    ADDRESS,
    DEADTIME_MS,
    GROUP,
    Pair,
    events_of,
    group_of,
    keeper_pid,
    logging_script,
    now_ms,
    script_log,
    status_of,
)
from lab import Lab, wait_until
from lab.node import cl_status, everbeat
from lab.slowness import machine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab import Node

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("pair")]

PROGRAM = str(Path(sys.executable).with_name("everbeat"))
WATCH = (PROGRAM, "status", "--watch", "--interval", "0.5")
SITE_SCRIPT = """#!/bin/sh
env | grep ^HA_ | sort | tr '\\n' ' ' >>/var/log/{name}
echo >>/var/log/{name}
"""
CLIENT = """#!/bin/sh
env | grep ^HA_ | sort >/var/log/client.env
echo $$ >/run/client.pid
echo started >>/var/log/client
exec sleep 3600
"""
RETIRED = """#!/bin/sh
echo started >>/var/log/retired
exit 100
"""


@pytest.fixture(scope="module")
def shared() -> Iterator[Pair]:
    extra = (
        "respawn root /etc/ha.d/client\nrespawn root /etc/ha.d/retired\n"
        "apiauth default uid=root gid=haclient"
    )
    with Pair(extra=extra) as pair:
        for node in (pair.alpha, pair.beta):
            node.write("client", CLIENT, 0o755)
            node.write("retired", RETIRED, 0o755)
            for name in ("status", "ifstat"):
                node.write(f"rc.d/{name}", SITE_SCRIPT.format(name=f"hook-{name}"), 0o755)
        pair.start()
        pair.probe.wait_answer("alpha")
        yield pair


@pytest.fixture
def pair(shared: Pair) -> Pair:
    shared.wait_settled()
    shared.probe.wait_answer("alpha")
    return shared


def test_every_word_of_cl_status_is_answered(pair: Pair) -> None:
    alpha = pair.alpha
    assert cl_status(alpha, "hbstatus") == "Heartbeat is running on this machine."
    assert sorted(cl_status(alpha, "listnodes").split()) == ["alpha", "beta"]
    assert cl_status(alpha, "nodestatus", "beta") == "active"
    assert cl_status(alpha, "nodetype", "beta") == "normal"
    assert cl_status(alpha, "nodeweight", "beta") == "100"
    assert cl_status(alpha, "nodesite", "beta") == ""
    assert cl_status(alpha, "listhblinks", "beta") == "eth0"
    assert cl_status(alpha, "hblinkstatus", "beta", "eth0") == "up"
    assert cl_status(alpha, "clientstatus", "beta", "nobody", "500") == "offline"
    assert cl_status(alpha, "rscstatus") == "local"
    assert cl_status(alpha, "hbparameter", "-p", "deadtime") == str(DEADTIME_MS // 1000)


def test_respawned_clients_get_the_configuration_and_are_kept_running(pair: Pair) -> None:
    assert "HA_deadtime=2" in pair.alpha.log("client.env").split()
    starts = len(script_log(pair.alpha, "client"))
    pair.alpha.sh("kill -9 $(cat /run/client.pid)")
    wait_until(lambda: len(script_log(pair.alpha, "client")) == starts + 1, "it is started again")
    assert script_log(pair.alpha, "retired") == ["started"]


def test_the_standby_script_of_heartbeat_moves_the_groups(pair: Pair) -> None:
    pair.alpha.write("shellfuncs", Path("/etc/ha.d/shellfuncs").read_text(encoding="utf-8"))
    pair.alpha.run("/usr/share/heartbeat/hb_standby", "all")
    pair.probe.wait_answer("beta")
    pair.wait_settled("none", "all")
    pair.alpha.run("/usr/share/heartbeat/hb_takeover", "local")
    pair.probe.wait_answer("alpha")


def test_a_standby_shows_in_the_events_of_both(pair: Pair) -> None:
    began_ms = now_ms()
    pair.alpha.standby("all")
    pair.probe.wait_answer("beta")
    pair.wait_settled("none", "all")
    [given] = events_of(pair.alpha, began_ms, "standby")
    [taken] = events_of(pair.beta, began_ms, "take")
    names = [phase["name"] for phase in given["phases"]]
    assert names == ["stopped webd", f"stopped {GROUP}", "taken"]
    names = [phase["name"] for phase in taken["phases"]]
    assert names == [f"started {GROUP}", "started webd", "announced"]
    assert given["is_finished"]
    assert group_of(pair.alpha)["holder"] == group_of(pair.beta)["holder"] == "beta"
    assert "on beta" in everbeat(pair.alpha, "status")
    watched = pair.beta.folder / "watch"
    with watched.open("wb") as out:
        watching = pair.beta.on.spawn(*WATCH, stdout=out.fileno())
    wait_until(lambda: watched.read_text().count("beta  stable, holds all") >= 2, "it is shown", 5)
    watching.terminate()
    watching.wait()
    pair.alpha.takeover("local")
    pair.probe.wait_answer("alpha")


def logged(node: Node, name: str, word: str) -> str:
    """Wait for a line with this word in what a script wrote; return it."""
    wait_until(lambda: any(word in line for line in script_log(node, name)), f"{word} in {name}")
    return next(line for line in script_log(node, name) if word in line)


def test_a_takeover_is_told_phase_by_phase_and_site_scripts_hear_of_the_death(pair: Pair) -> None:
    began_ms = now_ms()
    follow = pair.beta.folder / "follow.json"
    with follow.open("wb") as out:
        following = pair.beta.on.spawn(
            *(PROGRAM, "events", "--json", "--follow", "--last", "1"),
            stdout=out.fileno(),
        )
        wait_until(lambda: follow.stat().st_size > 0, "the events are followed")
        died_ms = now_ms()
        pair.alpha.crash()
        pair.probe.wait_answer("beta")
        pair.beta.wait_rscstatus("all")
        wait_until(lambda: '"takeover"' in follow.read_text(), "the takeover is followed", 10)
        following.terminate()
        following.wait()
    [takeover] = events_of(pair.beta, began_ms, "takeover")
    names = [phase["name"] for phase in takeover["phases"]]
    assert names == [
        *("last heard", "declared dead"),
        *(f"started {GROUP}", "started webd", "announced"),
    ]
    times = [phase["after_ms"] for phase in takeover["phases"]]
    assert times == sorted(times)
    assert times[0] == 0
    late = machine().allowed(500, began_ms)
    assert DEADTIME_MS <= times[1] < DEADTIME_MS + late.ms, late
    assert died_ms - late.ms < takeover["phases"][0]["at_ms"] <= died_ms + late.ms / 5, late
    [outage] = [o for o in pair.outages(began_ms) if (o.before, o.after) == ("alpha", "beta")]
    assert takeover["phases"][1]["at_ms"] < outage.ended_ms
    assert takeover["total_ms"] == times[-1]
    hook = logged(pair.beta, "hook-status", "HA_st=dead")
    assert "HA_src=alpha" in hook.split()
    assert "HA_OSTATUS=active" in hook.split()
    ifstat = logged(pair.beta, "hook-ifstat", "HA_st=dead")
    assert {"HA_node=alpha", "HA_ifname=eth0"} <= set(ifstat.split())
    status = status_of(pair.beta)
    assert any("alpha is dead" in text for text in status["problems"])
    assert pair.beta.run(PROGRAM, "status", "--check", is_checked=False).returncode == 2

    pair.alpha.boot()
    pair.alpha.start()
    pair.probe.wait_answer("alpha", 40)
    pair.wait_settled()
    for line in everbeat(pair.beta, "events", "--json", "--last", "0").splitlines():
        json.loads(line)


def test_a_split_ends_with_the_owner_serving_and_the_client_finding_it(pair: Pair) -> None:
    pair.alpha.cut()
    pair.probe.wait_answer("beta", 20)
    assert set(pair.lab.holders(ADDRESS)) == {"alpha", "beta"}
    pair.alpha.heal()
    wait_until(lambda: pair.lab.holders(ADDRESS) == ["alpha"], "only the owner is left")
    pair.wait_settled()
    pair.probe.wait_answer("alpha", 3)


def test_who_hears_that_its_groups_are_taken_by_one_that_is_deaf_gives_them_up(pair: Pair) -> None:
    everbeat(pair.alpha, "standby", "all")
    pair.wait_settled("none", "all")
    pair.lab.deafen(pair.alpha, pair.beta)
    wait_until(lambda: "alpha" in pair.lab.holders(ADDRESS), "the deaf one takes over", 20)
    wait_until(lambda: pair.lab.holders(ADDRESS) == ["alpha"], "the other one gives up", 20)
    time.sleep(2 * DEADTIME_MS / 1000)
    assert pair.lab.holders(ADDRESS) == ["alpha"], "and leaves it so"
    pair.alpha.loss(0)
    pair.wait_settled()
    pair.probe.wait_answer("alpha", 5)


def test_each_node_stops_in_order_and_comes_back(pair: Pair) -> None:
    began_ms = now_ms()
    pair.beta.stop()
    wait_until(lambda: pair.alpha.rscstatus() == "all", "alpha knows that it is alone")
    assert pair.outages(began_ms) == []
    pair.beta.start()
    pair.wait_settled()
    pair.alpha.stop()
    pair.probe.wait_answer("beta", 5)
    assert "Heartbeat shutdown complete." in pair.alpha.log()
    stopped = pair.alpha.run("cl_status", "hbstatus", is_checked=False)
    assert (stopped.returncode, stopped.stdout) == (
        1,
        "Heartbeat is stopped on this machine.\n",
    )
    asked = pair.alpha.run(PROGRAM, "status", is_checked=False)
    assert (asked.returncode, "is not running here" in asked.stderr) == (1, True), asked.stderr
    pair.alpha.start()
    pair.probe.wait_answer("alpha", 40)
    pair.wait_settled()


def test_a_stop_during_a_takeover_gives_up_what_was_begun() -> None:
    slow = logging_script("slow", 'case "$last" in start) sleep 3 ;; esac')
    with Pair(resources=f"alpha {GROUP} slow webd") as pair:
        for node in (pair.alpha, pair.beta):
            node.write("resource.d/slow", slow, 0o755)
        pair.start()
        pair.alpha.crash()
        wait_until(
            lambda: any(line.startswith("start slow") for line in script_log(pair.beta)), "takes"
        )
        pair.beta.stop(30)
        assert not pair.beta.holds(ADDRESS)
        calls = [line.split()[0] for line in script_log(pair.beta)]
        assert calls[-1] == "stop"


def test_a_node_that_is_alone_takes_all_after_initdead_until_the_owner_comes() -> None:
    with Pair(resources=f"beta {GROUP} webd") as pair:
        began = time.monotonic()
        pair.alpha.start()
        pair.probe.wait_answer("alpha", 20)
        assert time.monotonic() - began >= 4
        pair.alpha.wait_rscstatus("all")
        pair.beta.start()  # the owner comes and gets it back
        pair.probe.wait_answer("beta", 20)


def test_both_started_together_share_out_their_groups() -> None:
    resources = f"alpha {GROUP} webd\nbeta 10.77.0.51/24/eth0 logger::one::two"
    with Pair(resources=resources) as pair:
        for node in (pair.alpha, pair.beta):
            node.write("resource.d/logger", logging_script("logger"), 0o755)
        pair.lab.start()
        pair.wait_settled()
        assert pair.lab.holders(ADDRESS) == ["alpha"]
        assert pair.lab.holders("10.77.0.51") == ["beta"]
        assert "start logger one two start" in script_log(pair.beta)
        assert script_log(pair.alpha) == []
        pair.alpha.sh(f"kill -TERM {keeper_pid(pair.alpha)}")
        wait_until(lambda: pair.lab.holders(ADDRESS) == ["beta"], "beta has both", 10)


def test_of_three_nodes_one_takes_what_a_crashed_one_held() -> None:
    with Lab() as lab:
        nodes = [lab.everbeat(name) for name in ("alpha", "beta", "gamma")]
        lab.configure(resources=f"alpha {GROUP} webd", deadtime="2", initdead="4")
        lab.start()
        wait_until(lambda: lab.holders(ADDRESS) == ["alpha"], "alpha serves", 40)
        for node in nodes:
            wait_until(lambda n=node: status_of(n)["manager"]["state"] == "stable", "stable")
        nodes[0].crash()
        wait_until(lambda: bool(lab.holders(ADDRESS)), "somebody serves", 20)
        time.sleep(5)
        assert lab.holders(ADDRESS) == ["beta"]
        assert [len(events_of(node, 0, "takeover")) for node in nodes[1:]] == [1, 0]
