"""Keep the programs of ha.cf's `respawn` and `failfast` lines running.

    start ─► running ─ ends with 100 ─────────────────────────► retired, never started again
                │  └── ends otherwise ─► started again at once; more than QUICK_DEATHS_MAX
                │                         deaths in a row, each within QUICK_MS: given up
                └ stop ─► last one first: TERM ─ STOP_MS ─► KILL, each waited for ─► all stopped

A client is connected to one resource manager (the core process). When that dies and another one
takes over, clients are started anew: programs such as ipfail wait on the dead connection for ever.
failfast clients are left alone: one that ends for any reason but 100 reboots the machine.
Source: measured on Heartbeat 3.0.6, which starts a client that dies at once 11 times.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from everbeat.executor.effects import Launch, Note, Reboot, Signal
from everbeat.model.operations import ClientEnded, ClientsStopped
from everbeat.model.reports import Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from everbeat.agents.environment import Environment
    from everbeat.executor.effects import Ending
    from everbeat.model.cluster import RespawnClient

RETIRE_EXIT: Final = 100
QUICK_DEATHS_MAX: Final = 10
QUICK_MS: Final = 30_000
STOP_MS: Final = 10_000
"""From TERM to KILL, and from KILL to giving up on a client that does not end."""

RespawnEffect: TypeAlias = Launch | Signal | Note | Reboot | ClientEnded | ClientsStopped


@dataclass(slots=True)
class _Client:
    spec: RespawnClient
    run: int | None = None  # None: it does not run
    started_ms: int = 0
    quick_deaths: int = 0
    is_renewed: bool = False  # ended by us, to be started again

    @property
    def name(self) -> str:
        return " ".join(self.spec.command)


class Respawn:
    """All respawn clients. `base` is their environment."""

    def __init__(
        self, specs: tuple[RespawnClient, ...], base: Environment, runs: Iterator[int]
    ) -> None:
        self._clients = [_Client(spec) for spec in specs]
        self._base = base
        self._runs = runs
        self._is_started = False
        self._stopping: _Client | None = None
        self._is_stopping = False
        self._is_killed = False
        self._next_step_ms: int | None = None

    def on_start(self, now_ms: int, *, is_manager_new: bool = False) -> list[RespawnEffect]:
        """Start all clients in file order; a second order changes nothing.

        `is_manager_new`: another manager than the one that gave the first order.
        """
        if self._is_stopping:
            return []
        if self._is_started:
            return self._renew() if is_manager_new else []
        self._is_started = True
        return [self._launch(client, now_ms) for client in self._clients]

    def on_stop(self, now_ms: int) -> list[RespawnEffect]:
        """Stop all clients, last one first; the last effect of it all is ClientsStopped."""
        if self._is_stopping:
            return []
        self._is_stopping = True
        return self._stop_next(now_ms)

    def on_ended(self, run: int, ending: Ending, now_ms: int) -> list[RespawnEffect] | None:
        """Decide whether a client that ended is started again; None: not one of ours."""
        client = next((c for c in self._clients if c.run == run), None)
        if client is None:
            return None
        client.run = None
        if self._is_stopping:
            ended = self._ended(client, ending.exit_code, now_ms, "stopped")
            return [ended, *(self._stop_next(now_ms) if client is self._stopping else [])]
        if client.is_renewed:
            client.is_renewed = False
            reason = "started again for the new core"
            ended = ClientEnded(client.name, ending.exit_code, 0, reason, now_ms)
            return [ended, self._launch(client, now_ms)]
        if ending.exit_code == RETIRE_EXIT:
            return [self._ended(client, ending.exit_code, now_ms, "it asked not to be restarted")]
        if client.spec.reboots:
            ended = self._ended(client, ending.exit_code, now_ms, "failfast: reboot")
            return [ended, Reboot(f"failfast client {client.name} ended")]
        return self._restart(client, ending.exit_code, now_ms)

    def on_tick(self, now_ms: int) -> list[RespawnEffect]:
        """Press on with a client that does not stop."""
        if self._next_step_ms is None or now_ms < self._next_step_ms:
            return []
        client = self._stopping
        assert client is not None
        assert client.run is not None
        if not self._is_killed:
            self._is_killed = True
            self._next_step_ms = now_ms + STOP_MS
            return [Signal(client.run, is_hard=True)]
        client.run = None
        left = Note(Severity.ERROR, f"client {client.name} left behind: KILL did not end it")
        return [left, *self._stop_next(now_ms)]

    def next_wakeup_ms(self) -> int | None:
        """Return when on_tick must be called next."""
        return self._next_step_ms

    def running_count(self) -> int:
        """Return how many clients run at this moment."""
        return sum(client.run is not None for client in self._clients)

    def _launch(self, client: _Client, now_ms: int) -> Launch:
        client.run = next(self._runs)
        client.started_ms = now_ms
        return Launch(
            run=client.run,
            command=client.spec.command,
            environment=self._base,
            user=client.spec.user,
            is_bound=True,
        )

    def _renew(self) -> list[RespawnEffect]:
        effects: list[RespawnEffect] = []
        for client in self._clients:
            if client.run is not None and not client.spec.reboots:
                client.is_renewed = True
                effects.append(Signal(client.run, is_hard=False))
        return effects

    def _restart(self, client: _Client, exit_code: int, now_ms: int) -> list[RespawnEffect]:
        is_quick = now_ms - client.started_ms < QUICK_MS
        client.quick_deaths = client.quick_deaths + 1 if is_quick else 0
        if client.quick_deaths > QUICK_DEATHS_MAX:
            reason = f"given up: {client.quick_deaths} quick deaths in a row"
            return [self._ended(client, exit_code, now_ms, reason)]
        ended = ClientEnded(client.name, exit_code, 0, "started again", now_ms)
        return [ended, self._launch(client, now_ms)]

    def _stop_next(self, now_ms: int) -> list[RespawnEffect]:
        self._is_killed = False
        running = [client for client in self._clients if client.run is not None]
        if not running:
            self._stopping, self._next_step_ms = None, None
            self._is_stopping, self._is_started = False, False
            return [ClientsStopped(now_ms)]
        self._stopping = running[-1]
        self._next_step_ms = now_ms + STOP_MS
        assert self._stopping.run is not None
        return [Signal(self._stopping.run, is_hard=False)]

    def _ended(self, client: _Client, exit_code: int, now_ms: int, reason: str) -> ClientEnded:
        return ClientEnded(client.name, exit_code, None, reason, now_ms)
