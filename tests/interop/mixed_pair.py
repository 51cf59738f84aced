"""A pair of one Heartbeat 3.0.6 and one everbeat node, and what its tests ask of it."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lab import EVERBEAT, HEARTBEAT, wait_until
from lab.slowness import machine, stretched

if TYPE_CHECKING:
    from collections.abc import Callable

    from lab import Lab, Node, Outage, Probe, Product

VIP_A, VIP_B = "10.77.0.50", "10.77.0.51"
WEB = f"alpha {VIP_A}/24/eth0 webd"
TWO_GROUPS = f"alpha {VIP_A}/24/eth0\nbeta {VIP_B}/24/eth0"

SIDES = {"heartbeat-everbeat": (HEARTBEAT, EVERBEAT), "everbeat-heartbeat": (EVERBEAT, HEARTBEAT)}
"""Which product alpha, the owner of VIP_A, runs, and which beta."""

OUTAGE_MS_MIN = 150
"""Shorter gaps are hiccups of a machine that runs several tests at once."""

_log = logging.getLogger("interop")


def timing(deadtime_s: float = 1, initdead_s: float = 2) -> dict[str, str]:
    """Return deadtime and initdead for `Lab.configure`, longer where this machine is slow.

    Heartbeat does not notice that it stood still itself: a busy machine would look like a death.
    """
    return {"deadtime": str(stretched(deadtime_s)), "initdead": str(stretched(initdead_s))}


@dataclass(frozen=True, slots=True)
class Pair:
    """alpha and beta; alpha is the owner of the group of VIP_A."""

    lab: Lab
    alpha: Node
    beta: Node

    @property
    def real(self) -> Node:
        """The node that runs Heartbeat 3.0.6."""
        return next(node for node in (self.alpha, self.beta) if node.product is HEARTBEAT)

    @property
    def ours(self) -> Node:
        """The node that runs everbeat."""
        return next(node for node in (self.alpha, self.beta) if node.product is EVERBEAT)

    def other(self, node: Node) -> Node:
        """Return the other node."""
        return self.beta if node is self.alpha else self.alpha

    def start_beta_first(self) -> None:
        """Start beta, let it serve alone, then start alpha."""
        self.start_after(self.beta)

    def start_after(self, first: Node) -> None:
        """Start a node, let it serve alone, then start the other.

        Quicker than both at once, who wait 10 s for each other.
        """
        first.start()
        wait_until(lambda: self.lab.holders(VIP_A) == [first.name], "the first serves alone", 20)
        self.other(first).start()
        self.lab.wait_formed()

    def wait_held(self, alpha: str, beta: str, timeout_s: float = 30) -> None:
        """Wait until rscstatus of the two nodes is this."""
        self.wait(lambda: self.held() == (alpha, beta), f"{alpha} and {beta}", timeout_s)

    def wait(self, condition: Callable[[], bool], what: str, timeout_s: float = 30) -> None:
        """Wait for a condition; tell what both nodes say if it does not come."""
        try:
            wait_until(condition, what, timeout_s)
        except TimeoutError as error:
            tails = [f"--- {n.name} ({n.product})\n{n.log()[-4000:]}" for n in self.nodes]
            raise TimeoutError(f"{error}; now {self.held()}\n" + "\n".join(tails)) from error

    def held(self) -> tuple[str, str]:
        """Return rscstatus of alpha and of beta."""
        return self.alpha.rscstatus(), self.beta.rscstatus()

    @property
    def nodes(self) -> tuple[Node, Node]:
        """alpha and beta."""
        return self.alpha, self.beta

    def add_to_ha_cf(self, node: Node, line: str) -> None:
        """Put a line before the others of one node's ha.cf."""
        text = (node.folder / "ha.d" / "ha.cf").read_text()
        node.write("ha.cf", f"{line}\n{text}")


def pair_of(lab: Lab, alpha: Product, beta: Product) -> Pair:
    """Make the two machines; configure the laboratory afterwards."""
    return Pair(lab, lab.node("alpha", alpha), lab.node("beta", beta))


def held_by(lab: Lab) -> tuple[str, str]:
    """Return on which nodes VIP_A and VIP_B are configured."""
    return " ".join(lab.holders(VIP_A)), " ".join(lab.holders(VIP_B))


@dataclass(frozen=True, slots=True)
class Witness:
    """The client: tells who serves, and how long nobody did. Shown by pytest --log-cli-level."""

    probe: Probe
    title: str

    def sees(
        self, what: str, move: Callable[[], object], server: str, timeout_s: float = 40
    ) -> int:
        """Do something, wait until `server` answers; return the sum of the outages in ms."""
        since_ms = time.monotonic() * 1000
        move()
        self.probe.wait_answer(server, timeout_s)
        time.sleep(0.3)
        return self.tell(what, since_ms)

    def tell(self, what: str, since_ms: float) -> int:
        """Log the outages since a moment; return their sum in ms."""
        gaps = [gap for gap in self.gaps() if gap.ended_ms > since_ms]
        told = [f"{gap.length_ms} ({gap.before} to {gap.after})" for gap in gaps]
        _log.info("%s, %s: outages in ms: %s", self.title, what, "; ".join(told) or "none")
        return sum(gap.length_ms for gap in gaps)

    def gaps(self) -> list[Outage]:
        """Return all outages so far: another node answers, or most questions failed meanwhile.

        The same node, and most answered late, or no later than this machine is: it stood still.
        """
        return [
            gap
            for gap in self.probe.outages(gap_ms_min=OUTAGE_MS_MIN)
            if gap.before != gap.after
            or (gap.failed > gap.late and gap.length_ms >= _allowed_ms(gap))
        ]


def _allowed_ms(gap: Outage) -> float:
    return machine().allowed(OUTAGE_MS_MIN, gap.began_ms).ms
