r"""Who this node is, across restarts: uuid, generation, and how far our numbers were used.

    STATE/hb_uuid         16 raw bytes, made at the first start
    STATE/hb_generation   raised by one at each start of the node (not of the link process)
    STATE/promise         after leaving in order: whom to hear before anything is held
    STATE/ping_proof      hosts that both nodes have reached: these ping nodes may decide
    RUN/link.state        "GENERATION RESERVED RIGHT\n": a restarted link process goes on above
                          RESERVED; RIGHT: held, none, or lost and until when to stop (clock, ms)

Files are replaced whole (write, fsync, rename, fsync of the directory), so that a power cut
leaves the old or the new content. Peers take a lower generation for a replay attack and never
listen again, so a generation file that cannot be read is not guessed around: time(2) is always
above what counting from time(2) gave.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from everbeat.adapters.own_files import read_own, replace_own
from everbeat.model.names import node_name_from_text
from everbeat.wire.errors import WireError
from everbeat.wire.identity import (
    generation_from_bytes,
    generation_text,
    uuid_from_bytes,
    uuid_from_node_name,
)

if TYPE_CHECKING:
    from pathlib import Path

    from everbeat.model.names import NodeName

UUID_FILE: Final = "hb_uuid"
GENERATION_FILE: Final = "hb_generation"
LINK_STATE_FILE: Final = "link.state"
PROMISE_FILE: Final = "promise"
"""One node name a line: whom to hear before anything is held (ADR 0010, leaving in order)."""

PING_PROOF_FILE: Final = "ping_proof"
"""One address a line: ping nodes that both nodes have reached, and that may so decide."""

_HELD: Final = "held"
_NONE: Final = "none"


class DiskIdentityError(Exception):
    """A file of the identity cannot be read or written; without it we may not speak."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkState:
    """Where an earlier link process of this start left off."""

    generation: int
    reserved_seq: int  # numbers up to this one may have been used
    had_right: bool = True
    stop_by_ms: int | None = None  # the right to hold is lost; all is to be given up by then


def node_uuid(state: Path, node: str, uuidfrom: str) -> bytes:
    """Return this node's uuid; made and kept if there is none. Raise DiskIdentityError."""
    if uuidfrom == "nodename":
        return uuid_from_node_name(node)
    path = state / UUID_FILE
    try:
        return uuid_from_bytes(read_own(path))
    except FileNotFoundError:
        made = uuid.uuid4().bytes
        replace_file(path, made)
        return made
    except (WireError, OSError) as error:
        raise DiskIdentityError(f"{path}: {error}") from error


def next_generation(state: Path, hbgenmethod: str, wall_s: int) -> int:
    """Return the generation of this start, already on disk. Raise DiskIdentityError.

    One above the kept one; the time if there is none or if `hbgenmethod` is `time`, but never
    below what was used before.
    """
    kept = _kept_generation(state / GENERATION_FILE)
    generation = wall_s + 1 if kept is None else kept + 1
    if hbgenmethod == "time":
        generation = max(generation if kept is not None else 0, wall_s)
    keep_generation(state, generation)
    return generation


def keep_generation(state: Path, generation: int) -> None:
    """Write a generation that is about to be used. Raise DiskIdentityError."""
    replace_file(state / GENERATION_FILE, generation_text(generation))


def read_promise(state: Path) -> tuple[NodeName, ...]:
    """Return whom we promised to hear before we hold anything. Raise DiskIdentityError."""
    path = state / PROMISE_FILE
    try:
        return tuple(node_name_from_text(word) for word in read_own(path).decode().split())
    except FileNotFoundError:
        return ()
    except (OSError, ValueError) as error:
        raise DiskIdentityError(f"{path}: {error}") from error


def keep_promise(state: Path, nodes: tuple[NodeName, ...]) -> None:
    """Write whom we promise to hear; nobody: the promise is kept. Raise DiskIdentityError."""
    replace_file(state / PROMISE_FILE, "".join(f"{node}\n" for node in nodes).encode())


def read_ping_proof(state: Path) -> tuple[str, ...]:
    """Return the ping nodes that both nodes have reached; none if that is unknown."""
    try:
        return tuple(read_own(state / PING_PROOF_FILE).decode().split())
    except (OSError, ValueError):
        return ()


def keep_ping_proof(state: Path, hosts: tuple[str, ...]) -> None:
    """Write the ping nodes that both nodes have reached. Raise DiskIdentityError."""
    replace_file(state / PING_PROOF_FILE, "".join(f"{host}\n" for host in hosts).encode())


def read_link_state(run: Path) -> LinkState | None:
    """Return where the last link process left off; None if that is unknown."""
    try:
        generation, reserved_seq, right = read_own(run / LINK_STATE_FILE).decode().split()
        return LinkState(
            generation=int(generation),
            reserved_seq=int(reserved_seq),
            had_right=right != _NONE,
            stop_by_ms=None if right in {_HELD, _NONE} else int(right),
        )
    except (OSError, ValueError):
        return None


def write_link_state(run: Path, link_state: LinkState) -> None:
    """Keep where we are. Not flushed: RUN does not outlive the machine anyway."""
    path = run / LINK_STATE_FILE
    right: object = _HELD if link_state.had_right else _NONE
    right = right if link_state.stop_by_ms is None else link_state.stop_by_ms
    try:
        replace_own(path, f"{link_state.generation} {link_state.reserved_seq} {right}\n".encode())
    except OSError as error:
        raise DiskIdentityError(f"{path}: {error.strerror}") from error


def replace_file(path: Path, content: bytes) -> None:
    """Replace a file (mode 0600) whole and durably. Raise DiskIdentityError."""
    try:
        replace_own(path, content, is_durable=True)
    except OSError as error:
        raise DiskIdentityError(f"{path}: {error.strerror}") from error


def _kept_generation(path: Path) -> int | None:
    try:
        return generation_from_bytes(read_own(path))
    except (FileNotFoundError, WireError):
        return None
    except OSError as error:
        raise DiskIdentityError(f"{path}: {error.strerror}") from error
