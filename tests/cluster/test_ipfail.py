"""A pair with a second cable and ipfail: who loses the ping node hands over, on the other cable.

bench/ipfail.py runs it many times, in every mode.
"""

from __future__ import annotations

import pytest

from lab import EVERBEAT, HEARTBEAT, Lab, Node, wait_until

ADDRESS = "10.77.0.50"
REAL = "/usr/libexec/heartbeat/ipfail"
OWN = "/etc/ha.d/ipfail"  # not there but on a node of Heartbeat: the one built in runs

pytestmark = [pytest.mark.real(programs=[REAL]), pytest.mark.xdist_group("ipfail")]


def configure(lab: Lab, program: str, extra: str = "") -> None:
    lab.configure(
        resources=f"alpha {ADDRESS}/24/eth0",
        deadtime="4",
        initdead="6",
        extra=f"ping 10.77.0.100\nrespawn hacluster {program}\n"
        f"apiauth ipfail gid=haclient uid=hacluster\n{extra}",
    )


def wait_reaching(node: Node, other: str) -> None:
    """Wait until a node reaches the ping node, and the ipfail of the other one."""
    asked = "cl_status nodestatus 10.77.0.100"
    wait_until(lambda: node.sh(asked, is_checked=False).strip() == "ping", "pinged", 20)
    online = f"cl_status clientstatus {other} ipfail 5000"
    wait_until(lambda: node.sh(online, is_checked=False).strip() == "online", "ipfail runs", 20)


@pytest.mark.parametrize(
    ("program", "extra"), [(OWN, ""), (REAL, ""), (OWN, "quorum ping"), (REAL, "quorum ping")]
)
def test_the_node_that_lost_its_ping_node_hands_over(program: str, extra: str) -> None:
    with Lab(has_second_link=True) as lab:
        alpha, beta = lab.everbeat("alpha"), lab.everbeat("beta")
        configure(lab, program, extra)
        lab.start()
        alpha.wait_rscstatus("local")
        wait_reaching(beta, "alpha")
        alpha.cut(0)
        wait_until(lambda: lab.holders(ADDRESS) == ["beta"], "beta alone serves", 30)
        alpha.wait_rscstatus("none", timeout_s=10)
        beta.wait_rscstatus("all", timeout_s=10)
        assert alpha.status("beta") == "active", "over the other cable"


@pytest.mark.usefixtures("with_heartbeat")
@pytest.mark.parametrize("blind", ["everbeat", "heartbeat"])
def test_ours_and_heartbeats_understand_each_other(blind: str) -> None:
    products = {"alpha": EVERBEAT, "beta": HEARTBEAT}
    if blind == "heartbeat":
        products = {"alpha": HEARTBEAT, "beta": EVERBEAT}
    with Lab(has_second_link=True) as lab:
        alpha, beta = (lab.node(name, product) for name, product in products.items())
        configure(lab, OWN)
        theirs = beta if blind == "everbeat" else alpha
        theirs.write("ipfail", f"#!/bin/sh\nexec {REAL}\n", 0o755)
        lab.start()
        wait_until(lambda: alpha.holds(ADDRESS), "alpha serves", 40)
        alpha.wait_rscstatus("local")
        for node, other in ((alpha, "beta"), (beta, "alpha")):
            wait_reaching(node, other)
        beta.wait_rscstatus(
            "none", "local", timeout_s=30
        )  # Heartbeat calls nothing of its own local
        alpha.cut(0)
        wait_until(lambda: lab.holders(ADDRESS) == ["beta"], "beta alone serves", 40)
