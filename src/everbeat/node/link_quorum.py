"""Quorum in the link node: heartbeats in and out, verdicts asked for, the right told.

    status message ─► beat ─► leases, votes ─┐
    silence ─────────► our vote ─────────────┼─► QuorumCore ─► RightFact, AskWitness
    witness, ping echoes, shutdone ──────────┘        └─ is this node dead?

Without a quorum (`none`, `fencing`) nothing is added to a message and every silence is a death, as
with Heartbeat. A node that others hold for dead stays dead to us, even when it is heard again,
until it says that it holds nothing: by a new generation if it had the right, else by its word.
Not so where ping nodes decide, which may let both hold: who returns says what it holds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from everbeat.membership.beat import ENTRIES_MAX, STAMP_FIELD, beat_from_message, fields_from_beat
from everbeat.membership.envelope import hex_from_text
from everbeat.membership.quorum import QuorumCore
from everbeat.model.cluster import Quorum
from everbeat.model.members import NodeStatus
from everbeat.model.membership import NodeRightChanged
from everbeat.model.message import Field, FieldType
from everbeat.model.quorum import RightGivenBack
from everbeat.node.link_effects import PersistPingProof, PersistPromise

if TYPE_CHECKING:
    from everbeat.membership.identity import Identity
    from everbeat.membership.lives import Lives
    from everbeat.membership.nodes import NodeRecord
    from everbeat.membership.roster import Roster
    from everbeat.model.cluster import HaConfig
    from everbeat.model.members import QuorumView
    from everbeat.model.membership import MembershipFact
    from everbeat.model.message import Message
    from everbeat.model.names import LinkName, NodeName
    from everbeat.model.quorum import WitnessReply
    from everbeat.node.link_effects import LinkEffect
    from everbeat.ports.chance import Random

VOTING: Final = frozenset({Quorum.VOTES, Quorum.WITNESS, Quorum.PING})
LEFT_FIELD: Final = "eb_left"
"""On a `shutdone`: node:life of each to whom the sender has promised, on its disk, to hold nothing
before it is heard there again. To all others, and to another life of these, it promises nothing."""


class LinkQuorum:
    """The quorum's seat in a link node; idle where the cluster has none."""

    def __init__(self, config: HaConfig, identity: Identity, random: Random, lives: Lives) -> None:
        self._config = config
        self._lives = lives
        self._core: QuorumCore | None = None
        if config.quorum in VOTING and config.node in config.nodes:
            self._core = QuorumCore(
                config,
                random,
                is_continuing=identity.is_continuing and identity.had_right,
                promised=identity.promised,
                until_ms=identity.until_ms,
                stop_by_ms=identity.stop_by_ms,
                is_ping_proved=identity.is_ping_proved,
            )
        self._is_proof_written = self._core is None or self._core.is_deciding
        self._written = bool(identity.promised)
        self._farewell: tuple[Message, tuple[NodeName, ...]] | None = None  # and its promise
        self._buried: dict[NodeName, int] = {}  # generation in which it was voted dead

    @property
    def is_voting(self) -> bool:
        """Whether a quorum decides."""
        return self._core is not None

    def first_view(self) -> QuorumView | None:
        """Return the view before the first fact."""
        return self._core.first_view() if self._core else None

    def is_overdue(self, now_ms: int) -> bool:
        """Say whether what should have been given up by now was not."""
        return self._core is not None and self._core.is_overdue(now_ms)

    # -- what we say ---------------------------------------------------------------------------

    def status_fields(self, now_ms: int) -> dict[str, str]:
        """Return what a status message carries for quorum."""
        return fields_from_beat(self._core.beat(now_ms)) if self._core else {}

    def leaving(self, message: Message, dead: list[NodeName], now_ms: int) -> list[LinkEffect]:
        """Keep a farewell back until its promise is on disk; nothing: send the message now."""
        if self._core is None or message.type != "shutdone" or not self._core.is_deciding:
            return []
        self._written = True
        nodes = self._core.on_leaving(dead)
        self._farewell = message, nodes
        return [PersistPromise(nodes), RightGivenBack(now_ms)]

    def farewell(self, nodes: tuple[NodeName, ...], *, is_kept: bool) -> Message | None:
        """Return the farewell to send now that its promise was written, or could not be.

        Without a promise on disk it says nothing for quorum: the others vote us dead instead.
        """
        if self._farewell is None or self._farewell[1] != nodes:
            return None
        message, self._farewell = self._farewell[0], None
        if not is_kept:
            if self._core is not None:
                self._core.on_promise_broken()
            return message
        words = [f"{node}:{life}" for node in nodes if (life := self._lives.life_of(node))]
        if not words:
            return message
        return message.with_fields(Field(FieldType.STRING, LEFT_FIELD, " ".join(words)))

    # -- what we hear --------------------------------------------------------------------------

    def on_start(self, now_ms: int) -> None:
        """Begin to count."""
        if self._core is not None:
            self._core.on_start(now_ms)

    def on_status(
        self,
        record: NodeRecord,
        message: Message,
        generation: int,
        own: int,
        roster: Roster,
        now_ms: int,
    ) -> tuple[bool, list[MembershipFact]]:
        """Take a node's newest status; return whether it is a sign of life, and what is new."""
        name = record.name
        if self._core is None or name not in self._config.nodes:
            return True, []
        beat = beat_from_message(message)
        if beat is None:
            self._buried.pop(name, None)
            self._core.on_plain_status(name, generation, now_ms)
            return True, self._right_facts(record, has_right=True, now_ms=now_ms)
        if beat.has_right and generation <= self._buried.get(name, -1):
            return False, []
        self._buried.pop(name, None)
        for alive in self._core.on_beat(name, generation, own, beat, now_ms):
            if roster.liveness.status(alive) is not NodeStatus.DEAD:
                roster.liveness.on_indirect(alive, now_ms)
                self._core.take_back(alive, now_ms)
        return True, self._right_facts(record, has_right=beat.has_right, now_ms=now_ms)

    def on_message(self, message: Message, node: NodeName) -> None:
        """Take any other message of a node as it is delivered."""
        if self._core is None or message.type != "shutdone" or node == self._config.node:
            return
        promises = (message.text(LEFT_FIELD) or "").split(" ", ENTRIES_MAX)
        if f"{self._config.node}:{self._lives.life}" in promises:
            self._core.on_left(node, hex_from_text(message.text("hg")) or 0)

    def on_echo(self, link: LinkName, message: Message, now_ms: int) -> None:
        """Take a ping node's echo."""
        stamp_ms = hex_from_text(message.text(STAMP_FIELD))
        if self._core is not None and stamp_ms is not None:
            self._core.on_ping_echo(link, stamp_ms, now_ms)

    def on_witness_reply(self, reply: WitnessReply, now_ms: int) -> None:
        """Take the witness's answer."""
        if self._core is not None:
            self._core.on_witness_reply(reply, now_ms)

    def on_witness_heard(self, now_ms: int) -> None:
        """Take that the witness has answered, whatever it was asked."""
        if self._core is not None:
            self._core.on_witness_heard(now_ms)

    def on_confirmed_off(self, node: NodeName) -> None:
        """Take that a node is known to be off."""
        if self._core is not None:
            self._core.on_confirmed_off(node)

    def on_given_up(self, now_ms: int) -> None:
        """Take that nothing is held here any more; the generation is a new one."""
        self._farewell = None  # of the former life
        if self._core is not None:
            self._core.on_given_up(now_ms)

    def may_bury(self, node: NodeName, generation: int | None, now_ms: int) -> bool:
        """Vote a silent node dead, and say whether it is: its groups may be taken."""
        if self._core is None or node not in self._config.nodes:
            return True
        if self._core.may_vote(node):
            self._core.on_silent(node)
        if not self._core.is_dead(node, now_ms):
            return False
        # Ping nodes may have let both go on: then each must hear the other one that holds.
        is_exclusive = self._config.quorum is not Quorum.PING
        if is_exclusive and generation is not None and self._core.is_outvoted(node, now_ms):
            self._buried[node] = generation
        return True

    # -- time ----------------------------------------------------------------------------------

    def look(self, now_ms: int) -> list[LinkEffect]:
        """Return what an input has changed."""
        if self._core is None:
            return []
        effects: list[LinkEffect] = [*self._core.look(now_ms)]
        if self._core.is_deciding and not self._is_proof_written:
            self._is_proof_written = True
            effects.append(PersistPingProof(self._config.ping_hosts))
        if self._written and not self._core.promised and not self._core.is_leaving:
            self._written = False
            effects.append(PersistPromise(()))
        return effects

    def on_tick(self, own: int, now_ms: int) -> list[LinkEffect]:
        """Let time pass; `own`: our generation."""
        return [*self._core.on_tick(own, now_ms)] if self._core else []

    def next_wakeup_ms(self) -> int | None:
        """Return when on_tick is due, or None."""
        return self._core.next_wakeup_ms() if self._core else None

    @staticmethod
    def _right_facts(record: NodeRecord, *, has_right: bool, now_ms: int) -> list[MembershipFact]:
        if record.has_right is has_right:
            return []
        record.has_right = has_right
        return [NodeRightChanged(record.name, has_right, record.last_status, now_ms)]
