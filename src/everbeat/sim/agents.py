"""Simulated resources of one machine: scripts that take time, and may fail, hang or lie."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING

from everbeat.model.operations import Action, OperationDone, Outcome

if TYPE_CHECKING:
    from random import Random

    from everbeat.model.operations import RunOperation


class Manner(Enum):
    """How a machine's scripts behave."""

    HONEST = auto()
    FAILING = auto()  # start or stop ends with 1 and does nothing
    HANGING = auto()  # killed at the time limit, having done nothing
    LYING = auto()  # status says stopped whatever runs


@dataclass(slots=True)
class SimulatedAgents:
    """What runs on one machine, by resource word."""

    random: Random
    manner: Manner = Manner.HONEST
    running: set[str] = field(default_factory=set[str])

    def duration_ms(self, operation: RunOperation) -> int:
        """Return how long this operation will take."""
        if self.manner is Manner.HANGING and operation.action is not Action.STATUS:
            return operation.timeout_ms
        return 5 + self.random.randrange(300)

    def run(self, operation: RunOperation, started_ms: int, now_ms: int) -> OperationDone:
        """Carry an operation out and return its result."""
        is_hanging = self.manner is Manner.HANGING and operation.action is not Action.STATUS
        is_failing = self.manner is Manner.FAILING and operation.action is not Action.STATUS
        is_held: bool | None = None
        word = operation.resource.text
        if operation.action is Action.STATUS:
            is_held = word in self.running and self.manner is not Manner.LYING
        elif not is_hanging and not is_failing:
            if operation.action is Action.START:
                self.running.add(word)
            else:
                self.running.discard(word)
        return OperationDone(
            id=operation.id,
            group=operation.group,
            resource=operation.resource,
            action=operation.action,
            outcome=Outcome.TIMEOUT if is_hanging else Outcome.DONE,
            exit_code=1 if is_failing else 0,
            is_held=is_held,
            output="",
            served_by="simulated",
            started_ms=started_ms,
            ended_ms=now_ms,
            is_counted=operation.is_counted,
        )
