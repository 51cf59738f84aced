"""Monitor what is watched: each interval, and at once when the kernel or systemd give cause.

    WatchResources ─► due ─► running ─► held, or a task that is done ─► due after the interval
                       ^        ├─► not held ─► suspicion ─► MonitorFailed ─► due after the interval
                       │        └─► doubtful (hung, killed, not begun)
                       │                 └─ the first time: asked again at once; then MonitorFailed
                       └── on_cause: due now; while it runs: once more when it has ended

Somebody else may be restarting what does not run (suspicion.py): it is looked at again until it
runs, or has failed. So is what a status of the interval finds stopped, and nobody saw die.

At most one monitor of a resource runs, and MONITORS_MAX scripts in all; who is late is asked once,
not as often as was missed. The first monitor comes at once, the second ones are spread over the
second half of the interval. Addresses are asked without a process and wait for nobody.

Only what was seen running can be found dead: a script whose status never says so is told of once
(MonitorUnheard), and nothing follows from it; what kernel and systemd answer is believed from the
start.
After a start a service may need GRACE_MS until its status says that it runs. What is not watched
any more is ended unheard, and so is the monitor of a resource for which an operation comes: no two
of them ever run beside each other. A script that does not know the word `status` is never asked
(MonitorUnheard says so): it might act on any word.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Final, TypeAlias

from everbeat.agents.agent import AddressAgent, ScriptAgent, SystemdAgent
from everbeat.agents.reading import NOT_STARTED_EXIT, condition_of
from everbeat.agents.resolve import may_be_asked, resolve
from everbeat.agents.unit import Condition
from everbeat.executor.deadline import NOT_EXAMINED, Deadline, Stage
from everbeat.executor.effects import (
    Ending,
    EndRemains,
    Examine,
    Launch,
    LookForHands,
    Observe,
    SetAddress,
    Signal,
    Unobserve,
)
from everbeat.executor.ended_tasks import EndedTasks
from everbeat.executor.suspicion import Next, Suspicion
from everbeat.model.operations import (
    Action,
    MonitorFailed,
    MonitorHeard,
    MonitorUnheard,
    OperationHung,
    Outcome,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from everbeat.agents.agent import Agent
    from everbeat.agents.environment import Environment
    from everbeat.agents.resolve import Installed
    from everbeat.model.groups import ResourceSpec
    from everbeat.model.names import GroupKey
    from everbeat.model.operations import Watch, WatchResources

MONITORS_MAX: Final = 8
"""Scripts asked at the same time; the others wait."""

WATCHES_MAX: Final = 10_000
"""Resources watched; more of them are not."""

GRACE_MS: Final = 5_000
"""After a start a status may say for so long that it does not run yet."""

GRACE_RETRY_MS: Final = 1_000
CAUSE_GAP_MS: Final = 50
"""From one monitor to the next one that a cause asks for."""

INTERVAL_CAUSE: Final = "interval"
NOT_RUNNING_EXIT: Final = 3  # LSB: the program is not running
_SPREAD_STEP: Final = 618  # of 1000: golden ratio, any number of watches lies evenly spread

RecurringEffect: TypeAlias = (
    Launch
    | SetAddress
    | Signal
    | Examine
    | Observe
    | Unobserve
    | EndRemains
    | LookForHands
    | MonitorFailed
    | MonitorHeard
    | MonitorUnheard
    | OperationHung
)


@dataclass(slots=True)
class _Watched:
    """One resource under watch. `due_ms` is None while its monitor runs."""

    id: int
    group: GroupKey
    watch: Watch
    agent: Agent | None
    begun_ms: int
    due_ms: int | None
    cause: str = INTERVAL_CAUSE
    noticed_ms: int = 0
    next_cause: str = ""  # came while the monitor ran
    next_noticed_ms: int = 0
    asked_count: int = 0
    was_seen: bool = False  # running, since it is watched
    is_doubted: bool = False  # the last answer was none
    is_unheard_told: bool = False
    suspicion: Suspicion | None = None  # it does not run; somebody may be restarting it
    suspected: Ending | None = None  # what its last status said; while hands are looked for
    deadline: Deadline | None = None


@dataclass(frozen=True, slots=True)
class _Unwanted:
    """A monitor that is being ended; nobody waits for its answer."""

    deadline: Deadline
    resource: ResourceSpec


class Recurring:
    """All watches of this machine. `runs` gives run numbers; `base`: every script's environment.

    `is_operated`: whether an operation of a resource runs or waits; it is not monitored meanwhile.
    """

    def __init__(
        self,
        installed: Installed,
        base: Environment,
        runs: Iterator[int],
        is_operated: Callable[[ResourceSpec], bool] = lambda _: False,
    ) -> None:
        self._is_operated = is_operated
        self._installed = installed
        self._base = base
        self._runs = runs
        self._ids = count(1)
        self._is_managed = False
        self._session = ""
        self._watched: dict[int, _Watched] = {}
        self._unwanted: dict[int, _Unwanted] = {}  # by run
        self._ended_tasks = EndedTasks()
        # Their status has said "running". Kept beyond their watches: for the next manager.
        self._speaking: dict[tuple[GroupKey, str], ResourceSpec] = {}

    def on_manager(self, session: str, now_ms: int) -> list[RecurringEffect]:
        """Learn who gives orders; another one than before watches nothing and knows nothing yet."""
        self._is_managed = True
        if session == self._session:
            return self._begin_due(now_ms)
        self._session = session
        heard = [MonitorHeard(group, resource) for (group, _), resource in self._speaking.items()]
        return [*heard, *self._drop(list(self._watched.values()), now_ms)]

    def on_manager_gone(self) -> None:
        """Begin no monitor until a manager is there."""
        self._is_managed = False

    def on_held(self, group: GroupKey, resource: ResourceSpec) -> None:
        """Take that a status outside of any watch has said that a resource runs."""
        self._speaking[group, resource.text] = resource

    def on_started(self, resource: ResourceSpec, now_ms: int) -> None:
        """Take that an operation has started a resource."""
        self._ended_tasks.on_started(resource, now_ms)

    def on_operation(self, resource: ResourceSpec, now_ms: int) -> list[RecurringEffect]:
        """End the monitor of a resource for which an operation has come."""
        effects: list[RecurringEffect] = []
        for one in self._watched.values():
            if one.watch.resource.text == resource.text and one.deadline is not None:
                effects += self._let_go(one, one.deadline, now_ms)
                self._plan_next(one, now_ms)
        return effects

    def is_monitored(self, resource: ResourceSpec) -> bool:
        """Whether a monitor of this resource runs, be it one whose answer nobody waits for."""
        running = (one.watch.resource for one in self._watched.values() if one.deadline is not None)
        unwanted = (one.resource for one in self._unwanted.values())
        return any(known.text == resource.text for known in (*running, *unwanted))

    def on_watch(self, order: WatchResources, now_ms: int) -> list[RecurringEffect]:
        """Watch exactly these resources of a group from now on."""
        known = [one for one in self._watched.values() if one.group == order.group]
        kept = [one for one in known if one.watch in order.watches]
        effects = self._drop([one for one in known if one not in kept], now_ms)
        there = [one.watch for one in kept]
        for watch in order.watches:
            if watch not in there and len(self._watched) < WATCHES_MAX:
                effects += self._add(order.group, watch, now_ms)
        return effects + self._begin_due(now_ms)

    def on_cause(
        self, watch: int, cause: str, now_ms: int, *, is_certain: bool = False
    ) -> list[RecurringEffect]:
        """Take a hint that a resource may have died: look at once.

        `is_certain`: the shell has looked, as the script's status would: its main process is gone.
        """
        one = self._watched.get(watch)
        if one is None:
            return []
        if is_certain and one.due_ms is not None and one.was_seen and self._is_managed:
            gone = Ending(exit_code=NOT_RUNNING_EXIT, output="its main process is gone")
            if one.suspicion is None:
                one.cause, one.noticed_ms = cause, now_ms
            return self._suspect(one, gone, now_ms)
        if one.due_ms is None:
            one.next_cause, one.next_noticed_ms = cause, now_ms
            return []
        if one.suspicion is None:
            one.cause, one.noticed_ms = cause, now_ms
        one.due_ms = now_ms
        return self._begin_due(now_ms)

    def on_hands(
        self, watch: int, now_ms: int, *, are_at_work: bool, is_orderly: bool
    ) -> list[RecurringEffect]:
        """Take whether somebody is at work on a resource that does not run.

        `is_orderly`: whoever stopped it tidied up behind it.
        """
        one = self._watched.get(watch)
        if one is None or one.suspicion is None or one.suspected is None:
            return []
        suspicion, ending = one.suspicion, one.suspected
        one.suspected = None
        step = suspicion.on_hands(now_ms, are_at_work=are_at_work, is_orderly=is_orderly)
        if step is Next.FAIL:
            return self._failed(one, ending, now_ms, Outcome.DONE)
        if step is Next.ASK_HANDS:
            one.suspected = ending
        one.due_ms = suspicion.again_ms
        return self._begin_due(now_ms)

    def on_ended(self, run: int, ending: Ending, now_ms: int) -> list[RecurringEffect] | None:
        """Read an answer; None: not one of ours."""
        if self._unwanted.pop(run, None) is not None:
            return self._begin_due(now_ms)
        one = self._by_run(run)
        if one is None:
            return None
        return self._after(one, ending, now_ms) + self._begin_due(now_ms)

    def on_examined(
        self, run: int, lines: tuple[str, ...], now_ms: int
    ) -> list[RecurringEffect] | None:
        """Take how a monitor hangs, and end it; None: not one of ours."""
        if run in self._unwanted:
            return []
        one = self._by_run(run)
        if one is None or one.deadline is None:
            return None
        is_awaited = one.deadline.stage is Stage.EXAMINED
        return self._end(one, one.deadline, lines, now_ms) if is_awaited else []

    def on_tick(self, now_ms: int) -> list[RecurringEffect]:
        """Begin what is due and end what hangs."""
        effects: list[RecurringEffect] = []
        for run, unwanted in list(self._unwanted.items()):
            deadline = unwanted.deadline
            if deadline.next_step_ms <= now_ms:
                effects += deadline.press(now_ms)
                if deadline.stage is Stage.ABANDONED:
                    del self._unwanted[run]
        for one in list(self._watched.values()):
            if one.deadline is not None and one.deadline.next_step_ms <= now_ms:
                effects += self._press(one, one.deadline, now_ms)
        return effects + self._begin_due(now_ms)

    def next_wakeup_ms(self) -> int | None:
        """Return when on_tick must be called next."""
        watched = self._watched.values()
        limits = [one.deadline.next_step_ms for one in watched if one.deadline is not None]
        limits += [unwanted.deadline.next_step_ms for unwanted in self._unwanted.values()]
        may_begin = self._is_managed and self._script_count() < MONITORS_MAX
        due = [
            one.due_ms
            for one in watched
            if one.due_ms is not None and (may_begin or _is_light(one)) and self._is_managed
        ]
        return min([*limits, *due], default=None)

    def running_count(self) -> int:
        """Return how many monitors run at this moment."""
        watched = sum(one.deadline is not None for one in self._watched.values())
        return watched + len(self._unwanted)

    # --- watches -----------------------------------------------------------------------------

    def _add(self, group: GroupKey, watch: Watch, now_ms: int) -> list[RecurringEffect]:
        one = _Watched(
            id=next(self._ids),
            group=group,
            watch=watch,
            agent=resolve(watch.resource, self._installed),
            begun_ms=now_ms,
            due_ms=now_ms,
            noticed_ms=now_ms,
        )
        self._watched[one.id] = one
        effects: list[RecurringEffect] = []
        if watch.is_heard:
            self.on_held(group, watch.resource)
        if one.agent is not None:
            effects.append(Observe(one.id, one.agent))
        return effects

    def _drop(self, ones: list[_Watched], now_ms: int) -> list[RecurringEffect]:
        effects: list[RecurringEffect] = []
        for one in ones:
            del self._watched[one.id]
            effects.append(Unobserve(one.id))
            if one.deadline is not None:
                effects += self._let_go(one, one.deadline, now_ms)
        return effects

    def _let_go(self, one: _Watched, deadline: Deadline, now_ms: int) -> list[RecurringEffect]:
        """End a monitor whose answer nobody waits for any more."""
        one.deadline = None
        self._unwanted[deadline.run] = _Unwanted(deadline, one.watch.resource)
        return [*deadline.terminate(now_ms)]

    # --- monitors ----------------------------------------------------------------------------

    def _begin_due(self, now_ms: int) -> list[RecurringEffect]:
        """Start the monitors that are due, the one that waits longest first."""
        if not self._is_managed:
            return []
        due = [(o.due_ms, o.id) for o in self._watched.values() if o.due_ms is not None]
        effects: list[RecurringEffect] = []
        for due_ms, number in sorted(due):
            one = self._watched[number]
            if due_ms <= now_ms and (_is_light(one) or self._script_count() < MONITORS_MAX):
                effects += self._begin(one, now_ms)
        return effects

    def _begin(self, one: _Watched, now_ms: int) -> list[RecurringEffect]:
        if one.suspected is not None and one.agent is not None:  # hands are still at work
            one.due_ms = None
            return [LookForHands(one.id, one.agent, is_orderly=True)]
        if self._is_operated(one.watch.resource) or self.is_monitored(one.watch.resource):
            one.due_ms = now_ms + CAUSE_GAP_MS
            return []
        one.agent = resolve(one.watch.resource, self._installed)
        if one.agent is None:  # a package is being replaced, or somebody deleted the script
            self._plan_next(one, now_ms)
            return self._unheard(one, "no script, built-in or unit serves it now", now_ms)
        if not may_be_asked(one.agent, self._installed):
            self._plan_next(one, now_ms)
            return self._unheard(one, "", now_ms, is_never_asked=True)
        run = next(self._runs)
        if one.cause == INTERVAL_CAUSE and one.suspicion is None:
            one.noticed_ms = now_ms
        one.deadline = Deadline(run, now_ms + one.watch.timeout_ms)
        one.due_ms = None
        one.asked_count += 1
        if isinstance(one.agent, AddressAgent):
            return [SetAddress(run=run, action=Action.STATUS, arguments=one.agent.arguments)]
        command = one.agent.command(Action.STATUS)
        return [
            Launch(
                run=run,
                command=command,
                environment=self._base,
                is_read=True,
                is_ended_by_next=True,
            )
        ]

    def _after(self, one: _Watched, ending: Ending, now_ms: int) -> list[RecurringEffect]:
        assert one.agent is not None
        assert one.deadline is not None
        is_in_time, one.deadline = one.deadline.is_in_time, None
        key = (one.group, one.watch.resource.text)
        condition = Condition.UNKNOWN
        if is_in_time:
            found = condition_of(one.agent, ending.exit_code, ending.words)
            condition = self._ended_tasks.recall(one.watch.resource, found, one.noticed_ms)
        if condition in {Condition.HELD, Condition.DONE}:
            one.was_seen, one.is_doubted = True, False
            one.suspicion = None
            self._plan_next(one, now_ms)
            was_unheard, one.is_unheard_told = one.is_unheard_told, False
            is_known = key in self._speaking or condition is Condition.DONE
            if is_known and not was_unheard:
                return []
            if condition is Condition.HELD:
                self.on_held(one.group, one.watch.resource)
            return [MonitorHeard(one.group, one.watch.resource)]
        if condition is Condition.MOVING:
            one.suspicion = one.suspicion or Suspicion(now_ms)
            if one.suspicion.on_moving(now_ms) is Next.LOOK:
                one.due_ms = one.suspicion.again_ms
                return []
        is_doubtful = condition is Condition.UNKNOWN
        if is_doubtful and not one.is_doubted:
            one.is_doubted, one.due_ms = True, now_ms
            return []
        if not one.was_seen and now_ms - one.begun_ms < GRACE_MS:
            one.due_ms = now_ms + GRACE_RETRY_MS
            return []
        if key not in self._speaking and (is_doubtful or isinstance(one.agent, ScriptAgent)):
            self._plan_next(one, now_ms)
            return self._unheard(one, ending.output, now_ms)
        is_certain = is_doubtful or condition is Condition.MOVING or _is_light(one)
        if is_certain or (condition is Condition.DEAD and isinstance(one.agent, SystemdAgent)):
            outcome = Outcome.DONE if is_in_time else Outcome.TIMEOUT
            return self._failed(one, ending, now_ms, outcome)
        # A stop by a service's script leaves what its crash would leave, if nobody saw it die.
        is_unseen = one.was_seen and one.cause == INTERVAL_CAUSE and not one.next_cause
        is_orderly = is_unseen or condition is Condition.STOPPED
        return self._suspect(one, ending, now_ms, is_orderly=is_orderly)

    def _suspect(
        self, one: _Watched, ending: Ending, now_ms: int, *, is_orderly: bool = False
    ) -> list[RecurringEffect]:
        """Find out whether somebody is restarting what does not run."""
        assert one.agent is not None
        one.suspicion = one.suspicion or Suspicion(now_ms)
        one.suspected, one.due_ms = ending, None
        is_orderly = is_orderly or one.suspicion.last_work_ms is not None
        return [LookForHands(one.id, one.agent, is_orderly=is_orderly)]

    def _failed(
        self, one: _Watched, ending: Ending, now_ms: int, outcome: Outcome
    ) -> list[RecurringEffect]:
        """Tell that a resource does not run; what is left of it may be in the way of its start."""
        assert one.agent is not None
        one.is_doubted, one.suspicion = False, None
        if one.next_cause and one.cause == INTERVAL_CAUSE:  # it died while the monitor ran
            one.cause, one.noticed_ms = one.next_cause, one.next_noticed_ms
        failed = MonitorFailed(
            group=one.group,
            resource=one.watch.resource,
            outcome=outcome,
            exit_code=ending.exit_code,
            output=ending.output,
            served_by=one.agent.served_by,
            cause=one.cause,
            is_repaired_alone=isinstance(one.agent, AddressAgent),
            noticed_ms=one.noticed_ms,
            ended_ms=now_ms,
        )
        self._plan_next(one, now_ms)
        return [EndRemains(one.id), failed] if outcome is Outcome.DONE else [failed]

    def _plan_next(self, one: _Watched, now_ms: int) -> None:
        """Set the next monitor: soon if there was cause while it ran, else after the interval."""
        interval_ms = one.watch.interval_ms
        if one.next_cause:
            one.due_ms, one.cause = now_ms + CAUSE_GAP_MS, one.next_cause
            one.noticed_ms, one.next_cause = one.next_noticed_ms, ""
            return
        one.cause = INTERVAL_CAUSE
        if one.asked_count == 1:  # spread over the second half
            interval_ms -= interval_ms * (one.id * _SPREAD_STEP % 1_000) // 2_000
        one.due_ms = now_ms + interval_ms

    def _unheard(
        self, one: _Watched, output: str, now_ms: int, *, is_never_asked: bool = False
    ) -> list[RecurringEffect]:
        if one.is_unheard_told:
            return []
        one.is_unheard_told = True
        return [
            MonitorUnheard(
                group=one.group,
                resource=one.watch.resource,
                output=output,
                served_by=one.agent.served_by if one.agent is not None else "",
                at_ms=now_ms,
                is_never_asked=is_never_asked,
            )
        ]

    def _press(self, one: _Watched, deadline: Deadline, now_ms: int) -> list[RecurringEffect]:
        if deadline.stage is Stage.EXAMINED:
            return self._end(one, deadline, (NOT_EXAMINED,), now_ms)
        effects: list[RecurringEffect] = [*deadline.press(now_ms)]
        if deadline.stage is Stage.ABANDONED:
            left = Ending(exit_code=NOT_STARTED_EXIT, output="left behind: KILL did not end it")
            effects += self._after(one, left, now_ms)
        return effects

    @staticmethod
    def _end(
        one: _Watched, deadline: Deadline, lines: tuple[str, ...], now_ms: int
    ) -> list[RecurringEffect]:
        """Tell how it hangs, then end it."""
        hung = OperationHung(
            group=one.group,
            resource=one.watch.resource,
            action=Action.STATUS,
            served_by=one.agent.served_by if one.agent is not None else "",
            limit_ms=one.watch.timeout_ms,
            is_monitor=True,
            lines=lines,
            at_ms=now_ms,
        )
        return [hung, *deadline.terminate(now_ms)]

    def _by_run(self, run: int) -> _Watched | None:
        for one in self._watched.values():
            if one.deadline is not None and one.deadline.run == run:
                return one
        return None

    def _script_count(self) -> int:
        running = (one for one in self._watched.values() if one.deadline is not None)
        return sum(not _is_light(one) for one in running)


def _is_light(one: _Watched) -> bool:
    return isinstance(one.agent, AddressAgent)
