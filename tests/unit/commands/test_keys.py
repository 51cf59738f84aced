"""everbeat keys new: a good file, and never over one that exists."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from everbeat.adapters.config_files import read_config_file
from everbeat.commands.keys import write_new_keys
from everbeat.config.authkeys import read_authkeys

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("method", ["aes-siv", "sha256", "sha1"])
def test_a_new_file_has_one_good_key_and_mode_600(tmp_path: Path, method: str) -> None:
    out = io.StringIO()
    assert write_new_keys(tmp_path / "ha.d", method, out, out, is_forced=False) == 0
    path = tmp_path / "ha.d" / "authkeys"
    keys, _ = read_authkeys(read_config_file(path))
    assert keys is not None
    assert [key.method for key in keys.keys] == [method]
    assert path.stat().st_mode & 0o777 == 0o600
    assert str(path) in out.getvalue()
    assert keys.keys[0].secret.decode() not in out.getvalue()


def test_a_file_that_exists_is_left_alone_unless_forced(tmp_path: Path) -> None:
    path = tmp_path / "authkeys"
    path.write_text("auth 1\n1 sha1 mine\n")
    out, err = io.StringIO(), io.StringIO()
    assert write_new_keys(tmp_path, "sha1", out, err, is_forced=False) == 1
    assert path.read_text() == "auth 1\n1 sha1 mine\n"
    assert "everbeat keys rotate" in err.getvalue()
    assert write_new_keys(tmp_path, "sha1", out, err, is_forced=True) == 0
    assert (tmp_path / "authkeys.bak").read_text() == "auth 1\n1 sha1 mine\n"
