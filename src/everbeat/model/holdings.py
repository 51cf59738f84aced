"""Which groups a node holds, in Heartbeat V1's four words, seen from that node.

local: the groups it is the preferred owner of; foreign: all others.
"""

from __future__ import annotations

from enum import IntFlag


class Hold(IntFlag):
    """none, local, foreign or all; a set of two bits."""

    NONE = 0
    LOCAL = 1
    FOREIGN = 2
    ALL = 3

    @property
    def word(self) -> str:
        """Return the word used on the wire and by cl_status."""
        return ("none", "local", "foreign", "all")[self.value]

    @property
    def mirrored(self) -> Hold:
        """Return the same groups as the other node of a pair names them."""
        return Hold(((self.value & 1) << 1) | (self.value >> 1))


def hold_from_word(word: str) -> Hold | None:
    """Return the hold of a word, or None for an unknown word."""
    return {"none": Hold.NONE, "local": Hold.LOCAL, "foreign": Hold.FOREIGN, "all": Hold.ALL}.get(
        word
    )
