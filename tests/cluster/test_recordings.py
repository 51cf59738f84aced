"""Real nodes, and a machine on the segment that records what they say and says it again.

It has no key; what is encrypted it tells by length and place (here: by the key, to be sure). The
kernels of the nodes tell who has the address.
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

import pytest

from cluster.pair_lab import GROUP, keeper_pid, now_ms, signal_process, status_of, wait_replaced
from everbeat.adapters.cipher import AesSiv
from everbeat.model.keys import AuthKey, AuthKeys
from everbeat.wire.datagram import Rejected, message_from_text
from everbeat.wire.dialect import open_own
from lab import Lab, wait_until
from lab.attacker import EVERYBODY, WITNESS_PORT, Attacker
from lab.node import everbeat
from lab.power import Manner, PowerSwitch
from lab.watch import AddressWatch, overlaps
from lab.witness_machine import WITNESS_ADDRESS, WitnessMachine

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from lab import Node
    from lab.attacker import Heard

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("recordings")]

ADDRESS = "10.77.0.50"
REMOVED = "10.77.0.66"
SECRET = "laboratory"
AUTHKEYS = f"auth 1\n1 aes-siv {SECRET}\n"
KEYS = AuthKeys(1, (AuthKey(1, "aes-siv", SECRET.encode()),))
DEADTIME_S = 2
INITDEAD_S = 4
SLOW_S = 6
"""What a busy machine may take longer."""


class Cluster:
    """alpha serves, beta stands by; what decides is in `extra`."""

    def __init__(self, lab: Lab, attacker: Attacker, watch: AddressWatch) -> None:
        self.lab, self.attacker, self.watch = lab, attacker, watch
        self.alpha, self.beta = lab.everbeat("alpha"), lab.everbeat("beta")

    def start(self, extra: str = "", auto_failback: str = "off") -> None:
        """Configure and start both; alpha serves."""
        self.lab.configure(
            resources=f"alpha {GROUP} webd",
            deadtime=str(DEADTIME_S),
            initdead=str(INITDEAD_S),
            auto_failback=auto_failback,
            media="bcast eth0",
            extra=extra,
            authkeys=AUTHKEYS,
        )
        for node in (self.alpha, self.beta):
            self.watch.watch(node.name, node.on)
        self.lab.start()
        self.wait_serving(self.alpha)

    def wait_serving(self, node: Node, timeout_s: float = 40) -> None:
        """Wait until this node has the address alone, and all is stable."""
        wait_until(lambda: self.watch.holders() == [node.name], f"{node.name} serves", timeout_s)
        for each in (self.alpha, self.beta):
            if each.is_running():
                wait_until(
                    lambda each=each: status_of(each)["manager"]["state"] == "stable",
                    f"{each.name} is stable",
                    timeout_s,
                )

    def farewell_of(self, node: Node) -> list[Heard]:
        """Have a node stop and start again; return what it said last."""
        since_ms = now_ms()
        node.stop()
        wait_until(
            lambda: bool(farewells_in(self.attacker.said(node, since_ms))),
            "it is heard to leave",
            10,
        )
        rows = self.attacker.said(node, since_ms)[-12:]
        node.start()
        self.lab.wait_formed()
        return rows

    def part(self) -> None:
        """Let neither hear the other any more; both hear everybody else."""
        self.lab.deafen(self.alpha, self.beta)
        self.lab.deafen(self.beta, self.alpha)

    def boot(self, node: Node) -> None:
        """Switch on a node that was crashed; nothing is started."""
        node.boot()
        self.watch.watch(node.name, node.on)

    def assert_never_two(self) -> None:
        """No two nodes ever had the address at the same time."""
        assert overlaps(self.watch.spans()) == []


@contextlib.contextmanager
def cluster(*, has_second_link: bool = False) -> Iterator[Cluster]:
    with (
        Lab(has_second_link=has_second_link) as lab,
        Attacker(lab) as attacker,
        AddressWatch(ADDRESS) as watch,
    ):
        yield Cluster(lab, attacker, watch)


@contextlib.contextmanager
def witnessed(folder: Path) -> Iterator[tuple[Cluster, WitnessMachine]]:
    with cluster(has_second_link=True) as made:
        witness = WitnessMachine(made.lab, folder, AUTHKEYS)
        try:
            made.start(f"witness {WITNESS_ADDRESS}")
            yield made, witness
        finally:
            witness.close()


def farewells_in(rows: Sequence[Heard]) -> list[Heard]:
    """Return the datagrams among them with which a node has left."""
    found = []
    for row in rows:
        opened = open_own(row.data, KEYS, AesSiv())
        assert not isinstance(opened, Rejected)
        if message_from_text(opened.text)[0].type == "shutdone":
            found.append(row)
    return found


def shutdone_of(rows: Sequence[Heard]) -> list[Heard]:
    """Return the one datagram among them with which a node has left."""
    found = farewells_in(rows)
    assert found, "it was heard to leave"
    return found[:1]


def test_a_farewell_of_a_former_life_makes_nobody_hold(tmp_path: Path) -> None:
    """Told to a new link process, to one of another ha.cf, and to a node that boots cut off."""
    with witnessed(tmp_path) as (made, _):
        rows = made.farewell_of(made.alpha)
        everbeat(made.alpha, "takeover", "all")
        made.wait_serving(made.alpha)
        with made.attacker.saying(shutdone_of(rows), made.beta):
            wait_replaced(made.beta, "hb-link", signal_process(made.beta, "hb-link"))
            time.sleep(DEADTIME_S)
            made.assert_never_two()
            ha_cf = (made.beta.folder / "ha.d/ha.cf").read_text()
            made.beta.write("ha.cf", ha_cf.replace("initdead 4", "initdead 5"))
            everbeat(made.beta, "reload", is_checked=False)
            time.sleep(2 * DEADTIME_S)
        made.assert_never_two()
        assert made.watch.holders() == ["alpha"]
        made.beta.crash()
        with made.attacker.saying(rows, made.beta):
            made.boot(made.beta)
            made.part()
            made.beta.start()
            time.sleep(INITDEAD_S + 2 * DEADTIME_S)
            made.assert_never_two()
            assert made.watch.holders() == ["alpha"], "it has the witness"


def test_a_farewell_of_a_former_life_is_no_fencing() -> None:
    """alpha is cut off and UNCLEAN, nobody has confirmed that it is off; then link is replaced."""
    with cluster() as made, PowerSwitch(made.lab) as power:
        power.manner = Manner.FAILING
        made.start(power.ha_cf())
        rows = made.farewell_of(made.alpha)
        everbeat(made.alpha, "takeover", "all")
        made.wait_serving(made.alpha)
        made.part()
        with made.attacker.saying(shutdone_of(rows), made.beta):
            wait_until(lambda: "alpha is UNCLEAN" in str(status_of(made.beta)), "it is UNCLEAN", 20)
            wait_replaced(made.beta, "hb-link", signal_process(made.beta, "hb-link"))
            time.sleep(2 * DEADTIME_S)
        made.assert_never_two()
        assert made.watch.holders() == ["alpha"]


def status_at(node: Node, other: str) -> str:
    """Return what a node says of another one."""
    nodes = status_of(node)["membership"]["nodes"]
    return str(next(each["status"] for each in nodes if each["node"] == other))


def test_a_recording_keeps_no_dead_node_alive() -> None:
    """Nor does what was held back: it is of the node's last life, and was never heard."""
    with cluster() as made:
        made.start()
        time.sleep(INITDEAD_S + DEADTIME_S + SLOW_S)
        heard = made.attacker.said(made.alpha, now_ms() - 12_000)
        made.part()
        time.sleep(8)
        held_back = made.attacker.said(made.alpha, now_ms() - 8_000)
        made.alpha.crash()
        with made.attacker.playing(held_back, EVERYBODY):
            wait_until(
                lambda: (
                    status_at(made.beta, "alpha") == "dead" and made.watch.holders() == ["beta"]
                ),
                "beta holds alpha for dead, whatever was held back, and serves",
                2 * DEADTIME_S + 2,
            )
        made.beta.crash()
        made.boot(made.beta)
        made.beta.start()
        with made.attacker.playing(heard, EVERYBODY):
            made.wait_serving(made.beta, INITDEAD_S + DEADTIME_S + SLOW_S)


def test_files_that_were_replaced_do_not_come_back_with_a_recording() -> None:
    with cluster() as made:
        made.start()
        since_ms = now_ms()
        names = (f"alpha {GROUP} webd\nbeta {REMOVED}/24/eth0\n", f"alpha {GROUP} webd\n")
        for text in names:
            made.alpha.write("haresources", text)
            everbeat(made.alpha, "reload", "--all")
            if text is names[0]:
                rows = made.attacker.said(made.alpha, since_ms - 500)
                time.sleep(1)
        made.alpha.stop()
        made.beta.stop()
        made.beta.start()
        made.beta.wait_status("beta", "up", "active", timeout_s=20)
        with made.attacker.playing(rows, EVERYBODY):
            time.sleep((rows[-1].at_ms - rows[0].at_ms) / 1_000 + DEADTIME_S)
            made.wait_serving(made.beta, INITDEAD_S + DEADTIME_S + SLOW_S)
        assert (made.beta.folder / "ha.d/haresources").read_text() == names[1]
        assert not made.beta.holds(REMOVED)
        assert keeper_pid(made.beta)


def test_recorded_questions_do_not_keep_a_restarted_witness_from_the_living(
    tmp_path: Path,
) -> None:
    with witnessed(tmp_path) as (made, witness):
        with made.attacker.hearing_questions_of(made.alpha):
            made.part()
            wait_until(lambda: len(made.attacker.asked) >= 12, "alpha asks", 30)
        made.alpha.loss(0)
        made.beta.loss(0)
        made.lab.wait_formed()
        wait_until(lambda: len(made.watch.holders()) == 1, "one of them serves", 40)
        if made.watch.holders() == ["beta"]:  # whose side the witness took
            everbeat(made.alpha, "takeover", "all")
        made.wait_serving(made.alpha)
        witness.kill()
        witness.start()
        made.alpha.crash()
        rows = made.attacker.asked[-12:]
        with made.attacker.playing(rows, WITNESS_ADDRESS, WITNESS_PORT, gap_s=0.8 * DEADTIME_S):
            made.wait_serving(made.beta, 3 * DEADTIME_S + SLOW_S)
        made.assert_never_two()
