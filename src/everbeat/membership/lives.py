"""Which life of each node is believed: the one that has shown that it speaks to this life of ours.

    a status of a life that has not named ours ──► UNPROVED  learned, named in our next status
    it names our life ───────────────────────────► PRESENT   believed from this number on
    it goes on, or the next link process of it ──► PRESENT
    a generation below the newest one believed ──► OLDER     told on both sides, never believed
    a generation far beyond time and the newest ─► ABSURD    told, never believed
    a status of Heartbeat, which says nothing of lives, in a generation above all that everbeat
        has proved ──────────────────────────────► PRESENT   what that is worth: protocol/wire.md

A life is a link process. It draws 16 bytes at its start (`eb_life`), and each status names the
lives its sender hears (`eb_knows`). A status that names our life was made after we began: no
recording of an earlier time can be one. Nothing but a status counts before that. A generation is
proved once; after that numbers (and the counters of our own dialect) tell new from old, for they
grow as long as a generation lasts.

With each life `eb_knows` says the newest stamp heard of it. A status is a sign of life now if its
word for us is of a young stamp of ours; or if, by its own stamp, it is under way no longer than one
that was, for who does not hear us any more lives all the same. Else it may have been held back.

Enters: statuses with their order. Leaves: verdicts, whom to name, doubts. Invariant: the newest
generation of a node never goes back, but from one that only Heartbeat's unproved word had raised.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Final

from everbeat.membership.beat import STAMP_FIELD
from everbeat.membership.envelope import hex_from_text
from everbeat.membership.identity import GAP_MAX, KnownLife
from everbeat.membership.nodes import NODES_MAX
from everbeat.model.members import Doubt, LifeDoubt
from everbeat.model.names import NodeName, node_name_from_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from everbeat.model.cluster import Timing
    from everbeat.model.message import Message

LIFE_FIELD: Final = "eb_life"
KNOWS_FIELD: Final = "eb_knows"
LIFE_BITS: Final = 128

ANSWERS_MAX: Final = 20
"""So many newcomers are answered at once in any ANSWERS_MS; the next ones wait. Recordings of many
lives make us say no more than this."""
ANSWERS_MS: Final = 1_000

NEWCOMER_MS: Final = 5_000
"""How long a life that is not believed is named after it was heard last."""

NEWCOMERS_MAX: Final = 8
"""So many of one node are named: after a restore from a backup recordings may be of newer lives
than the one that speaks, and must not hide it."""

DOUBT_MS: Final = 10_000
"""How long a doubt is told after its cause was heard last."""

PATIENCE_MS: Final = 3_000
"""A life that has not named ours for so long does not hear us, or is a recording."""

FIRST_JUMP_MAX: Final = 1 << 31
"""How far beyond time and our own generation a node's may be when it is heard for the first time:
clocks are wrong by decades where their battery is dead."""

JUMP_MAX: Final = 1 << 17
"""The same of a node that is known: it counts its starts, or begins again at the time."""

REMEMBERED_MAX: Final = 2 * NODES_MAX
"""Beyond it strangers, who were never believed, are forgotten first."""

_WORD_PARTS: Final = 3  # after the name
_LIFE: Final = re.compile(r"[0-9a-f]{32}", re.ASCII)


class LifeStatus(Enum):
    """What the life of a status is to us."""

    PRESENT = "present"
    UNPROVED = "unproved"
    OLDER = "older"
    ABSURD = "absurd"


@dataclass(frozen=True, slots=True)
class Named:
    """A word of `eb_knows`: a life that is heard, and the newest generation believed of it."""

    node: NodeName
    generation: int
    life: str
    stamp_ms: int = 0  # of the newest status heard of it


@dataclass(frozen=True, slots=True)
class Greeting:
    """What a status says of lives, and when on its sender's clock."""

    life: str
    stamp_ms: int = 0
    named: tuple[Named, ...] = ()

    def word_for(self, node: NodeName, life: str) -> Named | None:
        """Return the word that names this life, or None."""
        return next((n for n in self.named if n.life == life and n.node == node), None)


@dataclass(frozen=True, slots=True)
class Judged:
    """A status's verdict.

    `is_answer`: it names our life. `is_fresh`: it was said not long ago, or is Heartbeat's.
    `missing`: numbers that a life never believed before has said before it was: to be asked for
    again.
    """

    verdict: LifeStatus
    is_answer: bool = False
    is_fresh: bool = False
    missing: tuple[int, ...] = ()


@dataclass(slots=True)
class _Life:
    order: tuple[int, int]  # generation and number of its newest status
    text: str
    since_ms: int
    heard_ms: int
    stamp_ms: int  # of its newest status, on its clock
    numbers: set[int]  # of its statuses, as long as it is not believed
    is_stale: bool = False  # its newest status was no sign of life
    behind_ms: int | None = None  # our clock less its stamp, when it answered us in time last

    def hear(self, order: tuple[int, int], stamp_ms: int, now_ms: int) -> None:
        """Note another of its statuses."""
        self.heard_ms = now_ms
        if order > self.order:
            self.order, self.stamp_ms = order, stamp_ms


@dataclass(slots=True)
class _Node:
    newest: int | None = None  # generation that was believed, in whatever life of ours
    proved: int = -1  # newest generation in which it has named a life of ours
    present: int | None = None  # the generation that is believed in this life of ours
    believed: _Life | None = None
    newcomers: list[_Life] = field(default_factory=list[_Life])  # heard, not believed
    doubt: LifeDoubt | None = None
    doubted_ms: int = 0
    told: LifeDoubt | None = None


@dataclass(slots=True)
class _Answers:
    is_due: bool = False
    given_ms: deque[int] = field(default_factory=lambda: deque(maxlen=ANSWERS_MAX))

    def due_ms(self) -> int | None:
        if not self.is_due:
            return None
        return self.given_ms[0] + ANSWERS_MS if len(self.given_ms) == ANSWERS_MAX else 0

    def on_said(self, now_ms: int) -> None:
        if self.is_due:
            self.given_ms.append(now_ms)
        self.is_due = False


class Lives:
    """One instance per link process. `life`: 32 hexadecimal digits drawn at its start.

    `fresh_ms`: how old a stamp of ours may be in a sign of life, and how late its own.
    """

    def __init__(
        self, own: NodeName, life: str, fresh_ms: int, known: Iterable[KnownLife] = ()
    ) -> None:
        self._own = own
        self.life = life
        self._fresh_ms = fresh_ms
        self._nodes = {k.node: _Node(newest=k.generation, proved=k.proved) for k in known}
        self._answers = _Answers()
        self._has_news = False

    # -- what we say ---------------------------------------------------------------------------

    def fields(self, now_ms: int) -> dict[str, str]:
        """Return what our next status says; newcomers are answered by it."""
        self._answers.on_said(now_ms)
        nodes = self._nodes.items()
        named = [(name, node, node.believed) for name, node in nodes if node.believed is not None]
        named += [
            (name, node, life)
            for name, node in nodes
            for life in node.newcomers
            if not _is_gone(life, now_ms)
        ]
        words = [
            f"{name}:{node.newest or 0:x}:{life.text}:{life.stamp_ms:x}"
            for name, node, life in named[:REMEMBERED_MAX]
        ]
        fields = {LIFE_FIELD: self.life, STAMP_FIELD: f"{now_ms:x}"}
        return fields | {KNOWS_FIELD: " ".join(words)} if words else fields

    def ping_fields(self, now_ms: int) -> dict[str, str]:
        """Return what an echo request says, for `is_echo` to know its echo by."""
        return {LIFE_FIELD: self.life, STAMP_FIELD: f"{now_ms:x}"}

    def is_echo(self, message: Message, now_ms: int) -> bool:
        """Say whether this is the echo of what this life of ours has asked not long ago.

        One that was recorded would show a ping node to a node that is cut off from it.
        """
        stamp_ms = hex_from_text(message.text(STAMP_FIELD))
        is_young = stamp_ms is not None and 0 <= now_ms - stamp_ms <= self._fresh_ms
        return is_young and message.text(LIFE_FIELD) == self.life

    def answer_due_ms(self) -> int | None:
        """Return when to send a status for a newcomer's sake, or None."""
        return self._answers.due_ms()

    def life_of(self, node: NodeName) -> str | None:
        """Return the life of a node that is believed, or None; Heartbeat has none."""
        known = self._nodes.get(node)
        return known.believed.text if known and known.believed else None

    # -- what we hear --------------------------------------------------------------------------

    def on_status(
        self,
        node: NodeName,
        order: tuple[int, int],
        greeting: Greeting | None,
        now_ms: int,
        *,
        reference: int,
        is_everbeat: bool,
    ) -> Judged:
        """Judge a node's status by its generation and number.

        `reference`: the larger of the time in seconds and our own generation. `is_everbeat`: no
        Heartbeat can have said it.
        """
        known = self._node(node)
        generation = order[0]
        if _is_absurd(known, generation, reference):
            self._doubt(known, Doubt.ABSURD, generation, now_ms)
            return Judged(LifeStatus.ABSURD)
        if greeting is None:
            return self._on_plain(known, generation, now_ms, is_everbeat=is_everbeat)
        word = greeting.word_for(self._own, self.life)
        floor = known.newest if word is None else known.proved
        if floor is not None and generation < floor:
            self._meet(known, order, greeting, now_ms)
            kind = Doubt.OLDER if self._is_fresh(word, now_ms) else Doubt.RECORDED
            self._doubt(known, kind, generation, now_ms)
            return Judged(LifeStatus.OLDER, is_answer=word is not None)
        is_proved = known.present == generation <= known.proved
        if word is None and not is_proved:
            self._meet(known, order, greeting, now_ms)
            return Judged(LifeStatus.UNPROVED)
        missing = () if is_proved else _missing(known, order)
        life = self._believe(known, order, greeting, now_ms)
        is_fresh = self._is_sign_of_life(life, greeting.stamp_ms, word, now_ms)
        if not is_fresh and not life.is_stale:
            self._answers.is_due = True  # so that it can answer what we say now
        life.is_stale = not is_fresh
        return Judged(
            LifeStatus.PRESENT,
            is_answer=word is not None,
            is_fresh=is_fresh,
            missing=missing,
        )

    def is_present(self, node: NodeName, generation: int) -> bool:
        """Say whether anything but a status may be taken of this generation of a node."""
        known = self._nodes.get(node)
        return known is not None and known.present == generation

    def newest(self, node: NodeName) -> int | None:
        """Return the newest generation of a node that was believed, in any life of ours."""
        known = self._nodes.get(node)
        return known.newest if known else None

    def take_news(self) -> tuple[KnownLife, ...] | None:
        """Return what a successor must know if it has changed since the last call."""
        has_news, self._has_news = self._has_news, False
        return self.known() if has_news else None

    def known(self) -> tuple[KnownLife, ...]:
        """Return what a successor must know."""
        return tuple(
            KnownLife(name, node.newest, node.proved)
            for name, node in self._nodes.items()
            if node.newest is not None
        )

    def on_word_of_us(self, node: NodeName, greeting: Greeting, own: int, now_ms: int) -> None:
        """Note whether a node that is believed holds our generation `own` for an older life."""
        word = greeting.word_for(self._own, self.life)
        known = self._node(node)
        if word is not None and word.generation > own:
            known.doubt = LifeDoubt(kind=Doubt.REFUSES, heard=own, known=word.generation)
            known.doubted_ms = now_ms
        elif known.doubt is not None and known.doubt.kind is Doubt.REFUSES:
            known.doubt = None

    def new_doubts(self, now_ms: int) -> list[tuple[NodeName, LifeDoubt | None]]:
        """Return the nodes of which something else is to be told than before."""
        changed: list[tuple[NodeName, LifeDoubt | None]] = []
        for name, node in self._nodes.items():
            if node.doubt is not None and now_ms - node.doubted_ms >= DOUBT_MS:
                node.doubt = None
            if node.doubt != node.told:
                node.told = node.doubt
                changed.append((name, node.doubt))
        return changed

    def next_wakeup_ms(self) -> int | None:
        """Return when an answer is due, or a doubt is over."""
        due = [n.doubted_ms + DOUBT_MS for n in self._nodes.values() if n.doubt is not None]
        answer_ms = self._answers.due_ms()
        return min([*due, answer_ms] if answer_ms is not None else due, default=None)

    # -- inside --------------------------------------------------------------------------------

    def _node(self, name: NodeName) -> _Node:
        known = self._nodes.get(name)
        if known is None:
            known = self._nodes[name] = _Node()
            strangers = [n for n, node in self._nodes.items() if node.newest is None]
            if len(self._nodes) > REMEMBERED_MAX:
                del self._nodes[strangers[0]]
        return known

    def _is_fresh(self, word: Named | None, now_ms: int) -> bool:
        return word is not None and 0 <= now_ms - word.stamp_ms <= self._fresh_ms

    def _is_sign_of_life(self, life: _Life, stamp_ms: int, word: Named | None, now_ms: int) -> bool:
        """Say whether a status of a life that is believed was said not long ago."""
        behind_ms = now_ms - stamp_ms
        if self._is_fresh(word, now_ms):
            life.behind_ms = behind_ms
            return True
        return life.behind_ms is not None and behind_ms - life.behind_ms <= self._fresh_ms

    def _on_plain(self, known: _Node, generation: int, now_ms: int, *, is_everbeat: bool) -> Judged:
        """Judge a status that says nothing of lives: Heartbeat's, or of an everbeat before them."""
        if is_everbeat:
            return Judged(LifeStatus.UNPROVED)
        if generation <= known.proved or generation < (known.newest or 0):
            self._doubt(known, Doubt.RECORDED, generation, now_ms)
            return Judged(LifeStatus.OLDER)
        self._has_news |= known.newest != generation
        known.newest = known.present = generation
        known.believed = None
        known.newcomers.clear()
        return Judged(LifeStatus.PRESENT, is_fresh=True)

    def _meet(self, known: _Node, order: tuple[int, int], greeting: Greeting, now_ms: int) -> None:
        """Remember a life that is not believed, so that our next status names it.

        Where there are too many, the one met first goes, but never the one of the highest order:
        mostly recordings are of older ones.
        """
        met = next((one for one in known.newcomers if one.text == greeting.life), None)
        if met is None:
            met = _life(order, greeting, now_ms)
            others = [one for one in known.newcomers if not _is_gone(one, now_ms)]
            if len(others) >= NEWCOMERS_MAX:
                newest = max(others, key=lambda one: one.order)
                others.remove(next(one for one in others if one is not newest))
            known.newcomers = [*others, met]
            self._answers.is_due = True
        met.hear(order, greeting.stamp_ms, now_ms)
        if len(met.numbers) <= GAP_MAX:
            met.numbers.add(order[1])
        if now_ms - met.since_ms >= PATIENCE_MS:
            self._doubt(known, Doubt.DEAF, order[0], now_ms)

    def _believe(
        self, known: _Node, order: tuple[int, int], greeting: Greeting, now_ms: int
    ) -> _Life:
        """Believe a generation; return its newest life."""
        is_new_life = known.present != order[0]
        self._has_news |= known.newest != order[0] or known.proved < order[0]
        known.newest = known.present = order[0]
        known.proved = max(known.proved, order[0])
        former = known.believed
        if former is not None and (order <= former.order or former.text == greeting.life):
            former.hear(order, greeting.stamp_ms, now_ms)
            return former
        known.believed = _life(order, greeting, now_ms)
        if former is not None and former.order[0] == order[0]:  # the same machine, the same clock
            known.believed.behind_ms = former.behind_ms
        if all(one.text != greeting.life for one in known.newcomers):
            self._answers.is_due = True  # it does not know yet that we hear it
        known.newcomers.clear()
        if is_new_life:
            known.doubt = None
        return known.believed

    @staticmethod
    def _doubt(known: _Node, kind: Doubt, heard: int, now_ms: int) -> None:
        known.doubt = LifeDoubt(kind=kind, heard=heard, known=known.newest or 0)
        known.doubted_ms = now_ms


def fresh_ms_of(timing: Timing) -> int:
    """Return how old a stamp of ours may be in a sign of life.

    It is as old as two heartbeats, ours and the answer, if none is lost. Twice that longer than its
    deadtime a dead node can be made to look alive, by heartbeats that were held back.
    """
    return max(timing.deadtime_ms // 2, 3 * timing.keepalive_ms)


def greeting_from_message(message: Message) -> Greeting | None:
    """Return what a status says of lives; None if it says nothing, or something broken."""
    life = message.text(LIFE_FIELD) or ""
    if not _LIFE.fullmatch(life):
        return None
    words = (message.text(KNOWS_FIELD) or "").split(" ", REMEMBERED_MAX)[:REMEMBERED_MAX]
    named = [one for one in map(_named, words) if one is not None]
    return Greeting(life, hex_from_text(message.text(STAMP_FIELD)) or 0, tuple(named))


def _named(word: str) -> Named | None:
    """Split `name:generation:life:stamp`; the name may itself hold colons."""
    name, *rest = word.rsplit(":", 3)
    if not name or len(rest) != _WORD_PARTS:
        return None
    generation, stamp_ms = hex_from_text(rest[0]), hex_from_text(rest[2])
    if generation is None or stamp_ms is None or not _LIFE.fullmatch(rest[1]):
        return None
    return Named(node_name_from_text(name), generation, rest[1], stamp_ms)


def _life(order: tuple[int, int], greeting: Greeting, now_ms: int) -> _Life:
    return _Life(order, greeting.life, now_ms, now_ms, greeting.stamp_ms, set())


def _is_absurd(known: _Node, generation: int, reference: int) -> bool:
    if known.newest is None:
        return generation > reference + FIRST_JUMP_MAX
    return generation > max(known.newest, reference) + JUMP_MAX


def _missing(known: _Node, order: tuple[int, int]) -> tuple[int, ...]:
    """Return what a new generation said before its proof, and we passed over.

    Only of one that was never believed: of the others there is what was taken in a former life.
    """
    if known.newest is not None and order[0] <= known.newest:
        return ()
    of_generation = [one for one in known.newcomers if one.order[0] == order[0]]
    met = max(of_generation, key=lambda one: one.order, default=None)
    if met is None or not met.numbers or order[1] - min(met.numbers) > GAP_MAX:
        return ()
    return tuple(n for n in range(min(met.numbers), order[1]) if n not in met.numbers)


def _is_gone(life: _Life, now_ms: int) -> bool:
    return now_ms - life.heard_ms >= NEWCOMER_MS
