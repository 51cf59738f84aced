"""What the resource manager orders from the executor, and what comes back.

Times are CLOCK_MONOTONIC milliseconds of this machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from everbeat.model.cluster import ResourceSpec
from everbeat.model.names import GroupKey


class Action(StrEnum):
    """What an agent is asked to do."""

    START = "start"
    STOP = "stop"
    STATUS = "status"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOperation:
    """Order: run one action of one resource. Operations of one group run one after the other."""

    id: int  # chosen by the manager, unique for its life
    group: GroupKey
    resource: ResourceSpec
    action: Action
    timeout_ms: int
    environment: tuple[tuple[str, str], ...] = ()  # HA_* of the message that caused it


@dataclass(frozen=True, slots=True, kw_only=True)
class RunHook:
    """Order: run rc.d/NAME as harc does, the message's fields as HA_<field>. Unanswered."""

    name: str
    environment: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class AnnounceAddresses:
    """Order: tell the neighbours again where the addresses among these resources are. Unanswered.

    Only what is held here at this moment is announced: another node had the same addresses, and
    neighbours may still send to it.
    """

    resources: tuple[ResourceSpec, ...]


@dataclass(frozen=True, slots=True)
class StartClients:
    """Order: communication is up, start the respawn clients."""

    environment: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class StopClients:
    """Order: stop the respawn clients, last one first; answered by ClientsStopped."""


ExecutorOrder: TypeAlias = RunOperation | RunHook | AnnounceAddresses | StartClients | StopClients


class Outcome(StrEnum):
    """How an operation ended."""

    DONE = "done"  # it ran to its end; look at exit_code and is_held
    TIMEOUT = "timeout"  # killed as a process group at its time limit
    NOT_FOUND = "not-found"  # no script, unit or built-in serves this resource
    LOST = "lost"  # the executor died meanwhile


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationDone:
    """An operation ended. `is_held` is the agent's reading of a status; None for start and stop."""

    id: int
    group: GroupKey
    resource: ResourceSpec
    action: Action
    outcome: Outcome
    exit_code: int
    is_held: bool | None
    output: str  # at most OUTPUT_BYTES_MAX of stdout and stderr, the end of it
    served_by: str  # e.g. "/etc/init.d/nginx", "builtin:IPaddr", "systemd:nginx.service"
    started_ms: int
    ended_ms: int

    @property
    def is_success(self) -> bool:
        """Whether a start or stop did what it should."""
        return self.outcome is Outcome.DONE and self.exit_code == 0


@dataclass(frozen=True, slots=True)
class ClientsStopped:
    """All respawn clients have ended."""

    at_ms: int


@dataclass(frozen=True, slots=True)
class ClientEnded:
    """A respawn client ended; `restarts_in_ms` None: not started again, `reason` says why."""

    command: str
    exit_code: int
    restarts_in_ms: int | None
    reason: str
    at_ms: int


ExecutorFact: TypeAlias = OperationDone | ClientsStopped | ClientEnded
