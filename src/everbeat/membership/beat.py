"""What a heartbeat says for quorum: six fields of a status message that Heartbeat 3.0.6 ignores.

    eb_stamp   the sender's clock, hexadecimal ms      eb_echo   node:generation:stamp of each node
    eb_dead    its deadtime, hexadecimal ms                      whose newest heartbeat it heard
    eb_right   1, or 0: it holds nothing and may not   eb_votes  node:generation it holds for dead
    eb_ping    1: it reaches the ping nodes that are to decide

Enters: fields as texts. Leaves: a Beat, or None for a status without them or with broken ones: a
node that sends none is taken for Heartbeat. Numbers are hexadecimal, lists separated by blanks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from everbeat.membership.envelope import hex_from_text
from everbeat.model.names import NodeName, node_name_from_text

if TYPE_CHECKING:
    from everbeat.model.message import Message

STAMP_FIELD: Final = "eb_stamp"
_DEAD: Final = "eb_dead"
_RIGHT: Final = "eb_right"
_ECHO: Final = "eb_echo"
_VOTES: Final = "eb_votes"
_PING: Final = "eb_ping"
ENTRIES_MAX: Final = 100
"""As many as there may be nodes; more are not read."""


@dataclass(frozen=True, slots=True)
class Echo:
    """The newest heartbeat of a node that the sender has heard, and whose life it was."""

    node: NodeName
    generation: int
    stamp_ms: int


@dataclass(frozen=True, slots=True)
class Vote:
    """A node the sender has not heard for its deadtime, in no life up to this generation."""

    node: NodeName
    generation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Beat:
    """The quorum's part of one status message."""

    stamp_ms: int
    dead_ms: int
    has_right: bool = True
    echoes: tuple[Echo, ...] = ()
    votes: tuple[Vote, ...] = ()
    has_ping: bool = False

    def votes_against(self, node: NodeName) -> int | None:
        """Return the generation in which the sender holds this node for dead, or None."""
        return next((vote.generation for vote in self.votes if vote.node == node), None)


def fields_from_beat(beat: Beat) -> dict[str, str]:
    """Return the fields of a status message."""
    fields = {
        STAMP_FIELD: f"{beat.stamp_ms:x}",
        _DEAD: f"{beat.dead_ms:x}",
        _RIGHT: "1" if beat.has_right else "0",
    }
    if beat.echoes:
        fields[_ECHO] = " ".join(f"{e.node}:{e.generation:x}:{e.stamp_ms:x}" for e in beat.echoes)
    if beat.votes:
        fields[_VOTES] = " ".join(f"{vote.node}:{vote.generation:x}" for vote in beat.votes)
    if beat.has_ping:
        fields[_PING] = "1"
    return fields


def beat_from_message(message: Message) -> Beat | None:
    """Return what a status message says for quorum, or None."""
    stamp, dead = hex_from_text(message.text(STAMP_FIELD)), hex_from_text(message.text(_DEAD))
    if stamp is None or not dead:
        return None
    echoes = [_numbers(word, 2) for word in _words(message.text(_ECHO))]
    votes = [_numbers(word, 1) for word in _words(message.text(_VOTES))]
    return Beat(
        stamp_ms=stamp,
        dead_ms=dead,
        has_right=message.text(_RIGHT) != "0",
        echoes=tuple(Echo(found[0], *found[1]) for found in echoes if found),
        votes=tuple(Vote(found[0], *found[1]) for found in votes if found),
        has_ping=message.text(_PING) == "1",
    )


def _words(text: str | None) -> list[str]:
    return (text or "").split(" ", ENTRIES_MAX)[:ENTRIES_MAX]


def _numbers(word: str, count: int) -> tuple[NodeName, list[int]] | None:
    """Split `name:number:…`; the name may itself hold colons."""
    name, *texts = word.rsplit(":", count)
    numbers = [number for text in texts if (number := hex_from_text(text)) is not None]
    if not name or len(numbers) != count:
        return None
    return node_name_from_text(name), numbers
