"""Somebody on the network who hears everything, has no key, and plays again what he has heard.

He keeps every datagram of every life of every node, every echo of a ping node, and every question
to the witness and its answer. Nothing stops what he plays: no cut, no loss. What he plays is
chosen by schedules (sim.schedule), the details by the world's Random:

    words       the last datagrams of a life, or one of them, again and again (a farewell)
    stretch     what a node said in some time, at its own pace (a node that seems to live)
    some        single ones, of anybody, to anybody
    questions   what a node asked the witness, and what it was answered

Whom he plays words to hears them at once whenever its link process begins, and before anybody else.
He keeps everything: a history is short.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from everbeat.model.names import NodeName
    from everbeat.model.quorum import WitnessAsk, WitnessReply
    from everbeat.sim.machine import Machine
    from everbeat.sim.world import World

WORDS_AGAIN_MS: Final = 400
"""From one time he says words to the next. More often costs the simulation time alone."""

AT_BEGIN_MS: Final = (1, 2, 20, 100)
"""So soon after a link process began he says them to it as well."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """A datagram that was heard. `life`: of the sender's link process."""

    at_ms: int
    life: int
    medium: int
    data: bytes


@dataclass(frozen=True, slots=True)
class _Words:
    """What he says again and again to one node."""

    rows: tuple[Recorded, ...]
    source: NodeName
    receiver: NodeName
    until_ms: int


class Adversary:
    """One of a world; the world shows him all that passes."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._said: dict[NodeName, list[Recorded]] = {}
        self._asked: dict[NodeName, list[WitnessAsk]] = {}
        self._answered: dict[NodeName, list[WitnessReply]] = {}
        self._words: list[_Words] = []
        self.played_count = 0

    # -- what he hears -------------------------------------------------------------------------

    def on_datagram(self, sender: NodeName, medium: int, data: bytes) -> None:
        """Keep a datagram as it was sent, whether it will arrive or not."""
        machine = self._world.machines.get(sender)
        life = machine.link_life if machine is not None else 0
        row = Recorded(self._world.now_ms, life, medium, data)
        self._said.setdefault(sender, []).append(row)

    def on_question(self, ask: WitnessAsk) -> None:
        """Keep a question to the witness."""
        self._asked.setdefault(ask.node, []).append(ask)

    def on_answer(self, node: NodeName, reply: WitnessReply) -> None:
        """Keep what the witness answered a node."""
        self._answered.setdefault(node, []).append(reply)

    def on_life(self, node: NodeName) -> None:
        """Notice that a link process begins, or a generation."""
        now_ms = self._world.now_ms
        for words in self._words:
            if words.receiver == node and now_ms < words.until_ms:
                for delay_ms in AT_BEGIN_MS:
                    self._world.after(delay_ms, partial(self._say, words.rows, words))

    # -- what he plays -------------------------------------------------------------------------

    def play_words(self, source: NodeName, receiver: NodeName, count: int, lasts_ms: int) -> None:
        """Say the last `count` datagrams of a life of `source` to `receiver`, again and again.

        Below 0: the one alone that stands there, from the end.
        """
        rows = self._ended_life(source)
        chosen = rows[-count:] if count > 0 else rows[count : count + 1] or rows[count:]
        if not chosen:
            return
        words = _Words(tuple(chosen), source, receiver, self._world.now_ms + lasts_ms)
        life = chosen[0].life
        self._note(source, f"{len(chosen)} last words of its life {life} for {receiver}")
        self._words.append(words)
        self._say_again(words)

    def play_stretch(
        self, source: NodeName, receiver: NodeName, age_ms: int, lasts_ms: int
    ) -> None:
        """Play what `source` said from `age_ms` ago on, for `lasts_ms`, at its own pace.

        To one node, or with an empty name to all others.
        """
        rows = self._said.get(source, [])
        began_ms = self._world.now_ms - age_ms
        first = bisect_left(rows, began_ms, key=lambda row: row.at_ms)
        last = bisect_left(rows, began_ms + lasts_ms, key=lambda row: row.at_ms)
        self._note(source, f"{last - first} of its datagrams for {receiver or 'all'}")
        for row in rows[first:last]:
            self._world.after(row.at_ms - began_ms, partial(self._play, row, source, receiver))

    def play_some(self, count: int, lasts_ms: int) -> None:
        """Play single datagrams of anybody to anybody."""
        sources = sorted(self._said)
        for _ in range(count if sources else 0):
            source = sources[self._drawn(len(sources))]
            row = self._said[source][self._drawn(len(self._said[source]))]
            names = list(self._world.machines)
            receiver = names[self._drawn(len(names))]
            self._world.after(self._drawn(lasts_ms), partial(self._play, row, source, receiver))

    def play_questions(self, source: NodeName, every_ms: int, lasts_ms: int) -> None:
        """Ask the witness the newest questions of `source` again, one each `every_ms`, in order.

        A recorded answer goes to `source` with each.
        """
        asked = self._asked.get(source, [])[-(lasts_ms // every_ms + 1) :]
        answered = self._answered.get(source, [])
        self._note(source, f"{len(asked)} of its questions for the witness")
        for number, ask in enumerate(asked):
            self._world.after(number * every_ms, partial(self._ask, ask))
        for number in range(min(len(asked), len(answered))):
            reply = answered[self._drawn(len(answered))]
            machine = self._world.machines[source]
            self._world.after(number * every_ms, partial(machine.hear_witness, reply))

    # -- inside --------------------------------------------------------------------------------

    def _ended_life(self, source: NodeName) -> Sequence[Recorded]:
        """Return what was said in a life that is over; if there is none, in this one."""
        rows = self._said.get(source, [])
        machine = self._world.machines.get(source)
        now = machine.link_life if machine is not None and machine.link is not None else None
        lives = sorted({row.life for row in rows if row.life != now})
        if not lives:
            return rows
        newest = self._drawn(2) == 0
        life = lives[-1] if newest else lives[self._drawn(len(lives))]
        return [row for row in rows if row.life == life]

    def _say_again(self, words: _Words) -> None:
        if self._world.now_ms >= words.until_ms:
            self._words.remove(words)
            return
        self._say(words.rows, words)
        self._world.after(WORDS_AGAIN_MS, partial(self._say_again, words))

    def _say(self, rows: Sequence[Recorded], words: _Words) -> None:
        machine = self._world.machines[words.receiver]
        for row in rows:
            self._give(machine, row, words.source)

    def _play(self, row: Recorded, source: NodeName, receiver: NodeName) -> None:
        machines = self._world.machines
        chosen = (
            [machines[receiver]] if receiver else [machines[n] for n in machines if n != source]
        )
        for machine in chosen:
            self._give(machine, row, source)

    def _give(self, machine: Machine, row: Recorded, source: NodeName) -> None:
        self.played_count += 1
        machine.hear(row.medium, row.data, source)

    def _ask(self, ask: WitnessAsk) -> None:
        self.played_count += 1
        self._world.reach_witness(ask)

    def _drawn(self, limit: int) -> int:
        return self._world.random.randrange(max(1, limit))

    def _note(self, source: NodeName, text: str) -> None:
        self._world.note(source, f"the adversary has {text}")
