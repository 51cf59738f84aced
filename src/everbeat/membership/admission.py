"""Who may speak here, and in which of its lives: stands between authentic and trusted.

    own name ─────────────► ours: ignored (another uuid: told)
    unknown name ─────────► may join if autojoin allows, else unknown-node
    heard before, or from before its sender answered us ─► replay
    a status ─────────────► judged by its life (`lives`): present, unproved, older, absurd
    anything else ────────► taken of the present generation alone
    generation changed ───► a new life: told, all tracking begins anew
    uuid changed ─────────► told, kept; a uuid that belongs to another node is told, not kept

Invariant: nothing but a status counts from a node that has not answered this life of ours.
Source: measured on 3.0.6; what an answer is, is everbeat's (ADR 0014).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Final

from everbeat.membership.envelope import decimal_from_text
from everbeat.membership.lives import Judged, LifeStatus, Lives, greeting_from_message
from everbeat.membership.rejections import OncePerSecond
from everbeat.membership.replay import Freshness, ReplayWindows
from everbeat.model.cluster import Autojoin
from everbeat.model.members import NodeKind
from everbeat.model.membership import MembershipFact, NodeIdentityChanged, ReplayRejected
from everbeat.model.names import is_node_name
from everbeat.wire.dialect import DIALECT_FIELD

if TYPE_CHECKING:
    from everbeat.membership.envelope import Envelope
    from everbeat.membership.nodes import NodeRecord
    from everbeat.membership.roster import Roster
    from everbeat.model.cluster import HaConfig
    from everbeat.model.message import Message
    from everbeat.model.names import NodeName
    from everbeat.wire.dialect import Origin

STATUS_TYPE: Final = "status"


class Refused(Enum):
    """Why a message is not taken. The value is the reason to count it under; empty: told, or ours.

    GREETING: what every acquaintance begins with, a status or an acknowledgement, is not counted.
    """

    OWN = "own"
    OLDER = "older"
    GREETING = "greeting"
    UNPROVED = "unproved"
    REPLAY = "replay"
    UNKNOWN_NODE = "unknown-node"

    @property
    def reason(self) -> str:
        """Return the reason to count the message under, or nothing."""
        return "" if self in {Refused.OWN, Refused.OLDER, Refused.GREETING} else self.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """An authentic message as it came. `origin`: who sealed it; None: it is a classic one."""

    envelope: Envelope
    message: Message
    origin: Origin | None
    medium: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnLife:
    """How far we are: our generation, our highest number, the time."""

    generation: int
    highest: int
    wall_s: int


@dataclass(slots=True)
class Admitted:
    """Whose message it is (or why it is not taken), and what that told us.

    `is_fresh`: of a status, whether it is a sign of life now.
    """

    sender: NodeRecord | Refused
    facts: list[MembershipFact] = field(default_factory=list[MembershipFact])
    is_fresh: bool = False


class Admission:
    """The doorkeeper of one link process."""

    def __init__(self, config: HaConfig, own_uuid: bytes, roster: Roster, lives: Lives) -> None:
        self._own = config.node
        self._own_uuid = own_uuid
        self._autojoin = config.autojoin
        self._roster = roster
        self._lives = lives
        self._windows = ReplayWindows()
        self._once = OncePerSecond()

    def admit(self, arrived: Arrived, own: OwnLife, now_ms: int) -> Admitted:
        """Judge the sender of an authentic message."""
        envelope = arrived.envelope
        if envelope.source == self._own:
            return Admitted(Refused.OWN, self._own_name_facts(envelope, now_ms))
        record = self._roster.table.get(envelope.source)
        if record is None and not self._may_join(envelope):
            return Admitted(Refused.UNKNOWN_NODE, self._renamed_facts(envelope, now_ms))
        if record is not None and record.kind is not NodeKind.NORMAL:
            return Admitted(Refused.UNKNOWN_NODE)
        judged = self._judge(arrived, own, now_ms)
        if isinstance(judged, Refused):
            older = judged is Refused.OLDER
            facts = self._replay_facts(envelope, now_ms) if older else []
            return Admitted(judged, [*facts])
        return self._taken(record, arrived, judged, own, now_ms)

    # -- is it said now? -----------------------------------------------------------------------

    def _judge(self, arrived: Arrived, own: OwnLife, now_ms: int) -> Judged | Refused:
        """Return the verdict of a message that counts, or why it does not."""
        origin, envelope = arrived.origin, arrived.envelope
        freshness = Freshness.FRESH
        if origin is not None:
            freshness = self._windows.judge(origin, arrived.medium)
        if freshness is Freshness.REPLAY:
            return Refused.REPLAY
        if envelope.type != STATUS_TYPE or envelope.sequence is None:
            return self._judge_other(envelope, freshness)
        message = arrived.message
        judged = self._lives.on_status(
            envelope.source,
            (envelope.generation, envelope.sequence),
            greeting_from_message(message),
            now_ms,
            reference=max(own.wall_s, own.generation),
            is_everbeat=origin is not None or bool(decimal_from_text(message.text(DIALECT_FIELD))),
        )
        match judged.verdict:
            case LifeStatus.OLDER | LifeStatus.ABSURD:
                return Refused.OLDER
            case LifeStatus.UNPROVED:
                return Refused.GREETING
            case LifeStatus.PRESENT:
                pass
        if freshness is Freshness.CLOSED and origin is not None:
            if not judged.is_answer or not _is_its_own(origin, envelope):
                return Refused.GREETING  # or passed on by somebody who has not answered us
            self._windows.open(origin, arrived.medium)
        return judged

    def _judge_other(self, envelope: Envelope, freshness: Freshness) -> Judged | Refused:
        newest = self._lives.newest(envelope.source)
        if newest is not None and envelope.generation < newest:
            return Refused.OLDER
        is_present = self._lives.is_present(envelope.source, envelope.generation)
        if freshness is Freshness.CLOSED or not is_present:
            return Refused.UNPROVED if envelope.sequence is not None else Refused.GREETING
        return Judged(LifeStatus.PRESENT)

    # -- what becomes of the sender ------------------------------------------------------------

    def _taken(
        self,
        record: NodeRecord | None,
        arrived: Arrived,
        judged: Judged,
        own: OwnLife,
        now_ms: int,
    ) -> Admitted:
        envelope = arrived.envelope
        facts: list[MembershipFact] = []
        if record is None:
            facts += self._renamed_facts(envelope, now_ms)
            facts += self._roster.add(envelope.source, NodeKind.NORMAL, now_ms)
            record = self._roster.table.get(envelope.source)
        if record is None:  # the table is full
            return Admitted(Refused.UNKNOWN_NODE, facts)
        if envelope.sequence is not None and envelope.generation != record.generation:
            if record.generation is not None:
                facts += self._roster.on_restart(record, envelope.generation, own.highest, now_ms)
            record.generation = envelope.generation
        self._roster.inbound.expect(record.name, judged.missing, now_ms)
        facts += self._uuid_facts(record, envelope.source_uuid, now_ms)
        return Admitted(record, facts, is_fresh=judged.is_fresh)

    def _may_join(self, envelope: Envelope) -> bool:
        may_join = self._autojoin is not Autojoin.NONE and is_node_name(envelope.source)
        return may_join and envelope.sequence is not None

    def _own_name_facts(self, envelope: Envelope, now_ms: int) -> list[MembershipFact]:
        if envelope.source_uuid in {b"", self._own_uuid}:
            return []
        return self._identity_facts(self._own, "another machine uses our name", now_ms)

    def _renamed_facts(self, envelope: Envelope, now_ms: int) -> list[MembershipFact]:
        """Tell of a known uuid under an unknown name."""
        known_as = self._roster.table.name_of_uuid(envelope.source_uuid)
        if known_as is None:
            return []
        return self._identity_facts(known_as, f"its uuid speaks as {envelope.source}", now_ms)

    def _replay_facts(self, envelope: Envelope, now_ms: int) -> list[MembershipFact]:
        known = self._lives.newest(envelope.source)
        if not self._once.allows("replay", envelope.source, now_ms):
            return []
        return [ReplayRejected(envelope.source, known or 0, envelope.generation, now_ms)]

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


def _is_its_own(origin: Origin, envelope: Envelope) -> bool:
    """Say whether a datagram was sealed by whoever made the message, in the same generation."""
    same = (envelope.source_uuid, envelope.generation)
    return (origin.uuid, origin.generation) == same
