"""Services that die, addresses that vanish and scripts that hang, on two whole nodes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cluster.pair_lab import (
    ADDRESS,
    GROUP,
    Pair,
    events_of,
    logging_script,
    now_ms,
    pid_of,
    script_log,
    status_of,
)
from lab import wait_until
from lab.node import everbeat
from lab.slowness import machine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab import Node

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("monitoring")]

PROGRAM = str(Path(sys.executable).with_name("everbeat"))
HANGING = """case "$last" in
status) if rm /run/hang 2>/dev/null; then echo asked; sleep 1000; fi ;;
esac"""
WATCHING = """monitor 30s
monitor moody 1s
operation_timeout moody monitor 1s
"""


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    """A pair that serves Debian's nginx by its init script, polled every 30 s."""
    resources = f"alpha {GROUP} nginx\nbeta moody"
    with Pair(resources=resources, extra=WATCHING) as pair:
        for node in (pair.alpha, pair.beta):
            node.sh("mkdir -p /var/log/nginx")
            node.write("resource.d/moody", logging_script("moody", HANGING), 0o755)
        pair.start()
        wait_until(lambda: bool(main_of(pair.alpha)), "nginx runs")
        wait_observed(pair.alpha)
        pair.alpha.sh("sleep 1")  # its status is heard
        yield pair


def main_of(node: Node) -> str:
    return node.sh("cat /run/nginx.pid", is_checked=False).strip()


def wait_observed(node: Node) -> None:
    """Wait until the executor holds nginx's main process by its pidfd: its end is then heard."""

    def is_held() -> bool:
        held = f"grep -qsx 'Pid:.{main_of(node)}' /proc/{pid_of(node, 'hb-executor')}/fdinfo/*"
        return node.run("sh", "-c", f"{held} && echo it", is_checked=False).stdout == "it\n"

    wait_until(is_held, "the end of nginx will be heard", 20)


def recovery_of(node: Node, since_ms: float) -> dict[str, Any]:
    """Wait for the end of a recovery since a moment and return it."""
    wait_until(lambda: bool(events_of(node, since_ms, "recovery")), "it is recovered", 10)
    wait_until(lambda: events_of(node, since_ms, "recovery")[-1]["is_finished"], "to the end", 10)
    return events_of(node, since_ms, "recovery")[-1]


def assert_quick(recovery: dict[str, Any], began_ms: int) -> None:
    """It took far less than the interval between two monitors."""
    allowed = machine().allowed(1_000, began_ms)
    assert recovery["total_ms"] < allowed.ms, allowed


@pytest.mark.real(programs=["nginx"])
def test_a_killed_nginx_runs_again_long_before_its_next_monitor(pair: Pair) -> None:
    began_ms, before = now_ms(), main_of(pair.alpha)
    pair.alpha.sh(f"kill -KILL {before}")  # its workers live on and keep the port
    recovery = recovery_of(pair.alpha, began_ms)
    assert f"process {before} ended" in recovery["text"]
    assert recovery["phases"][-2]["name"] == "started nginx"
    wait_until(lambda: main_of(pair.alpha) not in {"", before}, "another nginx runs")
    assert pair.lab.holders(ADDRESS) == ["alpha"]
    assert_quick(recovery, began_ms)  # docs/operate has the figures


@pytest.mark.real(programs=["nginx"])
def test_an_address_deleted_by_hand_is_back_and_its_service_was_not_touched(pair: Pair) -> None:
    began_ms, before = now_ms(), main_of(pair.alpha)
    pair.alpha.sh(f"ip address del {ADDRESS}/24 dev eth0")
    recovery = recovery_of(pair.alpha, began_ms)
    assert pair.alpha.holds(ADDRESS)
    assert_quick(recovery, began_ms)
    assert main_of(pair.alpha) == before


def counted_on(node: Node) -> set[str]:
    """Return the resources with fail counts, as this node shows them."""
    return {count["resource"] for known in status_of(node)["failures"] for count in known["counts"]}


@pytest.mark.real(programs=["nginx"])
def test_fail_counts_are_shown_on_both_nodes_and_forgotten_on_request(pair: Pair) -> None:
    for node in (pair.alpha, pair.beta):
        wait_until(lambda node=node: counted_on(node) == {GROUP, "nginx"}, "both are counted", 10)
        assert [known["node"] for known in status_of(node)["failures"]] == ["alpha"]
    assert "nginx  on alpha  once" in everbeat(pair.beta, "status")
    everbeat(pair.beta, "cleanup", "nginx", "--node", "alpha")
    wait_until(lambda: "nginx  on alpha" not in everbeat(pair.beta, "status"), "it is forgotten", 5)
    everbeat(pair.alpha, "cleanup")
    wait_until(lambda: status_of(pair.beta)["failures"] == [], "all is forgotten", 5)
    refused = pair.alpha.run(PROGRAM, "cleanup", "apache", is_checked=False)
    assert refused.returncode != 0


@pytest.mark.real(programs=["nginx"])
def test_a_monitor_that_hangs_is_told_with_what_it_hung_on_and_asked_again(pair: Pair) -> None:
    began_ms = now_ms()
    pair.beta.sh("touch /run/hang")
    wait_until(lambda: bool(events_of(pair.beta, began_ms, "operation-hung")), "it hangs", 10)
    hung = events_of(pair.beta, began_ms, "operation-hung")[0]
    record = "\n".join(hung["details"])
    assert "monitor of moody by /etc/ha.d/resource.d/moody hangs" in hung["text"]
    assert "sleep: S sleeping" in record
    assert "said: asked" in record
    assert "machine: load " in record
    assert "ended at its limit of 1000 ms" in everbeat(pair.beta, "events")
    assert not any(line.startswith("stop") for line in script_log(pair.beta))
    assert events_of(pair.beta, began_ms, "recovery") == []


@pytest.mark.real(programs=["nginx"])
def test_a_service_that_fails_too_often_moves_and_stays_where_it_works(pair: Pair) -> None:
    began_ms = now_ms()
    for is_last in (False, False, True):
        before = main_of(pair.alpha)
        pair.alpha.sh(f"kill -KILL {before}")
        if not is_last:
            wait_until(lambda old=before: main_of(pair.alpha) != old, "it runs again", 10)
            wait_observed(pair.alpha)
    wait_until(lambda: pair.lab.holders(ADDRESS) == ["beta"], "beta has it", 20)
    wait_until(lambda: bool(main_of(pair.beta)), "and serves", 10)
    pair.wait_settled("none", "all")
    moved = events_of(pair.alpha, began_ms, "recovery")[-1]
    assert "failed 3 times" in moved["text"]
    assert f"{GROUP} moves to beta" in moved["text"]
    assert any("nginx failed 3 times on alpha" in text for text in status_of(pair.beta)["problems"])
