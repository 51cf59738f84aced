"""Small changes of the three files as text: every other line stays as a person wrote it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from everbeat.config.files import words_of
from everbeat.model.keys import AUTH_KEYS_MAX
from everbeat.model.names import is_interface_name, is_node_name
from everbeat.model.service_address import address_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from ipaddress import IPv4Address, IPv6Address

    from everbeat.model.groups import ResourceGroup
    from everbeat.model.keys import AuthKey, AuthKeys
    from everbeat.model.names import NodeName


def with_line(text: str, line: str) -> str:
    """Return a file with one line more at its end."""
    start = text if not text or text.endswith("\n") else text + "\n"
    return f"{start}{line}\n"


def group_line(owner: str, address: str, services: Sequence[str]) -> str:
    """Return the line of haresources of an address and its services."""
    return " ".join((owner, address, *services))


def group_with(groups: Iterable[ResourceGroup], address: str) -> ResourceGroup | None:
    """Return the group that holds this address, or None."""
    for group in groups:
        if any(address_of(resource.text) == address_of(address) for resource in group.resources):
            return group
    return None


def without_group(text: str, key: str) -> str | None:
    """Return haresources without the line whose first resource is `key`; None: there is none.

    A line that goes on behind a backslash is one line.
    """
    parts = _logical_lines(text)
    kept = [line for known, lines in parts if known != key for line in lines]
    return "\n".join(kept) if any(known == key for known, _ in parts) else None


def with_services(text: str, key: str, services: Sequence[str]) -> str | None:
    """Return haresources with words more at the end of a group; None: there is no such group."""
    kept: list[str] = []
    is_found = False
    for known, lines in _logical_lines(text):
        kept += lines
        if known == key and not is_found:
            content, mark, comment = lines[-1].partition("#")
            blank = " " if mark else ""
            kept[-1] = " ".join((content.rstrip(), *services)) + blank + mark + comment
            is_found = True
    return "\n".join(kept) if is_found else None


def changed_groups(
    before: Iterable[ResourceGroup], after: Iterable[ResourceGroup]
) -> tuple[ResourceGroup, ...]:
    """Return the groups of `after` that are new, or have other resources."""
    former = {group.key: group.resources for group in before}
    return tuple(group for group in after if former.get(group.key) != group.resources)


def taken_back(
    before: str, after: str, failed: Iterable[ResourceGroup], gone: Iterable[ResourceGroup]
) -> str:
    """Return haresources without what failed: each such line is as before, or not there.

    `gone`: the groups of `before` that `after` has not. One that shares a resource with a group
    that failed was renamed, and comes back.
    """
    failures = list(failed)
    keys = {group.key for group in failures}
    words = {resource.text for group in failures for resource in group.resources}
    renamed = {g.key for g in gone if words & {resource.text for resource in g.resources}}
    former = {key: lines for key, lines in _logical_lines(before) if key}
    kept: list[str] = []
    for key, lines in _logical_lines(after):
        kept += former.get(key, []) if key in keys else lines
    text = "\n".join(kept)
    for key, lines in former.items():
        if key in renamed:
            text = with_line(text, "\n".join(lines))
    return text


def _logical_lines(text: str) -> list[tuple[str, list[str]]]:
    """Return the lines of haresources, each with those it goes on in, by group; "": no group."""
    parts: list[tuple[str, list[str]]] = []
    logical: list[str] = []
    for line in text.split("\n"):
        logical.append(line)
        if line.endswith("\\"):
            continue
        parts.append((_key_of(logical), logical))
        logical = []
    return [*parts, ("", logical)] if logical else parts


def _key_of(lines: list[str]) -> str:
    words = words_of(" ".join(part.removesuffix("\\") for part in lines))
    return words[1] if len(words) > 1 and not words[0].startswith("#") else ""


@dataclass(frozen=True, slots=True)
class NewNode:
    """A node that comes to a cluster of unicast heartbeats."""

    name: NodeName
    address: IPv4Address | IPv6Address
    interface: str  # of the members, who hear it there


def with_node(ha_cf: str, new: NewNode) -> str:
    """Return ha.cf with one node more. What is no name is a bug of who took it from elsewhere."""
    assert is_node_name(new.name)
    assert is_interface_name(new.interface)
    directive = "ucast6" if new.address.version == 6 else "ucast"
    path = f"{directive} {new.interface} {new.address}"
    return with_line(with_line(ha_cf, path), f"node {new.name}")


def key_text(keys: AuthKeys) -> str:
    """Return an authkeys file of these keys, the signing one first."""
    signing = [key for key in keys.keys if key.number == keys.signing]
    others = [key for key in keys.keys if key.number != keys.signing]
    lines = [_key_line(key) for key in (*signing, *others)]
    return "\n".join((f"auth {keys.signing}", *lines, ""))


def free_number(keys: AuthKeys) -> int | None:
    """Return the number a new key may have: the next free one after the signing key's."""
    used = {key.number for key in keys.keys}
    order = [(keys.signing + step) % AUTH_KEYS_MAX for step in range(1, AUTH_KEYS_MAX)]
    return next((number for number in order if number and number not in used), None)


def _key_line(key: AuthKey) -> str:
    secret = key.secret.decode("utf-8", "surrogateescape")
    return f"{key.number} {key.method} {secret}".rstrip()
