"""The order in which each node speaks: an older word, or one of an older life, is no news.

    hg below the newest generation heard of its sender ──► old, whatever it says
    seq not above the last one of its kind ──────────────► old: overtaken, doubled or played again
    else ────────────────────────────────────────────────► news

Membership sorts this out as well; here it is asked again, since a link process may be a new one,
and what is believed moves groups. Kinds are told apart because a lost message comes late: an old
word of one kind says nothing of a newer one of another. STATES are of one kind: each replaces all
that was said before.

Enters: messages, restarts. Leaves: verdicts. Bounded by the nodes and the kinds that are asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from everbeat.model.names import NodeName, node_name_from_text

if TYPE_CHECKING:
    from everbeat.model.message import Message

STATES: Final = frozenset({"starting", "resource", "shutdone"})
_STATE: Final = "a state"
UNORDERED: Final = (0, 0)
"""A message without generation and number is not from the wire."""


class SpokenOrder:
    """What every node has said last."""

    def __init__(self) -> None:
        self._generation: dict[NodeName, int] = {}
        self._last: dict[tuple[NodeName, str], tuple[int, int]] = {}

    def is_new_life(self, node: NodeName, generation: int) -> bool:
        """Say whether it is news that a node is in this life.

        Not where a new link process tells it, whose forerunner could not write down that it had.
        """
        return self._generation.get(node) != generation

    def on_restarted(self, node: NodeName, generation: int) -> None:
        """Take membership's word for the life a node is in now."""
        self._generation[node] = generation
        self._last = {key: last for key, last in self._last.items() if key[0] != node}

    def is_present(self, message: Message) -> bool:
        """Say whether a message is of the newest life of its sender; note that life."""
        node, generation = _source(message), message.order[0]
        if generation < self._generation.get(node, 0):
            return False
        self._generation[node] = generation
        return True

    def is_news(self, message: Message) -> bool:
        """Say whether a message is of the present, and newer than the last of its kind; note it."""
        order = message.order
        if order == UNORDERED:
            return True
        if not self.is_present(message):
            return False
        kind = _STATE if message.type in STATES else message.type
        key = _source(message), kind
        if order <= self._last.get(key, UNORDERED):
            return False
        self._last[key] = order
        return True


def _source(message: Message) -> NodeName:
    return node_name_from_text(message.text("src") or "")
