"""The numbers of users and groups by name: from this machine's files, then from its name service.

    names ──► /etc/passwd, /etc/group ──► found: at once
                       │ missing
                       └──► name service, in a thread nobody waits for ──► found: told later

A name service may wait for a network that has just died. So it is asked only for what the files do
not have, away from every loop, and in a thread that does not keep the process from ending.
"""

from __future__ import annotations

import grp
import pwd
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final

from everbeat.clients.authorization import Accounts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_PASSWD: Final = Path("/etc/passwd")
_GROUP: Final = Path("/etc/group")


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
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return found
    for line in lines:
        name, _, number = (*line.split(":", 3), "", "", "")[:3]
        if name in wanted and name not in found and number.isdecimal():
            found[name] = int(number)
    return found
