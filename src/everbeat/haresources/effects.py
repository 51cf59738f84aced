"""What the resource manager tells (facts) and orders. Nothing else leaves this package."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from everbeat.journal.timeline import EventRecorded
from everbeat.model.membership import Broadcast, RaiseGeneration
from everbeat.model.operations import (
    AnnounceAddresses,
    ForgetFailures,
    OperationDone,
    RunOperation,
    StartAgain,
    WatchResources,
)
from everbeat.model.shutdown import StopFinished

if TYPE_CHECKING:
    from everbeat.model.groups import GroupState
    from everbeat.model.names import GroupKey


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupMoved:
    """A group on this node has another state."""

    key: GroupKey
    old: GroupState
    new: GroupState
    why: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class ResourceActed:
    """An operation ended; for logs and for the phases of an event."""

    done: OperationDone


RunnerEffect: TypeAlias = RunOperation | GroupMoved | ResourceActed
ManagerEffect: TypeAlias = (
    RunnerEffect
    | AnnounceAddresses
    | StartAgain
    | WatchResources
    | ForgetFailures
    | Broadcast
    | RaiseGeneration
    | EventRecorded
    | StopFinished
)
