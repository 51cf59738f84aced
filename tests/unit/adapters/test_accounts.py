"""Names of apiauth become numbers: from the files at once, from a name service whenever it says."""

from __future__ import annotations

import os
import pwd
import threading
from typing import TYPE_CHECKING

import pytest

from everbeat.adapters.accounts import Login, ask_accounts, local_accounts, login_of
from everbeat.clients.authorization import Accounts

if TYPE_CHECKING:
    from pathlib import Path

PASSWD = """root:x:0:0:root:/root:/bin/bash
hacluster:x:113:120::/var/lib/heartbeat:/usr/sbin/nologin
hacluster:x:999:120:a second line:/:/bin/sh
broken
short:x
wordy:x:many:1::/:/bin/sh
unasked:x:5:5::/:/bin/sh
"""


def test_the_files_of_this_machine_are_read(tmp_path: Path) -> None:
    passwd, group = tmp_path / "passwd", tmp_path / "group"
    passwd.write_text(PASSWD)
    group.write_text("root:x:0:\nhaclient:x:120:ann,bob\n")
    users = ["broken", "hacluster", "nosuch", "root", "short", "wordy"]
    found = local_accounts(users, ["haclient", "root"], passwd, group)
    assert found == Accounts({"root": 0, "hacluster": 113}, {"root": 0, "haclient": 120})


def test_without_files_root_has_its_number(tmp_path: Path) -> None:
    found = local_accounts(["root", "ann"], ["root"], tmp_path / "none", tmp_path / "none")
    assert found == Accounts()


def test_the_name_service_is_asked_for_what_is_missing_and_only_then() -> None:
    told: list[Accounts] = []
    arrived = threading.Event()

    def take(accounts: Accounts) -> None:
        told.append(accounts)
        arrived.set()

    ask_accounts(["root"], ["root"], Accounts(), take)
    assert told == []
    ask_accounts(["daemon", "nosuch.user"], ["nosuch.group"], Accounts(), take)
    assert arrived.wait(30)
    assert told == [Accounts({"root": 0, "daemon": 1}, {"root": 0})]


def test_a_user_of_the_files_has_the_groups_of_the_files(tmp_path: Path) -> None:
    passwd, group = tmp_path / "passwd", tmp_path / "group"
    passwd.write_text(PASSWD)
    group.write_text(
        "root:x:0:\nhaclient:x:120:ann,hacluster\nadm:x:4:hacluster\nbad:x:y:hacluster\n"
    )
    assert login_of("hacluster", passwd, group) == Login(113, 120, (4, 120))


def test_a_user_of_no_file_is_asked_of_the_name_service(tmp_path: Path) -> None:
    found = login_of("daemon", tmp_path / "none", tmp_path / "none")
    known = pwd.getpwnam("daemon")
    assert (found.uid, found.gid) == (known.pw_uid, known.pw_gid)
    assert set(os.getgrouplist("daemon", known.pw_gid)) == set(found.groups)
    assert found == login_of("daemon")
    with pytest.raises(KeyError):
        login_of("nosuch.user", tmp_path / "none", tmp_path / "none")
