"""One group on its way: state, next step, and whether others have to wait for it.

Owned by GroupRunner (runner.py), which alone changes it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from everbeat.model.groups import GroupState
from everbeat.model.operations import Action
from everbeat.model.service_address import ADDRESS_NAMES

if TYPE_CHECKING:
    from everbeat.model.groups import ResourceGroup, ResourceSpec
    from everbeat.model.operations import RunOperation


class Step(Enum):
    """What the next operation of a moving group is for."""

    PROBE = auto()  # adopting: is it held already?
    STATUS = auto()  # before a start
    START = auto()
    STOP = auto()
    CHECK = auto()  # after the last failed stop


ACTION_OF: Final = {
    Step.PROBE: Action.STATUS,
    Step.STATUS: Action.STATUS,
    Step.START: Action.START,
    Step.STOP: Action.STOP,
    Step.CHECK: Action.STATUS,
}
AT_REST: Final = frozenset({GroupState.STOPPED, GroupState.FAILED})
SETTLED: Final = AT_REST | {GroupState.STARTED}


@dataclass(slots=True)
class Restart:
    """Bringing back what was found dead, by positions in the group."""

    first: int  # to be started, and all behind it unless `is_alone`
    stops_from: int  # to be stopped before: the one behind `first` if that is known to be stopped
    is_alone: bool


@dataclass(slots=True)
class GroupRun:
    """One group on its way."""

    group: ResourceGroup
    state: GroupState = GroupState.STOPPED
    is_wanted: bool = False
    has_failed: bool = False
    step: Step | None = None
    position: int = 0
    tries: int = 0
    held_count: int = 0  # while probing
    untold_count: int = 0  # while probing: nobody can tell whether they are held
    restart: Restart | None = None  # while a resource that was found dead is brought back
    next_group: ResourceGroup | None = None  # with other resources; taken when nothing moves
    is_changing: bool = False  # from group to next_group, or starting what is new in it
    is_removed: bool = False  # forgotten when it is stopped
    is_hurried: bool = False  # stops beside the others
    operation: RunOperation | None = None
    waits_until_ms: int | None = None
    running: list[str] = field(default_factory=list[str])
    why: str = "not started yet"
    since_ms: int = 0

    @property
    def resource(self) -> ResourceSpec:
        """Return what the next operation is for."""
        return self.group.resources[self.position]

    @property
    def is_at_rest(self) -> bool:
        """Whether nothing of it runs here or is under way."""
        return self.state in AT_REST and self.operation is None

    @property
    def is_of_addresses(self) -> bool:
        """Whether it leans on no other group."""
        return all(resource.script in ADDRESS_NAMES for resource in self.group.resources)

    @property
    def is_there(self) -> bool:
        """Whether nobody needs to wait for its start: it runs, has failed or is stuck."""
        return self.state in {GroupState.STARTED, GroupState.STUCK} or (
            self.state is GroupState.FAILED and self.has_failed
        )

    @property
    def is_leaving(self) -> bool:
        """Whether others wait for its stop; not for one that cannot be stopped."""
        is_up = self.state in {GroupState.STARTED, GroupState.STARTING}
        return self.state is GroupState.STOPPING or (is_up and not self.is_wanted)

    @property
    def is_waiting(self) -> bool:
        """Whether it has not begun to go where it is wanted, for others go first."""
        if self.state is GroupState.STARTED:
            return not self.is_wanted
        return self.state in AT_REST and self.is_wanted and not self.has_failed

    @property
    def last_to_go(self) -> int:
        """Return the place of the last resource that runs and is not in the next list; else -1."""
        assert self.next_group is not None
        staying = {resource.text for resource in self.next_group.resources}
        words = [resource.text for resource in self.group.resources]
        return max(
            (n for n, word in enumerate(words) if word in self.running and word not in staying),
            default=-1,
        )
