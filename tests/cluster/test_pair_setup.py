"""From two bare machines to a served address, and changes that no client notices."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cluster.pair_lab import events_of, now_ms, outages_of, status_of
from lab import EVERBEAT, Lab, Node, Probe, wait_until
from lab.node import WEBD, WEBD_SERVER, everbeat

if TYPE_CHECKING:
    from collections.abc import Iterator

    from everbeat.adapters.namespaces import Space

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("pair-setup")]

PROGRAM = str(Path(sys.executable).with_name("everbeat"))
ADDRESS = "10.77.0.50"


class Bare:
    """Two machines on which nothing is configured; the resource script webd is installed."""

    def __init__(self) -> None:
        self.lab = Lab()
        self.nodes = [self.lab.node(name, EVERBEAT) for name in ("alpha", "beta")]
        for node in self.nodes:
            self.install(node)

    def install(self, node: Node) -> None:
        """Put the service on a machine."""
        node.write("resource.d/webd", WEBD, 0o755)
        node.write("webd.py", WEBD_SERVER)

    def spawn(self, node: Node, *words: str) -> subprocess.Popen[str]:
        """Run an everbeat command in the background."""
        return subprocess.Popen(
            node.on.command(PROGRAM, *words),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def add_node(self, inviter: Node, joiner: Node, *words: str) -> None:
        """Have one machine invite another, and that one join."""
        waiting = self.spawn(inviter, *words)
        token = token_of(waiting)
        said = everbeat(joiner, "join", token)
        assert "is in the cluster with" in said
        assert ended(waiting, 60) == 0

    def close(self) -> None:
        """Remove everything."""
        self.lab.close()


def token_of(waiting: subprocess.Popen[str]) -> str:
    """Return the token that an inviter prints."""
    assert waiting.stdout is not None
    lines = []
    for line in waiting.stdout:
        lines.append(line)
        if found := re.search(r"everbeat (?:witness )?join (\S+)", line):
            return found[1]
    raise AssertionError("".join(lines))


def ended(waiting: subprocess.Popen[str], timeout_s: float = 20) -> int:
    """Wait for an inviter's end; return its exit status."""
    waiting.communicate(timeout=timeout_s)
    return waiting.returncode


def refusal(node: Node, *words: str) -> str:
    """Return what a command that is to be refused says."""
    done = node.run(PROGRAM, *words, is_checked=False, timeout_s=60)
    assert done.returncode == 1, done.stdout
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.fixture(scope="module")
def bare() -> Iterator[Bare]:
    machines = Bare()
    try:
        yield machines
    finally:
        machines.close()


@pytest.fixture(scope="module")
def probe(bare: Bare) -> Iterator[Probe]:
    probe = Probe(bare.lab.client, ADDRESS)
    yield probe
    probe.stop()


def test_three_commands_lead_from_two_bare_machines_to_a_served_address(
    bare: Bare, probe: Probe
) -> None:
    alpha, beta = bare.nodes
    bare.add_node(alpha, beta, "init", "shop")
    said = everbeat(alpha, "add", "vip", f"{ADDRESS}/24/eth0", "service", "webd", "--yes")
    assert "beta" in said
    probe.wait_answer("alpha")
    assert (alpha.folder / "ha.d/authkeys").stat().st_mode & 0o777 == 0o600
    assert (alpha.folder / "ha.d/authkeys").read_text() == (
        beta.folder / "ha.d/authkeys"
    ).read_text()


def test_a_token_is_good_once_and_nothing_that_exists_is_replaced(bare: Bare) -> None:
    alpha, beta = bare.nodes
    waiting = bare.spawn(alpha, "invite")
    token = token_of(waiting)
    assert "nothing of it is touched" in refusal(beta, "join", token)
    damaged = token[:-1] + ("A" if token[-1] != "A" else "B")
    assert "damaged" in refusal(beta, "join", damaged, "--replace")
    taken = refusal(beta, "join", token, "--replace", "--no-start")
    assert "runs; give the machine another name" in taken
    assert ended(waiting, 60) == 1
    assert "nobody waits" in refusal(beta, "join", token, "--replace")


def test_a_reload_of_times_and_nodes_is_not_noticed_by_a_client(bare: Bare, probe: Probe) -> None:
    alpha, beta = bare.nodes
    began_ms = now_ms()
    ha_cf = (alpha.folder / "ha.d/ha.cf").read_text()
    alpha.write("ha.cf", ha_cf.replace("keepalive 1\n", "keepalive 500ms\n"))
    assert "beta  installed" in everbeat(alpha, "reload", "--all")
    assert "keepalive 500ms" in (beta.folder / "ha.d/ha.cf").read_text()
    for node in bare.nodes:
        wait_until(lambda n=node: "goes on with the changed ha.cf" in n.log(), "another link")
    time.sleep(1.5)
    wait_until(lambda: len(live(alpha)) == 2 and len(live(beta)) == 2, "both are seen")
    assert not died(alpha, began_ms)
    assert not died(beta, began_ms)
    assert outages_of(probe, began_ms) == []
    assert probe.wait_answer("alpha") is not None


def test_a_wrong_haresources_is_refused_by_all_and_changes_nothing(bare: Bare) -> None:
    alpha, beta = bare.nodes
    before = (alpha.folder / "ha.d/haresources").read_text()
    alpha.write("haresources", before + "nobody 10.77.0.60 webd\n")
    assert "nothing was changed" in refusal(alpha, "reload", "--all")
    assert "nothing of it is used" in refusal(alpha, "reload")
    alpha.write("haresources", before)
    assert (beta.folder / "ha.d/haresources").read_text() == before


def test_an_address_in_use_or_on_no_network_of_ours_is_refused(bare: Bare) -> None:
    alpha = bare.nodes[0]
    assert "in haresources already" in refusal(alpha, "add", "vip", ADDRESS, "--yes")
    assert "is in use" in refusal(alpha, "add", "vip", "10.77.0.100", "--yes")
    assert "is in use" in refusal(alpha, "add", "vip", "10.77.0.2", "--yes")
    for own in ("10.77.0.1", "10.77.0.1/24/eth0", "fd77::1", "IPaddr2::10.77.0.1"):
        assert "this machine has it" in refusal(alpha, "add", "vip", own, "--yes")
    assert "on no network" in refusal(alpha, "add", "vip", "192.0.2.1", "--yes")
    for address in ("10.77.0.0", "10.77.0.255", "0.0.0.0/24/eth0", "224.0.0.18", "ff02::60", "::1"):
        assert "no service can have" in refusal(alpha, "add", "vip", address, "--yes")
    told = refusal(alpha, "add", "vip", "fd77::60%eth0", "--yes")
    assert "write: fd77::60/64/eth0" in told


def test_a_second_address_comes_and_goes_while_the_first_one_is_served(
    bare: Bare, probe: Probe
) -> None:
    alpha, beta = bare.nodes
    began_ms = now_ms()
    everbeat(alpha, "add", "vip", "10.77.0.51/24/eth0", "--on", "beta", "--yes")
    wait_until(lambda: beta.holds("10.77.0.51"), "it is there", 10)
    everbeat(beta, "remove", "vip", "10.77.0.51", "--yes")
    wait_until(lambda: not beta.holds("10.77.0.51"), "it is gone", 10)
    assert outages_of(probe, began_ms) == []


def test_a_change_made_while_a_person_thinks_is_not_overwritten(bare: Bare) -> None:
    alpha, beta = bare.nodes
    before = (alpha.folder / "ha.d/haresources").read_text()
    waiting = subprocess.Popen(
        alpha.on.command(PROGRAM, "add", "vip", "10.77.0.58"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert waiting.stdout is not None
    for line in waiting.stdout:
        if line.startswith("then on"):
            break  # it asks
    everbeat(beta, "add", "vip", "10.77.0.59", "--yes")
    told, _ = waiting.communicate("y\n", timeout=60)
    assert waiting.returncode == 1
    assert "haresources differs here from what the other node had" in told
    for node in bare.nodes:
        assert (node.folder / "ha.d/haresources").read_text() == before + "beta 10.77.0.59\n"
    everbeat(alpha, "remove", "vip", "10.77.0.59", "--yes")


def test_an_address_that_another_node_has_just_given_up_is_free(bare: Bare) -> None:
    alpha, beta = bare.nodes
    for address in ("10.77.0.55", "fd77::55"):
        everbeat(alpha, "add", "vip", address, "--on", "beta", "--yes")
        alpha.run("ping", "-c", "1", address)  # it knows now where the address is
        everbeat(beta, "remove", "vip", address, "--yes")
        assert "is on alpha" in everbeat(alpha, "add", "vip", address, "--yes")
        everbeat(beta, "remove", "vip", address, "--yes")


def test_what_check_knows_is_refused_on_every_node_and_harms_nothing(
    bare: Bare, probe: Probe
) -> None:
    alpha = bare.nodes[0]
    began_ms = now_ms()
    before = {node.name: (node.folder / "ha.d/haresources").read_text() for node in bare.nodes}
    told = refusal(alpha, "add", "vip", "10.77.0.60/24/eth0", "service", "ngnix", "--yes")
    assert "alpha says:" in told
    assert "beta says:" in told
    assert "is called ngnix" in told
    assert "--force" in told
    alpha.write("resource.d/onlyd", SCRIPT.format(start=0), 0o755)
    told = refusal(alpha, "add", "vip", "10.77.0.60/24/eth0", "service", "onlyd", "--yes")
    assert "alpha says" not in told
    assert "beta says:" in told
    alpha.write("haresources", before["alpha"] + "alpha 10.77.0.60/24/eth0 ngnix\n")
    for words in (("reload", "--all"), ("reload",), ("keys", "rotate")):
        assert "is called ngnix" in refusal(alpha, *words)
    alpha.write("haresources", "")  # as after an editor on a full disk
    for words in (("reload", "--all"), ("reload",)):
        assert "no group is left" in refusal(alpha, *words)
    alpha.write("haresources", before["alpha"])
    for line in ("witness gama", "ucast eth9 10.77.0.2"):
        ha_cf = (alpha.folder / "ha.d/ha.cf").read_text()
        alpha.write("ha.cf", f"{ha_cf}{line}\n")
        assert line.split()[1] in refusal(alpha, "reload", "--all")
        alpha.write("ha.cf", ha_cf)
    time.sleep(2)
    for node in bare.nodes:
        assert (node.folder / "ha.d/haresources").read_text() == before[node.name]
    assert outages_of(probe, began_ms) == []


SCRIPT = """#!/bin/sh
case $1 in
status) echo stopped; exit 3;;
start) echo no space left; exit {start};;
esac
"""


def test_what_starts_nowhere_is_taken_back_alone(bare: Bare, probe: Probe) -> None:
    alpha, beta = bare.nodes
    began_ms = now_ms()
    before = (alpha.folder / "ha.d/haresources").read_text()
    for node in bare.nodes:
        node.write("resource.d/brokend", SCRIPT.format(start=1), 0o755)
    told = refusal(
        alpha, "add", "vip", "10.77.0.61/24/eth0", "service", "brokend", "--yes", "--on", "beta"
    )
    assert "did not start on" in told
    assert "nor on" in told
    assert "taken back" in told
    for node in bare.nodes:
        assert (node.folder / "ha.d/haresources").read_text() == before
        wait_until(lambda n=node: not n.holds("10.77.0.61"), "it is gone", 10)
    alpha.write("haresources", before.replace("webd", "webd brokend"))
    told = refusal(alpha, "reload", "--all")
    assert "exit 1: no space left" in told
    assert "taken back" in told
    assert (beta.folder / "ha.d/haresources").read_text() == before
    probe.wait_answer()  # by the node that tried last: auto_failback is off
    everbeat(alpha, "takeover", "local")
    probe.wait_answer("alpha")
    assert len(outages_of(probe, began_ms)) <= 1, "where the change failed, once"


def test_what_is_taken_back_leaves_what_others_have_added_meanwhile(bare: Bare) -> None:
    alpha, beta = bare.nodes
    before = (alpha.folder / "ha.d/haresources").read_text()
    slow = SCRIPT.format(start=1).replace("start) ", "start) sleep 3; ")
    for node in bare.nodes:
        node.write("resource.d/latebrokend", slow, 0o755)
    words = ("add", "vip", "10.77.0.66", "service", "latebrokend", "--yes")
    waiting = bare.spawn(alpha, *words)
    wait_until(lambda: alpha.holds("10.77.0.66"), "it is tried", 20)
    everbeat(beta, "add", "vip", "10.77.0.67", "--yes")
    assert ended(waiting, 60) == 1
    for node in bare.nodes:
        assert (node.folder / "ha.d/haresources").read_text() == before + "beta 10.77.0.67\n"
    everbeat(alpha, "remove", "vip", "10.77.0.67", "--yes")


INTERRUPTED = """
import os, signal, subprocess, sys, time
mark, *command = sys.argv[1:]
signal.signal(signal.SIGINT, signal.SIG_DFL)  # ignored in what a shell runs in the background
run = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
while not os.path.exists(mark):
    time.sleep(0.05)
run.send_signal(signal.SIGINT)
print(run.communicate()[1], run.returncode)
"""


def test_who_interrupts_a_change_is_told_how_far_it_is(bare: Bare) -> None:
    alpha, beta = bare.nodes
    mark = alpha.folder / "tried"
    slow = SCRIPT.format(start=1).replace("start) ", f"start) touch {mark}; sleep 3; ")
    for node in bare.nodes:
        node.write("resource.d/slowbrokend", slow, 0o755)
    words = (PROGRAM, "add", "vip", "10.77.0.69", "service", "slowbrokend", "--yes")
    told = alpha.run(sys.executable, "-c", INTERRUPTED, str(mark), *words).stdout
    assert "nobody waits for it any more: everbeat status" in told
    assert told.endswith(" 130\n")
    line = "alpha 10.77.0.69 slowbrokend\n"
    for node in bare.nodes:
        assert (node.folder / "ha.d/haresources").read_text().endswith(line)
    everbeat(beta, "remove", "vip", "10.77.0.69", "--yes")


def test_a_takeover_that_does_not_start_everything_is_none(bare: Bare) -> None:
    alpha, beta = bare.nodes
    for node, rc in ((alpha, 1), (beta, 0)):
        node.write("resource.d/moodyd", SCRIPT.format(start=rc), 0o755)
    everbeat(
        alpha, "add", "vip", "10.77.0.62/24/eth0", "service", "moodyd", "--on", "beta", "--yes"
    )
    told = refusal(alpha, "takeover", "foreign")
    assert "10.77.0.62/24/eth0 did not start on alpha (moodyd: " in told
    assert "it is on beta" in told
    assert "done after" in everbeat(alpha, "standby", "local")
    assert "done after" in everbeat(alpha, "takeover", "local")
    everbeat(alpha, "remove", "vip", "10.77.0.62", "--yes")
    failures = status_of(alpha)["failures"]
    assert failures == [], "what is gone leaves no failure behind"


def install_okd(node: Node) -> None:
    """Put a second service on a machine; it leaves a file in the node's folder."""
    mark = node.folder / "okd.started"
    node.write(
        "resource.d/okd",
        "#!/bin/sh\n"
        f"f={mark}\n"
        "case $1 in start) touch $f;; stop) rm -f $f;;\n"
        "status) [ -e $f ] && echo running || { echo stopped; exit 3; };; esac\n",
        0o755,
    )


def test_a_service_is_added_to_a_group_that_runs(bare: Bare, probe: Probe) -> None:
    alpha, beta = bare.nodes
    began_ms = now_ms()
    for node in bare.nodes:
        install_okd(node)
    assert "say which group" not in refusal(alpha, "add", "service", "okd", "--to", "10.9.9.9")
    said = everbeat(beta, "add", "service", "okd", "--to", ADDRESS, "--yes")
    assert "is on alpha" in said
    assert (alpha.folder / "okd.started").exists()
    assert "is in the group" in refusal(alpha, "add", "service", "okd", "--to", ADDRESS)
    assert outages_of(probe, began_ms) == []


def test_what_cannot_be_stopped_is_not_said_to_be_removed(bare: Bare) -> None:
    alpha = bare.nodes[0]
    state = alpha.folder / "stubborn"
    for node in bare.nodes:
        node.write(
            "resource.d/stubbornd",
            "#!/bin/sh\n"
            f"f={state}\n"
            "case $1 in start) touch $f;; stop) [ -e $f.may ] && rm -f $f;;\n"
            "status) [ -e $f ] && echo running || { echo stopped; exit 3; };; esac\n",
            0o755,
        )
    everbeat(alpha, "add", "vip", "10.77.0.68", "service", "stubbornd", "--yes")
    told = refusal(alpha, "remove", "vip", "10.77.0.68", "--yes")
    assert "10.77.0.68 is not stopped on alpha: stubbornd cannot be stopped" in told
    said = everbeat(alpha, "status")
    assert "! group 10.77.0.68 cannot be stopped here: stubbornd cannot be stopped" in said
    (alpha.folder / "stubborn.may").touch()
    wait_until(lambda: not alpha.holds("10.77.0.68"), "it is stopped after all", 60)
    wait_until(lambda: "10.77.0.68" not in everbeat(alpha, "status"), "it is forgotten", 10)


def test_an_ipv6_address_is_added_moved_announced_and_removed(bare: Bare, probe: Probe) -> None:
    alpha, beta = bare.nodes
    client = bare.lab.client
    began_ms = now_ms()
    assert "is in use" in refusal(alpha, "add", "vip", "fd77::100", "--yes")
    assert "on no network" in refusal(alpha, "add", "vip", "2001:db8::1", "--yes")
    said = everbeat(alpha, "add", "vip", "fd77::60", "--yes")
    assert "alpha IPv6addr::fd77:0:0:0:0:0:0:60" in said
    assert "is on alpha" in said
    assert "inet6 fd77::60/64" in alpha.sh("ip -6 addr show dev eth0")
    assert "in haresources already" in refusal(beta, "add", "vip", "fd77:0::60", "--yes")
    assert outages_of(probe, began_ms) == []
    _reach6(client, "fd77::60", alpha)
    assert "done after" in everbeat(alpha, "standby", "all")
    assert "fd77::60" not in alpha.sh("ip -6 addr show dev eth0")
    wait_until(lambda: _mac6(beta) in _neighbour6(client, "fd77::60"), "it was announced", 5)
    _reach6(client, "fd77::60", beta)
    everbeat(alpha, "takeover", "all")
    everbeat(beta, "remove", "vip", "fd77::60", "--yes")
    wait_until(lambda: "fd77::60" not in alpha.sh("ip -6 addr"), "it is gone", 10)
    assert probe.wait_answer("alpha") is not None


def _mac6(node: Node) -> str:
    found = re.search(r"link/ether (\S+)", node.sh("ip link show eth0"))
    assert found is not None
    return found[1]


def _neighbour6(client: Space, address: str) -> str:
    return client.run("ip", "-6", "neigh", "show", address).stdout


def _reach6(client: Space, address: str, node: Node) -> None:
    """See that a client finds the address at this node."""

    def is_found() -> bool:
        program = f"import socket; socket.socket(10, 2).sendto(b'', ('{address}', 9))"
        client.run(sys.executable, "-c", program)
        return _mac6(node) in _neighbour6(client, address)

    wait_until(is_found, f"{address} is at {node.name}", 10)


def test_keys_are_rotated_and_no_node_is_ever_late(bare: Bare, probe: Probe) -> None:
    alpha, beta = bare.nodes
    began_ms = now_ms()
    old = (beta.folder / "ha.d/authkeys").read_text()
    assert "3/3" in everbeat(beta, "keys", "rotate")
    new = (beta.folder / "ha.d/authkeys").read_text()
    assert new != old
    assert new == (alpha.folder / "ha.d/authkeys").read_text()
    time.sleep(1.5)
    for node in bare.nodes:
        log = node.log()
        assert "Late heartbeat" not in log[log.rfind("authkeys was read again") :]
        assert not died(node, began_ms)
        assert len(live(node)) == 2
    assert outages_of(probe, began_ms) == []


def test_a_witness_comes_gets_new_keys_and_goes_and_nobody_notices(
    bare: Bare, probe: Probe
) -> None:
    alpha, beta = bare.nodes
    third = bare.lab.node("tie", EVERBEAT)
    host = "10.77.0.3"
    began_ms = now_ms()
    waiting = bare.spawn(alpha, "add", "witness", host)
    assert "started: everbeat witness" in everbeat(third, "witness", "join", token_of(waiting))
    assert ended(waiting, 60) == 0
    for node in bare.nodes:
        assert f"witness {host}" in (node.folder / "ha.d/ha.cf").read_text()
        wait_until(lambda n=node: "agree" in _witness_line(n), "the witness is there", 20)
    told = refusal(alpha, "keys", "rotate")
    assert f"the witness {host} does not know key" in told
    keys = (beta.folder / "ha.d/authkeys").read_text()
    assert len(keys.splitlines()) == 3, "the old key stays"
    assert "Unknown keys" in everbeat(third, "witness", "--status")
    again = bare.spawn(beta, "add", "witness", host)
    assert "reads its keys again" in everbeat(third, "witness", "join", token_of(again))
    assert ended(again, 60) == 0
    assert "3/3" in everbeat(alpha, "keys", "rotate", "--finish")
    for node in bare.nodes:
        assert len((node.folder / "ha.d/authkeys").read_text().splitlines()) == 2
        assert "not" not in _witness_line(node)
    ha_cf = (alpha.folder / "ha.d/ha.cf").read_text()
    alpha.write("ha.cf", ha_cf.replace(f"witness {host}\n", ""))
    everbeat(alpha, "reload", "--all")
    time.sleep(8)  # a lease and deadtime
    assert outages_of(probe, began_ms) == []
    for node in bare.nodes:
        assert not died(node, began_ms)
        assert events_of(node, began_ms, "right-lost") == []


def _witness_line(node: Node) -> str:
    lines = everbeat(node, "status").splitlines()
    return next((line for line in lines if line.startswith("    witness ")), "")


def test_a_third_machine_joins_while_the_pair_serves_but_not_with_an_old_token(
    bare: Bare, probe: Probe
) -> None:
    alpha, beta = bare.nodes
    gamma = bare.lab.node("gamma", EVERBEAT)
    bare.install(gamma)
    install_okd(gamma)
    first = bare.spawn(alpha, "invite", "--timeout", "1")
    old = token_of(first)
    assert ended(first, 60) == 1
    began_ms = now_ms()
    second = bare.spawn(alpha, "invite")
    token = token_of(second)
    told = refusal(gamma, "join", old)
    assert "expired" in told
    assert "does not know this token" in told
    assert "is in the cluster with" in everbeat(gamma, "join", token)
    assert ended(second, 60) == 0
    for node in (alpha, beta, gamma):
        wait_until(lambda n=node: len(live(n)) == 3, f"{node.name} sees all", 20)
        assert not died(node, began_ms)
    told = "\n".join(f"{e['at_ms']} {e['text']}" for e in events_of(alpha, began_ms))
    assert outages_of(probe, began_ms) == [], told
    assert probe.wait_answer("alpha") is not None


def live(node: Node) -> list[str]:
    """Return the active nodes a node sees."""
    nodes = status_of(node)["membership"]["nodes"]
    return [known["node"] for known in nodes if known["status"] == "active"]


def died(node: Node, since_ms: int) -> list[str]:
    """Return what a node tells of dead nodes."""
    return [e["text"] for e in events_of(node, since_ms) if "dead" in e["text"]]
