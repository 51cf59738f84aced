"""What the link process must do, in this order, when the link node says so.

Invariant: a PersistGeneration or ReserveSequence stands before the first Transmit that depends
on it; the shell carries effects out one after the other and waits for the disk.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from everbeat.model.membership import MembershipFact
from everbeat.model.quorum import AskWitness

if TYPE_CHECKING:
    from everbeat.membership.identity import KnownLife
    from everbeat.model.names import NodeName


@dataclass(frozen=True, slots=True)
class Transmit:
    """Send these bytes on these media (indices into HaConfig.media); (): all but ping media."""

    media: tuple[int, ...]
    data: bytes


@dataclass(frozen=True, slots=True)
class PersistGeneration:
    """Write hb_generation durably before anything that follows is sent."""

    generation: int


@dataclass(frozen=True, slots=True)
class ReserveSequence:
    """Remember, for a restart of this process only, that numbers up to this one may be used."""

    up_to: int


@dataclass(frozen=True, slots=True)
class PersistPromise:
    """Write durably whom to hear before holding anything; LinkNode.on_promise takes the outcome."""

    nodes: tuple[NodeName, ...]  # none: the promise is kept


@dataclass(frozen=True, slots=True)
class PersistPingProof:
    """Write durably that both nodes have reached these ping nodes: from now on they may decide."""

    hosts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PersistLives:
    """Write the other nodes' generations for whoever comes after us. Nothing waits for it."""

    known: tuple[KnownLife, ...]


LinkEffect: TypeAlias = (
    Transmit
    | PersistGeneration
    | PersistPromise
    | PersistPingProof
    | PersistLives
    | ReserveSequence
    | AskWitness
    | MembershipFact
)
SendEffect: TypeAlias = Transmit | PersistGeneration | ReserveSequence
