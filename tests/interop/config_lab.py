"""What Heartbeat 3.0.6 says to a configuration: started in namespaces of its own, then killed.

The node is called alpha and has eth0 (10.99.0.1/24) and eth1 (10.98.0.1/24), like the machine of
`config_cases`. PID 1 of its PID namespace ends with the verdict and takes every process with it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from everbeat.config.files import bytes_from_text

if TYPE_CHECKING:
    from config_cases import Case

HEARTBEAT = Path("/usr/libexec/heartbeat/heartbeat")
START_SECONDS_MAX = 20

BOOT = r"""
set -e
mount --make-rprivate /
mount -t proc proc /proc
hostname alpha
mount --bind "$NODE/ha.d" /etc/ha.d
mount --bind "$NODE/lib" /var/lib/heartbeat
mount --bind "$NODE/log" /var/log
mount --bind "$NODE/hosts" /etc/hosts
mount -t tmpfs tmpfs /run -o mode=755
mkdir -p /run/heartbeat/ccm /run/heartbeat/crm /run/heartbeat/dopd
chown -R hacluster:haclient /run/heartbeat
[ ! -e /bin/systemctl ] || mount --bind /bin/true /bin/systemctl
for device in /proc/sysrq-trigger /dev/watchdog; do
  [ ! -e $device ] || mount --bind /dev/null $device
done
ip link set lo up
for n in 0 1; do
  ip link add eth$n type veth peer name p$n
  ip link set p$n up
  ip addr add 10.9$((9 - n)).0.1/24 brd + dev eth$n
  ip link set eth$n up
done
ip link add eth2 type veth peer name p2
ip link set eth2 up
set +e
timeout $START_SECONDS_MAX "$HEARTBEAT" 2>&1
echo "exit=$?"
"""


@dataclass(frozen=True)
class Verdict:
    exit_status: int
    output: str

    @property
    def word(self) -> str:
        return "accepts" if self.exit_status == 0 else "refuses"


def is_available() -> bool:
    return HEARTBEAT.exists() and os.geteuid() == 0


def verdict_of(case: Case) -> Verdict:
    """Start the daemon on the case's files and tell whether it refuses."""
    node = Path(tempfile.mkdtemp(prefix="cfg-"))
    try:
        _furnish(node, case)
        environment = {
            **os.environ,
            "NODE": str(node),
            "HEARTBEAT": str(HEARTBEAT),
            "START_SECONDS_MAX": str(START_SECONDS_MAX),
        }
        # All namespaces, a child as PID 1, and everything dies with it.
        unshare = ["unshare", "-n", "-m", "-u", "-i", "-p", "--fork", "--kill-child"]
        done = subprocess.run(
            [*unshare, "bash", "-c", BOOT],
            cwd=node,  # a relative log file lands there
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=2 * START_SECONDS_MAX,
            check=False,
        )
        output = done.stdout.decode(errors="replace")
        _, found, status = output.rpartition("exit=")
        assert found, output
        return Verdict(int(status.split()[0]), output)
    finally:
        shutil.rmtree(node, ignore_errors=True)


def _furnish(node: Path, case: Case) -> None:
    shutil.copytree("/etc/ha.d", node / "ha.d")
    subprocess.run(["cp", "-a", "/var/lib/heartbeat", node / "lib"], check=True)
    (node / "log").mkdir()
    (node / "hosts").write_text("127.0.0.1 localhost\n10.99.0.1 alpha\n10.99.0.2 beta\n")
    for name, text in case.files.items():
        if text is not None:
            (node / "ha.d" / name).write_bytes(bytes_from_text(text))
    if case.files["authkeys"] is not None:
        (node / "ha.d" / "authkeys").chmod(case.modes["authkeys"])
