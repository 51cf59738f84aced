"""The own dialect on a real wire: encrypted, negotiated, rolled over; classic with a Heartbeat."""

from __future__ import annotations

import signal
import sys
import time
from typing import TYPE_CHECKING

import pytest

from lab import Lab, wait_until

if TYPE_CHECKING:
    from lab import Node

pytestmark = pytest.mark.real

VIP = "10.77.0.50"
RESOURCES = f"alpha {VIP}/24/eth0 webd"
OLD = "1 sha1 laboratory"
NEW = "2 aes-siv another-secret-of-the-laboratory"

SNIFF = """import socket, sys, time
packets = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
packets.settimeout(0.2)
end = time.monotonic() + float(sys.argv[1])
while time.monotonic() < end:
    try:
        data = packets.recv(4096)
    except TimeoutError:
        continue
    start = 4 * (data[0] & 15)
    if data[9] == 17 and data[start + 2 : start + 4] == (694).to_bytes(2, "big"):
        print(data[start + 8 : start + 14])
"""


def heard(lab: Lab, seconds: float) -> set[str]:
    """Return the first bytes of all datagrams on the bridge, as the client hears them."""
    done = lab.client.run(sys.executable, "-I", "-c", SNIFF, str(seconds))
    return set(done.stdout.split("\n")) - {""}


def is_own(start: str) -> bool:
    return start.startswith("b'EVB1")


def reread(node: Node, authkeys: str) -> None:
    """Let a node use other keys, and wait until it does."""
    told = "authkeys was read again"
    before = node.log().count(told)
    node.write("authkeys", authkeys, 0o600)
    node.sh(f"kill -{signal.SIGHUP.value} $(cat /run/heartbeat.pid)")
    wait_until(lambda: node.log().count(told) > before, f"{node.name} uses the keys", 10)


def test_an_encrypted_pair_serves_and_no_word_can_be_read() -> None:
    with Lab() as lab:
        alpha, _ = lab.everbeat("alpha"), lab.everbeat("beta")
        lab.configure(resources=RESOURCES, authkeys=f"auth 2\n{NEW}\n")
        lab.start()
        with lab.probing(VIP) as probe:
            probe.wait_answer("alpha")
            starts = heard(lab, 1)
            assert starts
            assert all(map(is_own, starts))
            alpha.crash()
            probe.wait_answer("beta")


def test_two_everbeats_with_old_keys_agree_on_the_own_dialect() -> None:
    with Lab() as lab:
        lab.everbeat("alpha"), lab.everbeat("beta")
        lab.configure(authkeys=f"auth 1\n{OLD}\n")
        lab.start()
        starts = heard(lab, 1)
        assert starts
        assert all(map(is_own, starts))


@pytest.mark.usefixtures("with_heartbeat")
def test_with_a_heartbeat_all_is_classic_also_after_an_everbeat_was_there() -> None:
    with Lab() as lab:
        alpha, beta = lab.everbeat("alpha"), lab.heartbeat("beta")
        lab.configure(authkeys=f"auth 1\n{OLD}\n")
        lab.start()
        starts = heard(lab, 1)
        assert starts
        assert not any(map(is_own, starts))
        assert alpha.status("beta") == beta.status("alpha") == "active"


def test_keys_are_rolled_over_without_a_gap() -> None:
    with Lab() as lab:
        nodes = [lab.everbeat("alpha"), lab.everbeat("beta")]
        lab.configure(resources=RESOURCES, authkeys=f"auth 1\n{OLD}\n")
        lab.start()
        for keys in (f"auth 1\n{OLD}\n{NEW}\n", f"auth 2\n{NEW}\n{OLD}\n", f"auth 2\n{NEW}\n"):
            for node in nodes:
                reread(node, keys)
        time.sleep(2.5)  # longer than deadtime
        for node in nodes:
            assert "dead" not in node.log()
            assert "late" not in node.log()
        starts = heard(lab, 1)
        assert starts
        assert all(map(is_own, starts))
