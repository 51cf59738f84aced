"""Our tools beside Heartbeat's, against a real Heartbeat and against our client API."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from api_daemon import PING, ApiDaemon
from conftest import HEARTBEAT_PROGRAM, require_real
from everbeat.adapters.namespaces import Space, SpaceConfig
from everbeat.commands.tool_links import OLD_NAMES
from everbeat.model.cluster import ApiAuthorization
from everbeat.model.members import LinkStatus, MembershipView, NodeStatus
from everbeat.model.membership import LinkChanged, MessageReceived, NodeStatusChanged, StatusReason
from everbeat.model.message import message_of
from everbeat.model.names import LinkName
from lab import Lab
from lab.laboratory import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab import Node

pytestmark = pytest.mark.real

THEIRS = "/usr/bin/cl_status"
SAME = """
-x|bogus|hbstatus|hbstatus -m|hbstatus foo|hbstatus -x|hbstatus -v|hbstatus -v -m
listnodes|listnodes -m|listnodes -p|listnodes -n|listnodes -p -n|listnodes -v|listnodes -pm
listnodes -v -m|listnodes foo
nodestatus|nodestatus alpha|nodestatus -m alpha|nodestatus alpha -m|nodestatus nosuch
nodestatus BETA|nodestatus 10.77.0.100|nodestatus alpha beta|nodestatus -p alpha
nodetype beta|nodetype -m 10.77.0.100|nodetype nosuch|nodetype
nodeweight beta|nodeweight -m beta|nodeweight nosuch|nodeweight
nodesite beta|nodesite -m beta|nodesite nosuch
listhblinks beta|listhblinks -m beta|listhblinks -v beta|listhblinks nosuch|listhblinks
hblinkstatus beta eth0|hblinkstatus -m beta eth0|hblinkstatus alpha eth0
hblinkstatus beta eth9|hblinkstatus nosuch eth0|hblinkstatus beta
clientstatus alpha ipfail|clientstatus beta ipfail 2000|clientstatus nosuch ipfail 50
clientstatus beta|rscstatus|rscstatus -m|rscstatus -v
hbparameter -p keepalive|hbparameter -m -p deadtime|hbparameter -p nosuch|hbparameter
hbparameter -p|hbparameter -p hbversion|hbparameter -p apiauth|-m nodestatus beta
"""
CALLS = [call for line in SAME.strip().splitlines() for call in line.split("|")]


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the old names as links to everbeat."""
    folder = tmp_path_factory.mktemp("bin")
    everbeat = Path(sys.executable).with_name("everbeat")
    subprocess.run([everbeat, "tools", "link", folder, "--target", everbeat], check=True)
    assert sorted(path.name for path in folder.iterdir()) == sorted(OLD_NAMES)
    return folder


@pytest.fixture(scope="module")
def pair() -> Iterator[Lab]:
    """Two nodes of Heartbeat with a ping node, each holding its own group."""
    require_real(HEARTBEAT_PROGRAM, "cl_status")
    with Lab() as lab:
        for name in ("alpha", "beta"):
            lab.heartbeat(name)
        lab.configure(resources="alpha webd::a\nbeta webd::b", extra="ping 10.77.0.100\nhopfudge 1")
        for node in lab.nodes.values():
            node.write("resource.d/webd", QUIET_SCRIPT, 0o755)
        lab.start()
        for node in lab.nodes.values():
            node.wait_rscstatus("local")
        yield lab


QUIET_SCRIPT = """#!/bin/sh
case "$2" in
start) touch /run/webd.$1 ;;
stop) rm -f /run/webd.$1 ;;
status) [ -e /run/webd.$1 ] && echo running || echo stopped ;;
esac
"""


def normal(done: subprocess.CompletedProcess[str]) -> tuple[int, str, str]:
    """Return exit code, stdout and stderr without time and pid."""
    stderr = re.sub(r"(?m)^\w+ +\d+ [\d:]+ (\S+ cl_status: )\[\d+\]", r"DATE \1[PID]", done.stderr)
    return done.returncode, done.stdout, stderr


def test_every_call_of_cl_status_ends_as_heartbeats_own_does(pair: Lab, tools: Path) -> None:
    alpha = pair.nodes["alpha"]
    different = []
    for call in CALLS:
        theirs, ours = (
            normal(alpha.run(program, *call.split(), is_checked=False))
            for program in (THEIRS, str(tools / "cl_status"))
        )
        if theirs != ours:
            different.append((call, theirs, ours))
    assert different == []


def test_without_a_daemon_both_say_so_alike(tools: Path) -> None:
    require_real(HEARTBEAT_PROGRAM, "cl_status")
    with Lab() as lab:
        node = lab.heartbeat("alpha")
        for call in ("hbstatus", "hbstatus -v", "listnodes", "rscstatus", "nodestatus", "bogus"):
            theirs, ours = (
                normal(node.run(program, *call.split(), is_checked=False))
                for program in (THEIRS, str(tools / "cl_status"))
            )
            assert theirs == ours, call


def test_hb_standby_and_hb_takeover_wait_for_a_real_heartbeat(pair: Lab, tools: Path) -> None:
    alpha, beta = pair.nodes["alpha"], pair.nodes["beta"]
    done = _move(alpha, tools, "hb_standby", "all")
    assert re.search(r"^\w+ +\d+ [\d:]+ Going standby \[all\]\.$", done.stderr.splitlines()[0])
    assert done.returncode == 0, done
    assert done.stdout.startswith("standby [all] done after ")
    beta.wait_rscstatus("all")
    assert beta.sh("ls /run/webd.a /run/webd.b")
    done = _move(alpha, tools, "hb_takeover", "local")
    assert done.returncode == 0, done
    assert alpha.sh("ls /run/webd.a")
    alpha.wait_rscstatus("all", "local")


def test_a_standby_nobody_takes_is_told_as_failed(tools: Path) -> None:
    require_real(HEARTBEAT_PROGRAM, "cl_status")
    with Lab() as lab:
        alpha = lab.heartbeat("alpha")
        lab.heartbeat("beta")
        lab.configure(resources="alpha webd::a", initdead="3")
        alpha.write("resource.d/webd", QUIET_SCRIPT, 0o755)
        alpha.start()  # beta never does
        alpha.wait_rscstatus("all")
        done = _move(alpha, tools, "hb_standby", "all")
        assert done.returncode == 1, done
        assert "refused or cancelled" in done.stderr


def _move(node: Node, tools: Path, name: str, word: str) -> subprocess.CompletedProcess[str]:
    return node.run(str(tools / name), word, "--wait", "--timeout", "40", is_checked=False)


# --- Heartbeat's cl_status against our client API ----------------------------------------------


def test_heartbeats_cl_status_reads_our_client_api(tools: Path) -> None:
    if shutil.which(THEIRS) is None:
        require_real(THEIRS)
    space = Space(SpaceConfig(host="alpha", tmpfs=(("/run", "mode=755"),)))
    rule = ApiAuthorization("anon", users=("root",), groups=("haclient",))
    try:
        with ApiDaemon(space.root / "run/heartbeat/register", rule):
            for call in CALLS:
                theirs, ours = (
                    normal(_in_our_pids(space, program, *call.split()))
                    for program in (THEIRS, str(tools / "cl_status"))
                )
                assert theirs == ours, call
            told = _in_our_pids(space, THEIRS, "hbstatus", "-v").stdout
            assert told.splitlines()[0] == "version:\t3.0.6 (everbeat)"
    finally:
        space.kill()


def _in_our_pids(space: Space, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a program inside, but in our PID namespace: the daemon is here and compares pids."""
    command = [word for word in space.command(*words) if word != "-p"]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_heartbeats_ipfail_lives_on_our_client_api() -> None:
    require_real("/usr/libexec/heartbeat/ipfail")
    space = Space(SpaceConfig(host="alpha", tmpfs=(("/run", "mode=755"),)))
    rule = ApiAuthorization("ipfail", users=("root",))
    ipfail = [w for w in space.command("/usr/libexec/heartbeat/ipfail") if w != "-p"]
    with ApiDaemon(space.root / "run/heartbeat/register", rule) as daemon:
        process = subprocess.Popen(ipfail, stderr=subprocess.PIPE, text=True)
        try:
            assert process.stderr is not None
            while "Waiting for messages" not in process.stderr.readline():
                assert process.poll() is None
            daemon.view = _without_ping_node(daemon.view)
            daemon.hear(PING_DIED)
            daemon.hear(LinkChanged(PING, LinkName(PING), LinkStatus.DEAD, 2))
            wait_until(lambda: "num_ping_nodes" in _types(daemon), "ipfail counts ping nodes")
            daemon.hear(MessageReceived(message_of(t="you_are_dead", src="beta"), 0))
            wait_until(lambda: daemon.standbys == ["all"], "ipfail gives up")
        finally:
            process.kill()
            process.communicate()
            space.kill()


PING_DIED = NodeStatusChanged(
    node=PING,
    old=NodeStatus.PING,
    new=NodeStatus.DEAD,
    reason=StatusReason.DEADTIME,
    last_heard_ms=1,
    at_ms=2,
)


def _types(daemon: ApiDaemon) -> list[str]:
    return [order.message.type for order in daemon.broadcasts]


def _without_ping_node(view: MembershipView) -> MembershipView:
    dead = tuple(replace(n, status=NodeStatus.DEAD) if n.node == PING else n for n in view.nodes)
    return replace(view, nodes=dead)
