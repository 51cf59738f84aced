"""The executor's cores put together: orders in, effects out, endings routed to their owner.

manager ── on_manager / on_order ─►  operations · recurring · respawn · hooks  ─► effects
                                            │ answers, failed monitors
                                     failures (counts) · outbox ─► Publish
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Protocol

from everbeat.agents.environment import client_environment, script_environment
from everbeat.agents.resolve import Installed
from everbeat.executor.effects import AnnounceAddress
from everbeat.executor.failures import FailCounts
from everbeat.executor.fencing_runs import FencingRuns
from everbeat.executor.hooks import Hooks, HookScripts
from everbeat.executor.operations import Answer, Operations
from everbeat.executor.outbox import Outbox
from everbeat.executor.recurring import Recurring
from everbeat.executor.respawn import Respawn
from everbeat.model.failures import Failures
from everbeat.model.fencing import FencingDone, RunFencing
from everbeat.model.neighbours import (
    AddressAnnounced,
    AddressesProbed,
    ProbeAddresses,
    RepeatAnnouncement,
)
from everbeat.model.operations import (
    Action,
    AnnounceAddresses,
    ClientEnded,
    ClientsStopped,
    ForgetFailures,
    InterfaceChanged,
    MonitorFailed,
    MonitorHeard,
    MonitorUnheard,
    OperationDone,
    OperationHung,
    Outcome,
    RunHook,
    RunOperation,
    StartAgain,
    StartClients,
    WatchResources,
)
from everbeat.model.service_address import ADDRESS_NAMES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from everbeat.agents.environment import Places
    from everbeat.executor.effects import Ending, ExecutorEffect
    from everbeat.model.cluster import HaConfig
    from everbeat.model.groups import ResourceSpec
    from everbeat.model.operations import ExecutorFact, ExecutorOrder


class InstalledScripts(Installed, HookScripts, Protocol):
    """Agents and hooks installed on this machine."""


class ExecutorNode:
    """One node's executor. Every SetAddress and Launch must be answered by on_ended."""

    def __init__(self, config: HaConfig, places: Places, installed: InstalledScripts) -> None:
        runs = count(1)
        base = script_environment(config, places)
        self._installed = installed
        self._operations = Operations(
            installed,
            base,
            runs,
            lambda resource: self._recurring.is_monitored(resource),  # noqa: PLW0108 - made below
        )
        self._recurring = Recurring(installed, base, runs, self._operations.is_operated)
        watching = config.monitoring
        self._failures = FailCounts(watching.max_failures, watching.failure_window_ms)
        self._hooks = Hooks(installed, base, runs)
        self._fencing = FencingRuns(base, runs)
        self._respawn = Respawn(config.respawn, client_environment(config, places), runs)
        self._outbox = Outbox()
        self._session = ""
        self._clients_session = ""  # of the manager that had the clients started

    def on_manager(self, session: str, now_ms: int) -> list[ExecutorEffect]:
        """Take orders from this manager from now on; it hears what was kept."""
        is_new = session != self._session
        self._session = session
        effects: list[ExecutorEffect] = [*self._outbox.on_manager(session)]
        if is_new and self._failures.current().counts:
            effects += self._outbox.tell(self._failures.current())
        effects += self._routed(self._recurring.on_manager(session, now_ms))
        return effects + self._routed(self._operations.on_manager(session, now_ms))

    def on_configuration(self, config: HaConfig) -> None:
        """Count failures by another ha.cf from now on."""
        watching = config.monitoring
        self._failures.use_limits(watching.max_failures, watching.failure_window_ms)

    def on_manager_gone(self) -> None:
        """Keep answers, and begin no operation, until a manager is there again."""
        self._outbox.on_manager_gone()
        self._operations.on_manager_gone()
        self._recurring.on_manager_gone()

    def on_order(self, order: ExecutorOrder, now_ms: int) -> list[ExecutorEffect]:
        """Take one order of the manager."""
        match order:
            case RunOperation():
                ended = self._recurring.on_operation(order.resource, now_ms)
                return self._routed([*ended, *self._operations.on_run(order, now_ms)])
            case StartAgain():
                ended = self._recurring.on_operation(order.resource, now_ms)
                return self._routed([*ended, *self._operations.on_start_again(order, now_ms)])
            case RunFencing():
                return self._routed(self._fencing.on_run(order, now_ms))
            case RunHook():
                return self._routed(self._hooks.on_hook(order, now_ms))
            case AnnounceAddresses(resources):
                return [self._announce(r) for r in resources if r.script in ADDRESS_NAMES]
            case ProbeAddresses() | RepeatAnnouncement():
                return [order]
            case StartClients():
                is_new = self._clients_session not in {"", self._session}
                self._clients_session = self._session
                started = self._respawn.on_start(now_ms, is_manager_new=is_new)
                return self._routed(started)
            case WatchResources():
                return self._routed(self._recurring.on_watch(order, now_ms))
            case ForgetFailures(resource):
                return self._routed(self._failures.on_forget(resource))
            case Failures():
                self._failures.on_restored(order)
                return []

    def on_cause(
        self, watch: int, cause: str, now_ms: int, *, is_certain: bool = False
    ) -> list[ExecutorEffect]:
        """Take a hint of kernel or systemd about what is observed."""
        told = self._recurring.on_cause(watch, cause, now_ms, is_certain=is_certain)
        return self._routed(told)

    def on_hands(
        self, watch: int, now_ms: int, *, are_at_work: bool, is_orderly: bool
    ) -> list[ExecutorEffect]:
        """Take whether somebody else is at work on a resource that does not run."""
        told = self._recurring.on_hands(
            watch, now_ms, are_at_work=are_at_work, is_orderly=is_orderly
        )
        return self._routed(told)

    def on_interface(self, interface: str, now_ms: int, *, is_up: bool) -> list[ExecutorEffect]:
        """Take that the link of an interface with a watched address has changed."""
        changed = InterfaceChanged(interface=interface, is_up=is_up, at_ms=now_ms)
        return self._routed([changed])

    def on_neighbours(self, fact: AddressAnnounced | AddressesProbed) -> list[ExecutorEffect]:
        """Take that an address was announced, or where addresses were found."""
        return self._routed([fact])

    def on_examined(self, run: int, lines: tuple[str, ...], now_ms: int) -> list[ExecutorEffect]:
        """Take how a run that takes too long was found."""
        for core in (self._operations, self._recurring):
            effects = core.on_examined(run, lines, now_ms)
            if effects is not None:
                return self._routed(effects)
        return []

    def on_ended(self, run: int, ending: Ending, now_ms: int) -> list[ExecutorEffect]:
        """Hand an ending to the core that started the run; one left behind has no owner."""
        cores = (self._fencing, self._operations, self._recurring, self._respawn, self._hooks)
        for core in cores:
            effects = core.on_ended(run, ending, now_ms)
            if effects is not None:
                return self._routed([*effects, *self._operations.on_monitors_ended(now_ms)])
        return []

    def on_stop(self, now_ms: int) -> list[ExecutorEffect]:
        """Stop the respawn clients because the executor itself is to end."""
        return self._routed(self._respawn.on_stop(now_ms))

    def on_tick(self, now_ms: int) -> list[ExecutorEffect]:
        """Press on with what is overdue."""
        pressed = [e for core in self._cores() for e in self._routed(core.on_tick(now_ms))]
        return pressed + self._routed(self._operations.on_monitors_ended(now_ms))

    def next_wakeup_ms(self) -> int | None:
        """Return when on_tick must be called next."""
        times = [at_ms for core in self._cores() if (at_ms := core.next_wakeup_ms()) is not None]
        return min(times, default=None)

    def on_unsent(self, fact: ExecutorFact) -> None:
        """Keep a published fact that could not be sent: the manager is going away."""
        self._operations.on_manager_gone()
        self._recurring.on_manager_gone()
        self._outbox.on_unsent(fact)

    def is_busy(self) -> bool:
        """Whether operations or respawn clients run."""
        return self._operations.running_count() > 0 or self._respawn.running_count() > 0

    def _cores(
        self,
    ) -> tuple[FencingRuns | Operations | Recurring | FailCounts | Respawn | Hooks, ...]:
        others = (self._recurring, self._failures, self._respawn, self._hooks)
        return (self._fencing, self._operations, *others)

    def _announce(self, resource: ResourceSpec) -> AnnounceAddress:
        is_builtin = self._installed.script_path(resource.script) is None
        return AnnounceAddress(resource.arguments, is_repeated=is_builtin)

    def _announced_by_script(self, done: OperationDone) -> list[ExecutorEffect]:
        """Announce an address that a script has set: then it is checked like ours."""
        is_script = self._installed.script_path(done.resource.script) is not None
        is_address = done.resource.script in ADDRESS_NAMES
        return [self._announce(done.resource)] if is_script and is_address else []

    def _routed(
        self, effects: Sequence[ExecutorEffect | Answer | ExecutorFact]
    ) -> list[ExecutorEffect]:
        """Send facts to the manager; a failure is counted before it is told."""
        routed: list[ExecutorEffect] = []
        for effect in effects:
            match effect:
                case Answer(done, is_again=True):
                    routed += [] if done.is_success else self._routed([_failed_again(done)])
                case Answer(done, session):
                    if done.is_held:
                        self._recurring.on_held(done.group, done.resource)
                    if _is_failed_start(done):
                        why = f"start {done.outcome.value}, exit {done.exit_code}: {done.output}"
                        routed += self._count(done, why, done.ended_ms)
                    routed += self._outbox.answer(done, session)
                    if done.is_success and done.action is Action.START:
                        self._recurring.on_started(done.resource, done.ended_ms)
                        routed += self._announced_by_script(done)
                case MonitorFailed():
                    why = f"status: {effect.output or effect.outcome.value} ({effect.cause})"
                    routed += self._count(effect, why, effect.ended_ms)
                    routed += self._outbox.tell(effect)
                case ClientEnded() | ClientsStopped():
                    routed += self._outbox.tell(effect)
                case Failures() | MonitorHeard() | MonitorUnheard() | OperationHung():
                    routed += self._outbox.tell(effect)
                case InterfaceChanged() | FencingDone() | AddressAnnounced() | AddressesProbed():
                    routed += self._outbox.tell(effect)
                case OperationDone():
                    raise AssertionError("answers come with their session")
                case _:
                    routed.append(effect)
        return routed

    def _count(
        self, failed: OperationDone | MonitorFailed, why: str, now_ms: int
    ) -> list[ExecutorEffect]:
        is_start = isinstance(failed, OperationDone)
        text = failed.resource.text
        told = self._failures.on_failure(failed.group, text, why, now_ms, is_start=is_start)
        return self._routed(told)


def _is_failed_start(done: OperationDone) -> bool:
    is_meant = done.is_counted and done.outcome is not Outcome.LOST
    return done.action is Action.START and not done.is_success and is_meant


def _failed_again(done: OperationDone) -> MonitorFailed:
    return MonitorFailed(
        group=done.group,
        resource=done.resource,
        outcome=done.outcome,
        exit_code=done.exit_code,
        output=done.output,
        served_by=done.served_by,
        cause="its start after an overlap failed",
        noticed_ms=done.started_ms,
        ended_ms=done.ended_ms,
    )
