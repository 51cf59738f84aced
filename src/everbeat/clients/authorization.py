"""Who may sign on under which client name: apiauth of ha.cf with 3.0.6's defaults.

A client that names itself by its own pid is casual and comes under the rule `anon`; a name
without a rule comes under the rule `default`, which exists only if ha.cf has it. A rule that
names neither a user nor a group admits nobody.

Source: measured on 3.0.6; Heartbeat: heartbeat/hb_api.c.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from everbeat.model.cluster import ApiAuthorization

if TYPE_CHECKING:
    from collections.abc import Iterable

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
    user: str
    groups: tuple[str, ...]  # names of its group and supplementary groups


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

    def __init__(self, configured: Iterable[ApiAuthorization]) -> None:
        self._rules = {rule.client: rule for rule in DEFAULT_RULES}
        self._rules.update((rule.client, rule) for rule in configured)

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
        if not _is_listed(credentials, rule):
            return Refused(name, "client failed authorization")
        return Admitted(name, is_casual)


def is_client_name(name: str) -> bool:
    """Whether a name can travel as a field: printable, without blanks, not too long."""
    return (
        0 < len(name) <= NAME_CHARACTERS_MAX
        and name.isascii()
        and name.isprintable()
        and " " not in name
    )


def _is_listed(credentials: Credentials, rule: ApiAuthorization) -> bool:
    return credentials.user in rule.users or any(
        group in rule.groups for group in credentials.groups
    )


def _number(text: str | None) -> int | None:
    if text is None or not text.isascii() or not text.isdigit() or len(text) > 10:
        return None
    return int(text)
