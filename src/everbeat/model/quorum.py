"""What quorum is about: a question to the witness, and its answer (ADR 0010).

A stamp is the asker's own CLOCK_MONOTONIC in milliseconds when it asked; nobody else reads
anything into it but its order. What is granted to a stamp `s` holds until `s + lease_ms` on the
asker's clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from everbeat.model.names import NodeName

WITNESS_PORT: Final = 6940


class Want(StrEnum):
    """What a node asks the witness for."""

    LEASE = "lease"  # to hold what it has: it lacks the echo of a peer
    VOTE = "vote"  # that this peer is dead as well: it has voted so itself


class WitnessReason(StrEnum):
    """Why the witness granted or not."""

    GRANTED = "granted"
    HELD = "held"  # the other side has a grant that may still count
    STARTING = "starting"  # the witness does not know yet whom its former life granted
    UNSAFE = "unsafe"  # lease and deadtime of the ask do not fit together


@dataclass(frozen=True, slots=True, kw_only=True)
class WitnessAsk:
    """One question of one node; every question has a stamp above the one before.

    `generation`: hb_generation; orders questions across restarts of the machine. `nonce`: drawn
    for this question alone, 64 bits. `about`: the peer that is silent. `lease_ms`: L, how long the
    asker will count a grant; `dead_ms`: D, what the witness has to wait before it grants a rival.
    """

    node: NodeName
    generation: int
    stamp_ms: int
    nonce: int
    about: NodeName
    wants: Want
    lease_ms: int
    dead_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WitnessReply:
    """The answer to the ask of this stamp and nonce.

    `holder`: who has the witness on its side now, "" for nobody known. `retry_after_ms`: when to
    ask again at the latest moment that makes sense; 0: as the asker likes.
    """

    stamp_ms: int
    nonce: int
    wants: Want
    is_granted: bool
    holder: NodeName
    reason: WitnessReason
    retry_after_ms: int = 0
