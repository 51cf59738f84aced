r"""STATE/lives: the generations in which the other nodes were believed, for every later start.

    "NODE GENERATION PROVED\n" for each node; PROVED -1: it never showed itself an everbeat

A line that cannot be understood is left out alone, and told of. Without its line a node of
Heartbeat's is believed in whatever generation it is heard first; everbeat's must answer us all the
same. Of two lines of one node the higher numbers count: they let no recording in.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from everbeat.adapters.disk_identity import replace_file
from everbeat.adapters.own_files import read_own
from everbeat.membership.identity import KnownLife
from everbeat.model.names import NodeName, is_node_name

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

LIVES_FILE: Final = "lives"
BYTES_MAX: Final = 64 * 1024
"""What stands behind is not read, and told of."""
LIVES_MAX: Final = 1_000
"""Of more nodes than these nothing is kept: ten times what a cluster may have."""
_LINE: Final = re.compile(r"(\S+) ([0-9]{1,15}) (-1|[0-9]{1,15})", re.ASCII)


@dataclass(frozen=True, slots=True)
class KeptLives:
    """What the file says, and what of it could not be used: "" or a sentence for the log."""

    known: tuple[KnownLife, ...] = ()
    trouble: str = ""


def read_lives(state: Path) -> KeptLives:
    """Return what is kept. No file, nothing kept: that is no trouble."""
    path = state / LIVES_FILE
    try:
        data = read_own(path, BYTES_MAX + 1)
    except FileNotFoundError:
        return KeptLives()
    except OSError as error:
        return KeptLives((), f"{path} cannot be read: {error.strerror}")
    lines = data.split(b"\n")
    broken: list[int] = []
    if len(data) > BYTES_MAX:
        broken.append(len(lines))
        lines.pop()
    lives: dict[NodeName, KnownLife] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        life = _life(line)
        if life is None or (life.node not in lives and len(lives) >= LIVES_MAX):
            broken.append(number)
        else:
            lives[life.node] = _higher(life, lives.get(life.node, life))
    return KeptLives(tuple(lives.values()), _trouble(path, broken))


def keep_lives(state: Path, known: Iterable[KnownLife]) -> None:
    """Replace what is kept, durably. Raise DiskIdentityError."""
    lines = [f"{life.node} {life.generation} {life.proved}\n" for life in known]
    replace_file(state / LIVES_FILE, "".join(lines).encode())


def _life(line: bytes) -> KnownLife | None:
    found = _LINE.fullmatch(line.decode("ascii", "replace"))
    if found is None or not is_node_name(found[1]):
        return None
    generation, proved = int(found[2]), int(found[3])
    return KnownLife(NodeName(found[1]), generation, proved) if proved <= generation else None


def _higher(life: KnownLife, other: KnownLife) -> KnownLife:
    newest = max(life.generation, other.generation)
    return KnownLife(life.node, newest, max(life.proved, other.proved))


def _trouble(path: Path, broken: list[int]) -> str:
    if not broken:
        return ""
    first = min(broken)
    which = f"line {first}" if len(broken) == 1 else f"{len(broken)} lines, the first is {first},"
    return f"{path}: {which} cannot be used (NODE GENERATION PROVED); all others are"
