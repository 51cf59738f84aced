r"""STATE/lives: the generations in which the other nodes were believed, for every later start.

    "NODE GENERATION PROVED\n" for each node; PROVED -1: it never showed itself an everbeat

A file that cannot be read counts as none: then a node of Heartbeat's is believed in whatever
generation it is heard first. Everbeat's must answer us all the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from everbeat.adapters.disk_identity import replace_file
from everbeat.adapters.own_files import read_own
from everbeat.membership.identity import KnownLife
from everbeat.model.names import node_name_from_text

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

LIVES_FILE: Final = "lives"
_BYTES_MAX: Final = 64 * 1024


def read_lives(state: Path) -> tuple[KnownLife, ...]:
    """Return what is kept; nothing if it cannot be understood."""
    try:
        lines = read_own(state / LIVES_FILE)[:_BYTES_MAX].decode().splitlines()
        return tuple(_life(line) for line in lines)
    except (OSError, ValueError):
        return ()


def keep_lives(state: Path, known: Iterable[KnownLife]) -> None:
    """Replace what is kept, durably. Raise DiskIdentityError."""
    lines = [f"{life.node} {life.generation} {life.proved}\n" for life in known]
    replace_file(state / LIVES_FILE, "".join(lines).encode())


def _life(line: str) -> KnownLife:
    node, generation, proved = line.split(" ")
    return KnownLife(node_name_from_text(node), int(generation), int(proved))
