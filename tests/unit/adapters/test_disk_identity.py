"""uuid, generation and reserved numbers across restarts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from everbeat.adapters.disk_identity import (
    DiskIdentityError,
    LinkState,
    keep_generation,
    keep_ping_proof,
    next_generation,
    node_uuid,
    read_link_state,
    read_ping_proof,
    write_link_state,
)
from everbeat.adapters.link_snapshot import LinkSnapshot, read_snapshot, write_snapshot
from everbeat.model.cluster import HaConfig, Medium, MediumKind, RespawnClient
from everbeat.model.keys import AuthKey, AuthKeys
from everbeat.model.names import LinkName, NodeName
from everbeat.wire.identity import uuid_text

if TYPE_CHECKING:
    from pathlib import Path


def test_a_uuid_is_made_once_and_kept(tmp_path: Path) -> None:
    made = node_uuid(tmp_path, "alpha", "file")
    assert (tmp_path / "hb_uuid").read_bytes() == made
    assert (tmp_path / "hb_uuid").stat().st_mode & 0o777 == 0o600
    assert node_uuid(tmp_path, "alpha", "file") == made


def test_a_damaged_uuid_is_an_error_not_a_new_identity(tmp_path: Path) -> None:
    (tmp_path / "hb_uuid").write_bytes(b"short")
    with pytest.raises(DiskIdentityError, match="hb_uuid"):
        node_uuid(tmp_path, "alpha", "file")


def test_uuidfrom_nodename_leaves_no_file(tmp_path: Path) -> None:
    made = uuid_text(node_uuid(tmp_path, "alpha", "nodename"))
    assert made == "cc301fda-9190-a843-de51-a987ec340ccc"
    assert not list(tmp_path.iterdir())


def test_the_first_generation_is_the_time_and_each_start_adds_one(tmp_path: Path) -> None:
    assert next_generation(tmp_path, "file", wall_s=1_000) == 1_001
    assert (tmp_path / "hb_generation").read_bytes() == b"           1001\n"
    assert next_generation(tmp_path, "file", wall_s=5) == 1_002
    keep_generation(tmp_path, 2_000)
    assert next_generation(tmp_path, "file", wall_s=5) == 2_001


def test_ping_nodes_that_both_reached_are_remembered_by_address(tmp_path: Path) -> None:
    assert read_ping_proof(tmp_path) == ()
    keep_ping_proof(tmp_path, ("192.0.2.1", "192.0.2.2"))
    assert read_ping_proof(tmp_path) == ("192.0.2.1", "192.0.2.2")
    (tmp_path / "ping_proof").write_bytes(b"\xff")
    assert read_ping_proof(tmp_path) == (), "unknown is not proved"


def test_a_generation_from_the_time_never_goes_back(tmp_path: Path) -> None:
    assert next_generation(tmp_path, "time", wall_s=1_000) == 1_000
    assert next_generation(tmp_path, "time", wall_s=1_500) == 1_500
    assert next_generation(tmp_path, "time", wall_s=900) == 1_501


def test_an_unreadable_generation_starts_from_the_time(tmp_path: Path) -> None:
    for text in ("garbage", "", "-5\n", "9" * 15, "9" * 16):
        (tmp_path / "hb_generation").write_text(text)
        assert next_generation(tmp_path, "file", wall_s=1_000) == 1_001


def test_a_state_folder_that_is_missing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DiskIdentityError, match="hb_generation"):
        next_generation(tmp_path / "missing", "file", wall_s=1)


def test_the_link_state_survives_and_nonsense_is_none(tmp_path: Path) -> None:
    assert read_link_state(tmp_path) is None
    write_link_state(tmp_path, LinkState(generation=7, reserved_seq=2_000))
    assert read_link_state(tmp_path) == LinkState(generation=7, reserved_seq=2_000)
    for state in (
        LinkState(generation=7, reserved_seq=1, had_right=False),
        LinkState(generation=7, reserved_seq=1, stop_by_ms=90_000),
    ):
        write_link_state(tmp_path, state)
        assert read_link_state(tmp_path) == state
    (tmp_path / "link.state").write_text("7")
    assert read_link_state(tmp_path) is None


def test_a_link_process_finds_what_its_forerunner_ran_with(tmp_path: Path) -> None:
    assert read_snapshot(tmp_path) is None
    config = HaConfig(
        node=NodeName("alpha"),
        nodes=(NodeName("alpha"), NodeName("beta")),
        media=(Medium(kind=MediumKind.BCAST, link=LinkName("eth0"), interface="eth0"),),
        respawn=(RespawnClient("root", ("/bin/true",)),),
        parameters=(("keepalive", "1"),),
    )
    snapshot = LinkSnapshot(config, AuthKeys(1, (AuthKey(1, "sha1", b"\xff\x00 secret"),)))
    write_snapshot(tmp_path, snapshot)
    assert read_snapshot(tmp_path) == snapshot
    assert (tmp_path / "link.config").stat().st_mode & 0o777 == 0o600
    (tmp_path / "link.config").write_bytes(b"garbage")
    assert read_snapshot(tmp_path) is None
