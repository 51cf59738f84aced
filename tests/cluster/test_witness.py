"""Two real nodes and a real witness on a third machine: cuts, and a witness that dies.

The cable between the nodes is one bridge, the way to the witness another one. On each side of the
cable a client asks every few milliseconds who serves.
"""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING

import pytest

from cluster.pair_lab import now_ms
from lab import Lab, Node, Probe, wait_until
from lab.witness_machine import AUTHKEYS, WITNESS_ADDRESS, WitnessMachine

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("witness")]

ADDRESS = "10.77.0.50"
GROUP = f"{ADDRESS}/24/eth0"
DEADTIME_MS = 2_000


class Trio:
    """alpha and beta with beats on the first bridge, the witness on the second."""

    def __init__(self, folder: Path) -> None:
        self.lab = Lab(has_second_link=True)
        self.witness = WitnessMachine(self.lab, folder)
        self.alpha, self.beta = self.lab.everbeat("alpha"), self.lab.everbeat("beta")
        self.lab.configure(
            resources=f"alpha {GROUP} webd",
            deadtime=str(DEADTIME_MS // 1000),
            initdead="4",
            auto_failback="off",
            media="bcast eth0",
            extra=f"witness {WITNESS_ADDRESS}",
            authkeys=AUTHKEYS,
        )
        self.probes: list[Probe] = []

    def start(self) -> None:
        self.alpha.start()
        self.beta.start()
        self.lab.wait_formed()
        self.probes = [Probe(node.on, ADDRESS, 20) for node in (self.alpha, self.beta)]
        self.wait_serving("alpha", 40)

    def serving(self) -> set[str]:
        """Who answers now, asked on each side of the cable."""
        return {answer for probe in self.probes if (answer := probe.answering()) is not None}

    def served(self, since_ms: float) -> list[str]:
        """Who answered since a moment, one after the other; two at once show as a to and fro."""
        samples = [s for probe in self.probes for s in list(probe.samples)]
        good = sorted((s.ended_ms, s.body) for s in samples if s.is_good and s.sent_ms >= since_ms)
        return [body for body, _ in itertools.groupby(body for _, body in good)]

    def wait_serving(self, name: str, timeout_s: float = 15) -> None:
        """Wait until this node serves; "": until nobody has for half a second."""
        wanted = [name] if name else []

        def is_so() -> bool:
            return sorted(self.serving()) == wanted == self.served(now_ms() - 500)[-1:]

        try:
            wait_until(is_so, f"served by {name or 'nobody'}", timeout_s)
        except TimeoutError as error:
            pytest.fail(f"{error}; now {self.serving()}\n{self.logs()}")

    def wait_one(self, timeout_s: float = 15) -> Node:
        """Wait until both sides have had time to act; return the one that serves."""
        time.sleep(1.5 * DEADTIME_MS / 1000)
        wait_until(lambda: len(self.serving()) == 1, "one serves", timeout_s)
        return self.alpha if self.serving() == {"alpha"} else self.beta

    def other(self, node: Node) -> Node:
        return self.beta if node is self.alpha else self.alpha

    def logs(self) -> str:
        nodes = [node for node in (self.alpha, self.beta) if node.space is not None]
        texts = [f"--- {node.name}\n{node.log()[-4_000:]}" for node in nodes]
        return "\n".join([*texts, f"--- witness\n{self.witness.log()[-2_000:]}"])

    def close(self) -> None:
        for probe in self.probes:
            probe.stop()
        self.witness.close()
        self.lab.close()


@pytest.fixture
def trio(tmp_path: Path) -> Iterator[Trio]:
    made = Trio(tmp_path)
    try:
        made.start()
        yield made
    finally:
        made.close()


def test_whatever_is_cut_or_dies_never_two_serve_and_in_the_end_one(trio: Trio) -> None:
    witness = trio.witness

    began_ms = now_ms()  # the cable between the nodes; both reach the witness
    trio.alpha.cut(0)
    holder = trio.wait_one()
    assert trio.served(began_ms) in (["alpha"], ["alpha", "beta"]), trio.logs()
    [cluster] = witness.status()["clusters"]
    sides = {node["node"] for node in cluster["nodes"] if node["is_granted"]}
    assert sides == {holder.name}

    began_ms = now_ms()  # the witness restarts and still knows whose side it is on
    witness.kill()
    witness.start()
    time.sleep(1.5 * DEADTIME_MS / 1000)
    assert trio.served(began_ms) == [holder.name], trio.logs()

    began_ms = now_ms()  # the one that serves loses the witness as well
    holder.cut(1)
    holder = trio.other(holder)
    trio.wait_serving(holder.name)
    assert trio.served(began_ms) == [trio.other(holder).name, holder.name], trio.logs()

    began_ms = now_ms()  # all is well again; nothing moves
    trio.other(holder).heal(1)
    trio.alpha.heal(0)
    trio.lab.wait_formed()
    time.sleep(1)
    assert trio.served(began_ms) == [holder.name], trio.logs()

    witness.kill()  # nobody needs it while the nodes hear each other
    time.sleep(DEADTIME_MS / 1000)
    assert trio.served(began_ms) == [holder.name], trio.logs()

    began_ms = now_ms()  # neither a peer nor a witness: nobody may serve
    trio.beta.cut(0)
    trio.wait_serving("")
    assert trio.served(began_ms) == [holder.name], trio.logs()
    witness.start()
    began_ms = now_ms()
    holder = trio.wait_one()
    time.sleep(1)
    assert trio.served(began_ms) == [holder.name], trio.logs()
