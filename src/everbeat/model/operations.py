"""What the resource manager orders from the executor, and what comes back.

Times are CLOCK_MONOTONIC milliseconds of this machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from everbeat.model.failures import Failures
from everbeat.model.fencing import FencingDone, RunFencing
from everbeat.model.groups import ResourceSpec
from everbeat.model.names import GroupKey
from everbeat.model.neighbours import (
    AddressAnnounced,
    AddressesProbed,
    ProbeAddresses,
    RepeatAnnouncement,
)


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
    is_counted: bool = True  # a start that fails is a failure; False: another way is tried next


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


@dataclass(frozen=True, slots=True, kw_only=True)
class StartAgain:
    """Order: start a resource that runs here, for another node has started it too. Unanswered.

    What it has set outside this machine (an address at a cloud provider, a name in the DNS) the
    other one has overwritten. A script is called with `start`, unless a process of its service
    lives here: that is its state, and it is ours. Of a unit only a task runs again. Addresses are
    announced instead (AnnounceAddresses). A start that fails counts as a monitor that failed.
    """

    group: GroupKey
    resource: ResourceSpec
    timeout_ms: int


@dataclass(frozen=True, slots=True)
class StartClients:
    """Order: communication is up, start the respawn clients."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """One resource to be monitored: each interval, and at once when something gives cause."""

    resource: ResourceSpec
    interval_ms: int
    timeout_ms: int
    is_heard: bool = False  # its status has said before that it runs


@dataclass(frozen=True, slots=True)
class WatchResources:
    """Order: from now on monitor exactly these resources of a group; none ends it.

    Answered by MonitorFailed as often as one of them is found not to run; by MonitorHeard when its
    status says for the first time that it runs, or once by MonitorUnheard if it never does. A
    monitor under way when its resource is not watched any more is ended unheard.
    """

    group: GroupKey
    watches: tuple[Watch, ...]


@dataclass(frozen=True, slots=True)
class ForgetFailures:
    """Order: set fail counts to zero, of one resource (its word) or all; Failures follows."""

    resource: str = ""


ExecutorOrder: TypeAlias = (
    RunOperation
    | RunHook
    | AnnounceAddresses
    | StartAgain
    | StartClients
    | WatchResources
    | ForgetFailures
    | Failures
    | RunFencing
    | ProbeAddresses
    | RepeatAnnouncement
)


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
    is_counted: bool = True  # as ordered

    @property
    def is_success(self) -> bool:
        """Whether a start or stop did what it should."""
        return self.outcome is Outcome.DONE and self.exit_code == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorFailed:
    """A resource that was seen running does not run, or its status hung twice in a row.

    The fail count was raised before: Failures comes first.
    """

    group: GroupKey
    resource: ResourceSpec
    outcome: Outcome
    exit_code: int
    output: str
    served_by: str
    cause: str  # what made us look: `interval`, `process 815 ended`, `address 10.0.0.50 removed`
    is_repaired_alone: bool = False  # a start brings it back; what stands after it may go on
    noticed_ms: int  # when the cause came, or when the monitor began
    ended_ms: int


@dataclass(frozen=True, slots=True)
class MonitorHeard:
    """The status of a resource has said that it runs: it is believed when it says otherwise."""

    group: GroupKey
    resource: ResourceSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorUnheard:
    """The status of a started resource has never said that it runs: its death will not be seen.

    `is_never_asked`: its script does not know the word.
    """

    group: GroupKey
    resource: ResourceSpec
    output: str
    served_by: str
    at_ms: int
    is_never_asked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class InterfaceChanged:
    """The cable or the switch of an interface that carries a watched address went, or is back."""

    interface: str
    is_up: bool
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationHung:
    """An operation or monitor is ended at its limit; how it was found, for people (flight record).

    `lines`: processes with state, wait channel and stack, pressure, load, last output; bounded.
    """

    group: GroupKey
    resource: ResourceSpec
    action: Action
    served_by: str
    limit_ms: int
    is_monitor: bool
    lines: tuple[str, ...]
    at_ms: int


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


ExecutorFact: TypeAlias = (
    OperationDone
    | MonitorFailed
    | MonitorHeard
    | MonitorUnheard
    | OperationHung
    | InterfaceChanged
    | Failures
    | ClientsStopped
    | ClientEnded
    | FencingDone
    | AddressAnnounced
    | AddressesProbed
)
