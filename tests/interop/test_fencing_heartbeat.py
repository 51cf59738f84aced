"""A pair of one everbeat and one Heartbeat 3.0.6 whose nodes can switch each other off."""

from __future__ import annotations

import time

import pytest

from lab import Lab
from lab.power import PowerSwitch

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("fencing-heartbeat")]

ADDRESS = "10.77.0.50"


def test_each_product_fences_the_other_before_it_takes_over() -> None:
    with Lab() as lab:
        alpha, beta = lab.heartbeat("alpha"), lab.everbeat("beta")
        with PowerSwitch(lab) as power:
            lab.configure(
                extra="stonith_host * external/lab alpha,beta",
                resources=f"alpha {ADDRESS}/24/eth0 webd",
                auto_failback="off",
            )
            lab.start()
            alpha.wait_rscstatus("local", "all")
            time.sleep(3)  # Heartbeat settles after its word
            with lab.probing(ADDRESS) as probe:
                alpha.freeze()
                probe.wait_answer("beta", 40)
                assert power.count("reboot", "alpha") == 1
                beta.wait_status("alpha", "active", timeout_s=40)
                alpha.wait_rscstatus("none", timeout_s=40)
                assert lab.holders(ADDRESS) == ["beta"]
                beta.freeze()
                probe.wait_answer("alpha", 40)
                assert power.count("reboot", "beta") == 1
