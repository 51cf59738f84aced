"""Run what the fencer asks of devices, each answered exactly once.

    on_run ──► running ──────────────────────► answered (DONE, FAILED, NOT_FOUND)
                  └─ timeout ─► TERM ─► KILL ─► answered (TIMEOUT)

Devices do not wait for each other, nor for resources. A manager that goes away changes nothing:
what runs goes on, and its answer waits for the next manager.

What an agent prints is told without the secrets it was given: it goes into events, the log and what
people are shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from everbeat.agents.fence_call import FenceReading
from everbeat.agents.stonith_fence import fence_call, fence_reading
from everbeat.agents.stonith_glue import glue_call, glue_reading
from everbeat.config.secrets import without_values
from everbeat.executor.deadline import Deadline, Stage
from everbeat.executor.effects import Ending, Launch, Signal
from everbeat.model.fencing import FenceOutcome, FencingDone

if TYPE_CHECKING:
    from collections.abc import Iterator

    from everbeat.agents.environment import Environment
    from everbeat.agents.fence_call import FenceCall
    from everbeat.model.fencing import RunFencing

RUNNING_MAX: Final = 100
"""Questions at once; one more is answered FAILED, and asked again by the fencer later."""

FencingEffect: TypeAlias = Launch | Signal | FencingDone


@dataclass(slots=True)
class _Running:
    order: RunFencing
    deadline: Deadline
    started_ms: int


class FencingRuns:
    """The questions under way. `runs` gives run numbers; `base` is every agent's environment."""

    def __init__(self, base: Environment, runs: Iterator[int]) -> None:
        self._base = base
        self._runs = runs
        self._running: dict[int, _Running] = {}

    def on_run(self, order: RunFencing, now_ms: int) -> list[FencingEffect]:
        """Take an order; one that is under way already is ignored."""
        if any(running.order.id == order.id for running in self._running.values()):
            return []
        if len(self._running) >= RUNNING_MAX:
            full = FenceReading(FenceOutcome.FAILED)
            return [_done(order, full, "too many devices are being asked", now_ms, now_ms)]
        run = next(self._runs)
        self._running[run] = _Running(order, Deadline(run, now_ms + order.timeout_ms), now_ms)
        call = _call(order)
        launch = Launch(
            run=run,
            command=call.command,
            environment=(*self._base, *call.environment),
            is_read=True,
            input=call.input,
        )
        return [launch]

    def on_ended(self, run: int, ending: Ending, now_ms: int) -> list[FencingEffect] | None:
        """Answer a finished run; None: not one of ours."""
        running = self._running.pop(run, None)
        if running is None:
            return None
        reading = FenceReading(FenceOutcome.TIMEOUT)
        if running.deadline.is_in_time:
            reading = _reading(running.order, ending)
        return [_done(running.order, reading, ending.output, running.started_ms, now_ms)]

    def on_tick(self, now_ms: int) -> list[FencingEffect]:
        """End what runs for too long."""
        due = [run for run, r in self._running.items() if r.deadline.next_step_ms <= now_ms]
        return [effect for run in due for effect in self._press(run, now_ms)]

    def next_wakeup_ms(self) -> int | None:
        """Return when on_tick must be called next."""
        return min((r.deadline.next_step_ms for r in self._running.values()), default=None)

    def _press(self, run: int, now_ms: int) -> list[FencingEffect]:
        deadline = self._running[run].deadline
        steps = deadline.terminate(now_ms) if deadline.is_in_time else deadline.press(now_ms)
        if deadline.stage is Stage.ABANDONED:
            left = Ending(exit_code=124, output="left behind: KILL did not end it")
            return self.on_ended(run, left, now_ms) or []
        return [step for step in steps if isinstance(step, Signal)]


def _call(order: RunFencing) -> FenceCall:
    if order.device.is_fence_agent:
        return fence_call(order.device, order.action, order.node)
    return glue_call(order.device, order.action, order.node)


def _reading(order: RunFencing, ending: Ending) -> FenceReading:
    if order.device.is_fence_agent:
        return fence_reading(order.action, ending.exit_code)
    return glue_reading(order.action, ending.exit_code, ending.words)


def _done(
    order: RunFencing, reading: FenceReading, output: str, started_ms: int, now_ms: int
) -> FencingDone:
    return FencingDone(
        id=order.id,
        device=order.device.name,
        action=order.action,
        node=order.node,
        outcome=reading.outcome,
        output=without_values(output, order.device.type, order.device.parameters, order.node),
        started_ms=started_ms,
        ended_ms=now_ms,
        is_on=reading.is_on,
        hosts=reading.hosts,
    )
