"""Starting twice, several nodes on one machine, new keys under way, ping nodes, the unit file."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cluster.pair_lab import (
    ADDRESS,
    DEADTIME_MS,
    Pair,
    events_of,
    keeper_pid,
    now_ms,
    settled_pair,
    signal_process,
    wait_replaced,
)
from lab import wait_until
from lab.node import TREE, everbeat

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("configuration-live")]

PROGRAM = str(Path(sys.executable).with_name("everbeat"))
IPFAIL = "/usr/libexec/heartbeat/ipfail"


def write_keys(pair: Pair, text: str, *names: str) -> None:
    for name in names:
        node = pair.lab.nodes[name]
        node.write("authkeys", text, 0o600)
        node.sh(f"kill -HUP {keeper_pid(node)}")


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with settled_pair() as pair:
        pair.probe.wait_answer("alpha")
        yield pair


def test_a_second_start_on_a_machine_is_refused_and_harms_nothing(pair: Pair) -> None:
    began_ms = now_ms()
    second = pair.alpha.run(PROGRAM, "run", is_checked=False, timeout_s=20)
    assert second.returncode == 1
    assert f"everbeat runs already as process {keeper_pid(pair.alpha)}" in second.stderr
    time.sleep(0.5)
    assert pair.outages(began_ms) == []
    pair.wait_settled()


def test_new_keys_on_both_within_deadtime_keep_the_pair(pair: Pair) -> None:
    began_ms = now_ms()
    write_keys(pair, "auth 2\n2 sha1 another\n", "alpha", "beta")
    wait_until(
        lambda: all(n.log().count("authkeys was read again") == 1 for n in pair.lab.nodes.values()),
        "both have read it",
    )
    time.sleep(1.5 * DEADTIME_MS / 1000)
    for node in (pair.alpha, pair.beta):
        assert events_of(node, began_ms, "takeover") == []
        assert not any("dead" in event["text"] for event in events_of(node, began_ms))
    pair.wait_settled()


def test_keys_are_rolled_without_haste_when_both_are_known_on_both(pair: Pair) -> None:
    began_ms = now_ms()
    old, new = "2 sha1 another\n", "3 sha1 third\n"
    for text, names in (
        (f"auth 2\n{old}{new}", ("alpha", "beta")),
        (f"auth 3\n{old}{new}", ("alpha",)),
    ):
        write_keys(pair, text, *names)
        time.sleep(1.5 * DEADTIME_MS / 1000)
    write_keys(pair, f"auth 3\n{new}", "beta", "alpha")
    time.sleep(1.5 * DEADTIME_MS / 1000)
    assert events_of(pair.beta, began_ms, "takeover") == []
    pair.wait_settled()


def test_a_wrong_authkeys_is_not_taken_over(pair: Pair) -> None:
    began_ms = now_ms()
    write_keys(pair, "auth 7\n", "alpha")
    wait_until(lambda: "authkeys was not taken over" in pair.alpha.log(), "it is refused", 10)
    time.sleep(1.5 * DEADTIME_MS / 1000)
    assert events_of(pair.beta, began_ms, "takeover") == []
    pair.wait_settled()


def test_a_key_that_only_one_node_has_is_a_split_that_heals_with_the_key(pair: Pair) -> None:
    write_keys(pair, "auth 4\n4 sha1 stranger\n", "beta")
    pair.alpha.wait_status("beta", "dead", timeout_s=10)
    wait_until(
        lambda: "key that authkeys here does not have" in pair.alpha.log(), "alpha says why", 10
    )
    write_keys(pair, "auth 4\n4 sha1 stranger\n", "alpha")
    wait_until(lambda: pair.lab.holders(ADDRESS) == ["alpha"], "only the owner serves", 30)
    pair.wait_settled()
    pair.probe.wait_answer("alpha", 5)


@pytest.mark.real(programs=[IPFAIL])
def test_ipfail_hands_over_when_only_this_node_loses_its_ping_node() -> None:
    extra = f"ping 10.78.0.200\ndeadping 2\nrespawn root {IPFAIL}\napiauth ipfail uid=root"
    with Pair(extra=extra) as pair:
        for node in (pair.alpha, pair.beta):
            node.sh("ip addr add 10.78.0.200/32 dev lo")  # each has the ping node for itself
        pair.start()
        pair.probe.wait_answer("alpha")
        for node in (pair.alpha, pair.beta):
            node.wait_status("10.78.0.200", "ping", timeout_s=20)
            assert node.sh("cat /proc/[0-9]*/comm").split().count("ipfail") == 1
        # it loses its connection with the core, and finds the next one
        wait_replaced(pair.alpha, "hb-core", signal_process(pair.alpha, "hb-core"))
        pair.wait_settled()
        time.sleep(3)
        pair.alpha.sh("ip addr del 10.78.0.200/32 dev lo")
        pair.probe.wait_answer("beta", 40)
        pair.wait_settled("none", "all")


def test_a_tie_breaker_that_went_and_comes_back_much_later_costs_no_service() -> None:
    with settled_pair(extra="ping 10.77.0.100\nquorum ping") as pair:
        nodes = (pair.alpha, pair.beta)
        began_ms = now_ms()
        first = (pair.alpha.folder / "ha.d/ha.cf").read_text()
        for text in (first.replace("quorum ping\n", ""), first):
            pair.alpha.write("ha.cf", text)
            everbeat(pair.alpha, "reload", "--all")
            time.sleep(2 * DEADTIME_MS / 1_000)  # longer than any lease
        for node in nodes:
            assert "quorum ping" in (node.folder / "ha.d/ha.cf").read_text()
            assert events_of(node, began_ms, "right-lost") == []
        assert pair.lab.holders(ADDRESS) == ["alpha"]


def test_several_nodes_run_on_one_machine(tmp_path: Path) -> None:
    nodes = {"left": 47_694, "right": 47_695}
    running: dict[str, subprocess.Popen[bytes]] = {}
    host = os.uname().nodename
    for name, port in nodes.items():
        for part in ("etc", "state", "run"):
            (tmp_path / name / part).mkdir(parents=True)
        etc = tmp_path / name / "etc"
        (etc / "ha.cf").write_text(
            f"logfile {tmp_path}/{name}/log\nkeepalive 200ms\ndeadtime 2\ninitdead 4\n"
            f"udpport {port}\nucast lo 127.0.0.1\nauto_failback on\nnode {host}\n"
        )
        (etc / "authkeys").write_text("auth 1\n1 sha1 alone\n")
        (etc / "authkeys").chmod(0o600)
        (etc / "haresources").write_text("")
    try:
        for name in nodes:
            places = [
                word for part in ("etc", "state", "run") for word in _place(tmp_path, name, part)
            ]
            with (tmp_path / name / "out").open("wb") as out:
                running[name] = subprocess.Popen(
                    [PROGRAM, *places, "run", "--pidfile", f"{tmp_path}/{name}/pid"],
                    stdout=out,
                    stderr=out,
                )
        for name in nodes:
            wait_until(lambda n=name: _state(tmp_path, n) == "stable", f"{name} is stable", 30)
        for process in running.values():
            process.send_signal(signal.SIGTERM)
        assert [process.wait(20) for process in running.values()] == [0, 0]
    finally:
        for process in running.values():
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            process.wait()


def _place(folder: Path, name: str, part: str) -> tuple[str, str]:
    return f"--{part}", str(folder / name / part)


def _state(folder: Path, name: str) -> str:
    words = [word for part in ("etc", "state", "run") for word in _place(folder, name, part)]
    asked = subprocess.run(
        [PROGRAM, *words, "status", "--json"], capture_output=True, text=True, check=False
    )
    return str(json.loads(asked.stdout)["manager"]["state"]) if asked.returncode == 0 else ""


@pytest.mark.real(programs=["systemd-analyze"])
def test_the_unit_file_is_valid(tmp_path: Path) -> None:
    text = (TREE / "packaging/systemd/everbeat.service").read_text()
    unit = tmp_path / "everbeat.service"
    unit.write_text(text.replace("/usr/bin/everbeat", PROGRAM))
    checked = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)],
        capture_output=True,
        text=True,
        check=False,
    )
    complaints = [line for line in checked.stderr.splitlines() if "everbeat" in line]
    assert complaints == []
    assert checked.returncode == 0, checked.stderr
