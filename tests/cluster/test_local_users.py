"""Users of the machine who are not root look where they may, and reach neither core nor root."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from cluster.pair_lab import (
    DEADTIME_MS,
    Pair,
    now_ms,
    pid_of,
    settled_pair,
    signal_process,
    status_of,
    wait_replaced,
)
from everbeat.daemons.keeper import EXIT_UNSAFE_PLACE, RUN_NAMES
from lab import HEARTBEAT, wait_until
from lab.node import EverbeatNode, everbeat
from lab.slowness import machine

if TYPE_CHECKING:
    from pathlib import Path

    from lab import Node

pytestmark = pytest.mark.real

FLOOD = """import socket, struct, threading, time
payload = b">>>\\n" + b"a=\\n" * 66000 + b"<<<\\n\\0"
frame = struct.pack("<II", len(payload), 0xABCD) + payload
until = time.monotonic() + 60
def call():
    while time.monotonic() < until:
        caller = socket.socket(socket.AF_UNIX)
        try:
            caller.settimeout(5)
            caller.connect("/run/heartbeat/register")
            caller.sendall(frame)
            caller.recv(1)
        except OSError:
            time.sleep(0.01)
        caller.close()
for _ in range(32):
    threading.Thread(target=call).start()
"""
FLOODED_S = 6.0  # longer than core's lease

CALLS = """import socket, time
until = time.monotonic() + 8
while time.monotonic() < until:
    with socket.socket(socket.AF_UNIX) as caller:
        caller.connect("/run/heartbeat/register")
        time.sleep(0.5)
"""

SLOW_NAMES = """#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <unistd.h>
int getpwuid_r(uid_t uid, struct passwd *p, char *b, size_t n, struct passwd **r)
{ sleep(7); *r = 0; return 0; }
int getgrgid_r(gid_t gid, struct group *g, char *b, size_t n, struct group **r)
{ sleep(7); *r = 0; return 0; }
"""


TRICKS = """import os, time
os.chdir("/run/heartbeat")
for name in (
    "right", "link.state", "link.state.new", "link.config", "link.config.new", "unfinished",
    "unfinished.new", "safe-nodes", "safe-nodes.new", "keeper.lock", "children.lock",
):
    try:
        if os.path.lexists(name):
            os.rename(name, name + ".moved")
        os.symlink("/run/victim", name)
    except OSError as error:
        print(name, error)
def swap(name, make):
    try:
        if os.path.lexists(name):
            os.rename(name, name + ".moved")
        make(name)
    except OSError as error:
        print(name, error)
swap("operations", os.mkdir)
import socket
for name in ("core.sock", "link.sock", "executor.sock", "register"):
    listening = socket.socket(socket.AF_UNIX)
    swap(name, listening.bind)
    try:
        listening.listen()
    except OSError:
        pass
boot = open("/proc/sys/kernel/random/boot_id").read().partition("-")[0]
pid = open("/run/bystander").read().strip()
started = open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[19]
try:
    open(f"operations/{boot}.{pid}.{started}", "w").close()
except OSError as error:
    print(error)
"""


def give_run_to_hacluster(node: Node) -> None:
    """Do what systemd-tmpfiles --create does with the file of Debian's heartbeat package."""
    node.sh(
        "mkdir -p /run/heartbeat/ccm; chown hacluster:haclient /run/heartbeat /run/heartbeat/ccm"
    )
    node.sh("chmod 0750 /run/heartbeat")


def as_user(node: Node, user: str, script: str) -> subprocess.Popen[bytes]:
    """Start a Python script on the node as a user with no group but its own."""
    ids = [f"--reuid={user}", f"--regid={node.sh(f'id -g {user}').strip()}", "--clear-groups"]
    return node.on.spawn("setpriv", *ids, sys.executable, "-I", "-S", "-c", script)


def test_nobody_cannot_hold_up_a_takeover() -> None:
    with settled_pair() as pair:
        core = pid_of(pair.beta, "hb-core")
        flood = as_user(pair.beta, "nobody", FLOOD)
        try:
            time.sleep(FLOODED_S)
            crashed_ms = now_ms()
            pair.alpha.crash()
            wait_until(lambda: pair.beta.holds("10.77.0.50"), "beta has the address", 30)
            late = machine().allowed(5_000, crashed_ms)
            assert now_ms() - crashed_ms < DEADTIME_MS + late.ms, late
            assert flood.poll() is None
        finally:
            flood.kill()
            flood.wait()
        assert pid_of(pair.beta, "hb-core") == core
        assert "gave no sign of life" not in pair.beta.log()


@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
def test_a_name_service_that_does_not_answer_costs_nothing(tmp_path: Path) -> None:
    slow = tmp_path / "slow.so"
    made = ["cc", "-shared", "-fPIC", "-o", str(slow), "-x", "c", "-"]
    subprocess.run(made, input=SLOW_NAMES.encode(), check=True)
    product = EverbeatNode(environment={"LD_PRELOAD": str(slow)})
    with Pair(product) as pair:
        pair.start()
        core = pid_of(pair.beta, "hb-core")
        caller = as_user(pair.beta, "nobody", CALLS)
        try:
            assert caller.wait(30) == 0
        finally:
            caller.kill()
            caller.wait()
        assert pid_of(pair.beta, "hb-core") == core
        assert "gave no sign of life" not in pair.beta.log()


def play_tricks(node: Node) -> None:
    """Do as hacluster what can be done in RUN while it is hacluster's; a bystander may be hit."""
    tricks = as_user(node, "hacluster", TRICKS)
    try:
        assert tricks.wait(30) == 0
    finally:
        tricks.kill()
        tricks.wait()


def test_hacluster_gets_nothing_out_of_a_directory_that_was_its_own() -> None:
    with Pair() as pair:
        beta = pair.beta
        beta.sh("echo precious >/run/victim; chmod 644 /run/victim")
        bystander = beta.on.spawn("sh", "-c", "echo $$ >/run/bystander; exec sleep 600")
        wait_until(lambda: bool(beta.sh("cat /run/bystander || true").strip()), "the bystander")
        give_run_to_hacluster(beta)
        play_tricks(beta)  # before the node runs
        pair.start()
        assert beta.sh("stat -c '%U %a' /run/heartbeat").split() == ["root", "755"]
        assert beta.sh("stat -c %U /run/heartbeat/ccm").strip() == "hacluster", (
            "it stays Heartbeat's"
        )
        assert "belonged to user" in beta.log("everbeat.log") + beta.log()
        found = {name for name in beta.sh("ls /run/heartbeat").split() if ".foreign." not in name}
        assert found - {f"{n}.moved" for n in RUN_NAMES} - {"ccm"} <= set(RUN_NAMES), "name it"

        give_run_to_hacluster(beta)  # while it runs
        play_tricks(beta)
        told = everbeat(beta, "status", is_checked=False)
        assert "beta" in told or not told, "root's tool speaks to root or to nobody"
        wait_until(
            lambda: beta.sh("stat -c %U /run/heartbeat").strip() == "root", "RUN is root's again"
        )
        signal_process(beta, "hb-executor")
        old = signal_process(beta, "hb-link")
        wait_replaced(beta, "hb-link", old)
        old = signal_process(beta, "hb-core")
        wait_replaced(beta, "hb-core", old)
        pair.wait_settled()
        assert beta.sh("cat /run/victim") == "precious\n"
        assert beta.sh("stat -c %a /run/victim").strip() == "644"
        assert bystander.poll() is None, "it was ended by a note that hacluster wrote"
        bystander.kill()
        bystander.wait()
        assert status_of(beta)["membership"]["own"] == "beta"


def test_heartbeat_runs_on_a_directory_that_everbeat_has_taken_over() -> None:
    with Pair(HEARTBEAT) as pair:
        for node in (pair.alpha, pair.beta):
            node.sh("chown root:root /run/heartbeat; chmod 755 /run/heartbeat")
        pair.start()
        assert pair.beta.status("alpha") == "active"


def test_a_state_directory_of_others_is_refused_with_the_mend() -> None:
    with Pair() as pair:
        pair.beta.sh("chown hacluster /var/lib/heartbeat")
        pair.beta.start()
        assert pair.beta.processes[0].wait(30) == EXIT_UNSAFE_PLACE
        assert "chown root, chmod go-w" in pair.beta.log("everbeat.log")
