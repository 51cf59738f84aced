"""The numbers of users and groups by name: from this machine's files, then from its name service.

    names ──► /etc/passwd, /etc/group ──► found: at once
                       │ missing
                       └──► name service, in a thread nobody waits for ──► found: told later

A name service may wait for a network that has just died. So it is asked only for what the files do
not have, away from core's loop, and in a thread that does not keep the process from ending.

As whom a program is started (login_of) the executor must know at once: a user of this machine's
files is looked up there alone, its groups as well. Only for another user the name service is asked,
and waited for.
"""

from __future__ import annotations

import grp
import os
import pwd
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from everbeat.clients.authorization import Accounts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_PASSWD: Final = Path("/etc/passwd")
_GROUP: Final = Path("/etc/group")


@dataclass(frozen=True, slots=True)
class Login:
    """As whom a program is started. `groups`: the main one and the supplementary ones, sorted."""

    uid: int
    gid: int
    groups: tuple[int, ...]


def login_of(name: str, passwd: Path = _PASSWD, group: Path = _GROUP) -> Login:
    """Return numbers and groups of a user. Raise KeyError if there is none."""
    for words in _entries(passwd):
        if words[0] == name and len(words) > 3 and words[2].isdecimal() and words[3].isdecimal():
            gid = int(words[3])
            return Login(int(words[2]), gid, tuple(sorted({gid, *_groups_of(name, group)})))
    found = pwd.getpwnam(name)
    groups = os.getgrouplist(name, found.pw_gid)
    return Login(found.pw_uid, found.pw_gid, tuple(sorted({found.pw_gid, *groups})))


def local_accounts(
    users: Iterable[str], groups: Iterable[str], passwd: Path = _PASSWD, group: Path = _GROUP
) -> Accounts:
    """Return the numbers of those names that this machine's own files have."""
    return Accounts(_numbers_in(passwd, users), _numbers_in(group, groups))


def ask_accounts(
    users: Iterable[str],
    groups: Iterable[str],
    known: Accounts,
    on_accounts: Callable[[Accounts], object],
) -> None:
    """Have the name service asked for the other names; `on_accounts` is called from a thread.

    Nothing happens if all are known.
    """
    strange_users = [name for name in users if name not in known.users]
    strange_groups = [name for name in groups if name not in known.groups]
    if strange_users or strange_groups:
        threading.Thread(
            target=_ask, args=(strange_users, strange_groups, known, on_accounts), daemon=True
        ).start()


def _ask(
    users: list[str], groups: list[str], known: Accounts, on_accounts: Callable[[Accounts], object]
) -> None:
    found_users, found_groups = dict(known.users), dict(known.groups)
    for name in users:
        try:
            found_users[name] = pwd.getpwnam(name).pw_uid
        except (KeyError, ValueError, OSError):
            continue
    for name in groups:
        try:
            found_groups[name] = grp.getgrnam(name).gr_gid
        except (KeyError, ValueError, OSError):
            continue
    on_accounts(Accounts(found_users, found_groups))


def _numbers_in(path: Path, names: Iterable[str]) -> dict[str, int]:
    """Return name and number, the first and third word of a line in passwd(5) and group(5)."""
    wanted, found = set(names), {"root": 0}
    for words in _entries(path):
        if words[0] in wanted and words[0] not in found and len(words) > 2:
            found.update({words[0]: int(words[2])} if words[2].isdecimal() else {})
    return found


def _groups_of(name: str, group: Path) -> Iterator[int]:
    """Yield the groups among whose members a user stands, the fourth word of a line."""
    for words in _entries(group):
        if len(words) > 3 and words[2].isdecimal() and name in words[3].split(","):
            yield int(words[2])


def _entries(path: Path) -> Iterator[list[str]]:
    """Yield the words of each line; none if the file cannot be read."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return
    yield from (line.split(":") for line in lines)
