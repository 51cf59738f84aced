"""Runs the groups of this node: brings each to what is wanted, one operation at a time.

                     wanted                          last resource held
    STOPPED/FAILED ---------> STARTING(status,start …) ----------------> STARTED
          ^                      | start failed, or no longer wanted        | not wanted
          |                      v                                          v
          '---- all stopped --- STOPPING(stop …) <--------------------------'
                                 | a stop fails 11 times and status still says held
                                 v
                               STUCK --every STUCK_RETRY_MS--> STOPPING

    STARTED --recover--> STOPPING down to what failed --> STARTING from there --> STARTED
    STARTED --changed--> STOPPING what left the group --> STARTING what is new --> STARTED

Resources start left to right, each asked for its status first, and stop right to left, all of
them, held or not. A failed start stops the whole group again (FAILED). A failed stop is tried
1 + STOP_RETRIES times; if status then says that it is not held, we go on. What still runs is
STUCK: it stays ours and the whole stop is tried again, for nobody else may take it meanwhile, and
what a stop has called stopped long ago may run again. A resource that was found dead is restarted
in place with all that stand after it; what is known to be stopped is started without a question.
A group whose resources change while it moves comes to rest as it was first. What is in both lists
is not touched; a group that is removed is stopped whole.

Groups of one owner start one after the other in the order of their lines, and stop in the other
order: a line may lean on what a line above it has mounted. One that fails holds up no other. Not
waited for: groups of other owners; by groups of addresses alone, who lean on nothing: anybody;
and where all must be gone soon (`is_hurried`) nobody waits. Two operations never run the same
script at once: scripts such as IPaddr choose free interface labels and were never written for
company.

Source: measured on Heartbeat 3.0.6 (ResourceManager); it runs `reboot -nf` where we say STUCK, and
stops groups in the order of their lines.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from everbeat.haresources.effects import GroupMoved, ResourceActed
from everbeat.haresources.group_run import ACTION_OF, SETTLED, GroupRun, Restart, Step
from everbeat.model.groups import GroupState
from everbeat.model.operations import Action, Outcome, RunOperation

if TYPE_CHECKING:
    from collections.abc import Iterable

    from everbeat.haresources.effects import RunnerEffect
    from everbeat.model.cluster import ActionTimes, Monitoring
    from everbeat.model.groups import ResourceGroup, ResourceSpec
    from everbeat.model.names import GroupKey
    from everbeat.model.operations import MonitorFailed, OperationDone

STOP_RETRIES: Final = 10  # Heartbeat's HA_STOPRETRYMAX
STOP_RETRY_MS: Final = 1_000
STUCK_RETRY_MS: Final = 30_000


class GroupRunner:
    """All groups of haresources on this node. Owned by the manager.

    `first_operation_id` differs from life to life, so that answers to an earlier one are known.
    """

    def __init__(
        self, groups: Iterable[ResourceGroup], monitoring: Monitoring, first_operation_id: int = 1
    ) -> None:
        self._runs = {group.key: GroupRun(group) for group in groups}
        self._monitoring = monitoring
        self._operation_id = first_operation_id - 1

    def acquire(self, keys: Iterable[GroupKey], why: str, now_ms: int) -> list[RunnerEffect]:
        """Want these groups here."""
        for key in keys:
            run = self._runs[key]
            if not run.is_wanted or run.state is GroupState.FAILED:
                run.is_wanted, run.has_failed, run.why = True, False, why
                run.is_hurried = False
                _end_probe(run)
        return self._pump(now_ms)

    def release(
        self, keys: Iterable[GroupKey], why: str, now_ms: int, *, is_hurried: bool = False
    ) -> list[RunnerEffect]:
        """Want these groups gone; every resource is stopped even where nothing is held.

        A failed group has just been stopped whole. `is_hurried`: side by side.
        """
        effects: list[RunnerEffect] = []
        for key in keys:
            run = self._runs[key]
            run.is_hurried = is_hurried
            run.is_wanted, run.has_failed, run.why = False, False, why
            _end_probe(run)
            if run.restart is not None:
                run.waits_until_ms = None  # nothing is restarted any more
            if run.state is GroupState.STOPPED and run.operation is None and not run.is_removed:
                effects += self._enter(run, GroupState.STARTED, now_ms, why)  # it may be
        return effects + self._pump(now_ms)

    def use(
        self, groups: Iterable[ResourceGroup], monitoring: Monitoring, now_ms: int
    ) -> list[RunnerEffect]:
        """Have these groups from now on. Nothing happens to what is in both lists."""
        self._monitoring = monitoring
        former, self._runs = self._runs, {}
        for group in groups:
            run = former.pop(group.key, None) or GroupRun(group)
            run.is_removed = False
            if run.group.resources == group.resources:
                is_half_changed = run.is_changing and run.next_group is not None
                run.group, run.next_group = group, group if is_half_changed else None
            else:
                run.next_group = group
            self._runs[group.key] = run
        for key, run in former.items():
            self._runs[key] = run
            run.is_removed = True
        return self.release(list(former), "it was removed from haresources", now_ms)

    def recover(
        self, failed: MonitorFailed, why: str, now_ms: int, pause_ms: int = 0
    ) -> list[RunnerEffect]:
        """Restart a resource of a started group, and what stands after it, after a pause.

        What its status calls stopped is started without a stop; only if that fails it is stopped
        and started once more. What is repaired alone touches nothing else.
        """
        run, word = self._runs[failed.group], failed.resource.text
        words = [resource.text for resource in run.group.resources]
        if run.state is not GroupState.STARTED or not run.is_wanted or word not in words:
            return []
        first = words.index(word)
        is_stopped = failed.outcome is Outcome.DONE
        run.restart = Restart(first, first + is_stopped, failed.is_repaired_alone)
        run.why = why
        if word in run.running:
            run.running.remove(word)
        if pause_ms:
            run.waits_until_ms = now_ms + pause_ms
        if run.restart.is_alone:
            return self._start_again(run, run.restart, now_ms) + self._pump(now_ms)
        return self._begin_stop(run, now_ms) + self._pump(now_ms)

    def lose(self, key: GroupKey, word: str) -> bool:
        """Note that a resource of a group on its way has died; say whether it was taken to run."""
        run = self._runs[key]
        if word not in run.running:
            return False  # stopped, or about to be started
        run.running.remove(word)
        return True

    def fail(self, key: GroupKey, why: str, now_ms: int) -> list[RunnerEffect]:
        """Stop a started group as one whose start failed: it is still claimed."""
        run = self._runs[key]
        if run.state is not GroupState.STARTED or not run.is_wanted:
            return []
        run.has_failed, run.why = True, why
        return self._begin_stop(run, now_ms) + self._pump(now_ms)

    def adopt(self, now_ms: int, known: frozenset[GroupKey] = frozenset()) -> list[RunnerEffect]:
        """Ask every resource whether it is held: after a restart of this process.

        `known`: held here, and not to be asked; somebody works on them.
        """
        effects: list[RunnerEffect] = []
        for key, run in self._runs.items():
            if key in known:
                run.is_wanted = True
                run.running = [resource.text for resource in run.group.resources]
                effects += self._enter(run, GroupState.STARTED, now_ms, "found paused")
            elif run.group.resources:
                run.step, run.position = Step.PROBE, 0
                run.held_count = run.untold_count = 0
                why = "looking for what already runs"
                effects += self._enter(run, GroupState.STARTING, now_ms, why)
        return effects + self._pump(now_ms)

    def on_done(self, done: OperationDone, now_ms: int) -> list[RunnerEffect]:
        """Take the result of one operation."""
        run = self._runs.get(done.group)
        if run is None or run.operation is None or run.operation.id != done.id:
            return []  # an answer to a question of an earlier life
        run.operation = None
        effects: list[RunnerEffect] = [ResourceActed(done)]
        if done.outcome is not Outcome.LOST:  # a lost one is simply asked again
            effects += self._after(run, done, now_ms)
        return effects + self._pump(now_ms)

    def on_executor_lost(self, now_ms: int) -> list[RunnerEffect]:
        """Ask again what was under way: the executor that ran it is gone."""
        for run in self._runs.values():
            if run.operation is not None:
                run.operation = None
                if run.step is Step.START:
                    run.step = Step.STATUS
        return self._pump(now_ms)

    def on_tick(self, now_ms: int) -> list[RunnerEffect]:
        """Let time pass."""
        return self._pump(now_ms)

    def next_wakeup_ms(self) -> int | None:
        """Return when a retry is due, or None."""
        waits = [r.waits_until_ms for r in self._runs.values() if r.waits_until_ms is not None]
        return min(waits, default=None)

    def state(self, key: GroupKey) -> GroupState:
        """Return a group's state here; one that is not known is stopped."""
        run = self._runs.get(key)
        return GroupState.STOPPED if run is None else run.state

    def wanted(self) -> frozenset[GroupKey]:
        """Return the groups that are wanted here: what we claim."""
        return frozenset(key for key, run in self._runs.items() if run.is_wanted)

    def touched(self) -> frozenset[GroupKey]:
        """Return the groups of which something may run here."""
        quiet = {GroupState.STOPPED, GroupState.FAILED}
        return frozenset(key for key, run in self._runs.items() if run.state not in quiet)

    def moving(self) -> frozenset[GroupKey]:
        """Return the groups that are not where they are wanted yet."""
        return frozenset(
            key for key, run in self._runs.items() if run.state not in SETTLED or run.is_waiting
        )

    def failed(self) -> tuple[GroupKey, ...]:
        """Return the wanted groups whose start failed."""
        return tuple(k for k, r in self._runs.items() if r.state is GroupState.FAILED)

    def resources(self, keys: frozenset[GroupKey]) -> tuple[ResourceSpec, ...]:
        """Return the resources of these groups in file order."""
        wanted = (run.group for key, run in self._runs.items() if key in keys)
        return tuple(resource for group in wanted for resource in group.resources)

    def removed(self) -> tuple[ResourceGroup, ...]:
        """Return the groups that are in haresources no more and have not been stopped yet."""
        return tuple(run.group for run in self._runs.values() if run.is_removed)

    def since_ms(self, key: GroupKey) -> int:
        """Return when a group took its present state."""
        return self._runs[key].since_ms

    def why(self, key: GroupKey) -> str:
        """Return the cause of a group's last change, and that it waits for others."""
        run = self._runs[key]
        if not (run.is_waiting and self._waits(run)):
            return run.why
        place = "above" if run.is_wanted else "below"
        return f"{run.why}; waits for {run.group.owner}'s lines {place} it"

    def running(self, key: GroupKey) -> tuple[str, ...]:
        """Return the resource words known to run here, left to right."""
        run = self._runs[key]
        return tuple(r.text for r in run.group.resources if r.text in run.running)

    def _after(self, run: GroupRun, done: OperationDone, now_ms: int) -> list[RunnerEffect]:
        match run.step:
            case Step.PROBE:
                return self._after_probe(run, done, now_ms)
            case Step.STATUS if not run.is_wanted:
                return []
            case Step.STATUS:
                if done.is_held:
                    self._mark_held(run)
                else:
                    run.step = Step.START
                return []
            case Step.START if done.is_success:
                self._mark_held(run)
                return []
            case Step.START if _may_be_stopped_first(run):
                return self._stop_first(run, now_ms)
            case Step.START:
                if run.is_wanted:  # else it is stopped anyway, as one that was never wanted
                    run.has_failed, run.why = True, f"start of {run.resource.text} failed"
                return []
            case Step.STOP:
                self._after_stop(run, done, now_ms)
                return []
            case Step.CHECK:
                return self._after_check(run, done, now_ms)
            case None:
                return []

    def _after_probe(self, run: GroupRun, done: OperationDone, now_ms: int) -> list[RunnerEffect]:
        if done.is_held:
            run.held_count += 1
            run.running.append(run.resource.text)
        is_answered = done.outcome is Outcome.DONE
        run.untold_count += is_answered and done.is_held is None
        run.position += 1
        if run.position < len(run.group.resources):
            return []
        if run.held_count == len(run.group.resources):
            run.is_wanted = True
            return self._enter(run, GroupState.STARTED, now_ms, "found running")
        if run.held_count and run.held_count + run.untold_count == len(run.group.resources):
            run.is_wanted = True  # what can be seen runs: start again what cannot
            run.position, run.step = 0, Step.STATUS
            return self._enter(run, GroupState.STARTING, now_ms, "found running")
        # Half a group is nobody's, and a status may be wrong: be sure that it is stopped.
        return self._enter(run, GroupState.STARTED, now_ms, "not found running whole")

    @staticmethod
    def _mark_held(run: GroupRun) -> None:
        if run.resource.text not in run.running:
            run.running.append(run.resource.text)
        is_alone = run.restart is not None and run.restart.is_alone
        run.position = len(run.group.resources) if is_alone else run.position + 1
        run.step = Step.STATUS if run.restart is None else Step.START

    @staticmethod
    def _after_stop(run: GroupRun, done: OperationDone, now_ms: int) -> None:
        if done.is_success or done.outcome is Outcome.NOT_FOUND:
            GroupRunner._mark_stopped(run)
        elif run.tries < STOP_RETRIES:
            run.tries += 1
            run.waits_until_ms = now_ms + STOP_RETRY_MS
        else:
            run.step = Step.CHECK

    @staticmethod
    def _mark_stopped(run: GroupRun) -> None:
        if run.resource.text in run.running:
            run.running.remove(run.resource.text)
        run.position -= 1
        run.tries = 0
        run.step = Step.STOP

    def _after_check(self, run: GroupRun, done: OperationDone, now_ms: int) -> list[RunnerEffect]:
        if done.is_held or done.outcome is Outcome.TIMEOUT:  # unknown means: it may still run
            run.waits_until_ms = now_ms + STUCK_RETRY_MS
            run.step, run.tries = Step.STOP, 0
            return self._enter(
                run, GroupState.STUCK, now_ms, f"{run.resource.text} cannot be stopped"
            )
        self._mark_stopped(run)
        return []

    def _pump(self, now_ms: int) -> list[RunnerEffect]:
        """Start what can be started: level-triggered, in file order.

        Once more as long as a group has come to rest, for which others may have waited.
        """
        effects: list[RunnerEffect] = []
        for _ in range(len(self._runs) + 1):
            begun = self._pump_once(now_ms)
            effects += begun
            if not any(isinstance(e, GroupMoved) and e.new in SETTLED for e in begun):
                break
        self._runs = {k: r for k, r in self._runs.items() if not (r.is_removed and r.is_at_rest)}
        return effects

    def _pump_once(self, now_ms: int) -> list[RunnerEffect]:
        effects: list[RunnerEffect] = []
        busy = {
            run.operation.resource.script
            for run in self._runs.values()
            if run.operation is not None
        }
        for run in self._runs.values():
            if run.operation is not None:
                continue
            if run.waits_until_ms is not None:
                if now_ms < run.waits_until_ms:
                    continue
                run.waits_until_ms = None
            effects += self._turn(run, now_ms)
            if run.step is not None and run.resource.script not in busy:
                busy.add(run.resource.script)
                effects.append(self._run(run))
        return effects

    def _waits(self, run: GroupRun) -> bool:
        """Whether groups of the same owner go first: above it to start, below it to stop."""
        if run.is_wanted and run.is_of_addresses:
            return False
        neighbours = [r for r in self._runs.values() if r.group.owner == run.group.owner]
        place = next(n for n, other in enumerate(neighbours) if other is run)
        if run.is_wanted:
            return any(r.is_wanted and not r.is_there for r in neighbours[:place])
        return not run.is_hurried and any(r.is_leaving for r in neighbours[place + 1 :])

    def _turn(self, run: GroupRun, now_ms: int) -> list[RunnerEffect]:
        """Bring state and step in line with what is wanted, until an operation is needed."""
        effects: list[RunnerEffect] = []
        for _ in range(4):  # STARTED -> STOPPING -> STOPPED -> STARTING is the longest way
            before = run.state, run.step
            effects += self._turn_once(run, now_ms)
            if (run.state, run.step) == before:
                break
        return effects

    def _turn_once(self, run: GroupRun, now_ms: int) -> list[RunnerEffect]:
        if run.next_group is not None and run.is_at_rest:
            run.group, run.next_group = run.next_group, None
            if run.has_failed:
                run.has_failed, run.why = False, "haresources has changed"
        match run.state:
            case _ if run.is_waiting and self._waits(run):
                return []
            case GroupState.STARTED if run.is_wanted and run.next_group is not None:
                return self._begin_change(run, now_ms)
            case GroupState.STOPPING if run.is_changing:
                return self._go_on_changing(run, now_ms)
            case GroupState.STOPPED if run.is_wanted:
                run.position, run.step = 0, Step.STATUS
                return self._enter(run, GroupState.STARTING, now_ms, run.why)
            case GroupState.FAILED if run.is_wanted and not run.has_failed:
                run.position, run.step = 0, Step.STATUS
                return self._enter(run, GroupState.STARTING, now_ms, run.why)
            case GroupState.FAILED if not run.is_wanted:
                return self._enter(run, GroupState.STOPPED, now_ms, run.why)
            case GroupState.STARTED if not run.is_wanted:
                return self._begin_stop(run, now_ms)
            case GroupState.STARTING if run.step is not Step.PROBE:
                if run.has_failed or not run.is_wanted:
                    run.restart = None
                    run.is_changing = False
                    return self._begin_stop(run, now_ms)
                if run.is_changing:
                    _skip_running(run)
                if run.position == len(run.group.resources):
                    run.step = None
                    return self._enter(run, GroupState.STARTED, now_ms, run.why)
            case GroupState.STOPPING if run.restart is not None:
                if run.has_failed or not run.is_wanted:
                    run.restart = None  # on down to the first one
                elif run.position < run.restart.stops_from:
                    return self._start_again(run, run.restart, now_ms)
            case GroupState.STOPPING if run.position < 0:
                run.step, run.position = None, 0
                run.running.clear()
                ended = GroupState.FAILED if run.has_failed else GroupState.STOPPED
                return self._enter(run, ended, now_ms, run.why)
            case GroupState.STUCK:
                return self._begin_stop(run, now_ms)
            case _:
                pass
        return []

    def _start_again(self, run: GroupRun, restart: Restart, now_ms: int) -> list[RunnerEffect]:
        run.position, run.step = restart.first, Step.START
        return self._enter(run, GroupState.STARTING, now_ms, run.why)

    def _stop_first(self, run: GroupRun, now_ms: int) -> list[RunnerEffect]:
        """Its status called it stopped, yet it does not start: stop it before the next try."""
        assert run.restart is not None
        run.restart.stops_from = run.restart.first
        run.step, run.tries = Step.STOP, 0
        return self._enter(run, GroupState.STOPPING, now_ms, run.why)

    def _begin_change(self, run: GroupRun, now_ms: int) -> list[RunnerEffect]:
        run.is_changing = True
        run.position, run.step, run.tries = len(run.group.resources) - 1, Step.STOP, 0
        return self._enter(run, GroupState.STOPPING, now_ms, "haresources has changed")

    def _go_on_changing(self, run: GroupRun, now_ms: int) -> list[RunnerEffect]:
        """Stop what is not in the next list, right to left; then start what is new in it."""
        if run.has_failed or not run.is_wanted:
            run.is_changing = False
            return self._begin_stop(run, now_ms)
        assert run.next_group is not None
        going = run.last_to_go  # asked each time: the next list may have become another one
        if going != run.position:
            run.position, run.step, run.tries = going, Step.STOP, 0
        if going >= 0:
            return []
        run.group, run.next_group = run.next_group, None
        run.position, run.step = 0, Step.STATUS
        effects = self._enter(run, GroupState.STARTING, now_ms, run.why)
        _skip_running(run)
        return effects

    def _begin_stop(self, run: GroupRun, now_ms: int) -> list[RunnerEffect]:
        run.position, run.step, run.tries = len(run.group.resources) - 1, Step.STOP, 0
        return self._enter(run, GroupState.STOPPING, now_ms, run.why)

    @staticmethod
    def _enter(run: GroupRun, state: GroupState, now_ms: int, why: str) -> list[RunnerEffect]:
        old, run.state, run.since_ms, run.why = run.state, state, now_ms, why
        if state in {GroupState.STOPPED, GroupState.STARTED, GroupState.FAILED}:
            run.step = run.restart = None
            run.is_changing = False
        return [GroupMoved(key=run.group.key, old=old, new=state, why=why, at_ms=now_ms)]

    def _run(self, run: GroupRun) -> RunOperation:
        assert run.step is not None
        action = ACTION_OF[run.step]
        self._operation_id += 1
        run.operation = RunOperation(
            id=self._operation_id,
            group=run.group.key,
            resource=run.resource,
            action=action,
            timeout_ms=_limit_ms(self._monitoring.times(run.resource), action),
            is_counted=not _may_be_stopped_first(run),
        )
        return run.operation


def _skip_running(run: GroupRun) -> None:
    """Go on to the first resource that is not known to run."""
    resources = run.group.resources
    while run.position < len(resources) and resources[run.position].text in run.running:
        run.position += 1


def _end_probe(run: GroupRun) -> None:
    """Somebody has decided: what probing would find does not matter any more."""
    if run.step is Step.PROBE:
        run.step, run.position = Step.STATUS, 0


def _may_be_stopped_first(run: GroupRun) -> bool:
    """Whether what is started was not stopped before, because its status called it stopped."""
    restart = run.restart
    return (
        restart is not None and run.is_wanted and restart.first == run.position < restart.stops_from
    )


def _limit_ms(times: ActionTimes, action: Action) -> int:
    match action:
        case Action.START:
            return times.start_ms
        case Action.STOP:
            return times.stop_ms
        case Action.STATUS:
            return times.monitor_ms
