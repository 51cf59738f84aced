"""How soon a service leaves the node that lost its ping node, by ipfail over a second cable.

    bench/ipfail.py --runs 20 --ipfail own --mode on --ping ping      (as root, in namespaces)

`own`: the one built in; a node of Heartbeat (--alpha heartbeat) runs its own beside it.
A pair with eth0, where the ping node is, and eth1. When both have settled alpha loses eth0. A run
is good when beta alone has the address within LIMIT_S, and no node is left in transition.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from lab import EVERBEAT, HEARTBEAT, Lab, Node, wait_until

ADDRESS: Final = "10.77.0.50"
ROUTER: Final = "10.77.0.100"
REAL: Final = "/usr/libexec/heartbeat/ipfail"
OWN: Final = "/etc/ha.d/ipfail"  # there on a node of Heartbeat alone
LIMIT_S: Final = 10.0
PINGS: Final = {
    "ping": f"ping {ROUTER}",
    "ping_group": f"ping_group routers {ROUTER} 10.77.0.254",
}


def run_once(options: argparse.Namespace) -> tuple[float, str]:
    """Return the seconds until beta alone had the address, and what was wrong."""
    products = {"everbeat": EVERBEAT, "heartbeat": HEARTBEAT}
    with Lab(has_second_link=True) as lab:
        alpha = lab.node("alpha", products[options.alpha])
        beta = lab.node("beta", products[options.beta])
        for node, product in ((alpha, options.alpha), (beta, options.beta)):
            if product == "heartbeat":
                node.write("ipfail", f"#!/bin/sh\nexec {REAL}\n", 0o755)
        quorum = "quorum ping\n" if options.quorum == "ping" else ""  # Heartbeat does not know it
        program = REAL if options.ipfail == "real" else OWN
        lab.configure(
            resources=f"alpha {ADDRESS}/24/eth0",
            deadtime=options.deadtime,
            initdead="8",
            auto_failback=options.mode,
            extra=f"{PINGS[options.ping]}\n{quorum}respawn hacluster {program}\n"
            "apiauth ipfail gid=haclient uid=hacluster",
        )
        lab.start()
        wait_until(lambda: alpha.holds(ADDRESS), "alpha serves", 40)
        time.sleep(options.quiet)
        alpha.cut(0)
        began = time.monotonic()
        wrong = ""
        try:
            wait_until(lambda: lab.holders(ADDRESS) == ["beta"], "beta alone serves", 30)
        except (TimeoutError, AssertionError):
            wrong = f"held by {lab.holders(ADDRESS)}"
        took = time.monotonic() - began
        wrong = wrong or _transition(alpha, beta)
        if wrong and options.log:
            for node in (alpha, beta):
                print(f"--- {node.name}\n{node.log()[-6000:]}", file=sys.stderr)
        return took, wrong


def _transition(*nodes: Node) -> str:
    """Return who is still in transition after some seconds."""
    end = time.monotonic() + 5
    words = {node.name: node.rscstatus() for node in nodes}
    while "transition" in words.values() and time.monotonic() < end:
        time.sleep(0.2)
        words = {node.name: node.rscstatus() for node in nodes}
    return "" if "transition" not in words.values() else f"rscstatus {words}"


def main() -> int:
    """Run and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--ipfail", choices=("real", "own"), default="own")
    parser.add_argument("--mode", choices=("on", "off", "legacy"), default="on")
    parser.add_argument("--ping", choices=tuple(PINGS), default="ping")
    parser.add_argument("--alpha", choices=("everbeat", "heartbeat"), default="everbeat")
    parser.add_argument("--beta", choices=("everbeat", "heartbeat"), default="everbeat")
    parser.add_argument("--quorum", choices=("none", "ping"), default="none")
    parser.add_argument("--deadtime", default="5")
    parser.add_argument("--quiet", type=float, default=8.0, help="seconds before the cut")
    parser.add_argument("--log", action="store_true", help="print the logs of a bad run")
    options = parser.parse_args()
    good: list[float] = []
    for number in range(1, options.runs + 1):
        took, wrong = run_once(options)
        is_good = not wrong and took <= LIMIT_S
        good += [took] if is_good else []
        print(f"run {number}: {took:.1f} s {wrong or ('' if is_good else 'too late')}", flush=True)
    figures = (
        f"{min(good):.1f} to {max(good):.1f} s, median {statistics.median(good):.1f} s"
        if good
        else ""
    )
    print(f"{len(good)} of {options.runs} good; {figures}")
    return 0 if len(good) == options.runs else 1


if __name__ == "__main__":
    sys.exit(main())
