"""Who may sign on under which client name: apiauth of ha.cf with 3.0.6's defaults.

A client that names itself by its own pid is casual and comes under the rule `anon`; a name
without a rule comes under the rule `default`, which exists only if ha.cf has it. A rule that
names neither a user nor a group admits nobody.

Rules name users and groups, the kernel numbers them. Numbers are compared: who has which name is
found out beforehand (Accounts), never while somebody waits at the door.

Source: measured on 3.0.6; Heartbeat: heartbeat/hb_api.c.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from everbeat.model.cluster import ApiAuthorization

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from everbeat.model.message import Message

DEFAULT_RULES: Final = (
    ApiAuthorization("ipfail", users=("hacluster",)),
    ApiAuthorization("ccm", users=("hacluster",)),
    ApiAuthorization("ping", groups=("haclient",)),
    ApiAuthorization("lha-snmpagent", users=("root",)),
    ApiAuthorization("anon", users=("root",), groups=("haclient",)),
)
NAME_CHARACTERS_MAX: Final = 99


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What the kernel says of the process at the other end of a connection."""

    pid: int
    uid: int
    gid: int
    groups: tuple[int, ...]  # its group and supplementary groups


@dataclass(frozen=True, slots=True)
class Accounts:
    """Numbers of users and groups by name. A name that is missing admits nobody."""

    users: Mapping[str, int] = field(default_factory=lambda: {"root": 0})
    groups: Mapping[str, int] = field(default_factory=lambda: {"root": 0})


@dataclass(frozen=True, slots=True)
class Admitted:
    """The client may sign on under this name."""

    name: str
    is_casual: bool


@dataclass(frozen=True, slots=True)
class Refused:
    """The client may not sign on; `info` is the wording of 3.0.6."""

    name: str
    info: str


class Gate:
    """Decides on a request to sign on."""

    def __init__(self, configured: Iterable[ApiAuthorization], accounts: Accounts) -> None:
        self._rules = {
            client: _Numbers(
                frozenset(_numbers(rule.users, accounts.users)),
                frozenset(_numbers(rule.groups, accounts.groups)),
            )
            for client, rule in _rules_by_client(configured).items()
        }

    def knows(self, credentials: Credentials) -> bool:
        """Whether any rule names this caller, so that it may have a reason to come."""
        return any(rule.lists(credentials) for rule in self._rules.values())

    def admit(self, message: Message, credentials: Credentials) -> Admitted | Refused:
        """Check what a signon request claims against the kernel's word and the rules."""
        pid = _number(message.text("pid"))
        name = message.text("from_id") or str(credentials.pid)
        if not is_client_name(name):
            return Refused("", "invalid client name")
        if pid is None:
            return Refused(name, "bad pid")
        uid, gid = _number(message.text("uid")), _number(message.text("gid"))
        if uid is None or gid is None:
            return Refused(name, "invalid id info")
        if pid != credentials.pid:
            return Refused(name, "pid mismatch")
        if uid != credentials.uid or gid != credentials.gid:
            return Refused(name, "incorrect/false credentials")
        is_casual = name == str(pid)
        rule = self._rules.get("anon" if is_casual else name) or self._rules.get("default")
        if rule is None:
            return Refused(name, "no default client auth")
        if not rule.lists(credentials):
            return Refused(name, "client failed authorization")
        return Admitted(name, is_casual)


def names_of_rules(configured: Iterable[ApiAuthorization]) -> tuple[list[str], list[str]]:
    """Return the names of users and of groups whose numbers the gate must know, sorted."""
    rules = _rules_by_client(configured).values()
    users = {name for rule in rules for name in rule.users if not name.isdecimal()}
    groups = {name for rule in rules for name in rule.groups if not name.isdecimal()}
    return sorted(users), sorted(groups)


def is_client_name(name: str) -> bool:
    """Whether a name can travel as a field: printable, without blanks, not too long."""
    return (
        0 < len(name) <= NAME_CHARACTERS_MAX
        and name.isascii()
        and name.isprintable()
        and " " not in name
    )


@dataclass(frozen=True, slots=True)
class _Numbers:
    """A rule as the kernel would say it."""

    users: frozenset[int]
    groups: frozenset[int]

    def lists(self, credentials: Credentials) -> bool:
        return credentials.uid in self.users or not self.groups.isdisjoint(credentials.groups)


def _rules_by_client(configured: Iterable[ApiAuthorization]) -> dict[str, ApiAuthorization]:
    rules = {rule.client: rule for rule in DEFAULT_RULES}
    rules.update((rule.client, rule) for rule in configured)
    return rules


def _numbers(names: Iterable[str], known: Mapping[str, int]) -> Iterable[int]:
    for name in names:
        number = _number(name) if name.isdecimal() else known.get(name)
        if number is not None:
            yield number


def _number(text: str | None) -> int | None:
    if text is None or not text.isascii() or not text.isdigit() or len(text) > 10:
        return None
    return int(text)
