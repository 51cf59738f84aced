"""Who has the key, or a token, moves groups or brings one machine in, and becomes root nowhere."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cluster.pair_lab import ADDRESS, Pair, pid_of
from lab import wait_until
from lab.node import everbeat

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab import Node

pytestmark = pytest.mark.real

PROGRAM = str(Path(sys.executable).with_name("everbeat"))
EVIL = "respawn root /run/evil"

OFFER = """import sys
from pathlib import Path
from everbeat.ipc.client import CoreClient
from everbeat.ipc.messages import Distribute
from everbeat.model.distribution import Bundle, FileContent
bundle = Bundle((FileContent(sys.argv[1], sys.stdin.buffer.read()),))
with CoreClient(Path("/run/heartbeat")) as core:
    reply = core.request(Distribute(bundle, may_pass_over=False), 30)
for outcome in reply.outcomes:
    print(outcome.node, outcome.fate.value, *(report.code for report in outcome.reports))
print(reply.reason)
"""

JOIN = """import sys
from everbeat.adapters.cipher import AesSiv
from everbeat.adapters.invitation_socket import talk_to_inviter
from everbeat.wire.invitation import InvitationError, token_from_text
talk = talk_to_inviter(token_from_text(sys.argv[1]), AesSiv())
talk.say({"name": "gamma\\nrespawn root /usr/bin/id", "address": "10.77.0.9", "interface": "eth0"})
try:
    print("it said", sorted(talk.hear()))
except InvitationError as error:
    print("refused:", error)
"""


def offered(node: Node, name: str, content: str) -> str:
    """Offer a file to all nodes past every check of our commands, as a holder of the key can."""
    done = subprocess.run(
        node.on.command(sys.executable, "-c", OFFER, name),
        input=content,
        capture_output=True,
        text=True,
        errors="surrogateescape",
        check=True,
        timeout=60,
    )
    return done.stdout


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with Pair(authkeys="auth 1\n1 aes-siv laboratory-laboratory\n") as pair:
        for node in (pair.alpha, pair.beta):
            node.sh("printf '#!/bin/sh\\nid >/run/evil.ran\\n' >/run/evil; chmod 755 /run/evil")
        pair.start()
        yield pair


def in_etc(node: Node, name: str) -> str:
    return (node.folder / "ha.d" / name).read_text()


def test_no_program_comes_with_ha_cf_without_a_word_on_the_node(pair: Pair) -> None:
    alpha, beta = pair.alpha, pair.beta
    before = in_etc(beta, "ha.cf")
    wanted = before + f"{EVIL}\n"
    alpha.write("ha.cf", wanted)
    done = alpha.run(PROGRAM, "reload", "--all", is_checked=False)
    assert done.returncode == 1
    assert "beta says:" in done.stderr
    assert f"'{EVIL}' names what root is to use here" in done.stderr
    assert "program-not-allowed" in done.stderr
    assert "distribute programs" in done.stderr
    assert in_etc(beta, "ha.cf") == before
    refused = f"files of another node are refused: '{EVIL}'"
    wait_until(lambda: refused in beta.log(), "it is in the log", 5)

    beta.write("ha.cf", wanted)  # its person's word
    assert "beta  installed" in everbeat(alpha, "reload", "--all")

    allowed = before + "distribute programs\n"
    for node in (alpha, beta):
        node.write("ha.cf", allowed)
    alpha.write("ha.cf", allowed + EVIL + "\n")
    assert "beta  installed" in everbeat(alpha, "reload", "--all")
    assert EVIL in in_etc(beta, "ha.cf")
    for node in (alpha, beta):
        node.write("ha.cf", before)
        everbeat(node, "reload")


def test_no_resource_word_leads_out_of_the_folders_of_scripts(pair: Pair) -> None:
    alpha, beta = pair.alpha, pair.beta
    before = in_etc(beta, "haresources")
    for word, code in (
        ("../../../run/evil", "resource-name"),
        ("/run/evil", "resource-name"),
        ("webd::/run/evil.conf", "program-not-allowed"),
    ):
        told = offered(alpha, "haresources", f"{before}beta 10.77.0.60/24/eth0 {word}\n")
        (said,) = [line for line in told.splitlines() if line.startswith("beta ")]
        assert said.startswith("beta refused")
        assert code in said
        for node in (alpha, beta):
            assert in_etc(node, "haresources") == before
    assert alpha.sh("ls /run/evil.ran || true") == ""
    assert beta.sh("ls /run/evil.ran || true") == ""
    assert alpha.holds(ADDRESS)


def test_a_path_that_stands_in_haresources_by_hand_is_run_by_nobody(pair: Pair) -> None:
    beta = pair.beta
    before = in_etc(beta, "haresources")
    beta.write("haresources", before + "beta 10.77.0.61/24/eth0 ../../../run/evil\n")
    done = beta.run(PROGRAM, "reload", is_checked=False)
    assert done.returncode == 1
    assert "resource-name" in done.stderr
    beta.write("haresources", before)
    assert beta.sh("ls /run/evil.ran || true") == ""


def test_an_address_and_a_script_by_its_name_come_as_before(pair: Pair) -> None:
    told = offered(
        pair.alpha, "haresources", f"{in_etc(pair.beta, 'haresources')}beta 10.77.0.62/24/eth0\n"
    )
    assert "beta installed" in told
    wait_until(lambda: pair.beta.holds("10.77.0.62"), "the new group")


def test_a_word_that_is_no_utf_8_kills_nobody(pair: Pair) -> None:
    cores = {node: pid_of(node, "hb-core") for node in (pair.alpha, pair.beta)}
    word = "webd::f\udcfcr"  # ISO 8859-1
    told = offered(pair.alpha, "haresources", in_etc(pair.beta, "haresources") + f"beta {word}\n")
    assert "beta installed" in told
    for node, core in cores.items():
        wait_until(lambda node=node: "webd::f?r" in everbeat(node, "status"), "the group is shown")
        assert r"webd::f\udcfcr" in everbeat(node, "status", "--json")
        assert pid_of(node, "hb-core") == core


def test_a_token_brings_no_line_of_the_joiners_choice(pair: Pair) -> None:
    alpha = pair.alpha
    before = in_etc(alpha, "ha.cf")
    waiting = subprocess.Popen(
        alpha.on.command(PROGRAM, "invite"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert waiting.stdout is not None
    line = next(line for line in waiting.stdout if "everbeat join " in line)
    told = pair.lab.client.run(sys.executable, "-c", JOIN, line.split()[-1]).stdout
    said = waiting.communicate(timeout=60)[0]
    assert waiting.returncode == 1
    assert "is no name a node can have" in told
    assert r"'gamma\nrespawn root /usr/bin/id' is no name a node can have" in said
    assert "the machine at 10.77.0.100 has not joined" in said
    for node in (alpha, pair.beta):
        assert in_etc(node, "ha.cf") == before
