"""A pair with a power switch: nothing is taken before the other node is known to be off."""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cluster.pair_lab import (
    ADDRESS,
    DEADTIME_MS,
    Pair,
    events_of,
    logging_script,
    now_ms,
    script_log,
    status_of,
)
from lab import Lab, wait_until
from lab.node import everbeat
from lab.power import Manner, PowerSwitch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab import Node

pytestmark = [pytest.mark.real]
in_first_group = pytest.mark.xdist_group("fencing-1")
in_second_group = pytest.mark.xdist_group("fencing-2")

PROGRAM = str(Path(sys.executable).with_name("everbeat"))


@contextlib.contextmanager
def fenced_pair(
    lines: str = "", *, is_external: bool = False, resources: str = "", is_started: bool = True
) -> Iterator[tuple[Pair, PowerSwitch]]:
    """Yield a pair whose nodes can switch each other off."""
    with Pair() as pair, PowerSwitch(pair.lab) as power:
        device = power.ha_cf_external() if is_external else power.ha_cf()
        pair.lab.configure(
            resources=resources or f"alpha {ADDRESS}/24/eth0 webd",
            keepalive="200ms",
            deadtime=str(DEADTIME_MS // 1000),
            initdead="4",
            auto_failback="off",
            extra=f"{device}\n{lines}",
        )
        for node in (pair.alpha, pair.beta):
            node.write("resource.d/sticky", logging_script("sticky", STICKY), 0o755)
        if is_started:
            pair.lab.start()
            pair.probe.wait_answer("alpha", 30)
            wait_until(lambda: status_of(pair.beta)["manager"]["state"] == "stable", "settled", 30)
        yield pair, power


STICKY = 'case "$last" in stop) [ -e /var/log/stop-works ] || exit 1 ;; esac'


def fencing_of(node: Node) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(
        everbeat(node, "fence", "status", "--json", is_checked=False)
    )
    return value


def state_of(node: Node) -> str:
    """Return the manager's state, "" while everbeat does not run there."""
    if node.space is None:
        return ""
    answer = node.run(PROGRAM, "status", "--json", is_checked=False).stdout
    return str(json.loads(answer)["manager"]["state"]) if answer else ""


def phases_of(event: dict[str, Any]) -> list[str]:
    return [phase["name"] for phase in event["phases"]]


@in_first_group
@pytest.mark.parametrize("is_external", [False, True], ids=["fence-agent", "stonith-plug-in"])
def test_a_frozen_node_is_fenced_before_its_groups_are_taken(*, is_external: bool) -> None:
    with fenced_pair(is_external=is_external) as (pair, power):
        began_ms = now_ms()
        pair.alpha.freeze()
        pair.probe.wait_answer("beta", 40)
        assert power.count("reboot", "alpha") == 1
        [event] = events_of(pair.beta, began_ms, "fencing")
        names = phases_of(event)
        assert names[:2] == ["last heard", "declared dead"]
        assert names[-1] == "safe to take"
        assert any(name.startswith("confirmed off by") for name in names)
        [takeover] = events_of(pair.beta, began_ms, "takeover")
        steps = phases_of(takeover)
        confirmed = next(i for i, name in enumerate(steps) if name.startswith("confirmed off"))
        started = next(i for i, name in enumerate(steps) if name.startswith("started"))
        assert steps.index("declared dead") < confirmed < started
        # restarted by the switch, it joins as any node does
        pair.beta.wait_status("alpha", "active", timeout_s=40)
        wait_until(lambda: state_of(pair.alpha) == "stable", "it joined", 40)
        assert pair.lab.holders(ADDRESS) == ["beta"]
        assert power.count("reboot", "beta") == 0


@in_first_group
def test_while_the_switch_fails_nothing_is_taken_until_a_person_confirms() -> None:
    with fenced_pair() as (pair, power):
        power.manner = Manner.FAILING
        began_ms = now_ms()
        pair.alpha.crash()
        wait_until(
            lambda: events_of(pair.beta, began_ms, "fencing-held-up") != [], "it is told", 40
        )
        assert pair.lab.holders(ADDRESS) == []
        [text] = fencing_of(pair.beta)["unclean"]
        assert "alpha is UNCLEAN" in text
        assert "everbeat fence confirm alpha" in text
        assert any("UNCLEAN" in problem for problem in status_of(pair.beta)["problems"])
        refused = pair.beta.run(PROGRAM, "fence", "confirm", "alpha", is_checked=False)
        assert refused.returncode == 1  # nobody typed its name
        assert "What this node knows of alpha" in refused.stdout
        assert pair.lab.holders(ADDRESS) == []
        confirmed_ms = now_ms()
        everbeat(pair.beta, "fence", "confirm", "alpha", "--yes")
        pair.probe.wait_answer("beta", 20)
        [takeover] = events_of(pair.beta, confirmed_ms, "takeover")
        assert "confirmed off by a person" in phases_of(takeover)
        assert any("fencing" in line for line in everbeat(pair.beta, "fence", "history").split())
        again = pair.beta.run(PROGRAM, "fence", "confirm", "alpha", "--yes", is_checked=False)
        assert again.returncode == 1


@in_second_group
def test_cut_from_each_other_the_one_that_holds_nothing_is_fenced() -> None:
    with fenced_pair() as (pair, power):
        began_ms = now_ms()
        pair.beta.cut()
        wait_until(lambda: power.count("reboot", "beta") > 0, "the switch was asked", 30)
        wait_until(lambda: state_of(pair.beta) == "stable", "it joined", 40)
        assert power.count("reboot", "alpha") == 0
        assert pair.lab.holders(ADDRESS) == ["alpha"]
        assert pair.outages(began_ms) == []


@in_second_group
def test_a_node_that_stops_in_order_is_not_fenced_and_one_asked_for_is() -> None:
    with fenced_pair() as (pair, power):
        tested = everbeat(pair.beta, "fence", "test", "alpha")
        assert "fence_lab: works" in tested
        pair.alpha.stop()
        pair.probe.wait_answer("beta", 20)
        pair.beta.wait_status("alpha", "dead", timeout_s=20)
        assert power.count("reboot", "alpha") == 0
        pair.alpha.start()
        pair.beta.wait_status("alpha", "active", timeout_s=30)
        told = everbeat(pair.beta, "fence", "alpha", "--off", "--yes")
        assert "alpha is fenced (off) by fence_lab" in told
        assert power.count("off", "alpha") == 1


@in_second_group
def test_a_stop_that_fails_has_the_node_fenced_if_that_was_chosen() -> None:
    resources = f"alpha {ADDRESS}/24/eth0 webd sticky"
    with fenced_pair("stop_failure fence", resources=resources) as (pair, power):
        pair.alpha.run(PROGRAM, "standby", "all", "--no-wait")
        pair.probe.wait_answer("beta", 60)
        assert power.count("reboot", "alpha") == 1
        assert script_log(pair.alpha).count("stop sticky stop") == 11
        wait_until(lambda: state_of(pair.alpha) == "stable", "it joined", 40)
        asked, *_ = events_of(pair.alpha, 0, "fence-me")
        assert asked["severity"] == "error"


@in_second_group
def test_a_node_that_starts_alone_takes_nothing_before_the_silent_one_is_off() -> None:
    with fenced_pair(is_started=False) as (pair, power):
        power.manner = Manner.HANGING
        pair.beta.start()
        wait_until(lambda: power.count("reboot", "alpha") > 0, "the switch was asked", 40)
        assert pair.lab.holders(ADDRESS) == []
        power.manner = Manner.WORKING
        pair.probe.wait_answer("beta", 60)


@in_first_group
def test_of_three_nodes_a_crashed_one_is_fenced_once_and_then_taken_over_by_one() -> None:
    with Lab() as lab:
        nodes = [lab.everbeat(name) for name in ("alpha", "beta", "gamma")]
        with PowerSwitch(lab) as power:
            resources = f"alpha {ADDRESS}/24/eth0 webd"
            lab.configure(resources=resources, auto_failback="off", extra=power.ha_cf())
            lab.start()
            wait_until(lambda: lab.holders(ADDRESS) == ["alpha"], "alpha serves", 40)
            for node in nodes:
                wait_until(lambda n=node: state_of(n) == "stable", "stable", 30)
            began_ms = now_ms()
            nodes[0].crash()
            wait_until(lambda: lab.holders(ADDRESS) == ["beta"], "its successor serves", 30)
            wait_until(
                lambda: any(e["is_finished"] for e in events_of(nodes[1], began_ms, "takeover")),
                "the takeover is told to its end",
                10,
            )
            [takeover] = events_of(nodes[1], began_ms, "takeover")
            steps = phases_of(takeover)
            confirmed = next(i for i, name in enumerate(steps) if name.startswith("confirmed off"))
            started = next(i for i, name in enumerate(steps) if name.startswith("started"))
            assert confirmed < started
            assert [what for _, what, whom in power.asked if whom == "alpha"].count("reboot") == 1
            assert events_of(nodes[2], began_ms, "takeover") == []
            wait_until(lambda: state_of(nodes[0]) == "stable", "it joined", 40)
            assert lab.holders(ADDRESS) == ["beta"]
