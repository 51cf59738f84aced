r"""What a witness must know after a restart: whom it granted something.

    STATE/CLUSTER.grants      "NODE DEAD_MS PEER...\n" for each node, percent-encoded names

A file is replaced whole and durably. One that cannot be understood counts as none: the witness
then waits for a deadtime before it grants anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import quote, unquote

from everbeat.adapters.disk_identity import replace_file
from everbeat.adapters.own_files import read_own
from everbeat.membership.witness import KeptGrant
from everbeat.model.names import NodeName

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

SUFFIX: Final = ".grants"


def read_grants(state: Path) -> dict[str, tuple[KeptGrant, ...]]:
    """Return what is kept of every cluster."""
    kept: dict[str, tuple[KeptGrant, ...]] = {}
    for path in sorted(state.glob(f"*{SUFFIX}")):
        try:
            lines = read_own(path).decode("ascii").splitlines()
            kept[path.name.removesuffix(SUFFIX)] = tuple(_grant(line) for line in lines)
        except (OSError, ValueError):
            continue
    return kept


def write_grants(state: Path, cluster: str, grants: Iterable[KeptGrant]) -> None:
    """Keep the grants of a cluster. Raise DiskIdentityError."""
    lines = [
        " ".join([quote(g.node, safe=""), str(g.dead_ms), *(quote(n, safe="") for n in g.about)])
        for g in grants
    ]
    replace_file(state / f"{cluster}{SUFFIX}", "".join(f"{line}\n" for line in lines).encode())


def _grant(line: str) -> KeptGrant:
    node, dead_ms, *about = line.split(" ")
    return KeptGrant(
        node=NodeName(unquote(node)),
        dead_ms=int(dead_ms),
        about=tuple(NodeName(unquote(name)) for name in about),
    )
