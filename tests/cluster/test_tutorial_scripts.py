"""Scripts as tutorials and administrators write them, on real nodes.

They act on any word, are restarted by hand, talk for ever, lean on the group of the line before.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cluster.pair_lab import (
    ADDRESS,
    GROUP,
    Pair,
    events_of,
    now_ms,
    script_log,
    signal_process,
    status_of,
    wait_replaced,
)
from lab import Lab, wait_until
from lab.node import everbeat
from lab.slowness import machine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab import Node

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("tutorial-scripts")]

ANY_WORD = """#!/bin/sh
# kills the server and starts it anew, whatever it is asked for
echo "$(date +%T) killd $*" >>/var/log/calls
exit 0
"""
RESTARTED = """#!/bin/sh
PIDFILE=/run/svc.pid
runs() { [ -e $PIDFILE ] && kill -0 "$(cat $PIDFILE)" 2>/dev/null; }
start() {
    runs && return 0
    echo "start" >>/var/log/starts
    setsid sleep 100000 </dev/null >/dev/null 2>&1 &
    echo $! >$PIDFILE
}
stop() {
    runs && kill "$(cat $PIDFILE)"
    sleep 0.3
    rm -f $PIDFILE
}
case $1 in
    start) start ;;
    stop) stop ;;
    restart) stop; sleep 2; start ;;
    status) if runs; then echo "svc is running"; else echo "svc is stopped"; exit 3; fi ;;
esac
exit 0
"""
TALKER = """#!/bin/sh
# starts a program in the background and redirects nothing
pid=/run/talker.pid
case $1 in
start)
    python3 -c '
while True:
    print("request served " + "x" * 2000, flush=True)
    open("/run/talker.count", "a").write(".")
    __import__("time").sleep(0.001)
' &
    echo $! >$pid
    echo start >>/var/log/talks ;;
stop) [ -e $pid ] && kill "$(cat $pid)" 2>/dev/null; rm -f $pid ;;
status) if [ -e $pid ] && kill -0 "$(cat $pid)" 2>/dev/null; then echo running; fi ;;
esac
exit 0
"""
UNSEEN = """#!/bin/sh
# leaves no pid file, and its daemon leaves the session: nobody but `status` knows of it
case $1 in
start)
    [ -e /run/unseen ] && echo "twice" >>/var/log/unseen
    echo "start" >>/var/log/unseen
    touch /run/unseen
    setsid sh -c 'while [ -e /run/unseen ]; do sleep 0.2; done' </dev/null >/dev/null 2>&1 & ;;
stop) rm -f /run/unseen ;;
status) [ -e /run/unseen ] && echo "running" || { echo "stopped"; exit 3; } ;;
esac
exit 0
"""


@pytest.fixture(scope="module")
def alone() -> Iterator[Node]:
    """A node whose partner is away, with all scripts of this module."""
    with Lab() as lab:
        node = lab.node("alpha", lab.everbeat("beta").product)
        resources = f"alpha {GROUP} killd svc talker unseen"
        lab.configure(
            resources=resources, keepalive="200ms", deadtime="2", initdead="3", extra="monitor 2s"
        )
        node.write("resource.d/killd", ANY_WORD, 0o755)
        node.write("resource.d/svc", RESTARTED, 0o755)
        node.write("resource.d/talker", TALKER, 0o755)
        node.write("resource.d/unseen", UNSEEN, 0o755)
        node.start()
        node.wait_rscstatus("all", timeout_s=30)
        wait_until(lambda: bool(script_log(node, "starts")), "svc runs")
        yield node


def test_a_script_that_acts_on_any_word_is_only_started_and_the_node_says_so(alone: Node) -> None:
    time.sleep(5)  # more than two intervals
    assert [line.split()[-1] for line in script_log(alone, "calls")] == ["start"]
    assert "killd is not watched: /etc/ha.d/resource.d/killd does not know" in everbeat(
        alone, "status"
    )
    assert "script-without-status" in everbeat(alone, "check", is_checked=False)


def test_a_service_may_talk_for_ever_also_when_the_executor_is_killed(alone: Node) -> None:
    def said() -> int:
        return int(alone.sh("stat -c %s /run/talker.count").strip())

    before = said()
    wait_until(lambda: said() > before + 200, "it goes on talking", 20)
    executor = signal_process(alone, "hb-executor")
    wait_replaced(alone, "hb-executor", executor)
    before = said()
    wait_until(lambda: said() > before + 200, "it still goes on talking", 20)
    assert script_log(alone, "talks") == ["start"]


def test_a_service_that_is_restarted_by_its_script_has_not_failed(alone: Node) -> None:
    alone.sh("ln -s /etc/ha.d/resource.d/svc /run/S20svc")
    called = ("/etc/ha.d/resource.d/svc", "/run/S20svc", "cd /run && sh ./S20svc")
    for number, name in enumerate(called, 2):
        alone.sh(f"{name} restart")
        wait_until(lambda n=number: len(script_log(alone, "starts")) == n, "it is started")
        time.sleep(4)
    assert len(script_log(alone, "starts")) == 4
    assert alone.sh("pgrep -c -f 'sleep 10000[0]'").strip() == "1"
    assert status_of(alone)["failures"] == []
    assert events_of(alone, 0, "recovery") == []


def test_a_service_known_by_its_status_alone_may_be_stopped_and_started_by_people(
    alone: Node,
) -> None:
    script = "/etc/ha.d/resource.d/unseen"
    wait_until(lambda: "start" in script_log(alone, "unseen"), "it is started")
    for number in (2, 3):
        alone.sh(f"{script} stop; sleep 3.5; {script} start")  # longer than the interval
        time.sleep(3)
        assert script_log(alone, "unseen") == ["start"] * number
    assert status_of(alone)["failures"] == []
    assert events_of(alone, 0, "recovery") == []


def test_a_killed_service_is_started_again_at_once(alone: Node) -> None:
    began_ms = now_ms()
    alone.sh("kill -KILL $(cat /run/svc.pid)")
    wait_until(lambda: bool(events_of(alone, began_ms, "recovery")), "it is recovered", 10)
    wait_until(lambda: events_of(alone, began_ms, "recovery")[-1]["is_finished"], "to the end", 10)
    allowed = machine().allowed(1_500, began_ms)
    assert events_of(alone, began_ms, "recovery")[-1]["total_ms"] < allowed.ms, allowed


def test_a_paused_service_is_left_alone_also_by_processes_that_replace_others(alone: Node) -> None:
    starts = script_log(alone, "starts")
    assert f"{GROUP} paused for 60 s" in everbeat(alone, "pause", "svc", "--for", "1m")
    alone.sh("/etc/ha.d/resource.d/svc stop")
    for process in ("hb-core", "hb-executor"):
        wait_replaced(alone, process, signal_process(alone, process))
    wait_until(lambda: "paused for" in everbeat(alone, "status", is_checked=False), "it goes on")
    time.sleep(6)
    assert script_log(alone, "starts") == starts
    assert status_of(alone)["manager"]["groups"][0]["state"] == "started"
    everbeat(alone, "resume", "all")
    wait_until(lambda: len(script_log(alone, "starts")) > len(starts), "it is recovered", 20)


def test_a_service_that_stays_stopped_is_started_again_after_some_seconds(alone: Node) -> None:
    began_ms = now_ms()
    alone.sh("/etc/ha.d/resource.d/svc stop")
    wait_until(lambda: bool(events_of(alone, began_ms, "recovery")), "it is recovered", 20)
    assert events_of(alone, began_ms, "recovery")[-1]["at_ms"] - began_ms > 3_000


MOUNT = """#!/bin/sh
# takes some seconds, as drbddisk and a file system check do
case $1 in
start) sleep 2; touch /run/mounted ;;
stop) [ -e /run/target ] && exit 1; rm -f /run/mounted ;;
status) [ -e /run/mounted ] && echo running || echo stopped ;;
esac
echo "$1 mount" >>/var/log/calls
exit 0
"""
TARGET = """#!/bin/sh
# its configuration lies on what the line above mounts
echo "$1 target" >>/var/log/calls
case $1 in
start) [ -e /run/mounted ] || { echo "no configuration"; exit 1; }; touch /run/target ;;
stop) rm -f /run/target ;;
status) [ -e /run/target ] && echo running || echo stopped ;;
esac
exit 0
"""
BROKEN = """#!/bin/sh
[ "$1" != start ] || { [ "$(uname -n)" != alpha ]; exit; }
[ "$1" = status ] && echo stopped
exit 0
"""


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    """A pair whose second line needs the first one, and whose third does not start on alpha."""
    resources = f"alpha mount\nalpha {GROUP} target\nalpha broken"
    with Pair(resources=resources, extra="monitor 2s") as pair:
        for node in (pair.alpha, pair.beta):
            node.write("resource.d/mount", MOUNT, 0o755)
            node.write("resource.d/target", TARGET, 0o755)
            node.write("resource.d/broken", BROKEN, 0o755)
        pair.alpha.start()
        wait_until(lambda: pair.alpha.holds(ADDRESS), "alpha serves", 30)
        yield pair


def states_of(node: Node) -> list[str]:
    if not everbeat(node, "status", is_checked=False):
        return []
    return [group["state"] for group in status_of(node)["manager"]["groups"]]


def test_a_group_that_fails_moves_without_those_that_run(pair: Pair) -> None:
    wait_until(lambda: states_of(pair.alpha) == ["started", "started", "failed"], "it fails")
    pair.beta.start()
    wait_until(lambda: states_of(pair.beta)[2:] == ["started"], "beta takes the third", 30)
    assert states_of(pair.alpha)[:2] == ["started", "started"]
    assert "stop target" not in script_log(pair.alpha)


def test_who_asks_for_paused_groups_hears_that_they_are_paused(pair: Pair) -> None:
    everbeat(pair.alpha, "pause", ADDRESS)
    program = Path(sys.executable).with_name("everbeat")
    asked = pair.beta.sh(f"{program} takeover all 2>&1", is_checked=False)
    assert f"alpha keeps its groups: {GROUP} is paused there" in asked
    everbeat(pair.alpha, "resume", ADDRESS)
    assert states_of(pair.alpha)[:2] == ["started", "started"]


def test_a_dead_nodes_groups_are_taken_in_the_order_of_their_lines(pair: Pair) -> None:
    pair.alpha.crash()
    wait_until(lambda: states_of(pair.beta) == ["started"] * 3, "beta runs all", 20)
    assert status_of(pair.beta)["failures"] == []
    assert [c for c in script_log(pair.beta) if c.startswith("start")] == [
        "start mount",
        "start target",
    ]


def test_they_are_stopped_in_the_other_order(pair: Pair) -> None:
    pair.beta.stop()
    stops = [call for call in script_log(pair.beta) if call.startswith("stop")]
    assert stops == ["stop target", "stop mount"]


CLOUD = """#!/bin/sh
# a cloud address: the provider knows one owner, the last that asked
case $1 in
start) uname -n >FOLDER/owner; touch /run/cloud ;;
stop) rm -f /run/cloud ;;
status) [ -e /run/cloud ] && echo running ;;
esac
exit 0
"""


def test_who_keeps_a_group_after_a_split_takes_back_what_lies_outside(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    with Pair(resources="alpha cloud svc", extra="quorum none") as pair:
        for node in (pair.alpha, pair.beta):
            node.write("resource.d/cloud", CLOUD.replace("FOLDER", str(tmp_path)), 0o755)
            node.write("resource.d/svc", RESTARTED, 0o755)
        pair.start()
        pair.beta.cut()
        owner = tmp_path / "owner"
        wait_until(lambda: owner.read_text() == "beta\n", "beta takes it", 20)
        wait_until(lambda: script_log(pair.beta, "starts") == ["start"], "and the service", 20)
        pair.beta.heal()
        wait_until(lambda: owner.read_text() == "alpha\n", "alpha takes it back", 30)
        pair.wait_settled()
        assert owner.read_text() == "alpha\n"
        assert script_log(pair.alpha, "starts") == ["start"]  # its service was not touched
        assert "alpha makes good" in everbeat(pair.alpha, "events")
