"""What happens when one of our own processes dies or hangs on the node that serves."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

import pytest

from cluster.pair_lab import (
    ADDRESS,
    DEADTIME_MS,
    KEEPALIVE_MS,
    Pair,
    events_of,
    group_of,
    keeper_pid,
    now_ms,
    pid_of,
    script_log,
    settled_pair,
    signal_process,
    status_of,
    wait_replaced,
    wait_standby,
)
from everbeat.adapters.namespaces import NamespaceError
from lab import wait_until
from lab.node import everbeat
from lab.slowness import machine

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("crash-table")]

PROCESSES = ("hb-link", "hb-executor", "hb-core")


@pytest.fixture(scope="module")
def shared() -> Iterator[Pair]:
    with settled_pair() as pair:
        pair.probe.wait_answer("alpha")
        assert pair.ear is not None
        yield pair


@pytest.fixture
def pair(shared: Pair) -> Pair:
    """The shared pair, settled with alpha serving, whatever the test before has left."""
    shared.wait_settled()
    shared.probe.wait_answer("alpha")
    return shared


def begin(pair: Pair) -> int:
    """Note which web server runs; return the time."""
    pair.alpha.sh("cat /run/webd.pid >/run/webd.before")
    return now_ms()


def assert_nobody_noticed(pair: Pair, since_ms: int) -> None:
    """The client had its answers, the peer saw no death, and all is as it was."""
    pair.wait_settled()
    assert pair.outages(since_ms) == []
    assert pair.alpha.sh("cat /run/webd.pid") == pair.alpha.sh("cat /run/webd.before")
    seen = {e["kind"] for e in events_of(pair.beta, since_ms)}
    assert not seen & {"node-dead", "takeover", "overlap", "split-healed", "take"}, seen
    for node in (pair.alpha, pair.beta):
        assert status_of(node)["manager"]["state"] == "stable"
        assert group_of(node)["holder"] == "alpha"
    assert group_of(pair.alpha)["state"] == "started"
    assert pair.lab.holders(ADDRESS) == ["alpha"]


def move_there_and_back(pair: Pair) -> None:
    """The node still does its work: a standby and the way back."""
    pair.alpha.standby("all")
    pair.probe.wait_answer("beta")
    pair.wait_settled("none", "all")
    pair.alpha.takeover("local")
    pair.probe.wait_answer("alpha")
    pair.wait_settled()


def test_a_killed_link_is_back_before_anybody_misses_it(pair: Pair) -> None:
    began_ms = begin(pair)
    wait_standby(pair.alpha)
    old = signal_process(pair.alpha, "hb-link")
    wait_replaced(pair.alpha, "hb-link", old)
    time.sleep(2 * DEADTIME_MS / 1000)
    silence_ms = pair.ear.longest_silence_ms(pair.alpha, began_ms)
    allowed = machine().allowed(KEEPALIVE_MS + DEADTIME_MS / 4, began_ms)
    assert silence_ms <= allowed.ms, allowed
    assert_nobody_noticed(pair, began_ms)
    move_there_and_back(pair)


def test_a_link_killed_again_and_again_goes_on(pair: Pair) -> None:
    began_ms = begin(pair)
    for _ in range(2):  # a sixth death within a minute is followed by a pause
        wait_standby(pair.alpha)
        old = signal_process(pair.alpha, "hb-link")
        wait_replaced(pair.alpha, "hb-link", old)
    time.sleep(DEADTIME_MS / 1000)
    assert_nobody_noticed(pair, began_ms)


def test_a_killed_core_adopts_what_runs(pair: Pair) -> None:
    began_ms = begin(pair)
    old = signal_process(pair.alpha, "hb-core")
    wait_replaced(pair.alpha, "hb-core", old)
    wait_until(lambda: pair.alpha.rscstatus() == "local", "alpha knows what it holds")
    assert_nobody_noticed(pair, began_ms)
    acts = [line for line in pair.alpha.log().splitlines() if "webd start" in line]
    assert events_of(pair.alpha, began_ms, "acquire") == [], acts
    move_there_and_back(pair)


def test_a_killed_executor_leaves_the_service_alone(pair: Pair) -> None:
    began_ms = begin(pair)
    old = signal_process(pair.alpha, "hb-executor")
    wait_replaced(pair.alpha, "hb-executor", old)
    time.sleep(1)
    assert_nobody_noticed(pair, began_ms)
    move_there_and_back(pair)


def test_all_three_killed_at_once_come_back(pair: Pair) -> None:
    began_ms = begin(pair)
    wait_standby(pair.alpha)
    olds = [pid_of(pair.alpha, name) for name in PROCESSES]
    pair.alpha.sh("kill -KILL " + " ".join(map(str, olds)))
    for name, old in zip(PROCESSES, olds, strict=True):
        assert old is not None
        wait_replaced(pair.alpha, name, old)
    wait_until(lambda: pair.alpha.rscstatus() == "local", "alpha knows what it holds")
    time.sleep(DEADTIME_MS / 1000)
    assert_nobody_noticed(pair, began_ms)


def test_a_hung_link_misses_its_lease_and_is_replaced(pair: Pair) -> None:
    began_ms = begin(pair)
    wait_standby(pair.alpha)
    old = signal_process(pair.alpha, "hb-link", "STOP")
    wait_replaced(pair.alpha, "hb-link", old)
    time.sleep(DEADTIME_MS / 1000)
    silence_ms = pair.ear.longest_silence_ms(pair.alpha, began_ms)
    allowed = machine().allowed(DEADTIME_MS, began_ms)
    assert silence_ms < allowed.ms, allowed
    assert "gave no sign of life" in pair.alpha.log()
    assert_nobody_noticed(pair, began_ms)


def test_a_hung_core_misses_its_lease_and_is_replaced(pair: Pair) -> None:
    began_ms = begin(pair)
    old = signal_process(pair.alpha, "hb-core", "STOP")
    wait_replaced(pair.alpha, "hb-core", old, timeout_s=30)
    wait_until(lambda: pair.alpha.rscstatus() == "local", "alpha knows what it holds")
    assert_nobody_noticed(pair, began_ms)


def test_a_core_killed_on_the_idle_node_changes_nothing(pair: Pair) -> None:
    began_ms = begin(pair)
    old = signal_process(pair.beta, "hb-core")
    wait_replaced(pair.beta, "hb-core", old)
    wait_until(lambda: pair.beta.rscstatus() == "local", "beta knows what it holds")
    assert_nobody_noticed(pair, began_ms)
    move_there_and_back(pair)


def bring_home(pair: Pair) -> None:
    """Have alpha serve again, by failback or by asking for it."""

    def is_home() -> bool:
        if pair.alpha.rscstatus() == "none":
            with contextlib.suppress(NamespaceError):  # a failback was quicker
                pair.alpha.takeover("local")
        return pair.alpha.rscstatus() == pair.beta.rscstatus() == "local"

    wait_until(is_home, "alpha serves again", 40, every_s=0.5)


def slow(seconds: float) -> str:
    """A resource script whose start and stop take their time."""
    return f"""#!/bin/sh
echo "begin $*" >>/var/log/calls
case "$1" in
start) sleep {seconds}; touch /run/slow.held ;;
stop) sleep {seconds}; rm -f /run/slow.held ;;
status) [ -e /run/slow.held ] && echo running || echo stopped ;;
esac
echo "end $*" >>/var/log/calls
"""


def with_slow_resource(pair: Pair) -> None:
    for node in (pair.alpha, pair.beta):
        node.write("resource.d/slow", slow(3), 0o755)


def test_a_taker_whose_core_dies_in_the_midst_finishes_its_takeover() -> None:
    with Pair(resources=f"alpha {ADDRESS}/24/eth0 slow webd") as pair:
        with_slow_resource(pair)
        pair.start()
        pair.probe.wait_answer("alpha")
        pair.alpha.crash()
        wait_until(lambda: "begin start" in script_log(pair.beta), "beta takes over", 10)
        old = signal_process(pair.beta, "hb-core")
        wait_replaced(pair.beta, "hb-core", old)
        pair.probe.wait_answer("beta", 30)
        pair.beta.wait_rscstatus("all", timeout_s=20)
        calls = script_log(pair.beta)
        # never two scripts at once, although two cores gave orders
        assert all(
            a.split()[1:] == b.split()[1:] for a, b in zip(calls[::2], calls[1::2], strict=True)
        )


def test_a_hand_over_survives_the_death_of_each_core() -> None:
    with Pair(resources=f"alpha {ADDRESS}/24/eth0 slow webd") as pair:
        with_slow_resource(pair)
        pair.start()
        pair.probe.wait_answer("alpha")
        for node, who in ((pair.alpha, "giver"), (pair.beta, "taker")):
            began_ms = begin(pair)
            word = "begin stop" if who == "giver" else "begin start"
            seen = script_log(node).count(word)
            pair.alpha.standby("all")
            wait_until(lambda n=node, w=word, s=seen: script_log(n).count(w) > s, who, 15)
            old = signal_process(node, "hb-core")
            wait_replaced(node, "hb-core", old)
            wait_until(
                lambda: (
                    (pair.alpha.rscstatus(), pair.beta.rscstatus())
                    in {("local", "local"), ("none", "all")}
                    and len(pair.lab.holders(ADDRESS)) == 1
                ),
                f"one node serves after the death of the {who}'s core",
                60,
            )
            bring_home(pair)
            pair.probe.wait_answer("alpha")
            for peer in (pair.alpha, pair.beta):
                assert events_of(peer, began_ms, "overlap") == []


def test_a_killed_keeper_means_an_orderly_stop() -> None:
    watchdog = "/var/log/watchdog"
    with Pair(extra=f"watchdog {watchdog}") as pair:
        pair.alpha.sh(f"touch {watchdog}")
        pair.beta.sh(f"touch {watchdog}")
        pair.start()
        pair.probe.wait_answer("alpha")
        fed = pair.alpha.folder / "log" / "watchdog"
        size = fed.stat().st_size
        wait_until(lambda: fed.stat().st_size > size > 0, "the watchdog is fed", 5)
        began_ms = begin(pair)
        pair.alpha.sh(f"kill -KILL {keeper_pid(pair.alpha)}")
        pair.probe.wait_answer("beta", 10)
        pair.beta.wait_rscstatus("all", timeout_s=10)
        wait_until(
            lambda: not any(pid_of(pair.alpha, name) for name in PROCESSES), "alpha is down", 10
        )
        assert pair.lab.holders(ADDRESS) == ["beta"]
        assert not fed.read_text().endswith("V"), (
            "an orderly close would leave the node armed no more"
        )
        size = fed.stat().st_size
        time.sleep(0.6)
        assert fed.stat().st_size == size
        [takeover] = events_of(pair.beta, began_ms, "takeover")
        assert takeover["phases"][0]["name"] == "released"  # in order: not by deadtime
        stops = [line for line in pair.alpha.log().splitlines() if " stop by " in line]
        assert ["webd" in stops[-2], "IPaddr" in stops[-1]] == [True, True]
        # and the node can be started again
        pair.alpha.start()
        pair.probe.wait_answer("alpha", 30)
        pair.wait_settled()
        assert everbeat(pair.alpha, "status", "--check")
