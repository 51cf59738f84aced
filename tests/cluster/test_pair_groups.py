"""Groups on two whole nodes: scripts of every kind, failures, a file system on a real device."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cluster.pair_lab import (
    ADDRESS,
    GROUP,
    Pair,
    events_of,
    group_of,
    logging_script,
    now_ms,
    script_log,
    signal_process,
    status_of,
    wait_replaced,
)
from lab import wait_until
from lab.node import EverbeatNode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab import Node

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("pair-groups")]

PROGRAM = str(Path(sys.executable).with_name("everbeat"))
SECOND = "10.77.0.51"
BROKEN_START = 'case "$last" in start) [ -e /var/log/start-works ] || exit 1 ;; esac'
BROKEN_STOP = 'case "$last" in stop) [ -e /var/log/stop-works ] || exit 1 ;; esac'


def test_a_start_that_fails_gives_the_group_to_another_node_as_soon_as_there_is_one() -> None:
    resources = f"alpha {GROUP} webd broken\nbeta {SECOND}/24/eth0 missing"
    with Pair(resources=resources) as pair:
        for node in (pair.alpha, pair.beta):
            node.write("resource.d/broken", logging_script("broken", BROKEN_START), 0o755)
        (pair.beta.folder / "log" / "start-works").touch()
        pair.alpha.start()
        wait_until(lambda: "stop broken stop" in script_log(pair.alpha), "it is stopped again", 30)
        wait_until(lambda: group_of(pair.alpha)["state"] == "failed", "and failed")
        assert not pair.alpha.holds(ADDRESS)
        assert any("did not start on alpha" in text for text in status_of(pair.alpha)["problems"])
        pair.beta.start()
        pair.probe.wait_answer("beta", 25)  # tried again on alpha only every 30 s
        assert pair.lab.holders(ADDRESS) == ["beta"]
        # what no script serves fails as well, and is held nowhere
        wait_until(lambda: pair.lab.holders(SECOND) == [], "both have failed it", 20)
        assert "no script, built-in or unit named missing" in pair.alpha.log()


def test_a_stop_that_fails_keeps_the_group_from_the_other_node() -> None:
    with Pair(resources=f"alpha {GROUP} sticky webd") as pair:
        for node in (pair.alpha, pair.beta):
            node.write("resource.d/sticky", logging_script("sticky", BROKEN_STOP), 0o755)
        (pair.beta.folder / "log" / "stop-works").touch()
        pair.start()
        began_ms = now_ms()
        pair.alpha.run(PROGRAM, "standby", "all", "--no-wait")
        wait_until(lambda: group_of(pair.alpha)["state"] == "stuck", "it is stuck", 30)
        assert script_log(pair.alpha).count("stop sticky stop") == 11
        assert pair.lab.holders(ADDRESS) == ["alpha"]
        assert not any(line.startswith("start") for line in script_log(pair.beta))
        [stuck] = events_of(pair.alpha, began_ms, "stop-stuck")
        assert stuck["severity"] == "error"
        assert pair.alpha.rscstatus() == "transition"
        # repaired: it goes on by itself at its next try
        (pair.alpha.folder / "log" / "stop-works").touch()
        pair.probe.wait_answer("beta", 40)
        pair.wait_settled("none", "all")


def test_an_executor_that_dies_in_the_midst_repeats_what_was_under_way() -> None:
    slow = logging_script("slow", 'case "$last" in start) sleep 3 ;; esac')
    with Pair(resources=f"alpha {GROUP} slow webd") as pair:
        for node in (pair.alpha, pair.beta):
            node.write("resource.d/slow", slow, 0o755)
        pair.start()
        pair.alpha.standby("all")
        wait_until(lambda: "start slow start" in script_log(pair.beta), "beta starts it", 15)
        old = signal_process(pair.beta, "hb-executor")
        wait_replaced(pair.beta, "hb-executor", old)
        pair.probe.wait_answer("beta", 30)
        pair.wait_settled("none", "all")
        calls = script_log(pair.beta)
        assert calls[-2:] == ["status slow status", "start slow start"] or (
            calls[-1] == "status slow status"
        )


def test_scripts_of_init_d_and_of_the_site_run_with_their_arguments_in_order() -> None:
    resources = f"alpha {GROUP} sited::one::two initd webd"
    with Pair(resources=resources) as pair:
        for node in (pair.alpha, pair.beta):
            node.write("resource.d/sited", logging_script("sited"), 0o755)
            node.write("initd", logging_script("initd"), 0o755)
            node.sh(
                "mkdir -p /run/init.d && cp -a /etc/init.d/. /run/init.d/ &&"
                "cp /etc/ha.d/initd /run/init.d/initd && mount --bind /run/init.d /etc/init.d"
            )
        pair.start()
        assert [c for c in script_log(pair.alpha) if not c.startswith("status")] == [
            "start sited one two start",
            "start initd start",
        ]
        pair.alpha.crash()
        pair.probe.wait_answer("beta", 15)
        assert [c for c in script_log(pair.beta) if c.startswith("start")] == [
            "start sited one two start",
            "start initd start",
        ]
        pair.beta.stop()
        assert [c for c in script_log(pair.beta) if c.startswith("stop")] == [
            "stop initd stop",
            "stop sited one two stop",
        ]


@pytest.fixture
def device(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A loop device with ext4 on it that both nodes see."""
    image = tmp_path_factory.mktemp("disk") / "image"
    with image.open("wb") as file:
        file.truncate(16 * 1024 * 1024)
    subprocess.run(["mkfs.ext4", "-q", "-F", str(image)], check=True)
    made = subprocess.run(
        ["losetup", "--find", "--show", str(image)], capture_output=True, text=True, check=False
    )
    if made.returncode:
        pytest.skip(f"no loop device here: {made.stderr.strip()}")
    path = made.stdout.strip()
    try:
        yield path
    finally:
        with contextlib.suppress(subprocess.CalledProcessError):
            subprocess.run(["losetup", "--detach", path], check=True)


def with_modprobe(node: Node) -> None:
    """Debian's Filesystem wants this program, the kernel has ext4 built in."""
    node.sh(
        "command -v modprobe || { "
        "mkdir /run/sbin && ln -s /bin/true /run/sbin/modprobe && "
        "mount --bind /run/sbin /usr/local/sbin; }"
    )


@pytest.mark.real(programs=["losetup", "mkfs.ext4"])
def test_a_file_system_moves_with_its_address_by_the_scripts_of_debian(device: str) -> None:
    group = f"alpha {GROUP} Filesystem::{device}::/run/data::ext4 webd"
    with Pair(EverbeatNode(has_package_scripts=True), resources=group) as pair:
        for node in (pair.alpha, pair.beta):
            with_modprobe(node)
        pair.start()
        pair.probe.wait_answer("alpha")
        served_by = pair.alpha.log()
        assert "/etc/ha.d/resource.d/Filesystem" in served_by
        assert "/etc/ha.d/resource.d/IPaddr" in served_by
        pair.alpha.sh("mountpoint -q /run/data && echo kept >/run/data/file && sync")
        pair.alpha.standby("all")
        pair.probe.wait_answer("beta", 30)
        pair.wait_settled("none", "all")
        assert pair.beta.sh("cat /run/data/file") == "kept\n"
        assert pair.alpha.sh("mountpoint -q /run/data || echo no") == "no\n"
        pair.beta.crash()
        # alpha has to look at what a power cut left of the file system
        pair.probe.wait_answer("alpha", 40)
        assert pair.alpha.sh("cat /run/data/file") == "kept\n"
