"""Keep answers until a manager hears them.

While no manager is connected answers wait, KEPT_MAX at most (the oldest is dropped first). A
restarted manager counts its ids anew: an answer to its predecessor comes under the negative id,
so that it is never taken for the answer to one of its own orders.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from everbeat.executor.effects import Publish
from everbeat.model.operations import OperationDone

if TYPE_CHECKING:
    from everbeat.model.operations import ExecutorFact

KEPT_MAX: Final = 1_000


class Outbox:
    """Facts on their way to the manager."""

    def __init__(self) -> None:
        self._session = ""
        self._is_managed = False
        self._kept: deque[tuple[ExecutorFact, str]] = deque(maxlen=KEPT_MAX)
        self.dropped_count = 0

    def on_manager(self, session: str) -> list[Publish]:
        """Learn who listens now, and give out what was kept."""
        self._session = session
        self._is_managed = True
        return self._flush()

    def on_manager_gone(self) -> None:
        """Keep everything from now on."""
        self._is_managed = False

    def answer(self, done: OperationDone, session: str) -> list[Publish]:
        """Give out or keep the answer to an order of a session."""
        self._count_if_full()
        self._kept.append((done, session))
        return self._flush()

    def tell(self, fact: ExecutorFact) -> list[Publish]:
        """Give out or keep a fact for whichever manager comes."""
        self._count_if_full()
        self._kept.append((fact, ""))
        return self._flush()

    def on_unsent(self, fact: ExecutorFact) -> None:
        """Take back a published fact that could not be sent."""
        self._is_managed = False
        self._count_if_full()
        self._kept.append((fact, self._session))

    def _flush(self) -> list[Publish]:
        if not self._is_managed:
            return []
        published = [Publish(self._renumbered(fact, session)) for fact, session in self._kept]
        self._kept.clear()
        return published

    def _renumbered(self, fact: ExecutorFact, session: str) -> ExecutorFact:
        if isinstance(fact, OperationDone) and session != self._session:
            return replace(fact, id=-abs(fact.id))
        return fact

    def _count_if_full(self) -> None:
        if len(self._kept) == KEPT_MAX:
            self.dropped_count += 1
