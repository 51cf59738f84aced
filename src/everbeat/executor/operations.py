"""Run the operations the resource manager orders, each answered exactly once.

    on_run ──► waiting ──► running ──────────────────────────► answered (DONE)
                  │           └─ timeout ─► examined ─► TERM ─► KILL ─► answered (TIMEOUT)
                  └─ no agent ─► answered (NOT_FOUND)    another manager came ─► answered (LOST)

One group has at most one operation running, in the order they came; groups do not wait for each
other. An operation waits for the end of a monitor of its resource. A script that does not know the
word `status` is not asked: the answer is that nobody can tell. How one ends that takes too long is
in deadline.py; what it looked like is told before.

A manager is known by its session. While none is connected what runs goes on, but nothing begins.
When the same one returns so does the work; another session is a restarted manager, which asks
anew, so that what its predecessor ordered and had not begun is not run any more.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from everbeat.agents.agent import AddressAgent
from everbeat.agents.reading import is_held
from everbeat.agents.resolve import may_be_asked, resolve
from everbeat.executor.deadline import NOT_EXAMINED, Deadline, Stage
from everbeat.executor.effects import Ending, Examine, Launch, SetAddress, Signal
from everbeat.model.operations import (
    Action,
    OperationDone,
    OperationHung,
    Outcome,
    RunOperation,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from everbeat.agents.agent import Agent
    from everbeat.agents.environment import Environment
    from everbeat.agents.resolve import Installed
    from everbeat.model.groups import ResourceSpec
    from everbeat.model.names import GroupKey
    from everbeat.model.operations import StartAgain

WAITING_MAX: Final = 1_000
"""Operations waiting in one group; one more is answered LOST at once."""

REMEMBERED_IDS_MAX: Final = 10_000
"""Ids of a session remembered to drop repeated orders."""

NOT_FOUND_EXIT: Final = 127
TIMEOUT_EXIT: Final = 124
LOST_EXIT: Final = 125


@dataclass(slots=True)
class _Running:
    order: RunOperation
    session: str
    agent: Agent
    deadline: Deadline
    started_ms: int
    is_again: bool


@dataclass(frozen=True, slots=True)
class _Waiting:
    order: RunOperation
    session: str
    is_again: bool = False  # of a resource that runs


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to an order, and the session of the manager that gave it."""

    done: OperationDone
    session: str
    is_again: bool = False  # to StartAgain: told only if it failed


OperationEffect: TypeAlias = Launch | SetAddress | Signal | Examine | OperationHung | Answer


class Operations:
    """The queues of all groups. `runs` gives run numbers; `base` is every script's environment.

    Each input returns effects for the shell and the answers that are due.
    """

    def __init__(
        self,
        installed: Installed,
        base: Environment,
        runs: Iterator[int],
        is_monitored: Callable[[ResourceSpec], bool] = lambda _: False,
    ) -> None:
        self._is_monitored = is_monitored
        self._installed = installed
        self._base = base
        self._runs = runs
        self._session = ""
        self._is_managed = False
        self._waiting: dict[GroupKey, deque[_Waiting]] = {}
        self._running: dict[GroupKey, _Running] = {}
        self._seen: dict[int, None] = {}  # ids of this session, oldest first

    def on_manager(self, session: str, now_ms: int) -> list[OperationEffect]:
        """Learn who gives orders from now on, and go on with what waits."""
        self._is_managed = True
        dropped: list[OperationEffect] = []
        if session != self._session:
            self._session = session
            self._seen.clear()
            for queue in self._waiting.values():
                orders = (entry for entry in queue if not entry.is_again)
                dropped += [_unserved(entry, Outcome.LOST, now_ms) for entry in orders]
            self._waiting.clear()
        return dropped + self.on_monitors_ended(now_ms)

    def on_manager_gone(self) -> None:
        """Begin nothing until a manager is there; what runs goes on."""
        self._is_managed = False

    def on_run(self, order: RunOperation, now_ms: int) -> list[OperationEffect]:
        """Take an order; one whose id was seen in this session is ignored."""
        if order.id in self._seen:
            return []
        self._remember(order.id)
        entry = _Waiting(order, self._session)
        waiting = self._waiting.get(order.group, ())
        queue = self._waiting[order.group] = deque(w for w in waiting if not w.is_again)
        if len(queue) >= WAITING_MAX:
            return [_unserved(entry, Outcome.LOST, now_ms)]
        queue.append(entry)
        return self._start_next(order.group, now_ms)

    def on_monitors_ended(self, now_ms: int) -> list[OperationEffect]:
        """Begin what has waited for the end of a monitor."""
        return [effect for g in tuple(self._waiting) for effect in self._start_next(g, now_ms)]

    def is_operated(self, resource: ResourceSpec) -> bool:
        """Whether an operation of this resource runs or waits."""
        orders = [one.order for one in self._running.values()]
        orders += [entry.order for queue in self._waiting.values() for entry in queue]
        return any(order.resource.text == resource.text for order in orders)

    def on_start_again(self, order: StartAgain, now_ms: int) -> list[OperationEffect]:
        """Start a resource that runs; an operation of its group that comes meanwhile goes first."""
        starting = RunOperation(
            id=0,
            group=order.group,
            resource=order.resource,
            action=Action.START,
            timeout_ms=order.timeout_ms,
            is_counted=False,
        )
        queue = self._waiting.setdefault(order.group, deque())
        if len(queue) < WAITING_MAX:
            queue.append(_Waiting(starting, self._session, is_again=True))
        return self._start_next(order.group, now_ms)

    def on_ended(self, run: int, ending: Ending, now_ms: int) -> list[OperationEffect] | None:
        """Answer a finished run and start the group's next operation; None: not one of ours."""
        group = self._group_of(run)
        if group is None:
            return None
        answer = _answer(self._running.pop(group), ending, now_ms)
        return [answer, *self._start_next(group, now_ms)]

    def on_examined(
        self, run: int, lines: tuple[str, ...], now_ms: int
    ) -> list[OperationEffect] | None:
        """Take how a run hangs, and end it; None: not one of ours."""
        group = self._group_of(run)
        if group is None:
            return None
        running = self._running[group]
        is_awaited = running.deadline.stage is Stage.EXAMINED
        return self._end(running, lines, now_ms) if is_awaited else []

    def on_tick(self, now_ms: int) -> list[OperationEffect]:
        """End what runs for too long."""
        running = self._running.items()
        due = [group for group, one in running if one.deadline.next_step_ms <= now_ms]
        return [effect for group in due for effect in self._press(group, now_ms)]

    def next_wakeup_ms(self) -> int | None:
        """Return when on_tick must be called next."""
        return min((one.deadline.next_step_ms for one in self._running.values()), default=None)

    def running_count(self) -> int:
        """Return how many operations run at this moment."""
        return len(self._running)

    def _group_of(self, run: int) -> GroupKey | None:
        return next((g for g, one in self._running.items() if one.deadline.run == run), None)

    def _start_next(self, group: GroupKey, now_ms: int) -> list[OperationEffect]:
        """Start the first waiting operation of an idle group; those nobody serves are answered."""
        effects: list[OperationEffect] = []
        queue = self._waiting.get(group)
        while queue and self._is_managed and group not in self._running:
            if self._is_monitored(queue[0].order.resource) or self._is_beside(queue[0]):
                return effects
            entry = queue.popleft()
            agent = resolve(entry.order.resource, self._installed)
            if entry.is_again and (agent is None or isinstance(agent, AddressAgent)):
                continue
            is_status = entry.order.action is Action.STATUS
            if agent is None:
                effects.append(_unserved(entry, Outcome.NOT_FOUND, now_ms))
            elif is_status and not may_be_asked(agent, self._installed):
                effects.append(_not_asked(entry, agent, now_ms))
            else:
                effects.append(self._start(entry, agent, now_ms))
        if not queue:
            self._waiting.pop(group, None)
        return effects

    def _start(self, entry: _Waiting, agent: Agent, now_ms: int) -> OperationEffect:
        order, run = entry.order, next(self._runs)
        self._running[order.group] = _Running(
            order,
            entry.session,
            agent,
            Deadline(run, now_ms + order.timeout_ms),
            now_ms,
            entry.is_again,
        )
        if isinstance(agent, AddressAgent):
            return SetAddress(run=run, action=order.action, arguments=agent.arguments)
        return Launch(
            run=run,
            command=agent.command(order.action),
            environment=self._base,
            is_read=order.action is Action.STATUS,
            is_urgent=True,
            is_ended_by_next=True,
            may_leave_running=order.action is Action.START,
            unless_it_lives=entry.is_again,
        )

    def _is_beside(self, entry: _Waiting) -> bool:
        """Whether a script would be started again beside itself, in the name of another group."""
        script = entry.order.resource.script
        return any(
            one.order.resource.script == script and (entry.is_again or one.is_again)
            for one in self._running.values()
        )

    def _press(self, group: GroupKey, now_ms: int) -> list[OperationEffect]:
        running = self._running[group]
        deadline = running.deadline
        if deadline.stage is Stage.EXAMINED:
            return self._end(running, (NOT_EXAMINED,), now_ms)
        pressed = deadline.press(now_ms)
        if deadline.stage is Stage.ABANDONED:
            left = Ending(exit_code=TIMEOUT_EXIT, output="left behind: KILL did not end it")
            return self.on_ended(deadline.run, left, now_ms) or []
        return [*pressed]

    @staticmethod
    def _end(running: _Running, lines: tuple[str, ...], now_ms: int) -> list[OperationEffect]:
        """Tell how it hangs, then end it."""
        order = running.order
        hung = OperationHung(
            group=order.group,
            resource=order.resource,
            action=order.action,
            served_by=running.agent.served_by,
            limit_ms=order.timeout_ms,
            is_monitor=False,
            lines=lines,
            at_ms=now_ms,
        )
        return [hung, *running.deadline.terminate(now_ms)]

    def _remember(self, order_id: int) -> None:
        self._seen[order_id] = None
        if len(self._seen) > REMEMBERED_IDS_MAX:
            del self._seen[next(iter(self._seen))]


def _answer(running: _Running, ending: Ending, now_ms: int) -> Answer:
    order = running.order
    is_in_time = running.deadline.is_in_time
    held = None
    if is_in_time and order.action is Action.STATUS:
        held = is_held(running.agent, ending.exit_code, ending.words)
    done = OperationDone(
        id=order.id,
        group=order.group,
        resource=order.resource,
        action=order.action,
        outcome=Outcome.DONE if is_in_time else Outcome.TIMEOUT,
        exit_code=ending.exit_code if is_in_time else TIMEOUT_EXIT,
        is_held=held,
        output=ending.output,
        served_by=running.agent.served_by,
        started_ms=running.started_ms,
        ended_ms=now_ms,
        is_counted=order.is_counted,
    )
    return Answer(done, running.session, running.is_again)


def _not_asked(entry: _Waiting, agent: Agent, now_ms: int) -> Answer:
    """Answer for a script that does not know the word."""
    order = entry.order
    done = OperationDone(
        id=order.id,
        group=order.group,
        resource=order.resource,
        action=order.action,
        outcome=Outcome.DONE,
        exit_code=0,
        is_held=None,
        output="not asked: its script does not know the word status",
        served_by=agent.served_by,
        started_ms=now_ms,
        ended_ms=now_ms,
        is_counted=order.is_counted,
    )
    return Answer(done, entry.session)


def _unserved(entry: _Waiting, outcome: Outcome, now_ms: int) -> Answer:
    order = entry.order
    name = order.resource.script
    is_lost = outcome is Outcome.LOST
    done = OperationDone(
        id=order.id,
        group=order.group,
        resource=order.resource,
        action=order.action,
        outcome=outcome,
        exit_code=LOST_EXIT if is_lost else NOT_FOUND_EXIT,
        is_held=None,
        output="not begun" if is_lost else f"no script, built-in or unit named {name}",
        served_by="",
        started_ms=now_ms,
        ended_ms=now_ms,
        is_counted=order.is_counted,
    )
    return Answer(done, entry.session)
