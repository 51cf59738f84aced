"""Who may speak here, and in which of its lives: stands between authentic and trusted.

    own name ─────────────► ours: ignored (another uuid: told)
    unknown name ─────────► added if autojoin allows, else unknown-node
    generation lower ─────► replay: told, dropped
    generation higher ────► a new life: told, all tracking begins anew
    uuid changed ─────────► told, kept; a uuid that belongs to another node is told, not kept

Invariant: a node's generation never goes back. Source: measured on 3.0.6.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from everbeat.membership.nodes import NodeRecord, is_node_name
from everbeat.membership.rejections import OncePerSecond
from everbeat.model.cluster import Autojoin
from everbeat.model.members import NodeKind
from everbeat.model.membership import MembershipFact, NodeIdentityChanged, ReplayRejected

if TYPE_CHECKING:
    from everbeat.membership.envelope import Envelope
    from everbeat.membership.roster import Roster
    from everbeat.model.cluster import HaConfig
    from everbeat.model.names import NodeName


class Refused(Enum):
    """Why a message is not taken."""

    OWN = "own"
    REPLAY = "replay"
    UNKNOWN_NODE = "unknown-node"


@dataclass(frozen=True, slots=True)
class Admitted:
    """Whose message it is (or why it is not taken), and what that told us."""

    sender: NodeRecord | Refused
    facts: list[MembershipFact]


class Admission:
    """The doorkeeper of one link process."""

    def __init__(self, config: HaConfig, own_uuid: bytes, roster: Roster) -> None:
        self._own = config.node
        self._own_uuid = own_uuid
        self._autojoin = config.autojoin
        self._roster = roster
        self._once = OncePerSecond()

    def admit(self, envelope: Envelope, highest: int, now_ms: int) -> Admitted:
        """Judge the sender of an authentic message; `highest`: our own highest number."""
        if envelope.source == self._own:
            return Admitted(Refused.OWN, self._own_name_facts(envelope, now_ms))
        record = self._roster.table.get(envelope.source)
        facts: list[MembershipFact] = []
        if record is None:
            facts += self._join_facts(envelope, now_ms)
            record = self._roster.table.get(envelope.source)
        if record is None or record.kind is not NodeKind.NORMAL:
            return Admitted(Refused.UNKNOWN_NODE, facts)
        known = record.generation
        if known is not None and envelope.generation < known:
            facts += self._replay_facts(record.name, known, envelope.generation, now_ms)
            return Admitted(Refused.REPLAY, facts)
        facts += self._life_facts(record, envelope, highest, now_ms)
        facts += self._uuid_facts(record, envelope.source_uuid, now_ms)
        return Admitted(record, facts)

    def _own_name_facts(self, envelope: Envelope, now_ms: int) -> list[MembershipFact]:
        if envelope.source_uuid in {b"", self._own_uuid}:
            return []
        return self._identity_facts(self._own, "another machine uses our name", now_ms)

    def _join_facts(self, envelope: Envelope, now_ms: int) -> list[MembershipFact]:
        """Add an unknown sender if it may join; tell of a known uuid under another name."""
        name = envelope.source
        facts: list[MembershipFact] = []
        known_as = self._roster.table.name_of_uuid(envelope.source_uuid)
        if known_as is not None:
            facts += self._identity_facts(known_as, f"its uuid speaks as {name}", now_ms)
        may_join = self._autojoin is not Autojoin.NONE and is_node_name(name)
        if may_join and envelope.sequence is not None:
            facts += self._roster.add(name, NodeKind.NORMAL, now_ms)
        return facts

    def _replay_facts(
        self, name: NodeName, known: int, heard: int, now_ms: int
    ) -> list[MembershipFact]:
        if not self._once.allows("replay", name, now_ms):
            return []
        return [ReplayRejected(name, known, heard, now_ms)]

    def _life_facts(
        self, record: NodeRecord, envelope: Envelope, highest: int, now_ms: int
    ) -> list[MembershipFact]:
        """Note the generation of a numbered message; unnumbered ones prove no new life."""
        if envelope.sequence is None or envelope.generation == record.generation:
            return []
        if record.generation is None:
            record.generation = envelope.generation
            return []
        return self._roster.on_restart(record, envelope.generation, highest, now_ms)

    def _uuid_facts(self, record: NodeRecord, uuid: bytes, now_ms: int) -> list[MembershipFact]:
        if not uuid or uuid == record.uuid:
            return []
        other = self._roster.table.name_of_uuid(uuid)
        if other is not None:
            # A copied hb_uuid: the name decides, and the record keeps what it knows.
            return self._identity_facts(record.name, f"has the uuid of {other}", now_ms)
        facts: list[MembershipFact] = []
        if record.uuid:
            facts += self._identity_facts(record.name, "has another uuid", now_ms)
            if not facts:
                return []  # two machines under one name: follow them once a second at most
        record.uuid = uuid
        return [*facts, record.added()]

    def _identity_facts(self, node: NodeName, detail: str, now_ms: int) -> list[MembershipFact]:
        if not self._once.allows("identity", node, now_ms):
            return []
        return [NodeIdentityChanged(node, detail, now_ms)]
