"""Users of the machine who are not root look where they may, and reach neither core nor root."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from cluster.pair_lab import DEADTIME_MS, Pair, now_ms, pid_of, settled_pair
from lab import wait_until
from lab.node import EverbeatNode

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
            assert now_ms() - crashed_ms < DEADTIME_MS + 10_000, "the machine is busy, not core"
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
