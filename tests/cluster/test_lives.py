"""Generations that go back or leap, on real nodes: told on both sides, cured as the line says."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING

import pytest

from lab import Lab, wait_until
from lab.node import everbeat

if TYPE_CHECKING:
    from lab import Node

pytestmark = pytest.mark.real

VIP = "10.77.0.50"
KEYS = "auth 1\n1 aes-siv secret-of-the-laboratory\n"
WAIT_S = 60

SAY = """import socket, sys
from everbeat.adapters.cipher import AesSiv
from everbeat.model.keys import AuthKey
from everbeat.model.message import message_of
from everbeat.wire.datagram import text_from_message
from everbeat.wire.dialect import Origin, seal_own
generation = int(sys.argv[1])
fields = dict(src="alpha", seq="1", hg=f"{generation:x}", ts="1", ld="0", ttl="3")
status = message_of(t="status", st="active", dt="7d0", protocol="1", eb_dialect="1", **fields)
text = text_from_message(status, compression=None, threshold_kib=2, is_traditional=False)
key = AuthKey(1, "aes-siv", b"secret-of-the-laboratory")
data = seal_own(text, Origin(b"x" * 16, generation, 1 << 60), key, AesSiv())
mouth = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
mouth.sendto(data, (sys.argv[2], 694))
"""


def wait_problem(node: Node, *words: str) -> str:
    """Return the problem line that has all these words."""

    def found() -> list[str]:
        answer = everbeat(node, "status", "--json", is_checked=False)  # none while core starts
        problems = [str(line) for line in json.loads(answer)["problems"]] if answer else []
        return [line for line in problems if all(word in line for word in words)]

    wait_until(lambda: bool(found()), f"{node.name} tells of {words}", WAIT_S, 0.2)
    return found()[0]


def generation_of(node: Node) -> int:
    return int((node.folder / "lib" / "hb_generation").read_text())


def test_an_old_generation_that_was_restored_is_told_on_both_sides_and_cured() -> None:
    with Lab() as lab:
        alpha, beta = lab.everbeat("alpha"), lab.everbeat("beta")
        lab.configure(resources=f"alpha {VIP}/24/eth0 webd", authkeys=KEYS)
        lab.start()
        known = generation_of(alpha)
        alpha.stop()
        (alpha.folder / "lib" / "hb_generation").write_bytes(b"%15d\n" % (known - 5))
        alpha.start()
        remedy = f"echo {known} >/var/lib/heartbeat/hb_generation"
        assert remedy in wait_problem(beta, "alpha is heard in an older life", str(known - 4))
        assert remedy in wait_problem(alpha, "beta does not believe this node", str(known))
        assert lab.holders(VIP) == ["beta"]
        alpha.stop()
        alpha.sh(remedy)
        alpha.start()
        lab.wait_formed()
        assert generation_of(alpha) == known + 1


def test_a_generation_from_nowhere_is_told_and_shuts_nobody_out() -> None:
    with Lab() as lab:
        alpha, beta = lab.everbeat("alpha"), lab.everbeat("beta")
        lab.configure(resources=f"alpha {VIP}/24/eth0 webd", authkeys=KEYS)
        lab.start()
        for generation in (1 << 40, (1 << 64) - 1):
            where = f"10.77.0.{beta.number}"
            lab.client.run(sys.executable, "-c", SAY, str(generation), where)
            wait_problem(beta, "alpha says", str(generation))
        time.sleep(3)  # longer than deadtime
        assert beta.status("alpha") == "active"
        assert lab.holders(VIP) == ["alpha"]
        assert alpha.status("beta") == "active"
