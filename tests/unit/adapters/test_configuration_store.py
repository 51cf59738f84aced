"""Files are replaced whole, the former one is kept, and only what differs is written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from everbeat.adapters.configuration_store import check_bundle, install_bundle
from everbeat.adapters.file_store import StoreError, install_file, read_files
from everbeat.config.any_host import AnyHost
from everbeat.distribution.placing import digest_of
from everbeat.model.distribution import Bundle, FileContent

if TYPE_CHECKING:
    from pathlib import Path

KEYS = b"auth 1\n1 sha1 a-long-secret-word\n"
HA_CF = b"bcast eth0\nnode alpha beta\nauto_failback off\n"


def test_the_former_file_is_kept_and_its_mode_as_well(tmp_path: Path) -> None:
    path = tmp_path / "ha.cf"
    path.write_bytes(b"old")
    path.chmod(0o640)
    install_file(path, b"new")
    assert (path.read_bytes(), (tmp_path / "ha.cf.bak").read_bytes()) == (b"new", b"old")
    assert path.stat().st_mode & 0o777 == 0o640
    assert sorted(p.name for p in tmp_path.iterdir()) == ["ha.cf", "ha.cf.bak"]


def test_keys_are_for_root_alone_whatever_was_there(tmp_path: Path) -> None:
    path = tmp_path / "authkeys"
    path.write_bytes(b"old")
    path.chmod(0o644)
    install_file(path, KEYS)
    assert path.stat().st_mode & 0o777 == 0o600


def test_what_is_the_same_is_not_written_again(tmp_path: Path) -> None:
    (tmp_path / "haresources").write_bytes(b"same")
    files = (FileContent("ha.cf", HA_CF), FileContent("haresources", b"same"))
    assert install_bundle(tmp_path, Bundle(files)) == ("ha.cf",)
    assert not (tmp_path / "haresources.bak").exists()
    assert read_files(tmp_path) == {"ha.cf": HA_CF, "authkeys": None, "haresources": b"same"}


def test_a_folder_that_is_not_there_is_an_error_with_a_name(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="missing"):
        install_file(tmp_path / "missing" / "ha.cf", b"")


def test_a_bundle_is_checked_with_the_files_that_stay(tmp_path: Path) -> None:
    (tmp_path / "ha.cf").write_bytes(HA_CF)
    (tmp_path / "authkeys").write_bytes(KEYS)
    host = AnyHost("alpha", ("eth0",))
    bad = Bundle((FileContent("haresources", b"nobody 10.0.0.1\n"),))
    reports, reason = check_bundle(tmp_path, bad, host)
    assert reason == ""
    assert "haresources-node-unknown" in {report.code for report in reports}, reports
    stale = Bundle(bad.files, (("haresources", digest_of(b"something else")),))
    assert "haresources differs here" in check_bundle(tmp_path, stale, host)[1]
