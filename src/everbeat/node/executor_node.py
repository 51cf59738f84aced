"""The executor's cores put together: orders in, effects out, endings routed to their owner.

manager ── on_manager / on_order ─►  operations · respawn · hooks  ─► effects for the shell
                                            │ answers
                                         outbox ─► Publish
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Protocol

from everbeat.agents.environment import client_environment, script_environment
from everbeat.agents.resolve import ADDRESS_NAMES, Installed
from everbeat.executor.effects import AnnounceAddress
from everbeat.executor.hooks import Hooks, HookScripts
from everbeat.executor.operations import Answer, Operations
from everbeat.executor.outbox import Outbox
from everbeat.executor.respawn import Respawn
from everbeat.model.operations import (
    AnnounceAddresses,
    ClientEnded,
    ClientsStopped,
    RunHook,
    RunOperation,
    StartClients,
    StopClients,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from everbeat.agents.environment import Places
    from everbeat.executor.effects import Ending, ExecutorEffect
    from everbeat.model.cluster import HaConfig, ResourceSpec
    from everbeat.model.operations import ExecutorFact, ExecutorOrder


class InstalledScripts(Installed, HookScripts, Protocol):
    """Agents and hooks installed on this machine."""


class ExecutorNode:
    """One node's executor. Every SetAddress and Launch must be answered by on_ended."""

    def __init__(self, config: HaConfig, places: Places, installed: InstalledScripts) -> None:
        runs = count(1)
        base = script_environment(config, places)
        self._installed = installed
        self._operations = Operations(installed, base, runs)
        self._hooks = Hooks(installed, base, runs)
        self._respawn = Respawn(config.respawn, client_environment(config, places), runs)
        self._outbox = Outbox()
        self._session = ""
        self._clients_session = ""  # of the manager that had the clients started

    def on_manager(self, session: str, now_ms: int) -> list[ExecutorEffect]:
        """Take orders from this manager from now on; it hears what was kept."""
        self._session = session
        kept = self._outbox.on_manager(session)
        return [*kept, *self._routed(self._operations.on_manager(session, now_ms))]

    def on_manager_gone(self) -> None:
        """Keep answers, and begin no operation, until a manager is there again."""
        self._outbox.on_manager_gone()
        self._operations.on_manager_gone()

    def on_order(self, order: ExecutorOrder, now_ms: int) -> list[ExecutorEffect]:
        """Take one order of the manager."""
        match order:
            case RunOperation():
                return self._routed(self._operations.on_run(order, now_ms))
            case RunHook():
                return self._routed(self._hooks.on_hook(order, now_ms))
            case AnnounceAddresses(resources):
                return [self._announce(r) for r in resources if r.script in ADDRESS_NAMES]
            case StartClients():
                is_new = self._clients_session not in {"", self._session}
                self._clients_session = self._session
                started = self._respawn.on_start(order.environment, now_ms, is_manager_new=is_new)
                return self._routed(started)
            case StopClients():
                return self._routed(self._respawn.on_stop(now_ms))

    def on_ended(self, run: int, ending: Ending, now_ms: int) -> list[ExecutorEffect]:
        """Hand an ending to the core that started the run; one left behind has no owner."""
        for core in (self._operations, self._respawn, self._hooks):
            effects = core.on_ended(run, ending, now_ms)
            if effects is not None:
                return self._routed(effects)
        return []

    def on_stop(self, now_ms: int) -> list[ExecutorEffect]:
        """Stop the respawn clients because the executor itself is to end."""
        return self._routed(self._respawn.on_stop(now_ms))

    def on_tick(self, now_ms: int) -> list[ExecutorEffect]:
        """Press on with what is overdue."""
        cores = (self._operations, self._respawn, self._hooks)
        return [effect for core in cores for effect in self._routed(core.on_tick(now_ms))]

    def next_wakeup_ms(self) -> int | None:
        """Return when on_tick must be called next."""
        cores = (self._operations, self._respawn, self._hooks)
        times = [at_ms for core in cores if (at_ms := core.next_wakeup_ms()) is not None]
        return min(times, default=None)

    def on_unsent(self, fact: ExecutorFact) -> None:
        """Keep a published fact that could not be sent: the manager is going away."""
        self._operations.on_manager_gone()
        self._outbox.on_unsent(fact)

    def is_busy(self) -> bool:
        """Whether operations or respawn clients run."""
        return self._operations.running_count() > 0 or self._respawn.running_count() > 0

    def _announce(self, resource: ResourceSpec) -> AnnounceAddress:
        is_builtin = self._installed.script_path(resource.script) is None
        return AnnounceAddress(resource.arguments, is_repeated=is_builtin)

    def _routed(
        self, effects: Sequence[ExecutorEffect | Answer | ClientEnded | ClientsStopped]
    ) -> list[ExecutorEffect]:
        routed: list[ExecutorEffect] = []
        for effect in effects:
            match effect:
                case Answer(done, session):
                    routed += self._outbox.answer(done, session)
                case ClientEnded() | ClientsStopped():
                    routed += self._outbox.tell(effect)
                case _:
                    routed.append(effect)
        return routed
