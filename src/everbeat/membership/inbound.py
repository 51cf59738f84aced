"""What has arrived of each sender: every number once, gaps asked for, progress acknowledged.

    number == last+1, or the first ever   NEW        taken
    number  > last+1                      NEW        taken; the gap goes on the missing list
             gap > GAP_MAX                NEW        taken; nothing is asked for, tracking restarts
    number on the missing list            FILLED     taken
    number == last                        DUPLICATE  second path, or sent again
    any other lower number                STALE      dropped

A missing number is asked for after a random delay (so that not all receivers ask at once) and
again every REPEAT_MS until it comes, the sender says it is gone, or the sender dies.

Each receiver acknowledges every tenth number, the residue drawn once per sender so that not all
receivers answer at the same time, and only as far as nothing is missing.

Source: measured on 3.0.6 (captures rexmit, lifecycle).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Final

from everbeat.membership.identity import GAP_MAX
from everbeat.model.membership import MessagesMissing

if TYPE_CHECKING:
    from collections.abc import Iterable

    from everbeat.model.names import NodeName
    from everbeat.ports.chance import Random

FIRST_DELAY_MS_MIN: Final = 50
REPEAT_MS: Final = 250
ACK_STEP: Final = 10
HISTORY_MAX: Final = 500
"""A sender keeps so many messages: what is further back is lost for good."""


class Arrival(Enum):
    """What a number means to us."""

    NEW = "new"
    FILLED = "filled"
    DUPLICATE = "duplicate"
    STALE = "stale"

    @property
    def is_taken(self) -> bool:
        """Say whether the message is to be processed."""
        return self in {Arrival.NEW, Arrival.FILLED}


@dataclass(slots=True)
class _Sender:
    residue: int  # we acknowledge numbers with this remainder of ACK_STEP
    last: int | None = None  # highest number taken
    acked: int = 0  # highest number acknowledged
    missing: dict[int, int] = field(default_factory=dict)  # ascending number: next request


class Inbound:
    """Sequence tracking of all senders."""

    def __init__(self, first_delay_ms_max: int, random: Random) -> None:
        self._first_delay_ms_max = max(first_delay_ms_max, FIRST_DELAY_MS_MIN)
        self._random = random
        self._senders: dict[NodeName, _Sender] = {}

    def add(self, node: NodeName) -> None:
        """Begin to track a sender."""
        self._senders[node] = _Sender(self._random.randrange(ACK_STEP))

    def remove(self, node: NodeName) -> None:
        """Forget a sender."""
        self._senders.pop(node, None)

    def on_restart(self, node: NodeName) -> None:
        """Accept all numbers of a sender anew: it has a new generation."""
        self._senders[node] = _Sender(self._senders[node].residue)

    def expect(self, node: NodeName, numbers: Iterable[int], now_ms: int) -> None:
        """Ask for ascending numbers below the first that is taken: they came before their time."""
        for number in numbers:
            self._senders[node].missing[number] = now_ms + FIRST_DELAY_MS_MIN

    def on_dead(self, node: NodeName, now_ms: int) -> list[MessagesMissing]:
        """Stop asking a dead sender; what is missing is lost."""
        sender = self._senders.get(node)
        return self._give_up(node, sender, list(sender.missing), now_ms) if sender else []

    def on_sequence(
        self, node: NodeName, number: int, now_ms: int
    ) -> tuple[Arrival, list[MessagesMissing]]:
        """Take a number; say what it means and which gaps it shows."""
        sender = self._senders[node]
        if sender.last is None:
            sender.last, sender.acked = number, min(sender.missing, default=number) - 1
            return Arrival.NEW, []
        if number in sender.missing:
            del sender.missing[number]
            return Arrival.FILLED, []
        if number <= sender.last:
            return (Arrival.DUPLICATE if number == sender.last else Arrival.STALE), []
        first, last = sender.last + 1, number - 1
        sender.last = number
        if last - first + 1 > GAP_MAX:
            facts = self._give_up(node, sender, list(sender.missing), now_ms)
            sender.acked = last
            return Arrival.NEW, [*facts, MessagesMissing(node, first, last, True, now_ms)]  # noqa: FBT003 - field order of the fact
        return Arrival.NEW, self._note_gap(node, sender, first, last, now_ms)

    def on_nak(self, node: NodeName, number: int, now_ms: int) -> list[MessagesMissing]:
        """Take a sender's word that a number can't be sent again."""
        sender = self._senders[node]
        return self._give_up(node, sender, [number] if number in sender.missing else [], now_ms)

    def has_missing_below(self, node: NodeName, number: int) -> bool:
        """Say whether a lower number of this sender may still come."""
        lowest = next(iter(self._senders[node].missing), number)
        return lowest < number

    def due_ack(self, node: NodeName) -> int | None:
        """Return the number to acknowledge now, or None. A number is returned once."""
        sender = self._senders[node]
        if sender.last is None:
            return None
        reached = next(iter(sender.missing), sender.last + 1) - 1
        number = reached - (reached - sender.residue) % ACK_STEP
        if number <= sender.acked:
            return None
        sender.acked = number
        return number

    def due_requests(self, now_ms: int) -> list[tuple[NodeName, int]]:
        """Return the numbers to ask for now, at most HISTORY_MAX of a sender."""
        due: list[tuple[NodeName, int]] = []
        for node, sender in self._senders.items():
            numbers = [n for n, at_ms in sender.missing.items() if at_ms <= now_ms]
            for number in numbers:
                sender.missing[number] = now_ms + REPEAT_MS
                due.append((node, number))
        return due

    def next_wakeup_ms(self) -> int | None:
        """Return when the next number is to be asked for."""
        return min((at for s in self._senders.values() for at in s.missing.values()), default=None)

    def _note_gap(
        self, node: NodeName, sender: _Sender, first: int, last: int, now_ms: int
    ) -> list[MessagesMissing]:
        spread_ms = self._first_delay_ms_max - FIRST_DELAY_MS_MIN + 1
        for number in range(first, last + 1):
            delay_ms = FIRST_DELAY_MS_MIN + self._random.randrange(spread_ms)
            sender.missing[number] = now_ms + delay_ms
        facts = [MessagesMissing(node, first, last, False, now_ms)] if first <= last else []  # noqa: FBT003 - field order of the fact
        gone = [number for number in sender.missing if number <= last + 1 - HISTORY_MAX]
        return facts + self._give_up(node, sender, gone, now_ms)

    @staticmethod
    def _give_up(
        node: NodeName, sender: _Sender, numbers: list[int], now_ms: int
    ) -> list[MessagesMissing]:
        """Strike ascending numbers off the list; one fact for each run of them."""
        facts: list[MessagesMissing] = []
        start = 0
        for index, number in enumerate(numbers):
            del sender.missing[number]
            if index + 1 == len(numbers) or numbers[index + 1] != number + 1:
                facts.append(MessagesMissing(node, numbers[start], number, True, now_ms))  # noqa: FBT003 - field order of the fact
                start = index + 1
        return facts
