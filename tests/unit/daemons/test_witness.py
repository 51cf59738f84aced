"""The witness's process on the loopback."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from everbeat.commands.lines import plain
from everbeat.commands.witness import fetch_witness_status, render_witness_status
from everbeat.model.keys import AuthKey, AuthKeys
from everbeat.model.names import NodeName
from everbeat.model.quorum import Want, WitnessAsk, WitnessReason, WitnessReply
from everbeat.wire.witness import WitnessKeyring, open_reply, seal_ask, witness_keys
from lab.slowness import is_over

if TYPE_CHECKING:
    from pathlib import Path

    from everbeat.wire.witness import RejectedWitness

KEY = witness_keys("", AuthKeys(1, (AuthKey(1, "sha1", b"TopSecretKey"),)))[0]


class Process:
    """A witness of the cluster `shop` on a free port."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        keys = folder / "etc" / "witness.d" / "shop.authkeys"
        keys.parent.mkdir(parents=True)
        keys.write_text("auth 1\n1 sha1 TopSecretKey\n")
        keys.chmod(0o600)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "everbeat.daemons.witness"),
                *("--listen", f"127.0.0.1:{self.port}", f"--etc={folder}/etc"),
                *(f"--state={folder}/state", f"--run={folder}/run"),
            ],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        began = time.monotonic()
        while not (folder / "run/witness.sock").exists():
            assert not is_over(began, 30)
            assert self.process.poll() is None
            time.sleep(0.02)

    def ask(self, node: str, about: str, stamp_ms: int) -> WitnessReply | RejectedWitness | None:
        """Ask, and again with the life that the first answer tells."""
        reply = self._ask(node, about, stamp_ms, 0)
        if isinstance(reply, WitnessReply) and reply.reason is WitnessReason.AGAIN:
            return self._ask(node, about, stamp_ms, reply.life)
        return reply

    def _ask(
        self, node: str, about: str, stamp_ms: int, life: int
    ) -> WitnessReply | RejectedWitness | None:
        ask = WitnessAsk(
            node=NodeName(node),
            generation=1,
            stamp_ms=stamp_ms,
            nonce=stamp_ms,
            about=NodeName(about),
            wants=Want.LEASE,
            lease_ms=20,
            dead_ms=50,
            life=life,
        )
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.settimeout(2)
            if not life and stamp_ms == 1:  # once
                asking.sendto(b"from a stranger", ("127.0.0.1", self.port))
            asking.sendto(seal_ask(ask, KEY), ("127.0.0.1", self.port))
            try:
                data, source = asking.recvfrom(1_000)
            except TimeoutError:
                return None
            assert source == ("127.0.0.1", self.port)
            return open_reply(data, WitnessKeyring([KEY]))

    def ask_once_it_may_answer(self) -> WitnessReply | RejectedWitness | None:
        """Ask for alpha about beta until its start is dead_ms ago."""
        for stamp_ms in range(1, 100):
            reply = self.ask("alpha", "beta", stamp_ms)
            if not isinstance(reply, WitnessReply) or reply.reason is not WitnessReason.STARTING:
                return reply
            time.sleep(0.05)
        raise AssertionError("it is still starting")

    def end(self) -> tuple[int, str]:
        """End it if it runs; return its exit status and what it said."""
        self.process.send_signal(signal.SIGTERM)
        _, said = self.process.communicate(timeout=30)
        return self.process.returncode, said.decode()


def test_it_grants_keeps_tells_and_ends(tmp_path: Path) -> None:
    witness = Process(tmp_path)
    reply = witness.ask_once_it_may_answer()
    assert getattr(reply, "is_granted", None), reply
    assert (tmp_path / "state/shop.grants").read_text() == "alpha 50 beta\n"
    text = fetch_witness_status(tmp_path / "run")
    status = json.loads(text)
    [cluster] = status["clusters"]
    assert (cluster["cluster"], cluster["nodes"][0]["node"]) == ("shop", "alpha")
    assert status["rejected_count"] == 1
    assert "shop\n  alpha  " in plain(render_witness_status(text))
    witness.process.send_signal(signal.SIGHUP)
    code, said = witness.end()
    assert code == 0
    assert "shop: alpha may go on without beta" in said
    assert "1 datagrams dropped: not-ours (from 127.0.0.1)" in said
    assert not (tmp_path / "run/witness.sock").exists()


def test_a_grant_that_cannot_be_kept_is_not_given(tmp_path: Path) -> None:
    witness = Process(tmp_path)
    (tmp_path / "state").rmdir()
    assert witness.ask_once_it_may_answer() is None
    witness.process.wait(30)
    code, said = witness.end()
    assert code == 1
    assert "a grant cannot be kept, so none is given" in said


def test_without_keys_it_says_where_to_put_them(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "everbeat.daemons.witness", f"--etc={tmp_path}"],
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 6
    assert (
        f"copy a cluster's authkeys to {tmp_path}/witness.d/NAME.authkeys" in done.stderr.decode()
    )
