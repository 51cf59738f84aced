"""An action that may have to be done, and its place in the order of things."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final, final

from everbeat.policy.plan.words import MIGRATABLE, NEEDS_NOTHING, OPTIONAL, PSEUDO, RUNNABLE

if TYPE_CHECKING:
    from everbeat.policy.plan.node import Node
    from everbeat.policy.plan.resource import Resource


@final
class Relation:
    """The other action of an ordered pair; `flags` 0 means the ordering was dropped."""

    def __init__(self, action: Action, flags: int) -> None:
        self.action: Final = action
        self.flags = flags
        self.graphed = False
        # The flags of both actions at which the ordering had nothing to say: no need to ask again.
        self.quiet_first = -1
        self.quiet_then = -1


class Change(Enum):
    """What became of an action; the value is the word of the reason that people see."""

    REQUIRED = "required"
    UNRUNNABLE = "unrunnable"
    UNMIGRATABLE = "unmigrateable"
    UNRUNNABLE_BY_COLOCATION = "colocation"
    TOLD = "reason"  # nothing: only a reason was put into words


@final
class Because:
    """One change of an action's flags: what it became, and the action or rule that made it so."""

    def __init__(self, change: Change, action_id: int, text: str) -> None:
        self.change: Final = change
        self.action_id: Final = action_id  # 0: no action, a rule
        self.text: Final = text


@final
class Action:
    """One action. Ids count all actions, also those nobody needs in the end."""

    def __init__(self, action_id: int, resource: Resource | None, task: str, key: str) -> None:
        self.id: Final = action_id
        self.resource: Final = resource
        self.task = task
        self.key: Final = key
        self.node: Node | None = None
        self.flags = RUNNABLE
        self.meta: dict[str, str] = {}
        self.extra: dict[str, str] = {}
        self.before: list[Relation] = []  # what must come first; newest relation first
        self.after: list[Relation] = []
        self.after_flags: dict[int, int] = {}  # flags of all relations to each later action
        self.priority = 0
        self.reason: str | None = None
        self.because: list[Because] = []
        self.required_before = 0
        self.runnable_before = 0
        self.needs = NEEDS_NOTHING
        self.on_fail = 0
        self.role_after_failure = 0
        self.interval_ms = 0
        self.cancelled_task: str | None = None
        self.always_in_graph = False
        self.on_dc = False
        self.reschedule = False
        self.migration_abort = False
        self.extra_done = False
        self.inputs_merged = False
        self.in_graph = False
        self.counts_as_added = False

    @property
    def is_optional(self) -> bool:
        """Say whether nothing asks for the action yet."""
        return self.flags & OPTIONAL != 0

    @property
    def is_required(self) -> bool:
        """Say whether something asks for the action."""
        return self.flags & OPTIONAL == 0

    @property
    def is_runnable(self) -> bool:
        """Say whether nothing forbids the action."""
        return self.flags & RUNNABLE != 0

    @property
    def is_pseudo(self) -> bool:
        """Say whether the action is only a point in the order, with nothing to run."""
        return self.flags & PSEUDO != 0

    @property
    def is_migratable(self) -> bool:
        """Say whether the action is part of a live migration."""
        return self.flags & MIGRATABLE != 0

    def require(self) -> None:
        """Ask for the action."""
        self.flags &= ~OPTIONAL

    def make_optional(self) -> None:
        """Ask for the action no more."""
        self.flags |= OPTIONAL

    def forbid(self) -> None:
        """Make the action one that cannot be run."""
        self.flags &= ~RUNNABLE

    def allow(self) -> None:
        """Make the action one that can be run."""
        self.flags |= RUNNABLE

    def make_pseudo(self) -> None:
        """Leave nothing to run: the action is only a point in the order."""
        self.flags |= PSEUDO

    def set_reason(self, text: str | None, *, overwrite: bool = False) -> None:
        """Say in words why the action is as it is; the first reason stays unless overwritten."""
        if text is None:
            return
        self.because.append(Because(Change.TOLD, 0, text))
        if self.reason is None or overwrite:
            self.reason = text
