"""A machine that restarts itself because that was asked for, and says why afterwards."""

from __future__ import annotations

import pytest

from cluster.pair_lab import ADDRESS, GROUP, Pair, events_of, logging_script, script_log
from lab import wait_until
from lab.node import everbeat

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("restart")]

STICKY = 'case "$last $(uname -n)" in "stop alpha") exit 1 ;; esac'
FRAGILE = "#!/bin/sh\necho $$ > /run/fragile.pid\nexec sleep 1000\n"


def wait_restarted(pair: Pair) -> None:
    """Wait for the end of alpha's PID 1; beta serves until alpha has booted and joined."""
    wait_until(lambda: not pair.alpha.on.is_alive, "the machine restarts", 60)
    pair.alpha.crash()  # what the laboratory knows of it
    pair.probe.wait_answer("beta", 30)
    assert pair.lab.holders(ADDRESS) == ["beta"]
    pair.alpha.boot()
    pair.alpha.start()
    pair.wait_settled()


def test_a_stop_that_fails_restarts_the_machine_if_that_was_chosen() -> None:
    extra = "stop_failure reboot"
    with Pair(resources=f"alpha {GROUP} webd sticky", extra=extra) as pair:
        for node in (pair.alpha, pair.beta):
            node.write("resource.d/sticky", logging_script("sticky", STICKY), 0o755)
        pair.start()
        pair.probe.wait_answer("alpha")
        everbeat(pair.alpha, "standby", "all", "--no-wait")
        wait_restarted(pair)
        assert script_log(pair.alpha).count("stop sticky stop") == 11
        [told] = events_of(pair.alpha, 0, "reboot")
        assert told["severity"] == "error"
        assert "sticky" in str(told)
        assert "reboot: " in pair.alpha.log()


def test_a_failfast_client_that_ends_restarts_the_machine() -> None:
    extra = "failfast root /etc/ha.d/fragile"
    with Pair(extra=extra) as pair:
        for node in (pair.alpha, pair.beta):
            node.write("fragile", FRAGILE, 0o755)
        pair.start()
        pair.probe.wait_answer("alpha")
        pair.alpha.sh("kill -9 $(cat /run/fragile.pid)")
        wait_restarted(pair)
        assert "failfast" in pair.alpha.log()
