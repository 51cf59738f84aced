"""A machine booted by the real systemd: own PID 1, cgroups, units and network, our own tree.

    with SystemdMachine(units={"web.service": "…"}) as machine:
        machine.run("systemctl", "start", "web")

The root is an overlay over the host's, so all installed packages are there and whatever is
written goes away with the machine. No unit of the host is started: only what tests ask for.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

from lab.slowness import is_over

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

SYSTEMD = "/lib/systemd/systemd"
BOOT_LIMIT_S = 60.0

# First half: still on the host's PID 1; a cgroup of its own, so that nothing leaks into the host's.
ENTER = """set -e
mount --make-rprivate /
mkdir -p {folder}/cgroup
mount -t cgroup2 cgroup2 {folder}/cgroup
mkdir -p {folder}/cgroup/{name}
echo $$ > {folder}/cgroup/{name}/cgroup.procs
exec unshare --cgroup --mount --uts --ipc --net --pid --fork --kill-child sh {folder}/boot.sh
"""

# Second half: in its own namespaces.
BOOT = """set -e
mount -t tmpfs tmpfs {folder}/disk
mkdir {folder}/disk/up {folder}/disk/work {folder}/disk/root
mount -t overlay overlay -o \
lowerdir=/,upperdir={folder}/disk/up,workdir={folder}/disk/work {folder}/disk/root
cd {folder}/disk/root
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t tmpfs tmpfs dev
mkdir dev/pts dev/shm
mount -t devpts devpts dev/pts -o newinstance
mount -t tmpfs tmpfs dev/shm
for node in null zero full random urandom tty; do
    touch dev/$node; mount --bind /dev/$node dev/$node
done
mount -t tmpfs tmpfs run
mount -t tmpfs tmpfs tmp
mkdir -p sys/fs/cgroup && mount -t cgroup2 cgroup2 sys/fs/cgroup
mkdir -p .{tree} && mount --bind {tree} .{tree}
rm -rf etc/systemd/system etc/ha.d var/lib/heartbeat
mkdir -p etc/systemd/system etc/ha.d/resource.d
cp -r {folder}/files/. ./
echo {host} > etc/hostname
mkdir old
pivot_root . old
umount -l /old
ip link set lo up
exec env -i container=lab PATH=/usr/sbin:/usr/bin:/sbin:/bin {systemd} --system --unit=lab.target
"""

TARGET = """[Unit]
Requires=basic.target
After=basic.target
"""


class SystemdMachine:
    """A booted machine; `files` (path without the first slash → text) lie in its root."""

    def __init__(self, files: Mapping[str, str], host: str = "alpha") -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="everbeat-systemd-"))
        self.tree = Path(__file__).parents[2]
        (self.folder / "disk").mkdir()
        words = {
            "folder": self.folder,
            "name": self.folder.name,
            "host": host,
            "tree": self.tree,
            "systemd": SYSTEMD,
        }
        (self.folder / "enter.sh").write_text(ENTER.format(**words))
        (self.folder / "boot.sh").write_text(BOOT.format(**words))
        for path, text in {"etc/systemd/system/lab.target": TARGET, **files}.items():
            place = self.folder / "files" / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text)
            place.chmod(0o600 if place.name == "authkeys" else 0o644)
        self._pid = 0
        self._outer: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Boot it; wait until systemd answers."""
        with (self.folder / "console").open("wb") as console:
            self._outer = subprocess.Popen(
                ["unshare", "--mount", "--fork", "--kill-child", "sh", self.folder / "enter.sh"],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
            )
        try:
            self.wait("the machine to boot", self._is_up, BOOT_LIMIT_S)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        """Switch it off."""
        self._end()

    def run(self, *argv: str, is_checked: bool = True, timeout_s: float = 60) -> str:
        """Run a program on the machine and return what it printed; raises if it fails."""
        done = subprocess.run(
            ["nsenter", "-t", str(self._pid), "--all", *argv],
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        if is_checked and done.returncode != 0:
            raise AssertionError(f"{argv}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def spawn(self, *argv: str) -> subprocess.Popen[str]:
        """Start a program on the machine; its output is read from what is returned."""
        return subprocess.Popen(
            ["nsenter", "-t", str(self._pid), "--all", *argv],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def connect(self, other: SystemdMachine, addresses: tuple[str, str]) -> None:
        """Lay a cable to another machine: eth0 on both, with an address each."""
        self.run("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "far")
        give = ["ip", "link", "set", "far", "netns", str(other._pid), "name", "eth0"]
        subprocess.run(["nsenter", "-t", str(self._pid), "--net", "--", *give], check=True)
        for machine, address in zip((self, other), addresses, strict=True):
            machine.run("ip", "address", "add", address, "dev", "eth0")
            machine.run("ip", "link", "set", "eth0", "up")

    def wait(self, what: str, is_so: Callable[[], bool], limit_s: float = 30) -> None:
        """Wait until something holds."""
        began = time.monotonic()
        while not is_so():
            if is_over(began, limit_s):
                console = (self.folder / "console").read_text(errors="replace")[-3000:]
                raise AssertionError(f"waited {limit_s} s for {what}\n{console}")
            time.sleep(0.05)

    def _is_up(self) -> bool:
        self._pid = self._pid or self._find_init()
        if not self._pid:
            return False
        state = self.run("systemctl", "is-system-running", is_checked=False).strip()
        return state in {"running", "degraded"}

    def _find_init(self) -> int:
        """Return the PID, seen from here, of the machine's PID 1; 0 before it runs systemd."""
        assert self._outer is not None
        pid = self._outer.pid
        while True:
            try:
                children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
                if not children:
                    return 0
                pid = int(children[0])
                if Path(f"/proc/{pid}/exe").readlink().name == "systemd":
                    return pid
            except OSError:
                return 0  # a step of the preparation that has just ended

    def _end(self) -> None:
        if self._pid:
            os.kill(self._pid, signal.SIGKILL)  # the whole PID namespace ends with it
        if self._outer is not None:
            self._outer.kill()
            self._outer.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
