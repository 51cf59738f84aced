"""Whatever another user has put in the place of a file of ours is neither followed nor believed."""

from __future__ import annotations

import os
import socket
import stat
from typing import TYPE_CHECKING

import pytest

from everbeat.adapters.disk_identity import LinkState, read_link_state, write_link_state
from everbeat.adapters.event_file import EventFile
from everbeat.adapters.fifo import write_fifo
from everbeat.adapters.operation_record import OperationRecord
from everbeat.adapters.own_files import (
    open_own,
    own_folder,
    read_own,
    replace_own,
    set_aside,
    set_mode,
    take_folder,
)
from everbeat.adapters.right_record import RightRecord, read_right
from everbeat.adapters.run_lock import RunLock, write_pidfile
from everbeat.adapters.safe_nodes_file import SafeNodesFile
from everbeat.adapters.unfinished_life import begin_life, is_unfinished
from everbeat.ipc.channel import bound_socket
from everbeat.model.journal import ClusterEvent

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ORDER = b"do not touch\n"
STRANGER = 65_534
NAMES = ("kept", "operations", "right", "none")
is_root = pytest.mark.skipif(os.geteuid() != 0, reason="gives files to another user")


def victim(folder: Path) -> Path:
    path = folder / "victim"
    path.write_bytes(ORDER)
    path.chmod(0o644)
    return path


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def events(folder: Path) -> None:
    event = ClusterEvent(id=1, kind="test", severity=0, node="", text="", at_ms=0, wall_ms=0)
    file = EventFile(folder)
    file.append_nowait(event)
    file.close()


WRITERS: dict[str, Callable[[Path], object]] = {
    "right": lambda run: RightRecord(run).write(1, 2),
    "link.state": lambda run: write_link_state(run, LinkState(generation=1, reserved_seq=2)),
    "unfinished": begin_life,
    "safe-nodes": lambda run: SafeNodesFile(run).write(()),
    "keeper.lock": lambda run: RunLock(run).take_own(),
    "children.lock": RunLock,
    "heartbeat.pid": lambda run: write_pidfile(run / "heartbeat.pid"),
    "events.jsonl": events,
}


@pytest.mark.parametrize("suffix", ["", ".new"])
@pytest.mark.parametrize("name", WRITERS)
def test_no_file_of_ours_is_written_through_a_link(tmp_path: Path, name: str, suffix: str) -> None:
    precious = victim(tmp_path)
    (tmp_path / "run").mkdir()
    place = tmp_path / "run" / (name + suffix)
    for make in (place.symlink_to, place.hardlink_to):
        place.unlink(missing_ok=True)
        make(precious)
        WRITERS[name](tmp_path / "run")
        assert precious.read_bytes() == ORDER
        assert stat.S_IMODE(precious.stat().st_mode) == 0o644
        written = tmp_path / "run" / name
        assert not written.is_symlink()
        assert written.stat().st_nlink == 1


@is_root
@pytest.mark.parametrize("name", WRITERS)
def test_no_file_that_others_can_read_again_gets_what_we_write(tmp_path: Path, name: str) -> None:
    for place in (tmp_path / name, tmp_path / f"{name}.new"):
        place.write_bytes(b"")
        os.chown(place, STRANGER, -1)
    with (tmp_path / name).open("rb") as theirs:
        WRITERS[name](tmp_path)
        assert theirs.read() == b""
    assert (tmp_path / name).stat().st_uid == 0


def test_what_is_a_link_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("7 9 held\n")
    (tmp_path / "link.state").symlink_to(tmp_path / "state")
    assert read_link_state(tmp_path) is None


@is_root
def test_what_others_wrote_or_may_write_is_not_believed(tmp_path: Path) -> None:
    write_link_state(tmp_path, LinkState(generation=7, reserved_seq=9))
    begin_life(tmp_path)
    RightRecord(tmp_path).write(7, 5_000)
    assert read_link_state(tmp_path) is not None
    assert is_unfinished(tmp_path)
    assert read_right(tmp_path, 7) == 5_000
    for spoil in (lambda p: os.chown(p, STRANGER, -1), lambda p: p.chmod(0o622)):
        for name in ("link.state", "unfinished", "right"):
            os.chown(tmp_path / name, 0, -1)
            (tmp_path / name).chmod(0o600)
            spoil(tmp_path / name)
        assert read_link_state(tmp_path) is None
        assert not is_unfinished(tmp_path)
        assert read_right(tmp_path, 7) is None


def test_a_file_of_ours_is_used_again_with_its_content(tmp_path: Path) -> None:
    path = tmp_path / "file"
    replace_own(path, b"kept", is_durable=True)
    descriptor = open_own(path, os.O_RDWR)
    assert os.read(descriptor, 10) == b"kept"
    os.close(descriptor)
    assert read_own(path) == b"kept"
    assert names_in(tmp_path) == ["file"]


@pytest.mark.parametrize("kind", ["folder", "fifo", "socket"])
def test_what_is_no_file_is_set_aside(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "file"
    match kind:
        case "folder":
            (path / "in it").mkdir(parents=True)
        case "fifo":
            os.mkfifo(path)
        case _:
            with socket.socket(socket.AF_UNIX) as made:
                made.bind(str(path))
    os.close(open_own(path, os.O_RDWR))
    assert path.is_file()
    assert (tmp_path / "file.foreign.1").exists()


@pytest.mark.parametrize("name", ["file", "file.new"])
def test_a_folder_in_the_place_of_a_file_is_set_aside(tmp_path: Path, name: str) -> None:
    (tmp_path / name / "in it").mkdir(parents=True)
    replace_own(tmp_path / "file", b"new")
    assert read_own(tmp_path / "file") == b"new"
    assert names_in(tmp_path) == ["file", f"{name}.foreign.1"]
    assert names_in(tmp_path / f"{name}.foreign.1") == ["in it"]


@is_root
def test_a_folder_of_others_is_set_aside_with_what_is_in_it(tmp_path: Path) -> None:
    path = tmp_path / "operations"
    for number, spoil in enumerate(
        (lambda p: os.chown(p, STRANGER, -1), lambda p: p.chmod(0o777)), start=1
    ):
        path.mkdir()
        (path / "note").touch()
        spoil(path)
        own_folder(path)
        assert names_in(path) == []
        assert (tmp_path / f"operations.foreign.{number}" / "note").exists()
        path.rmdir()
    path.symlink_to(tmp_path)
    own_folder(path)
    assert not path.is_symlink()


@is_root
def test_no_process_is_ended_because_of_a_note_of_others(tmp_path: Path) -> None:
    record = OperationRecord(tmp_path)
    record.note(os.getpid())
    (note,) = (tmp_path / "operations").iterdir()
    os.chown(note, STRANGER, -1)
    assert OperationRecord(tmp_path).end_leftovers() == []  # or this test would have been killed
    assert list((tmp_path / "operations").iterdir()) == []


@is_root
def test_a_folder_is_taken_over_and_what_others_put_there_is_set_aside(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir(mode=0o750)
    precious = victim(tmp_path)
    (run / "right").symlink_to(precious)
    for name in ("ccm", "operations", "n" * 255):
        (run / name).mkdir()
    (run / "kept").write_text("root's\n")
    for name in ("right", "ccm", "operations", "n" * 255, "."):
        os.chown(run / name, STRANGER, STRANGER, follow_symlinks=False)
    told = take_folder(run, NAMES)
    assert told == (
        f"{run} belonged to user 65534, mode 0750: it is ours now, mode 0755",
        f"{run}/operations belonged to user 65534: it is operations.foreign.1 now",
        f"{run}/right belonged to user 65534: it is right.foreign.1 now",
    )
    aside = ["operations.foreign.1", "right.foreign.1"]
    assert names_in(run) == ["ccm", "kept", "n" * 255, *aside]
    assert (run.stat().st_uid, stat.S_IMODE(run.stat().st_mode)) == (0, 0o755)
    assert take_folder(run, NAMES) == ()
    assert (run / "ccm").stat().st_uid == STRANGER
    assert precious.read_bytes() == ORDER


def test_a_folder_that_others_may_write_is_taken_over_and_a_link_is_none(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    run.chmod(0o1777)
    assert take_folder(run, NAMES) == (
        f"{run} belonged to user {os.geteuid()}, mode 1777: it is ours now, mode 0755",
    )
    run.chmod(0o700)
    assert take_folder(run, NAMES) == ()
    assert stat.S_IMODE(run.stat().st_mode) == 0o700, "narrower is well"
    (tmp_path / "link").symlink_to(run)
    with pytest.raises(OSError, match="Not a directory"):
        take_folder(tmp_path / "link", NAMES)


def test_a_mode_is_given_to_what_is_ours_and_through_no_link(tmp_path: Path) -> None:
    precious = victim(tmp_path)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "core.sock"))
    set_mode(tmp_path / "core.sock", 0o640)
    assert stat.S_IMODE((tmp_path / "core.sock").stat().st_mode) == 0o640
    (tmp_path / "link").symlink_to(tmp_path / "core.sock")
    for name in ("link", precious.name):  # a file of ours that somebody has moved here
        with pytest.raises(PermissionError):
            set_mode(tmp_path / name, 0o777)
    assert stat.S_IMODE((tmp_path / "core.sock").stat().st_mode) == 0o640
    assert stat.S_IMODE(precious.stat().st_mode) == 0o644


def test_nobody_else_can_hold_a_lock_of_ours(tmp_path: Path) -> None:
    RunLock(tmp_path)
    for name in ("keeper.lock", "children.lock"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600


def test_a_link_in_the_place_of_a_socket_or_fifo_is_not_followed(tmp_path: Path) -> None:
    precious = victim(tmp_path)
    (tmp_path / "core.sock").symlink_to(precious)
    bound_socket(tmp_path / "core.sock", 0o600).close()
    assert (tmp_path / "core.sock.foreign.1").is_symlink()
    assert stat.S_IMODE((tmp_path / "core.sock").lstat().st_mode) == 0o600
    assert stat.S_IMODE(precious.stat().st_mode) == 0o644
    (tmp_path / "fifo").symlink_to(precious)
    with pytest.raises(OSError, match="symbolic"):
        write_fifo(tmp_path / "fifo", b">>>\nt=x\n<<<\n")


def test_a_name_to_set_aside_is_found_whatever_others_have_taken(tmp_path: Path) -> None:
    assert set_aside(tmp_path / "gone") == "gone.foreign.1"
    for number in range(1, 2_000):
        (tmp_path / f"file.foreign.{number}").touch()
    (tmp_path / "file").write_text("theirs")
    aside = set_aside(tmp_path / "file")
    assert (tmp_path / aside).read_text() == "theirs"
    assert not (tmp_path / "file").exists()


@is_root
def test_our_own_group_may_write_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "file"
    replace_own(path, b"ours", 0o664)
    assert read_own(path) == b"ours"
    os.chown(path, -1, STRANGER)
    with pytest.raises(PermissionError):
        read_own(path)
