"""What the link process must do, in this order, when the link node says so.

Invariant: a PersistGeneration or ReserveSequence stands before the first Transmit that depends
on it; the shell carries effects out one after the other and waits for the disk.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from everbeat.model.members import MembershipFact


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


LinkEffect: TypeAlias = Transmit | PersistGeneration | ReserveSequence | MembershipFact
SendEffect: TypeAlias = Transmit | PersistGeneration | ReserveSequence
