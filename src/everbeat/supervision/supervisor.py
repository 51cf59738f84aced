"""The keeper's decisions: starts in order, restarts what dies, stops in the other order.

    WAITING --those before it up--> STARTING --R--> UP --stop--> STOPPING --exit--> ENDED
       ^                               |            |                |
       '------exit, or killed for a missed lease----'----crash-------'

    deaths within a minute:  1..5 restart at once,  6..10 pause 1 2 4 8 16 s,  11 stop everything
    before the node was ever ready:  3 stop everything;  exit status 6: stop everything at once

Stopping takes core first: it gives up all resources, however long that takes. While it does, link
and executor are still restarted. A core that ends by itself with status 0 has given everything up
and ends the node. A core that crashes while it stops is started again to go on with that.

Invariant: Finish is ordered once, when no child runs. The watchdog is fed only while link and core
renew their leases, or were lately restarted for not doing so; and not while link says that
resources run here although the right to hold them is lost and the time to stop them is over.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from everbeat.model.reports import Severity
from everbeat.supervision.plan import (
    EXIT_FAILED,
    EXIT_HANDED_OVER,
    EXIT_NOT_CONFIGURED,
    Child,
    ChildChanged,
    ChildSignal,
    ChildState,
    FeedWatchdog,
    Finish,
    Limits,
    NodeReady,
    Noted,
    SignalChild,
    StartChild,
    SupervisionEffect,
)

DEATHS_WINDOW_MS: Final = 60_000
DEATHS_AT_ONCE_MAX: Final = 5
DEATHS_MAX: Final = 10
DEATHS_BEFORE_READY_MAX: Final = 2
PAUSE_MS_FIRST: Final = 1_000
PROGRESS_MS: Final = 10_000
"""How often a long stop says that it still goes on."""

LATE_MS: Final = 200
"""Ticks later than this: the machine held us up, so it held up the children; leases wait."""

RENEWAL_MS: Final = 250
"""What a child that stood still with us needs to say that it is there."""

_WATCHED: Final = (Child.LINK, Child.CORE)


@dataclass(slots=True)
class _Life:
    """What is known of one child."""

    state: ChildState = ChildState.WAITING
    since_ms: int = 0
    renewed_ms: int = 0
    not_before_ms: int = 0
    was_started: bool = False
    is_killed: bool = False
    is_overdue: bool = False
    deaths_ms: list[int] = field(default_factory=list)


class Supervisor:
    """State machine over the children. One instance, owned by the keeper."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._lives = {child: _Life() for child in Child}
        self._is_ready = False
        self._is_stopping = False
        self._is_finished = False
        self._exit_code = 0
        self._is_clean = True
        self._asked_ms = 0
        self._feed_at_ms = 0
        self._progress_at_ms = 0
        self._due_ms: int | None = None

    def state(self, child: Child) -> ChildState:
        """Return where a child stands."""
        return self._lives[child].state

    def on_start(self, now_ms: int) -> list[SupervisionEffect]:
        """Begin: start the first child."""
        return self._go_on(now_ms)

    def on_limits(self, limits: Limits) -> None:
        """Use other limits from now on: the configured deadtime is known."""
        self.limits = limits

    def on_ready(self, child: Child, now_ms: int) -> list[SupervisionEffect]:
        """Take a child's word that it works."""
        life = self._lives[child]
        life.renewed_ms = now_ms
        if life.state is not ChildState.STARTING:
            return []
        effects = self._enter(child, ChildState.UP, now_ms)
        if not self._is_ready and all(x.state is ChildState.UP for x in self._lives.values()):
            self._is_ready = True
            effects.append(NodeReady(now_ms))
        return effects + self._go_on(now_ms)

    def on_renewed(self, child: Child, now_ms: int, *, is_overdue: bool = False) -> None:
        """Take a sign of life; `is_overdue`: resources run here that others may take by now."""
        self._lives[child].renewed_ms = now_ms
        self._lives[child].is_overdue = is_overdue

    def on_exited(self, child: Child, exit_code: int, now_ms: int) -> list[SupervisionEffect]:
        """Take a child's end; a negative exit code is the signal that ended it."""
        life = self._lives[child]
        was_killed, life.is_killed = life.is_killed, False
        if life.state is ChildState.STOPPING and (exit_code == 0 or child is not Child.CORE):
            return self._enter(child, ChildState.ENDED, now_ms) + self._go_on(now_ms)
        if child is Child.CORE and exit_code == 0:
            effects = self._enter(child, ChildState.ENDED, now_ms)
            effects.append(Noted(Severity.INFO, "core has given up everything; this node stops"))
            return effects + self._stop(0, now_ms)
        if child is Child.LINK and exit_code == EXIT_HANDED_OVER:
            effects = self._enter(child, ChildState.WAITING, now_ms)
            effects.append(Noted(Severity.INFO, "link goes on with another configuration"))
            return effects + self._go_on(now_ms)
        how = "ended with status" if exit_code >= 0 else "was ended by signal"
        why = " for its missed lease" if was_killed else ""
        text = f"{child.value} {how} {abs(exit_code)}{why}"
        effects = [Noted(Severity.ERROR, text), *self._enter(child, ChildState.WAITING, now_ms)]
        return effects + self._on_death(child, exit_code, now_ms)

    def on_stop(self, now_ms: int) -> list[SupervisionEffect]:
        """Stop in order: core, executor, link. A second request changes nothing."""
        if self._is_stopping:
            return [Noted(Severity.INFO, "already stopping")]
        return self._stop(0, now_ms)

    def on_reload(self) -> list[SupervisionEffect]:
        """Have core read the configuration again; it tells the others."""
        if self.state(Child.CORE) is not ChildState.UP:
            return [Noted(Severity.WARNING, "core is not up: it reads the files when it starts")]
        return [SignalChild(Child.CORE, ChildSignal.HUP)]

    def on_tick(self, now_ms: int) -> list[SupervisionEffect]:
        """Let time pass: leases, pauses, limits of starts and stops, the watchdog."""
        if self._due_ms is not None and now_ms - self._due_ms > LATE_MS:
            self._excuse(now_ms - self._due_ms, now_ms)
        effects: list[SupervisionEffect] = []
        for child, life in self._lives.items():
            effects += self._judge(child, life, now_ms)
        effects += self._go_on(now_ms) + self._report_progress(now_ms)
        if now_ms >= self._feed_at_ms:
            self._feed_at_ms = now_ms + self.limits.feed_ms
            if self._is_ready and self._is_trustworthy(now_ms):
                effects.append(FeedWatchdog())
        return effects

    def _excuse(self, late_ms: int, now_ms: int) -> None:
        """Count no time in which we stood still; the children, who did too, may need a moment."""
        for child, life in self._lives.items():
            latest_ms = now_ms + RENEWAL_MS - self.limits.lease_ms(child)
            life.renewed_ms = max(life.renewed_ms + late_ms, latest_ms)

    def next_wakeup_ms(self) -> int | None:
        """Return when on_tick is wanted next; None after Finish."""
        if self._is_finished:
            self._due_ms = None
            return None
        times = [self._feed_at_ms]
        for child, life in self._lives.items():
            limit_ms = self._overdue_ms(child, life)
            if limit_ms is not None and not life.is_killed:
                times.append(limit_ms + 1)
        times += [self._lives[child].not_before_ms for child in self._next_to_start()]
        self._due_ms = min(times)
        return self._due_ms

    def _judge(self, child: Child, life: _Life, now_ms: int) -> list[SupervisionEffect]:
        """Kill a child that is overdue: with its lease, its start or its stop."""
        limit_ms = self._overdue_ms(child, life)
        if life.is_killed or limit_ms is None or now_ms <= limit_ms:
            return []
        life.is_killed = True
        what = {
            ChildState.STARTING: "is not ready after",
            ChildState.STOPPING: "has not ended after",
        }.get(life.state, "gave no sign of life for")
        since_ms = life.renewed_ms if life.state is ChildState.UP else life.since_ms
        text = f"{child.value} {what} {now_ms - since_ms} ms: killed"
        return [Noted(Severity.ERROR, text), SignalChild(child, ChildSignal.KILL)]

    def _next_to_start(self) -> list[Child]:
        """Return the child that waits for nothing but the end of its pause, if there is one."""
        for child, life in self._lives.items():
            if life.state is ChildState.WAITING:
                return [child] if life.not_before_ms else []
            if life.state not in (ChildState.UP, ChildState.ENDED):
                break
        return []

    def _overdue_ms(self, child: Child, life: _Life) -> int | None:
        match life.state:
            case ChildState.STARTING:
                return life.since_ms + self.limits.start_ms
            case ChildState.UP:
                return life.renewed_ms + self.limits.lease_ms(child)
            case ChildState.STOPPING:
                limit_ms = self.limits.stop_ms(child)
                if limit_ms is None:  # core may take its time, but not hang
                    return life.renewed_ms + self.limits.lease_ms(child)
                return life.since_ms + limit_ms
            case ChildState.WAITING | ChildState.ENDED:
                return None

    def _on_death(self, child: Child, exit_code: int, now_ms: int) -> list[SupervisionEffect]:
        life = self._lives[child]
        life.deaths_ms = [at for at in life.deaths_ms if now_ms - at < DEATHS_WINDOW_MS]
        life.deaths_ms.append(now_ms)
        deaths = len(life.deaths_ms)
        if exit_code == EXIT_NOT_CONFIGURED:
            return self._give_up(child, "its configuration is wrong", exit_code, now_ms)
        if not self._is_ready and deaths > DEATHS_BEFORE_READY_MAX:
            return self._give_up(child, "it does not start", EXIT_FAILED, now_ms)
        if deaths > DEATHS_MAX:
            return self._give_up(child, f"it died {deaths} times", EXIT_FAILED, now_ms)
        effects: list[SupervisionEffect] = []
        if deaths > DEATHS_AT_ONCE_MAX:
            pause_ms = PAUSE_MS_FIRST << (deaths - DEATHS_AT_ONCE_MAX - 1)
            life.not_before_ms = now_ms + pause_ms
            text = f"{child.value} died {deaths} times in a minute: next start in {pause_ms} ms"
            effects.append(Noted(Severity.ERROR, text))
        return effects + self._go_on(now_ms)

    def _give_up(
        self, child: Child, why: str, exit_code: int, now_ms: int
    ) -> list[SupervisionEffect]:
        text = f"{child.value} cannot be kept running: {why}; this node stops"
        effects = [Noted(Severity.ERROR, text), *self._enter(child, ChildState.ENDED, now_ms)]
        if child is Child.CORE and self._is_ready:
            self._is_clean = False  # resources may still be here: the watchdog decides
        self._exit_code = self._exit_code or exit_code
        return effects + self._stop(exit_code, now_ms)

    def _stop(self, exit_code: int, now_ms: int) -> list[SupervisionEffect]:
        self._exit_code = self._exit_code or exit_code
        if not self._is_stopping:
            self._is_stopping = True
            self._asked_ms = now_ms
            self._progress_at_ms = now_ms + PROGRESS_MS
        return self._go_on(now_ms)

    def _go_on(self, now_ms: int) -> list[SupervisionEffect]:
        """Do what the states allow next: starts upwards, stops downwards."""
        effects = self._stop_next(now_ms) if self._is_stopping else []
        for child, life in self._lives.items():
            if life.state is ChildState.UP:
                continue
            if life.state is ChildState.WAITING and now_ms >= life.not_before_ms:
                life.not_before_ms = 0
                life.renewed_ms = now_ms if not life.was_started else life.renewed_ms
                effects.append(StartChild(child, life.was_started))
                life.was_started = True
                effects += self._enter(child, ChildState.STARTING, now_ms)
            if life.state is not ChildState.ENDED:
                break  # those behind it wait for it
        return effects

    def _stop_next(self, now_ms: int) -> list[SupervisionEffect]:
        for child in reversed(Child):
            life = self._lives[child]
            match life.state:
                case ChildState.ENDED:
                    continue
                case ChildState.WAITING if child is Child.CORE and life.was_started:
                    return []  # it crashed holding resources: the next one is to stop them
                case ChildState.WAITING:
                    effects = self._enter(child, ChildState.ENDED, now_ms)
                    return effects + self._stop_next(now_ms)
                case ChildState.STARTING if child is Child.CORE and self._is_ready:
                    return []  # it adopts first, then stops
                case ChildState.STARTING | ChildState.UP:
                    life.renewed_ms = now_ms
                    term = SignalChild(child, ChildSignal.TERM)
                    return [term, *self._enter(child, ChildState.STOPPING, now_ms)]
                case ChildState.STOPPING:
                    return []
        if self._is_finished:
            return []
        self._is_finished = True
        return [Finish(self._exit_code, self._is_clean)]

    def _report_progress(self, now_ms: int) -> list[SupervisionEffect]:
        if not self._is_stopping or self._is_finished or now_ms < self._progress_at_ms:
            return []
        self._progress_at_ms = now_ms + PROGRESS_MS
        waiting = [c.value for c in Child if self.state(c) is not ChildState.ENDED]
        seconds = (now_ms - self._asked_ms) // 1000
        return [Noted(Severity.INFO, f"stopping for {seconds} s, waiting for {waiting[-1]}")]

    def _is_trustworthy(self, now_ms: int) -> bool:
        if any(life.is_overdue for life in self._lives.values()):
            return False
        return all(
            now_ms - life.renewed_ms <= self.limits.lease_ms(child) + self.limits.recovery_ms
            for child in _WATCHED
            if (life := self._lives[child]).state is not ChildState.ENDED
        )

    def _enter(self, child: Child, state: ChildState, now_ms: int) -> list[SupervisionEffect]:
        life = self._lives[child]
        life.state, life.since_ms = state, now_ms
        return [ChildChanged(child, state, now_ms)]
