"""Which nodes there are: configured ones first, then those that joined.

Enters: names from ha.cf, node lists of peers (repnodes, addnode, delnode), unknown senders.
Leaves: NodeAdded and NodeDeleted. Invariant: at most NODES_MAX nodes, our own always among them.

A sender is looked up by its name; its uuid tells a renamed or cloned machine. (3.0.6 looks up by
uuid first and silently renames, so that two machines with a copied hb_uuid become one node.)

Source: measured on 3.0.6; the look-up order differs on purpose.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from everbeat.model.members import NodeKind
from everbeat.model.membership import NodeAdded, NodeDeleted
from everbeat.model.names import NodeName, is_node_name, node_name_from_text

if TYPE_CHECKING:
    from collections.abc import Iterable

NODES_MAX: Final = 100
DELETED_MAX: Final = 100
WEIGHT_MAX: Final = 1_000_000
SITE_BYTES_MAX: Final = 99


@dataclass(slots=True)
class NodeRecord:
    """What is known of a node besides its liveness. `generation` None: nothing heard yet."""

    name: NodeName
    kind: NodeKind
    uuid: bytes = b""
    weight: int = 100
    site: str = ""
    generation: int | None = None
    last_status: tuple[int, int] = (-1, 0)  # generation and number of its newest status
    dialect: int = 0  # version of everbeat's own dialect it understands; 0: it said nothing of it
    has_right: bool = True  # False: it holds nothing and may hold nothing
    is_old_protocol: bool = False  # its status lacks `protocol`: no acks, no node list

    def added(self) -> NodeAdded:
        """Return the fact that tells all of this node that never comes from its heartbeats."""
        return NodeAdded(self.name, self.kind, self.weight, self.site, self.uuid)


class NodeTable:
    """All nodes in the order they were added."""

    def __init__(self, own: NodeName, own_uuid: bytes) -> None:
        self._own = own
        self._records: dict[NodeName, NodeRecord] = {}
        self._deleted: dict[NodeName, None] = {}
        self._own_uuid = own_uuid

    def __len__(self) -> int:
        """Return how many nodes there are, ping nodes included."""
        return len(self._records)

    def add(self, name: NodeName, kind: NodeKind) -> NodeRecord | None:
        """Add a node; None if it is there already or the table is full."""
        if name in self._records or len(self._records) >= NODES_MAX:
            return None
        uuid = self._own_uuid if name == self._own else b""
        self._records[name] = NodeRecord(name, kind, uuid)
        self._deleted.pop(name, None)
        return self._records[name]

    def delete(self, name: NodeName) -> NodeDeleted | None:
        """Delete a node; None if it is not there or is our own."""
        if name == self._own or self._records.pop(name, None) is None:
            return None
        self._deleted[name] = None
        if len(self._deleted) > DELETED_MAX:
            del self._deleted[next(iter(self._deleted))]
        return NodeDeleted(name)

    def get(self, name: NodeName) -> NodeRecord | None:
        """Return a node's record, or None."""
        return self._records.get(name)

    def peers(self) -> list[NodeRecord]:
        """Return the other cluster members, without ping nodes."""
        return [
            record
            for record in self._records.values()
            if record.kind is NodeKind.NORMAL and record.name != self._own
        ]

    def name_of_uuid(self, uuid: bytes) -> NodeName | None:
        """Return the node that was last heard with this uuid, or None."""
        if not uuid:
            return None
        return next((r.name for r in self._records.values() if r.uuid == uuid), None)

    def uuid_of(self, name: str | None) -> bytes:
        """Return a node's uuid, empty if unknown."""
        record = self._records.get(node_name_from_text(name)) if name else None
        return record.uuid if record else b""

    def node_list(self) -> str:
        """Return `nodelist` of a repnodes message."""
        members = (r.name for r in self._records.values() if r.kind is NodeKind.NORMAL)
        return render_node_list(members)

    def deleted_list(self) -> str:
        """Return `delnodelist` of a repnodes message."""
        return render_node_list(self._deleted)


def render_node_list(names: Iterable[NodeName]) -> str:
    """Return names each followed by a blank; an empty list is one blank."""
    return "".join(f"{name} " for name in names) or " "


def names_from_node_list(text: str | None) -> list[NodeName]:
    """Return the proper names of a node list, at most NODES_MAX."""
    words = (text or "").split(maxsplit=NODES_MAX)[:NODES_MAX]
    return [node_name_from_text(word) for word in words if is_node_name(word.lower())]
