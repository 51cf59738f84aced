"""The witness process without its sockets: datagrams, keys and the witness put together.

    datagrams ─ open ─► authentic question ─► Witness ─► KeepGrants, facts, answer ─ seal ─► Reply
                  └─ dropped and counted, one line a second for each reason

Enters: datagrams, keys, time. Leaves: effects, to be carried out in order; if a KeepGrants cannot
be carried out, nothing behind it may be. A datagram that is not authentic changes nothing but
counters; who asks with an unknown key is told so, now and then, and gets no other answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from everbeat.membership.rejections import Rejections
from everbeat.membership.witness import (
    Answer,
    KeepGrants,
    SideRefused,
    SideTaken,
    Witness,
)
from everbeat.model.membership import PacketsRejected
from everbeat.model.quorum import Want, WitnessReason
from everbeat.node.log_lines import LogLevel
from everbeat.wire.witness import RejectedWitness, WitnessKeyring, open_ask, seal_reply
from everbeat.wire.witness_notice import notice_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from everbeat.membership.witness import ClusterAsking, KeptGrant, WitnessEffect
    from everbeat.wire.witness import WitnessKey


@dataclass(frozen=True, slots=True)
class Reply:
    """Order: send these bytes to whoever sent the datagram."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Stranger:
    """A sender of questions whose key is not known."""

    source: str
    count: int
    last_ms: int


STRANGERS_MAX: Final = 64
"""Senders remembered; above it the one that asked longest ago is forgotten."""

NOTICES_MAX: Final = 20
NOTICES_MS: Final = 1_000
"""At most NOTICES_MAX of them are told within NOTICES_MS that their key is not known."""

WitnessNodeEffect: TypeAlias = KeepGrants | Reply | SideTaken | SideRefused | PacketsRejected


class WitnessNode:
    """One instance per witness process."""

    def __init__(
        self,
        keys: Iterable[WitnessKey],
        kept: Mapping[str, Iterable[KeptGrant]],
        started_ms: int,
        life: int,
    ) -> None:
        """Begin; `life`: 64 bits drawn for this start alone."""
        self._witness = Witness(kept, started_ms, life)
        self._rejections = Rejections()
        self._rejected_count = 0
        self._strangers: dict[str, Stranger] = {}
        self._notices = 0
        self._notices_since_ms = started_ms
        self.on_keys(keys)

    def on_keys(self, keys: Iterable[WitnessKey]) -> None:
        """Serve the clusters of these keys from now on; what was granted is not forgotten."""
        self._keyring = WitnessKeyring(keys)

    def on_datagram(self, data: bytes, source: str, now_ms: int) -> list[WitnessNodeEffect]:
        """Take bytes from anyone; `source` is for people."""
        opened = open_ask(data, self._keyring)
        if isinstance(opened, RejectedWitness):
            self._rejected_count += 1
            told = self._rejections.on_rejected(opened.reason, "udp", source, now_ms)
            is_unknown = opened.reason == "unknown-key"
            return [*told, *(self._on_unknown_key(data, source, now_ms) if is_unknown else ())]
        effects = self._witness.on_ask(opened.key.cluster, opened.ask, now_ms)
        return [_with_bytes(effect, opened.key) for effect in effects]

    def _on_unknown_key(self, data: bytes, source: str, now_ms: int) -> list[Reply]:
        """Count a stranger, and tell him, but not too often."""
        former = self._strangers.pop(source, None)
        count = former.count + 1 if former else 1
        self._strangers[source] = Stranger(source, count, now_ms)
        if len(self._strangers) > STRANGERS_MAX:
            del self._strangers[next(iter(self._strangers))]
        if now_ms - self._notices_since_ms >= NOTICES_MS:
            self._notices_since_ms, self._notices = now_ms, 0
        self._notices += 1
        return [Reply(notice_of(data))] if self._notices <= NOTICES_MAX else []

    @property
    def strangers(self) -> tuple[Stranger, ...]:
        """Return who has asked with a key that is not known, the newest last."""
        return tuple(self._strangers.values())

    def on_tick(self, now_ms: int) -> list[PacketsRejected]:
        """Tell of what was dropped."""
        return self._rejections.on_tick(now_ms)

    def next_wakeup_ms(self) -> int | None:
        """Return when to call on_tick."""
        return self._rejections.next_wakeup_ms()

    def view(self) -> tuple[ClusterAsking, ...]:
        """Return what is known of every cluster that has asked, by name."""
        return self._witness.view()

    @property
    def rejected_count(self) -> int:
        """Return how many datagrams were dropped unread."""
        return self._rejected_count


def lines_of_witness_fact(fact: WitnessNodeEffect) -> list[tuple[LogLevel, str]]:
    """Return what the log says of a fact; nothing of orders."""
    match fact:
        case SideTaken():
            word = "may go on without" if fact.wants is Want.LEASE else "may take over from"
            return [(LogLevel.INFO, f"{fact.cluster}: {fact.node} {word} {fact.about}")]
        case SideRefused():
            return [(LogLevel.WARN, _refused_text(fact))]
        case PacketsRejected():
            text = f"{fact.count} datagrams dropped: {fact.reason} (from {fact.source})"
            return [(LogLevel.WARN, text)]
        case KeepGrants() | Reply():
            return []


def _refused_text(fact: SideRefused) -> str:
    rest = f"for another {fact.retry_after_ms} ms"
    assert fact.reason is not WitnessReason.GRANTED, "a refusal has another reason"
    if fact.reason is WitnessReason.HELD:
        why = f"{fact.holder or 'another node'} has the witness on its side, {rest}"
    elif fact.reason is WitnessReason.STARTING:
        why = f"this witness has just started and waits for earlier grants to end, {rest}"
    else:  # PRESENT and AGAIN are no refusals to tell of
        why = "its lease is not shorter than its deadtime; update that node"
    return f"{fact.cluster}: {fact.node} asked about {fact.about} and was refused: {why}"


def _with_bytes(effect: WitnessEffect, key: WitnessKey) -> WitnessNodeEffect:
    return Reply(seal_reply(effect.reply, key)) if isinstance(effect, Answer) else effect
