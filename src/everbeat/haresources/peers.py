"""What we believe of the other nodes: alive or not, what they claim, whether they are settled.

A claim is a set of group keys. On the wire it is one of four words seen from the sender; with
three and more nodes `foreign` does not say whose, so everbeat nodes add the keys (`groups`), a
field that Heartbeat ignores.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from everbeat.model.groups import ResourceGroup
from everbeat.model.holdings import Hold, hold_from_word
from everbeat.model.members import NodeStatus
from everbeat.model.names import GroupKey, word_from_wire

if TYPE_CHECKING:
    from collections.abc import Iterable

    from everbeat.model.message import Message
    from everbeat.model.names import LinkName, NodeName

GROUPS_FIELD: Final = "groups"
PARTNER_FIELD: Final = "to"  # whom it is for, where more than one other node could be meant
JOINING_FIELD: Final = "eb_join"  # in `starting` and `resource`: takes nothing before it knows us
RIGHT_FIELD: Final = "eb_right"
"""`0` in a `resource` message: the sender may not hold anything."""
EMPTY_MARK: Final = "@"
NOTHING: Final = "nothing"


@dataclass(slots=True)
class Peer:
    """One other node as we know it."""

    node: NodeName
    status: NodeStatus = NodeStatus.INIT
    claims: frozenset[GroupKey] = field(default_factory=frozenset)
    is_stable: bool = False
    has_reported: bool = False  # a `resource` message since it (re)started
    is_joining: bool = False  # an everbeat that starts, and asks as we do before it takes anything
    is_leaving: bool = False  # it said `info=shutdown`
    has_left: bool = False  # it said `shutdone`: it holds nothing
    has_right: bool = True  # False: it says that it holds nothing, because it may not
    is_failback_due: bool = False  # it joined and has not got its groups back yet
    failback_at_ms: int | None = None
    barred: frozenset[GroupKey] = field(default_factory=frozenset)  # it has failed them
    said: Message | None = None  # its newest full `resource` message
    last_order: tuple[int, int] = (0, 0)  # of its newest `resource` message
    paths: frozenset[LinkName] = frozenset()  # on which we hear it
    is_unheard: bool = False  # it lives, as others say: what it has said may be old
    dialect: int = 0  # of everbeat's own messages; 0: a Heartbeat

    @property
    def is_live(self) -> bool:
        """Whether it runs and may hold something."""
        return self.is_there and self.has_right

    @property
    def is_there(self) -> bool:
        """Whether it runs, though it may be without the right to hold."""
        return self.status in {NodeStatus.UP, NodeStatus.ACTIVE} and not self.has_left

    @property
    def is_uncertain(self) -> bool:
        """Whether it may hold what we do not know of: not known to be gone, nor heard out."""
        is_gone = self.status is NodeStatus.DEAD or self.has_left
        return not is_gone and not (self.is_there and self.has_reported)

    @property
    def is_settled(self) -> bool:
        """Whether its last word was that nothing moves there."""
        return self.has_reported and self.is_stable and not self.is_leaving

    @property
    def is_known(self) -> bool:
        """Whether we know what it holds, and that it takes no more than its share."""
        is_harmless = self.is_joining or not self.has_right
        return self.is_settled or (self.has_reported and is_harmless)

    def forget(self) -> None:
        """Drop what it said: it starts anew, whatever it held before is gone."""
        self.claims = frozenset()
        self.is_stable = self.has_reported = self.is_leaving = self.has_left = False
        self.is_joining = False
        self.failback_at_ms = None
        self.is_failback_due = True


def with_empty_groups(
    groups: Iterable[ResourceGroup], nodes: Iterable[NodeName]
) -> tuple[ResourceGroup, ...]:
    """Return the groups, and an empty one for each node that owns none.

    Heartbeat's words stand for classes, and a node holds `local` even where it owns nothing.
    """
    kept = tuple(group for group in groups if group.resources)
    owners = {group.owner for group in kept}
    return kept + tuple(
        ResourceGroup(node, GroupKey(f"{EMPTY_MARK}{node}"), ())
        for node in nodes
        if node not in owners
    )


def shown(keys: Iterable[GroupKey]) -> str:
    """Return group keys for people, without the empty ones; `nothing` if none is left."""
    return ", ".join(sorted(key for key in keys if not is_empty(key))) or NOTHING


def is_empty(key: GroupKey) -> bool:
    """Whether a key stands for a node that owns no group."""
    return key.startswith(EMPTY_MARK)


class Holdings:
    """Translates between group keys and the four words. Fixed for a set of groups."""

    def __init__(self, groups: Iterable[ResourceGroup]) -> None:
        self._owner = {group.key: group.owner for group in groups}

    def keys(self, hold: Hold, node: NodeName) -> frozenset[GroupKey]:
        """Return the groups that `node` means by this word."""
        return frozenset(
            key
            for key, owner in self._owner.items()
            if (Hold.LOCAL if owner == node else Hold.FOREIGN) in hold
        )

    def hold(self, keys: Iterable[GroupKey], node: NodeName) -> Hold:
        """Return the word with which `node` calls these groups."""
        hold = Hold.NONE
        for key in keys:
            hold |= Hold.LOCAL if self._owner[key] == node else Hold.FOREIGN
        return hold

    def claims_of(self, message: Message, node: NodeName) -> frozenset[GroupKey] | None:
        """Return the keys a `resource`, `ask_resources` or `hb_takeover` message speaks of."""
        named = message.text(GROUPS_FIELD)
        if named is not None:
            words = word_from_wire(named).split(" ")
            return frozenset(key for key in self._owner if key in words)
        hold = hold_from_word(message.text("rsc_hold") or "")
        return None if hold is None else self.keys(hold, node)

    def owner(self, key: GroupKey) -> NodeName:
        """Return a group's preferred node."""
        return self._owner[key]

    def owned_by(self, node: NodeName) -> frozenset[GroupKey]:
        """Return the groups whose preferred node this is."""
        return frozenset(key for key, owner in self._owner.items() if owner == node)

    def all(self) -> frozenset[GroupKey]:
        """Return every group."""
        return frozenset(self._owner)


def successor(owner: NodeName, order: tuple[NodeName, ...], live: set[NodeName]) -> NodeName | None:
    """Return who serves a group: its owner if live, else the next live node after it in ha.cf."""
    if owner in live:
        return owner
    start = order.index(owner) if owner in order else 0
    for step in range(1, len(order) + 1):
        candidate = order[(start + step) % len(order)]
        if candidate in live:
            return candidate
    return None
