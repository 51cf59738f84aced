"""A node that hangs is reset by its watchdog before the others take what it held."""

from __future__ import annotations

import pytest

from cluster.pair_lab import ADDRESS, GROUP, Pair, events_of, now_ms, signal_process
from lab import wait_until
from lab.slowness import machine
from lab.watchdog import PLACE, WatchdogHardware

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("watchdog")]

RESOURCES = f"alpha {GROUP} webd"


def test_a_machine_on_which_everything_stands_still_is_reset_before_deadtime() -> None:
    lines = f"watchdog {PLACE}"
    with (
        Pair(resources=RESOURCES, deadtime="3", extra=lines) as pair,
        WatchdogHardware(pair.alpha, 1) as alpha,
        WatchdogHardware(pair.beta, 2) as beta,
    ):
        pair.start()
        assert "resets after 2000 ms" in pair.alpha.log()
        pair.probe.wait_answer("alpha")
        began_ms = now_ms()
        pair.alpha.freeze()
        pair.probe.wait_answer("beta", 30)
        wait_until(lambda: alpha.resets != [], "the watchdog bites")
        [reset_ms] = alpha.resets
        [takeover] = events_of(pair.beta, began_ms, "takeover")
        declared = {phase["name"]: phase["at_ms"] for phase in takeover["phases"]}
        assert reset_ms < declared["declared dead"]
        pair.beta.stop()  # in order: the watchdog is disarmed
        assert beta.resets == []


def test_a_node_without_the_right_to_hold_whose_core_hangs_is_reset() -> None:
    extra = f"watchdog {PLACE}\nping 10.77.0.100\nquorum ping\nstoptime 2"
    with (
        Pair(resources=RESOURCES, deadtime="6", initdead="8", extra=extra) as pair,
        WatchdogHardware(pair.alpha, 1) as alpha,
        WatchdogHardware(pair.beta, 1),
    ):
        pair.start()
        pair.probe.wait_answer("alpha")
        began_ms = now_ms()
        signal_process(pair.alpha, "hb-core", "STOP")
        pair.alpha.cut()
        wait_until(lambda: alpha.resets != [], "the watchdog bites", 20)
        pair.probe.wait_answer("beta", 30)
        assert pair.lab.holders(ADDRESS) == ["beta"]
        [takeover] = events_of(pair.beta, began_ms, "takeover")
        declared = {phase["name"]: phase["at_ms"] for phase in takeover["phases"]}
        late = machine().allowed(500, began_ms)
        assert alpha.resets[0] < declared["declared dead"] + late.ms, late
