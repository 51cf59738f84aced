"""The right to hold groups: gained and kept by a majority's leases, lost without; and who is dead.

              ┌──────────── everything was given up ────────────┐
              ▼                                                 │
    start ─► EMPTY ──majority leases, nobody else unaccounted──► HELD ──leases lapse──► LOST
                                                                 ▲
    a new link process ─► UNKNOWN ──majority leases──────────────┘   (else LOST after a lease)

A new link process goes on in EMPTY or LOST if its forerunner was there (RUN/link.state).

EMPTY: nothing is held here. To gain the right, every other node must have echoed this very life
of ours, or be dead now: so whoever holds anything has heard us begin before we take anything.
LOST: a lapse is final. Whatever is heard later, all is given up first; a new generation says so.
LEFT: farewell was said. Who goes on nevertheless, after a core died, begins a new generation, too.

Ping nodes decide only when both nodes have reached them once (`is_deciding`); a word for it is on
disk. Before that nothing decides, as in Heartbeat: the right has no end, and silence is death.

A node is dead, so that its groups may be taken, when we have voted so and with us a majority of
all voters, it included; or when it was confirmed to be off. Voters are the nodes that have not
left in order and, for two nodes, the witness or the ping nodes. A node that leaves promises to
hold nothing before it was echoed by those it left (`promised`); so they need not count it.

Enters: heartbeats, verdicts of silence, answers of the witness, echoes of ping nodes, time.
Leaves: RightFact, AskWitness. Source: ADR 0010, with the argument why two never hold.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING, Final, TypeAlias

from everbeat.membership.beat import Beat
from everbeat.membership.lease import Leases
from everbeat.membership.votes import Votes
from everbeat.model.cluster import Quorum
from everbeat.model.members import QuorumView, VoterView
from everbeat.model.quorum import (
    AskWitness,
    RightExtended,
    RightFact,
    RightGained,
    RightLost,
    VotersChanged,
    Want,
    WitnessAsk,
    WitnessReason,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from everbeat.model.cluster import HaConfig
    from everbeat.model.names import NodeName
    from everbeat.model.quorum import WitnessReply
    from everbeat.ports.chance import Random

THIRD: Final = {Quorum.WITNESS: "witness", Quorum.PING: "ping"}
ASKS_MAX: Final = 16
"""Questions to the witness whose answers are still taken; older ones are not waited for."""
ASK_MS_MIN: Final = 50
HEARD_EVERY_MS: Final = 10_000
"""That the witness has answered is told so often at most."""
NONCE_BITS: Final = 64

QuorumEffect: TypeAlias = RightFact | AskWitness


class _State(Enum):
    UNKNOWN = auto()
    EMPTY = auto()
    HELD = auto()
    LOST = auto()
    LEFT = auto()


class QuorumCore:
    """One node's right. Only for clusters with a quorum of votes, witness or ping nodes."""

    def __init__(
        self,
        config: HaConfig,
        random: Random,
        *,
        is_continuing: bool = False,
        promised: Iterable[NodeName] = (),
        until_ms: int | None = None,
        stop_by_ms: int | None = None,
        is_ping_proved: bool = True,
    ) -> None:
        """Begin with empty hands.

        `is_continuing`: an earlier process had the right, `until_ms`: until then, as far as it
        knew. `stop_by_ms`: it had lost it and said to stop by then.
        """
        self._config = config
        self._random = random
        self._dead_ms = config.timing.deadtime_ms
        self._others = tuple(node for node in config.nodes if node != config.node)
        self._third = THIRD.get(config.quorum)
        self._is_deciding = config.quorum is not Quorum.PING or is_ping_proved
        self._who_ping: set[NodeName] = set()  # nodes that say so, or cannot say it
        self._leases = Leases(self._dead_ms, config.timing.stoptime_ms)
        self._votes = Votes(self._others)
        self._left: dict[NodeName, int] = {}  # generation in which it left
        self._confirmed: set[NodeName] = set()
        self._promised = [node for node in self._others if node in set(promised)]
        self._state = _State.UNKNOWN if is_continuing else _State.EMPTY
        self._since_ms = 0  # of the state
        self._is_started = False
        self._until_ms: int | None = 0
        self._former_until_ms = until_ms
        self._stop_by_ms = stop_by_ms or 0
        if stop_by_ms is not None:
            self._state = _State.LOST
        self._asks: dict[int, int] = {}  # stamp -> nonce
        self._witness_life = 0  # as it said last
        self._asked_ms = -self._dead_ms
        self._refusal = ""
        self._heard_ms = 0  # when the witness answered anything, as told
        self._promises: list[NodeName] = []  # of one that is leaving
        self._told: VotersChanged | None = None
        self._ping_since_ms = 0  # since when a majority of the ping nodes answers
        self._pings: dict[str, int] = {
            m.link: 0 for m in config.media if m.kind.is_ping
        }  # stamp echoed last

    # -- questions -----------------------------------------------------------------------------

    def first_view(self) -> QuorumView:
        """Return the view before the first fact."""
        return QuorumView(
            kind=self._config.quorum.value,
            is_known=self._state is not _State.UNKNOWN,
            stop_by_ms=self._stop_by_ms if self._state is _State.LOST else None,
            lease_ms=self._leases.length_ms(),
            reason="lost before" if self._state is _State.LOST else "starting",
            is_deciding=self._is_deciding,
        )

    def beat(self, now_ms: int) -> Beat:
        """Return what our next status message says."""
        return Beat(
            stamp_ms=now_ms,
            dead_ms=self._dead_ms,
            has_right=self._state is not _State.EMPTY,
            echoes=self._votes.echoes(now_ms),
            votes=self._votes.votes(),
            has_ping=self._has_ping(now_ms),
        )

    @property
    def is_deciding(self) -> bool:
        """Whether anything decides: not ping nodes that one of the nodes has never reached."""
        return self._is_deciding

    def is_dead(self, node: NodeName, now_ms: int) -> bool:
        """Say whether a node's groups may be taken: it holds nothing, whatever it thinks."""
        if node in self._confirmed or node in self._left:
            return True
        return node in self._others and self.is_outvoted(node, now_ms)

    def is_outvoted(self, node: NodeName, now_ms: int) -> bool:
        """Say whether a majority of all voters, this node counted, holds it for dead."""
        if node in self._promised or not self._votes.is_voted(node):
            return False
        against = 1 + len(self._votes.others_against(node, now_ms))
        if self._third is not None and self._leases.is_valid(self._third, now_ms):
            # A ping node that we have just found again proves nothing about the silence before.
            is_ripe = now_ms - self._ping_since_ms > self._dead_ms
            against += self._config.quorum is Quorum.WITNESS or is_ripe
        return against >= self._majority()

    def may_vote(self, node: NodeName) -> bool:
        """Say whether silence of this node means anything: not if we promised to wait for it."""
        return node not in self._promised

    def is_overdue(self, now_ms: int) -> bool:
        """Say whether what should have been given up by now was not."""
        return self._state is _State.LOST and now_ms >= self._stop_by_ms

    def on_leaving(self, dead: Iterable[NodeName]) -> tuple[NodeName, ...]:
        """Leave in order; return whom we must hear before we hold anything again."""
        self._state = _State.LEFT
        gone = set(dead) - set(self._promised)
        self._promises = [n for n in self._others if n not in gone | set(self._left)]
        return tuple(self._promises)

    def on_promise_broken(self) -> None:
        """Take that the promise of one that leaves could not be kept: nobody is told of it."""
        self._promises = []

    @property
    def is_leaving(self) -> bool:
        """Whether this life has ended: nothing may be held in it any more."""
        return self._state is _State.LEFT

    @property
    def promised(self) -> tuple[NodeName, ...]:
        """Return whom we must hear before we hold anything."""
        return tuple(self._promised)

    # -- inputs --------------------------------------------------------------------------------

    def on_start(self, now_ms: int) -> None:
        """Begin to count; before this no time has passed."""
        self._since_ms, self._is_started = now_ms, True

    def on_beat(
        self, node: NodeName, generation: int, own: int, beat: Beat, now_ms: int
    ) -> list[NodeName]:
        """Take a node's newest heartbeat; `own`: our generation. Return whom it proves alive."""
        if node in self._left and generation <= self._left[node]:
            return []
        self._confirmed.discard(node)
        if beat.has_ping:
            self._who_ping.add(node)
        if self._left.pop(node, None) is not None:
            # It cannot vote us dead before it has heard us; the lease is as good as an echo.
            self._leases.on_lease(node, now_ms, self._leases.length_ms(beat.dead_ms))
        alive = self._votes.on_beat(node, generation, beat, now_ms, self._dead_ms)
        for echo in beat.echoes:
            if echo.node == self._config.node and echo.generation == own:
                if not 0 <= echo.stamp_ms <= now_ms:
                    continue
                length_ms = self._leases.length_ms(beat.dead_ms)
                self._leases.on_lease(node, echo.stamp_ms, length_ms)
                self._votes.on_lease(node, echo.stamp_ms + length_ms)
                if node in self._promised:
                    self._promised.remove(node)
        return alive

    def on_plain_status(self, node: NodeName, generation: int, now_ms: int) -> None:
        """Take the status of a node that sends no stamps: to hear it counts as its echo."""
        if node in self._left and generation <= self._left[node]:
            return
        self._left.pop(node, None)
        self._confirmed.discard(node)
        self._votes.on_plain_status(node, generation)
        self._who_ping.add(node)  # Heartbeat does not say it, and takes over whatever they answer
        self._leases.on_lease(node, now_ms, self._leases.length_ms())
        if node in self._promised:
            self._promised.remove(node)

    def take_back(self, node: NodeName, now_ms: int) -> None:
        """Hold a node for alive: another node hears it."""
        self._votes.take_back(node, now_ms, self._dead_ms)

    def on_silent(self, node: NodeName) -> None:
        """Vote a node dead: its deadtime has passed in silence."""
        if node in self._others and not self._votes.is_voted(node):
            self._votes.on_silent(node)

    def on_left(self, node: NodeName, generation: int) -> None:
        """Note that a node left in order, with a promise on its disk."""
        if node in self._others:
            self._left[node] = generation

    def on_confirmed_off(self, node: NodeName) -> None:
        """Hold a node for dead whatever the votes: somebody knows that it is off."""
        if node in self._others:
            self._confirmed.add(node)
            if node in self._promised:
                self._promised.remove(node)

    def on_ping_echo(self, link: str, stamp_ms: int, now_ms: int) -> None:
        """Take a ping node's echo of what we sent at `stamp_ms`.

        Its lease is shorter by a heartbeat: the one sent with that ping may have been lost.
        """
        if self._third != THIRD[Quorum.PING] or not self._since_ms <= stamp_ms <= now_ms:
            return
        self._pings[link] = max(self._pings.get(link, 0), stamp_ms)
        stamps = sorted(self._pings.values(), reverse=True)
        of_majority = stamps[len(stamps) // 2]
        if of_majority:
            if not self._leases.is_valid(self._third, now_ms):
                self._ping_since_ms = now_ms
            length_ms = self._leases.length_ms() - self._config.timing.keepalive_ms
            self._leases.on_lease(self._third, of_majority, length_ms)

    def on_witness_heard(self, now_ms: int) -> None:
        """Note that the witness is there, for people; the time is kept roughly."""
        if now_ms - self._heard_ms >= HEARD_EVERY_MS or not self._heard_ms:
            self._heard_ms = now_ms

    def on_witness_reply(self, reply: WitnessReply, now_ms: int) -> None:
        """Take the witness's answer; one we did not ask for in this life is ignored."""
        if self._asks.get(reply.stamp_ms) != reply.nonce or reply.stamp_ms > now_ms:
            return
        del self._asks[reply.stamp_ms]
        is_new_life, self._witness_life = reply.life != self._witness_life, reply.life
        if reply.reason is WitnessReason.AGAIN:
            if is_new_life:
                self._asked_ms = now_ms - self._ask_every_ms()  # so that it is asked now
            return
        if reply.is_granted:
            self._refusal = ""
            self._leases.on_lease(THIRD[Quorum.WITNESS], reply.stamp_ms, self._leases.length_ms())
        elif reply.reason is WitnessReason.OLDER:
            self._refusal = (
                "; the witness has heard this node in a newer generation: hb_generation is an old "
                "copy here; stop everbeat, remove that file, start everbeat"
            )
        else:
            holder = f" by {reply.holder}" if reply.holder else ""
            self._refusal = f"; the witness says: {reply.reason.value}{holder}"

    def on_given_up(self, now_ms: int) -> None:
        """Begin with empty hands: nothing is held here, and a new generation says so."""
        if self._state is _State.LEFT:
            self._promised, self._promises = self._promises, []
        self._state, self._since_ms = _State.EMPTY, now_ms
        self._until_ms = 0
        self._leases.forget()
        self._votes.forget_leases()
        self._asks.clear()
        self._pings = dict.fromkeys(self._pings, 0)

    def on_tick(self, generation: int, now_ms: int) -> list[QuorumEffect]:
        """Let time pass: at `next_wakeup_ms`, with everything read that has arrived before."""
        effects: list[QuorumEffect] = [*self.look(now_ms)]
        is_lapsing = self._state is _State.HELD and self._until_ms is not None
        if is_lapsing and now_ms >= (self._until_ms or 0):
            effects += self._lost(now_ms)
        return [*effects, *self._asking(generation, now_ms)]

    def look(self, now_ms: int) -> list[RightFact]:
        """Return what has become of the right by an input. Time alone takes it away."""
        facts: list[RightFact] = []
        if not self._is_deciding and self._has_ping(now_ms):
            self._is_deciding = self._who_ping.issuperset(self._others)
        match self._state:
            case _State.HELD:
                facts += self._kept(now_ms)
            case _State.UNKNOWN:
                facts += self._learned(now_ms)
            case _State.EMPTY:
                facts += self._gained(now_ms)
            case _State.LOST | _State.LEFT:
                pass
        voters = self._voters(now_ms)
        if voters != self._told:
            self._told = voters
            facts.append(voters)
        return facts

    def next_wakeup_ms(self) -> int | None:
        """Return when to look again without an input, or None."""
        due: list[int] = []
        if self._state is _State.HELD and self._until_ms is not None:
            due.append(self._until_ms)
        if self._state is _State.UNKNOWN:
            due.append(self._unknown_until_ms())
        ask_ms = self._ask_due_ms()
        if ask_ms is not None:
            due.append(ask_ms)
        return min(due, default=None)

    # -- the right -----------------------------------------------------------------------------

    def _has_ping(self, now_ms: int) -> bool:
        is_asked = self._config.quorum is Quorum.PING
        return is_asked and self._leases.is_valid(THIRD[Quorum.PING], now_ms)

    def _electorate(self) -> list[str]:
        """Return the other voters that count now; none while nothing decides."""
        if not self._is_deciding:
            return []
        third = [self._third] if self._third is not None else []
        nodes = [node for node in self._others if node not in self._left]
        return [*nodes, *third] if nodes else []

    def _majority(self) -> int:
        return (1 + len(self._electorate())) // 2 + 1

    def _lasts_until_ms(self, latest_ms: int) -> int | None:
        """Return how long a majority lets us hold, by stamps up to `latest_ms`.

        0: it does not. None: without end, nobody is left who would have to be asked.
        """
        voters = self._electorate()
        if not voters:
            return None
        return self._leases.common_until_ms(voters, self._majority() - 1, latest_ms)

    def _kept(self, now_ms: int) -> list[RightFact]:
        """Extend the right without a gap: a stamp from after its end does not bring it back.

        A process that was held up may read in time's past what had kept its right alive.
        """
        latest_ms = now_ms if self._until_ms is None else min(now_ms, self._until_ms)
        until_ms = self._lasts_until_ms(latest_ms)
        if until_ms is not None and until_ms <= now_ms:
            # Lapsed, for on_tick to see; or one that had left is back and nobody else agrees.
            self._until_ms = until_ms if self._until_ms is None else self._until_ms
            return []
        if until_ms == self._until_ms:
            return []
        self._until_ms = until_ms
        return [RightExtended(until_ms, now_ms)]

    def _learned(self, now_ms: int) -> list[RightFact]:
        ends_ms = self._unknown_until_ms()
        until_ms = self._lasts_until_ms(min(now_ms, ends_ms))
        if until_ms is None or now_ms < until_ms:
            self._state, self._until_ms = _State.HELD, until_ms
            return [RightExtended(until_ms, now_ms)]
        if self._is_started and now_ms >= ends_ms:
            self._until_ms = ends_ms
            return self._lost(now_ms)
        return []

    def _unknown_until_ms(self) -> int:
        """Return until when what a former process was granted may go on, if it is heard of."""
        longest_ms = self._since_ms + self._leases.length_ms()
        former_ms = self._former_until_ms
        return longest_ms if former_ms is None else min(former_ms, longest_ms)

    def _lost(self, now_ms: int) -> list[RightFact]:
        lapsed_ms = min(now_ms, self._until_ms or now_ms)
        self._state, self._since_ms = _State.LOST, now_ms
        self._stop_by_ms = lapsed_ms + self._config.timing.stoptime_ms
        return [RightLost(self._why_not(now_ms), self._stop_by_ms, now_ms)]

    def _gained(self, now_ms: int) -> list[RightFact]:
        until_ms = self._lasts_until_ms(now_ms)
        if until_ms is not None and now_ms >= until_ms:
            return []
        for node in self._others:
            has_echoed = self._leases.is_valid(node, now_ms)
            if not has_echoed and not self.is_dead(node, now_ms):
                return []
        self._state, self._since_ms, self._until_ms = _State.HELD, now_ms, until_ms
        return [RightGained(self._why(now_ms), until_ms, now_ms)]

    def _why(self, now_ms: int) -> str:
        voters = [v for v in self._electorate() if self._leases.is_valid(v, now_ms)]
        if not self._is_deciding:
            return "the ping nodes were not reached by both nodes yet, so nothing decides"
        if not self._electorate():
            return "every other node has left in order"
        return f"{' and '.join(voters)} agree{'s' if len(voters) == 1 else ''}"

    def _why_not(self, now_ms: int) -> str:
        silent = [v for v in self._electorate() if not self._leases.is_valid(v, now_ms)]
        return f"no word from {' and '.join(silent) or 'a majority'}{self._refusal}"

    def _voters(self, now_ms: int) -> VotersChanged:
        third = [self._third] if self._third is not None else []
        views = [
            VoterView(
                voter=node,
                is_leasing=self._leases.is_valid(node, now_ms),
                has_left=node in self._left,
                votes_dead=self._votes.dead_for(node),
            )
            for node in self._others
        ]
        views += [
            VoterView(voter=v, is_leasing=self._leases.is_valid(v, now_ms), heard_ms=self._heard_ms)
            for v in third
        ]
        own = VoterView(
            voter=self._config.node,
            is_leasing=True,
            votes_dead=tuple(vote.node for vote in self._votes.votes()),
        )
        return VotersChanged(
            self._majority(), (own, *views), self.promised, is_deciding=self._is_deciding
        )

    # -- the witness ---------------------------------------------------------------------------

    def _ask_every_ms(self) -> int:
        length_ms = self._leases.length_ms()
        return max(ASK_MS_MIN, min(self._config.timing.keepalive_ms, length_ms // 8))

    def _ask_due_ms(self) -> int | None:
        """Return when the witness is asked next: early, before what the peer gave has lapsed."""
        if self._third != THIRD[Quorum.WITNESS] or not self._electorate():
            return None
        peer = self._others[0]
        if self._state is _State.LOST or peer in self._promised:
            return None
        again_ms = self._asked_ms + self._ask_every_ms()
        if self._votes.is_voted(peer):
            return again_ms
        if self._state is _State.EMPTY:
            return None  # while the peer lives its echo is needed, and is enough
        half_ms = self._leases.length_ms() // 2
        early_ms = max(self._leases.stamp_ms(peer), self._since_ms) + half_ms
        return max(again_ms, early_ms)

    def _asking(self, generation: int, now_ms: int) -> list[AskWitness]:
        due_ms = self._ask_due_ms()
        if due_ms is None or now_ms < due_ms:
            return []
        self._asked_ms = now_ms
        nonce = self._random.randrange(1 << NONCE_BITS)
        self._asks[now_ms] = nonce
        while len(self._asks) > ASKS_MAX:
            del self._asks[next(iter(self._asks))]
        peer = self._others[0]
        ask = WitnessAsk(
            node=self._config.node,
            generation=generation,
            stamp_ms=now_ms,
            nonce=nonce,
            about=peer,
            wants=Want.VOTE if self._votes.is_voted(peer) else Want.LEASE,
            lease_ms=self._leases.length_ms(),
            dead_ms=self._dead_ms,
            life=self._witness_life,
        )
        return [AskWitness(ask)]
