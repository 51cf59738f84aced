"""The old tools: cl_status, hb_standby, hb_addnode, and the links that name them."""

from __future__ import annotations

import io
import os
import threading
from typing import TYPE_CHECKING

import pytest

from api_daemon import ApiDaemon, manager_of
from everbeat.adapters.api_client import ApiError
from everbeat.commands.cl_status import cl_status
from everbeat.commands.moving import Direction, Sight, move_of, old_tool, wait_moved
from everbeat.commands.node_list import change_nodes
from everbeat.commands.places import Places
from everbeat.commands.tool_links import OLD_NAMES, link_tools
from everbeat.model.holdings import Hold

if TYPE_CHECKING:
    from pathlib import Path


def places(folder: Path) -> Places:
    return Places(folder / "etc", folder, folder)


def ask(folder: Path, words: str) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    code = cl_status(words.split(), places(folder), out, err)
    return code, out.getvalue(), err.getvalue()


@pytest.mark.parametrize(
    ("words", "code", "out"),
    [
        ("hbstatus", 0, "Heartbeat is running on this machine.\n"),
        ("listnodes", 0, "10.77.0.100\nbeta\nalpha\n"),
        ("listnodes -n", 0, "beta\nalpha\n"),
        ("listnodes -p -m", 0, "The nodes are as follow:\n10.77.0.100\n"),
        ("nodestatus beta -m", 0, "The cluster node beta is active\n"),
        ("nodetype -m beta", 0, "The node beta's type: normal\n"),
        ("nodeweight -m beta", 0, "The weight of the cluster node beta is 100\n"),
        ("nodesite beta", 0, "\n"),
        ("listhblinks beta -v", 0, "\teth0\tup\n"),
        ("hblinkstatus beta eth0", 0, "up\n"),
        ("rscstatus -m", 0, "This node is holding local resources.\n"),
        ("hbparameter -p keepalive", 0, "500ms\n"),
        ("clientstatus alpha nobody", 1, "offline\n"),
        ("nodestatus", 11, ""),
        ("nodestatus nosuch", 11, ""),
        ("hblinkstatus beta eth9", 13, ""),
        ("hbparameter -p nosuch", 1, ""),
        ("bogus", 11, ""),
    ],
)
def test_cl_status_answers_as_in_heartbeat(tmp_path: Path, words: str, code: int, out: str) -> None:
    with ApiDaemon(tmp_path / "register"):
        assert ask(tmp_path, words)[:2] == (code, out)


def test_cl_status_without_a_daemon(tmp_path: Path) -> None:
    assert ask(tmp_path, "hbstatus") == (1, "Heartbeat is stopped on this machine.\n", "")
    code, out, err = ask(tmp_path, "listnodes")
    assert (code, out) == (1, "")
    assert [line.split("ERROR: ")[1] for line in err.splitlines()] == [
        "Cannot signon with heartbeat",
        "REASON: hb_api_signon: Can't initiate connection to heartbeat",
    ]


def test_every_node_is_shown_with_its_links(tmp_path: Path) -> None:
    with ApiDaemon(tmp_path / "register"):
        _, out, _ = ask(tmp_path, "hbstatus -v")
    assert out.splitlines() == [
        "version:\t3.0.6 (everbeat)",
        'managed by:\t"haresources"',
        "",
        "10.77.0.100\tping\t(nodetype: ping)",
        "\t10.77.0.100\tup",
        "",
        "beta\tactive\t(nodetype: normal)",
        "\teth0\tup",
        "",
        "alpha\tactive\t(nodetype: normal)",
        "\teth0\tup",
    ]


# --- hb_standby and its kin ---------------------------------------------------------------------


def standby(folder: Path, *words: str) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    code = old_tool(Direction.STANDBY, "hb_standby", words, places(folder), out, err)
    return code, out.getvalue(), err.getvalue()


@pytest.mark.parametrize(
    ("words", "first"),
    [
        (("bogus",), "hb_standby: wrong resources(bogus).\nusage:\n"),
        (("all", "local"), "hb_standby: too many arguments\nusage:\n"),
        (("--help",), "usage:\n"),
    ],
)
def test_wrong_words_get_the_usage(tmp_path: Path, words: tuple[str, ...], first: str) -> None:
    code, out, err = standby(tmp_path, *words)
    assert (code, out) == (1, first)
    assert err.startswith("hb_standby [all|foreign|local|failback]")


def test_with_nobody_running_the_request_fails_aloud(tmp_path: Path) -> None:
    code, _, err = standby(tmp_path, "failback")
    assert code == 1
    assert "Going standby [foreign]." in err
    assert "neither everbeat nor heartbeat is running on this machine" in err


def test_heartbeats_fifo_gets_the_message_in_one_piece(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    reader = os.open(tmp_path / "fifo", os.O_RDWR | os.O_NONBLOCK)
    assert standby(tmp_path, "local")[0] == 0
    assert os.read(reader, 4_096) == b">>>\nt=ask_resources\nrsc_hold=local\ninfo=me\n<<<\n"
    out, err = io.StringIO(), io.StringIO()
    words = ("gamma", "Delta")
    assert change_nodes("addnode", "hb_addnode", words, places(tmp_path), out, err) == 0
    assert os.read(reader, 4_096) == b">>>\nt=addnode\nnodelist=gamma delta\n<<<\n"
    os.close(reader)


def test_waiting_follows_heartbeat_to_the_end(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    reader = os.open(tmp_path / "fifo", os.O_RDWR | os.O_NONBLOCK)
    with ApiDaemon(tmp_path / "register") as daemon:

        def hand_over() -> None:
            daemon.manager = manager_of(holds="none")

        threading.Timer(0.3, hand_over).start()
        daemon.manager = manager_of(holds="transition")
        code, out, _ = standby(tmp_path, "all", "--wait")
    os.close(reader)
    assert code == 0
    assert out.startswith("standby [all] done after ")


def sights(*seen: Sight) -> tuple[int, str]:
    rest = list(seen)
    out, err = io.StringIO(), io.StringIO()
    move = move_of(Direction.TAKEOVER, "foreign", is_waited_for=True, timeout_s=2)
    code = wait_moved(move, lambda: rest.pop(0) if rest[1:] else rest[0], out, err, settled_s=0.5)
    return code, out.getvalue() + err.getvalue()


def test_a_move_is_done_when_the_groups_are_where_they_should_be() -> None:
    moving = Sight(None, is_stable=False)
    code, text = sights(moving, moving, Sight(Hold.ALL, is_stable=True, text="alpha holds all."))
    assert code == 0
    assert text.endswith("alpha holds all.\n")


def test_a_takeover_that_was_refused_is_told_with_the_reason_of_the_other_node() -> None:
    err = io.StringIO()
    move = move_of(Direction.TAKEOVER, "all", is_waited_for=True, timeout_s=2)
    reasons = ["beta keeps its groups: web is paused there"]
    kept = Sight(Hold.LOCAL, is_stable=True, text="alpha holds local.")
    code = wait_moved(move, lambda: kept, io.StringIO(), err, 0.1, lambda: reasons)
    assert code == 1
    assert err.getvalue() == f"takeover [all] failed: {reasons[0]}. alpha holds local.\n"


def test_a_move_is_not_done_while_one_of_its_groups_is_somewhere_else() -> None:
    code, text = sights(Sight(Hold.ALL, is_stable=True, away=1, text="alpha holds 3 of these 4."))
    assert code == 1
    assert text.endswith("alpha holds 3 of these 4.\n")


def test_a_move_that_comes_to_nothing_is_told_as_refused() -> None:
    code, text = sights(Sight(Hold.LOCAL, is_stable=True))
    assert code == 1
    assert "refused or cancelled" in text


def test_a_move_that_fails_tells_what_failed() -> None:
    code, text = sights(Sight(Hold.LOCAL, is_stable=True, troubles=("group x failed to start",)))
    assert code == 1
    assert "group x failed to start" in text


def test_a_move_that_does_not_end_is_given_up_in_time() -> None:
    code, text = sights(Sight(None, is_stable=False))
    assert code == 1
    assert "still in motion after 2 s" in text


def test_a_daemon_that_goes_away_meanwhile_is_no_success() -> None:
    def look() -> Sight:
        raise ApiError("gone")

    move = move_of(Direction.STANDBY, "all", is_waited_for=True, timeout_s=2)
    assert wait_moved(move, look, io.StringIO(), io.StringIO()) == 1


@pytest.mark.parametrize("name", ["-oProxyCommand=x", "a b", "", "x\ny"])
def test_what_is_no_node_name_is_not_sent(tmp_path: Path, name: str) -> None:
    out, err = io.StringIO(), io.StringIO()
    words = ["fine", name]
    assert change_nodes("addnode", "hb_addnode", words, places(tmp_path), out, err) == 1


# --- links --------------------------------------------------------------------------------------


def test_links_are_made_once_and_foreign_files_left_alone(tmp_path: Path) -> None:
    target = tmp_path / "everbeat"
    target.touch()
    foreign = tmp_path / "cl_status"
    foreign.write_text("a file of Heartbeat's package")
    out, err = io.StringIO(), io.StringIO()
    assert link_tools(tmp_path, target, out, err) == 1
    assert foreign.read_text() == "a file of Heartbeat's package"
    assert "not ours; left alone" in err.getvalue()
    for name in OLD_NAMES[1:]:
        assert (tmp_path / name).readlink() == target
    out, err = io.StringIO(), io.StringIO()
    assert link_tools(tmp_path, target, out, err, is_forced=True) == 0
    assert foreign.readlink() == target
    assert out.getvalue().count("already there") == len(OLD_NAMES) - 1
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted((*OLD_NAMES, "everbeat"))
