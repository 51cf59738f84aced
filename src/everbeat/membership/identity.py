"""Who this node is on the wire, for one life of its link process.

A link process that died and was started again within the life of the node goes on under the
same generation, so that peers see no restart. It does not know which numbers its forerunner
used, only how far numbers were reserved; it leaps past them. Peers see a gap too wide to ask
for and restart their tracking.

Source: measured on 3.0.6 (gaps above 250 are not asked for; a generation is a life).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from everbeat.model.names import NodeName  # noqa: TC001 - a compiled dataclass asks for it

GAP_MAX: Final = 250
"""A wider gap in a sender's numbers is given up at once instead of being asked for."""

SEQUENCE_BLOCK: Final = 1_000
"""So many numbers are reserved at a time."""


@dataclass(frozen=True, slots=True)
class KnownLife:
    """What outlives us of another node: its newest generation, and the newest it has proved."""

    node: NodeName
    generation: int
    proved: int = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What a link process starts with. `generation` is already persisted.

    `is_continuing`: an earlier link process of this generation has spoken; we go on silently.
    """

    uuid: bytes  # 16 bytes
    generation: int
    first_seq: int = 1
    is_continuing: bool = False
    promised: tuple[NodeName, ...] = ()
    """Nodes to be heard before anything is held: we left in order while they went on."""
    is_ping_proved: bool = False
    """Both nodes have reached the ping nodes of ha.cf once: they may decide."""
    had_right: bool = True
    """Our forerunner had the right to hold, or has not lost it for long; False: nothing is held."""
    until_ms: int | None = None
    """When the right of our forerunner ends, as it knew it last; None: unknown, or without end."""
    stop_by_ms: int | None = None
    """Our forerunner had lost the right to hold, and until then all was to be given up."""
    known: tuple[KnownLife, ...] = ()
    """The other nodes' generations, as far as this node was ever told."""


def continuing_identity(uuid: bytes, generation: int, reserved_seq: int) -> Identity:
    """Return the identity of a restarted link process; `reserved_seq`: last ReserveSequence."""
    return Identity(
        uuid=uuid,
        generation=generation,
        first_seq=reserved_seq + GAP_MAX + 2,
        is_continuing=True,
    )
