"""Laws of the witness: whatever is delayed, lost, doubled or restarted, one side at a time.

The world: three nodes and a witness, each with a clock of its own offset and rate. Questions may be
delivered late, in any order, twice or never; the witness and nodes restart, disks are lost.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from everbeat.membership.witness import Answer, KeepGrants, KeptGrant, Witness
from everbeat.model.keys import AuthKey, AuthKeys
from everbeat.model.names import NodeName
from everbeat.model.quorum import Want, WitnessAsk, WitnessReason, WitnessReply
from everbeat.wire.witness import (
    WITNESS_BYTES,
    OpenedAsk,
    RejectedWitness,
    WitnessKeyring,
    open_ask,
    open_reply,
    seal_ask,
    seal_reply,
    witness_keys,
)

NODES: Final = tuple(NodeName(name) for name in ("alpha", "beta", "gamma"))
D_MS: Final = 3_000
S_MS: Final = 800
DRIFT_PERMILLE: Final = 20
L_MS: Final = (D_MS * (1_000 - DRIFT_PERMILLE) - S_MS * 1_000) // (1_000 + DRIFT_PERMILLE) - 2
"""L (1 + r) + S <= D (1 - r), and 2 ms for reading clocks in whole milliseconds."""

waits = st.one_of(
    st.integers(0, 200),
    st.integers(0, 2 * D_MS),
    st.integers(D_MS * 98 // 100 - 5, D_MS * 103 // 100),
)


@dataclass
class Clock:
    """Reads `offset + rate * real time` in whole milliseconds. Rate in 1/1000."""

    offset_ms: int
    permille: int

    def at(self, real_ms: int) -> int:
        return self.offset_ms + real_ms * self.permille // 1_000

    def real_end(self, reading_ms: int) -> float:
        """The latest real moment at which the clock still reads less."""
        return (reading_ms - self.offset_ms + 1) * 1_000 / self.permille


@dataclass
class Asker:
    name: NodeName
    clock: Clock
    generation: int = 1
    last_stamp_ms: int = -1
    life_began_ms: int = 0  # real


@dataclass(frozen=True)
class Sent:
    """A question on its way, and the end in real time of a lease that it may become."""

    ask: WitnessAsk
    lease_ends_ms: float


class WitnessWorld(RuleBasedStateMachine):
    """Nobody is granted anything about a node that may still count a lease, or be stopping."""

    def __init__(self) -> None:
        super().__init__()
        self.real_ms = 0
        self.questions: list[Sent] = []
        self.granted: list[Sent] = []
        self.disk: dict[str, tuple[KeptGrant, ...]] = {}

    @initialize(data=st.data())
    def begin(self, data: st.DataObject) -> None:
        rates = st.sampled_from((1_000 - DRIFT_PERMILLE, 1_000, 1_000 + DRIFT_PERMILLE))
        offsets = st.integers(0, 10**9)
        self.askers = [Asker(n, Clock(data.draw(offsets), data.draw(rates))) for n in NODES]
        self.clock = Clock(data.draw(offsets), data.draw(rates))
        self.life = 1
        self.witness = Witness({}, self.clock.at(0), self.life)

    @rule(ms=waits)
    def time_passes(self, ms: int) -> None:
        self.real_ms += ms

    @rule(
        ms=waits,
        index=st.integers(0, 2),
        about=st.integers(1, 2),
        want=st.sampled_from(Want),
        fate=st.integers(0, 4),
    )
    def a_node_asks(self, ms: int, index: int, about: int, want: Want, fate: int) -> None:
        """Ask after a while; the question of fate 0 is on its way for long, or lost."""
        self.real_ms += ms
        asker = self.askers[index]
        stamp_ms = asker.clock.at(self.real_ms)
        if stamp_ms <= asker.last_stamp_ms:
            return
        asker.last_stamp_ms = stamp_ms
        ask = WitnessAsk(
            node=asker.name,
            generation=asker.generation,
            stamp_ms=stamp_ms,
            nonce=len(self.questions),
            about=NODES[(index + about) % 3],
            wants=want,
            lease_ms=L_MS,
            dead_ms=D_MS,
            life=self.life,
        )
        sent = Sent(ask, asker.clock.real_end(stamp_ms + L_MS))
        self.questions.append(sent)
        if fate:
            self._hear(sent)

    @rule(choice=st.integers(0, 10**6))
    def an_old_question_arrives(self, choice: int) -> None:
        if self.questions:
            self._hear(self.questions[choice % len(self.questions)])

    @precondition(lambda self: self.granted)
    @rule(seldom=st.integers(0, 2), is_disk_lost=st.booleans())
    def the_witness_restarts(self, seldom: int, is_disk_lost: bool) -> None:  # noqa: FBT001 - hypothesis draws it
        if seldom == 0:
            self.disk = {} if is_disk_lost else self.disk
            self.life += 1
            self.witness = Witness(self.disk, self.clock.at(self.real_ms), self.life)

    @precondition(lambda self: self.granted)
    @rule(index=st.integers(0, 2))
    def a_node_restarts(self, index: int) -> None:
        """Its clock begins anew; what it holds ended with its power."""
        asker = self.askers[index]
        self.granted = [sent for sent in self.granted if sent.ask.node != asker.name]
        asker.generation += 1
        asker.clock = Clock(-self.real_ms * asker.clock.permille // 1_000, asker.clock.permille)
        asker.last_stamp_ms = -1
        asker.life_began_ms = self.real_ms

    @invariant()
    def the_witness_shows_what_it_knows(self) -> None:
        if hasattr(self, "witness"):
            for cluster in self.witness.view():
                assert [n.node for n in cluster.nodes] == sorted(n.node for n in cluster.nodes)

    def _hear(self, sent: Sent) -> None:
        effects = self.witness.on_ask("c", sent.ask, self.clock.at(self.real_ms))
        for effect in effects:
            if isinstance(effect, KeepGrants):
                self.disk[effect.cluster] = effect.grants
            if isinstance(effect, Answer) and effect.reply.is_granted:
                assert sent.ask.life == self.life
                self._on_granted(sent)
        if sent.ask.life != self.life and sent.ask.wants is not Want.PRESENCE:
            assert [type(effect) for effect in effects] == [Answer]

    def _on_granted(self, sent: Sent) -> None:
        ask = sent.ask
        for other in self.granted:
            if other.ask.node == ask.about:
                stopped_ms = other.lease_ends_ms + S_MS * 1_000 / (1_000 - DRIFT_PERMILLE)
                assert stopped_ms <= self.real_ms, f"{other.ask} may run while {ask} is granted"
            if other.ask.about == ask.node:
                assert other.lease_ends_ms <= self.real_ms, f"{ask} is granted against {other.ask}"
        asker = next(a for a in self.askers if a.name == ask.node)
        if ask.generation == asker.generation:  # else nobody waits for this answer any more
            self.granted.append(sent)


WitnessWorld.TestCase.settings = settings(
    max_examples=120, stateful_step_count=40, suppress_health_check=list(HealthCheck)
)
TestOneSideAtATime = WitnessWorld.TestCase

# -- the datagrams ---------------------------------------------------------------------------------

KEYS: Final = AuthKeys(2, (AuthKey(1, "md5", b"former"), AuthKey(2, "sha1", b"TopSecretKey")))
SIGNING: Final = witness_keys("shop", KEYS)[0]
KEYRING: Final = WitnessKeyring(witness_keys("shop", KEYS))
STRANGER: Final = WitnessKeyring(witness_keys("other", AuthKeys(1, (AuthKey(1, "sha1", b"x"),))))

names = st.text(
    st.characters(categories=["L", "N"], include_characters="-._"), min_size=1, max_size=24
).map(NodeName)
numbers = st.integers(0, 2**64 - 1)
spans = st.integers(1, 24 * 3_600 * 1_000)
asks = st.builds(
    WitnessAsk,
    node=names,
    generation=numbers,
    stamp_ms=numbers,
    nonce=numbers,
    about=names,
    wants=st.sampled_from(Want),
    lease_ms=spans,
    dead_ms=spans,
    life=numbers,
).filter(lambda ask: ask.node != ask.about)
replies = st.builds(
    WitnessReply,
    stamp_ms=numbers,
    nonce=numbers,
    wants=st.sampled_from(Want),
    is_granted=st.booleans(),
    holder=st.one_of(st.just(NodeName("")), names),
    reason=st.sampled_from(WitnessReason),
    retry_after_ms=spans,
)


@given(asks)
def test_a_question_comes_out_as_it_went_in(ask: WitnessAsk) -> None:
    data = seal_ask(ask, SIGNING)
    assert len(data) == WITNESS_BYTES
    assert open_ask(data, KEYRING) == OpenedAsk(ask, SIGNING)
    assert open_ask(data, STRANGER) == RejectedWitness("unknown-key")
    assert open_reply(data, KEYRING) == RejectedWitness("not-ours")


@given(replies)
def test_an_answer_comes_out_as_it_went_in_and_is_no_longer_than_a_question(
    reply: WitnessReply,
) -> None:
    data = seal_reply(reply, SIGNING)
    assert len(data) == WITNESS_BYTES
    assert open_reply(data, KEYRING) == reply
    assert open_ask(data, KEYRING) == RejectedWitness("not-ours")


@given(asks, st.integers(0, WITNESS_BYTES - 1), st.integers(1, 255))
def test_a_changed_byte_is_noticed(ask: WitnessAsk, index: int, change: int) -> None:
    data = bytearray(seal_ask(ask, SIGNING))
    data[index] ^= change
    assert isinstance(open_ask(bytes(data), KEYRING), RejectedWitness)


@given(st.one_of(st.binary(max_size=400), st.binary(min_size=288, max_size=288)))
def test_bytes_of_strangers_are_dropped(data: bytes) -> None:
    for prefix in (b"", b"ebw1\x01\0\0\0" + SIGNING.id, b"ebw1\x02\0\0\0" + SIGNING.id):
        forged = prefix + data[len(prefix) :]
        assert isinstance(open_ask(forged, KEYRING), RejectedWitness)
        assert isinstance(open_reply(forged, KEYRING), RejectedWitness)


@given(st.binary(min_size=240, max_size=240), st.booleans())
def test_authentic_rubbish_is_dropped_or_read_but_never_raises(body: bytes, is_ask: bool) -> None:  # noqa: FBT001 - hypothesis draws it
    """Somebody who has the key, and a program that is broken or hostile."""
    import hmac  # noqa: PLC0415 - beside its only use

    signed = b"ebw1" + bytes([1 if is_ask else 2, 0, 0, 0]) + SIGNING.id + body
    data = signed + hmac.digest(SIGNING.secret, signed, "sha256")
    opened = open_ask(data, KEYRING) if is_ask else open_reply(data, KEYRING)
    if isinstance(opened, OpenedAsk):
        seal_ask(opened.ask, opened.key)
        Witness({}, 0, 1).on_ask("c", replace(opened.ask, dead_ms=1_000), 5_000)
    elif isinstance(opened, WitnessReply):
        seal_reply(opened, SIGNING)
