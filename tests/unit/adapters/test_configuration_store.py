"""Files are replaced whole, the former one is kept, and only what differs is written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from everbeat.adapters.config_files import read_configuration
from everbeat.adapters.configuration_store import (
    check_bundle,
    fitted_here,
    install_bundle,
    parsed_with,
)
from everbeat.adapters.file_store import StoreError, install_file, read_files
from everbeat.config.any_host import AnyHost
from everbeat.config.doubts import doubts
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


class Scripts(AnyHost):
    """A machine that has these resource scripts alone."""

    def script_path(self, name: str) -> str | None:
        return f"/scripts/{name}" if name == "web" else None

    def has_unit(self, name: str) -> bool:
        return name == "web"


def test_only_what_a_change_brings_is_reported(tmp_path: Path) -> None:
    (tmp_path / "ha.cf").write_bytes(HA_CF)
    (tmp_path / "authkeys").write_bytes(KEYS)
    (tmp_path / "haresources").write_bytes(b"alpha 10.0.0.1 old\n")
    host = Scripts("alpha", ("eth0",))
    in_use = read_configuration(tmp_path)
    same = Bundle((FileContent("haresources", b"alpha 10.0.0.2 web\nalpha 10.0.0.1 old\n"),))
    assert check_bundle(tmp_path, same, host, in_use) == ((), "")
    more = Bundle((FileContent("haresources", b"alpha 10.0.0.1 old ngnix\n"),))
    reports, _ = check_bundle(tmp_path, more, host, in_use)
    assert [report.summary for report in reports] == ["no script, built-in or unit is called ngnix"]
    (tmp_path / "haresources").write_bytes(b"alpha 10.0.0.1 old ngnix\n")
    keys = Bundle((FileContent("authkeys", KEYS),))
    reports, _ = check_bundle(tmp_path, keys, host, in_use)
    assert [report.code for report in reports] == ["script-missing"], "edited, and not in use yet"


def test_an_interface_that_a_person_wrote_here_is_not_exchanged(tmp_path: Path) -> None:
    text = HA_CF + b"ucast eth9 10.0.0.2\n"
    (tmp_path / "ha.cf").write_bytes(text)
    here = fitted_here(tmp_path, Bundle((FileContent("ha.cf", text),)), AnyHost("a", ("eth0",)))
    assert here.files[0].content == text
    (tmp_path / "ha.cf").write_bytes(HA_CF)
    there = fitted_here(tmp_path, Bundle((FileContent("ha.cf", text),)), AnyHost("a", ("eth0",)))
    assert b"ucast eth0 10.0.0.2" in there.files[0].content


PASSWORD = b"stonith_host alpha fence_ipmilan ip=10.0.0.9 username=ha password=secret\n"


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_a_file_that_brings_a_password_is_for_root_alone_and_so_is_what_it_replaces(
    tmp_path: Path,
) -> None:
    path, former = tmp_path / "ha.cf", tmp_path / "ha.cf.bak"
    install_bundle(tmp_path, Bundle((FileContent("ha.cf", HA_CF + PASSWORD),)))
    assert mode(path) == 0o600, "nothing was here before"
    path.chmod(0o644)
    install_bundle(tmp_path, Bundle((FileContent("ha.cf", HA_CF + PASSWORD + b"# more\n"),)))
    assert (mode(path), mode(former)) == (0o600, 0o600), "whatever was here before"
    path.chmod(0o644)
    install_bundle(tmp_path, Bundle((FileContent("ha.cf", HA_CF),)))
    assert (mode(path), mode(former)) == (0o644, 0o600), "the password is in the former one alone"
    keys = tmp_path / "authkeys"
    keys.write_bytes(KEYS)
    keys.chmod(0o644)
    install_file(keys, KEYS + b"# more\n")
    assert (mode(keys), mode(tmp_path / "authkeys.bak")) == (0o600, 0o600)


def test_a_password_that_is_brought_is_no_news_and_one_that_lies_open_here_is_told(
    tmp_path: Path,
) -> None:
    (tmp_path / "authkeys").write_bytes(KEYS)
    (tmp_path / "ha.cf").write_bytes(HA_CF)
    host = AnyHost("alpha", ("eth0",))
    brought = Bundle((FileContent("ha.cf", HA_CF + PASSWORD),))
    reports, _ = check_bundle(tmp_path, brought, host, is_ours=True)
    assert "secret-readable" not in {report.code for report in reports}
    (tmp_path / "ha.cf").write_bytes(HA_CF + PASSWORD)
    (tmp_path / "ha.cf").chmod(0o644)
    other = Bundle((FileContent("haresources", b"alpha 10.0.0.1\n"),))
    told = [r for r in parsed_with(tmp_path, other, host).reports if r.code == "secret-readable"]
    assert [(r.place.line, "secret" in r.place.text) for r in told] == [(4, False)]


@pytest.mark.parametrize("left", [b"", b"# alpha 10.0.0.1 old\n", b"alpha\n"])
def test_a_file_without_any_group_of_those_in_use_is_doubted(tmp_path: Path, left: bytes) -> None:
    (tmp_path / "ha.cf").write_bytes(HA_CF)
    (tmp_path / "authkeys").write_bytes(KEYS)
    (tmp_path / "haresources").write_bytes(b"alpha 10.0.0.1 old\nalpha 10.0.0.2 web\n")
    host = Scripts("alpha", ("eth0",))
    in_use = read_configuration(tmp_path)
    one = Bundle((FileContent("haresources", b"alpha 10.0.0.2 web\n"),))
    assert check_bundle(tmp_path, one, host, in_use) == ((), "")
    reports, _ = check_bundle(tmp_path, Bundle((FileContent("haresources", left),)), host, in_use)
    (told,) = doubts(reports)
    assert told.code == "haresources-emptied"
    assert told.summary.endswith("is stopped: 10.0.0.1, 10.0.0.2")
    (tmp_path / "haresources").write_bytes(left)
    emptied = read_configuration(tmp_path)
    keys = Bundle((FileContent("authkeys", KEYS),))
    assert check_bundle(tmp_path, keys, host, emptied) == ((), ""), "it is so already"
