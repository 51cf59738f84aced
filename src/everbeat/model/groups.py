"""Groups: how haresources writes them, and how they are shown."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from everbeat.model.names import GroupKey, NodeName
from everbeat.model.service_address import ADDRESS_NAMES, address_of


class AutoFailback(StrEnum):
    """What happens to a group when its owner comes back."""

    ON = "on"
    OFF = "off"
    LEGACY = "legacy"


@dataclass(frozen=True, slots=True)
class ResourceSpec:
    """One resource word of haresources: `Script::arg1::arg2`; a bare address is IPaddr::address."""

    text: str  # the word as written
    script: str
    arguments: tuple[str, ...] = ()

    def is_called(self, word: str) -> bool:
        """Whether a person may call it so: its word, its script's name, or its address alone."""
        if word in {self.text, self.script}:
            return True
        return self.script in ADDRESS_NAMES and address_of(self.text) == address_of(word)


@dataclass(frozen=True, slots=True)
class ResourceGroup:
    """One logical line of haresources: started left to right, stopped right to left."""

    owner: NodeName  # the preferred node
    key: GroupKey
    resources: tuple[ResourceSpec, ...]


class GroupState(StrEnum):
    """Where a group stands on this node."""

    STOPPED = "stopped"
    STARTING = "starting"
    STARTED = "started"
    STOPPING = "stopping"
    FAILED = "failed"  # a start failed and the group was stopped again
    STUCK = "stuck"  # a stop failed: it may still run here, nobody else may take it


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupView:
    """One group as this node sees it."""

    group: ResourceGroup
    state: GroupState  # on this node
    holder: NodeName | None  # who holds it as far as we know; None: nobody, or in motion
    since_ms: int  # when state or holder last changed
    why: str  # the cause of the last change, for people
    running: tuple[str, ...] = ()  # resource words started here, left to right
    paused_until_ms: int | None = None  # hands off: by everbeat pause
    unwatched: tuple[str, ...] = ()  # whose death would not be seen, each with the reason


@dataclass(frozen=True, slots=True, kw_only=True)
class ManagerView:
    """The resource manager's state: what `everbeat status` and rscstatus show."""

    own: NodeName
    auto_failback: AutoFailback
    state: str  # waiting, joining, stable, moving, standby, stopping, stopped
    holds: str  # none local foreign all transition, as cl_status rscstatus prints
    peer_holds: tuple[tuple[NodeName, str, bool], ...]  # node, word, whether it says it is stable
    groups: tuple[GroupView, ...]
    left: tuple[NodeName, ...] = ()  # they gave up everything, said so and stopped
