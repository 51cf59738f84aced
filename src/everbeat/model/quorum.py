"""The right to hold groups, and what is asked of a witness for it (ADR 0010).

    link: leases, votes ──RightGained, RightExtended, RightLost──► core ──► resource manager
          └──AskWitness(ask)──► adapter ⇄ witness ──reply──► link

A stamp is the asker's own CLOCK_MONOTONIC in milliseconds when it asked; nobody else reads
anything into it but its order. What is granted to a stamp `s` holds until `s + lease_ms` on the
asker's clock.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeAlias

from everbeat.model.members import QuorumView, VoterView
from everbeat.model.names import NodeName


class Want(StrEnum):
    """What a node asks the witness for."""

    LEASE = "lease"  # to hold what it has: it lacks the echo of a peer
    VOTE = "vote"  # that this peer is dead as well: it has voted so itself
    PRESENCE = "presence"  # nothing: is the witness there? asked before it is needed


class WitnessReason(StrEnum):
    """Why the witness granted or not."""

    GRANTED = "granted"
    HELD = "held"  # the other side has a grant that may still count
    STARTING = "starting"  # the witness does not know yet whom its former life granted
    UNSAFE = "unsafe"  # lease and deadtime of the ask do not fit together
    PRESENT = "present"  # nothing was asked for
    AGAIN = "again"  # the question names no life of this witness, or a former one
    OLDER = "older"  # it has heard the asker in a newer generation


@dataclass(frozen=True, slots=True, kw_only=True)
class WitnessAsk:
    """One question of one node; every question has a stamp above the one before.

    `generation`: hb_generation; orders questions across restarts of the machine. `nonce`: drawn
    for this question alone, 64 bits. `about`: the peer that is silent. `lease_ms`: L, how long the
    asker will count a grant; `dead_ms`: D, what the witness has to wait before it grants a rival.
    `life`: the witness's, as its last answer told it; 0: not known yet.
    """

    node: NodeName
    generation: int
    stamp_ms: int
    nonce: int
    about: NodeName
    wants: Want
    lease_ms: int
    dead_ms: int
    life: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class WitnessReply:
    """The answer to the ask of this stamp and nonce.

    `holder`: who has the witness on its side now, "" for nobody known. `retry_after_ms`: when to
    ask again at the latest moment that makes sense; 0: as the asker likes. `life`: what the next
    question must name.
    """

    stamp_ms: int
    nonce: int
    wants: Want
    is_granted: bool
    holder: NodeName
    reason: WitnessReason
    retry_after_ms: int = 0
    life: int = 0


@dataclass(frozen=True, slots=True)
class AskWitness:
    """Order of the link node: send this question; nothing comes back if it is lost."""

    ask: WitnessAsk


@dataclass(frozen=True, slots=True)
class RightGained:
    """We may hold groups from now on, `until_ms` unless extended; begin as at start."""

    reason: str
    until_ms: int | None  # None: without end
    at_ms: int


@dataclass(frozen=True, slots=True)
class RightExtended:
    """The right, if it has not lapsed meanwhile, lasts longer."""

    until_ms: int | None  # None: without end
    at_ms: int


@dataclass(frozen=True, slots=True)
class RightLost:
    """We must have given up everything at `stop_by_ms`: others may take it then."""

    reason: str
    stop_by_ms: int
    at_ms: int


@dataclass(frozen=True, slots=True)
class RightGivenBack:
    """We have said farewell and hold nothing; who goes on nevertheless begins a new life."""

    at_ms: int


@dataclass(frozen=True, slots=True)
class ConfirmOff:
    """Order: this node was confirmed to be off. It is dead whatever the votes, until heard."""

    node: NodeName


@dataclass(frozen=True, slots=True)
class VotersChanged:
    """Who leases to us, who left, who votes whom dead: as of now."""

    majority: int
    voters: tuple[VoterView, ...]
    waits_for: tuple[NodeName, ...]
    is_deciding: bool = True  # False: one of the nodes has not reached the ping nodes yet


RightFact: TypeAlias = RightGained | RightExtended | RightLost | RightGivenBack | VotersChanged


def fold_right(view: QuorumView, fact: RightFact) -> QuorumView:
    """Return the view after one more fact."""
    match fact:
        case RightGained(reason, until_ms):
            return replace(
                view,
                is_held=True,
                is_known=True,
                until_ms=until_ms,
                stop_by_ms=None,
                has_left=False,
                reason=reason,
            )
        case RightExtended(until_ms):
            return replace(view, is_held=True, is_known=True, until_ms=until_ms)
        case RightLost(reason, stop_by_ms):
            return replace(
                view,
                is_held=False,
                is_known=True,
                until_ms=None,
                stop_by_ms=stop_by_ms,
                reason=reason,
            )
        case RightGivenBack():
            reason = "this node has left"
            return replace(view, is_held=False, is_known=True, has_left=True, reason=reason)
        case VotersChanged(majority, voters, waits_for, is_deciding):
            return replace(
                view,
                majority=majority,
                voters=voters,
                waits_for=waits_for,
                is_deciding=is_deciding,
            )
