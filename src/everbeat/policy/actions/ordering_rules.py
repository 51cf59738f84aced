"""What an ordering does to the flags of its two actions: a table, one row for each rule.

Enters: the two actions, and the flags of the first as the ordering sees them (`seen`): those of a
collective's action are made of its parts' (`flags_for_ordering`). Leaves: flags taken away, each
with its cause in `because`. Invariant: a row takes flags away and never gives one back, so letting
them settle comes to an end. The rows are tried from top to bottom.

Source of the rules: Pacemaker's scheduler; the table is ours. Oracle: tests/scheduler.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, final

from everbeat.policy.assign.colocation import role_of
from everbeat.policy.plan.action import Because, Change
from everbeat.policy.plan.words import (
    DEMOTE_BEFORE_STOP,
    FIRST_MUST_PRECEDE,
    IN_THIS_ORDER,
    MIGRATABLE,
    NOT_SYMMETRICAL,
    OPTIONAL,
    PROMOTED,
    PSEUDO,
    RUNNABLE,
    START_UNLESS_MIGRATED,
    STARTED,
    STOP_TO_RESTART,
    STOPPED,
    THEN_MUST_FOLLOW,
    THEN_NEEDS_ENOUGH,
    THEN_NEEDS_FIRST,
    WHOLE_MIGRATION,
)

if TYPE_CHECKING:
    from everbeat.policy.plan.action import Action

# The two sides of an ordering, and as a sum which of them changed.
FIRST: Final = 1
THEN: Final = 2

# Whom a row is for.
PARTS: Final = 0  # the side's resource, and each part of it that has such an action
NO_RESOURCE: Final = 1  # a side that belongs to no resource: fencing, points in the order
BOTH_ALONE: Final = 2  # the two actions and no others

# What an action becomes that loses a flag; a point in the order that is to be run says nothing.
_BECOMES: Final = {
    OPTIONAL: Change.REQUIRED,
    RUNNABLE: Change.UNRUNNABLE,
    MIGRATABLE: Change.UNMIGRATABLE,
}

Condition = Callable[["Action", "Action", int], bool]
"""Of the first action, the second, and the flags of the first as the ordering sees them."""


@final
class Loss:
    """A flag that one side loses, always or on a condition of its own."""

    def __init__(self, side: int, flag: int, when: Condition | None = None) -> None:
        self.side: Final = side
        self.flag: Final = flag
        self.when: Final = when


@final
class Rule:
    """A row: where an ordering asks for one of the words, and `when` holds, flags are lost.

    Without losses a row only carries the order itself to the parts that go together.
    """

    def __init__(
        self,
        meaning: str,
        asks: int,
        side: int,
        reach: int,
        when: Condition | None,
        losses: tuple[Loss, ...],
    ) -> None:
        self.meaning: Final = meaning
        self.asks: Final = asks
        self.side: Final = side
        self.reach: Final = reach
        self.when: Final = when
        self.losses: Final = losses

    def apply(self, first: Action, then: Action, seen: int) -> None:
        """Take the flags away from the two actions."""
        if self.when is not None and not self.when(first, then, seen):
            return
        for loss in self.losses:
            if loss.when is not None and not loss.when(first, then, seen):
                continue
            loser, cause = (first, then) if loss.side == FIRST else (then, first)
            if loser.flags & loss.flag:
                loser.flags &= ~loss.flag
                _note(loser, loss.flag, cause, is_shown=self.reach != BOTH_ALONE)


def _note(loser: Action, flag: int, cause: Action, *, is_shown: bool) -> None:
    becomes = _BECOMES.get(flag)
    if becomes is None:
        return
    loser.because.append(Because(becomes, cause.id, cause.key))
    if loser.resource is not None and loser.resource is cause.resource:
        return
    if is_shown and loser.reason is None:
        who = f"{cause.resource.id} " if cause.resource is not None else ""
        loser.reason = f"{becomes.value} {who}{cause.task}"


def _first_is_wanted(_first: Action, _then: Action, seen: int) -> bool:
    return not seen & OPTIONAL


def _first_is_wanted_for_good(first: Action, _then: Action, seen: int) -> bool:
    return not seen & OPTIONAL and not first.flags & MIGRATABLE


def _first_cannot_run(first: Action, _then: Action, _seen: int) -> bool:
    return not first.flags & RUNNABLE


def _first_seems_unable(_first: Action, then: Action, seen: int) -> bool:
    return not seen & RUNNABLE and then.flags & RUNNABLE != 0


def _first_is_stuck(first: Action, _then: Action, _seen: int) -> bool:
    return not first.flags & (OPTIONAL | RUNNABLE)


def _first_is_stop_of_blocked(first: Action, _then: Action, _seen: int) -> bool:
    stopped = first.resource
    return (
        stopped is not None
        and not stopped.managed
        and stopped.blocked
        and first.task == "stop"
        and not first.flags & RUNNABLE
    )


def _first_can_or_then_must(first: Action, then: Action, _seen: int) -> bool:
    return first.flags & RUNNABLE != 0 or not then.flags & OPTIONAL


def _only_first_migrates(_first: Action, then: Action, seen: int) -> bool:
    return seen & MIGRATABLE != 0 and not then.flags & MIGRATABLE


def _then_is_wanted(_first: Action, then: Action, _seen: int) -> bool:
    return not then.flags & OPTIONAL


def _then_does_not_migrate(_first: Action, then: Action, _seen: int) -> bool:
    return not then.flags & MIGRATABLE


def _then_cannot_migrate(_first: Action, then: Action, _seen: int) -> bool:
    return not then.flags & MIGRATABLE or not then.flags & RUNNABLE


def _then_is_wanted_of_promoted(_first: Action, then: Action, _seen: int) -> bool:
    owner = then.resource
    return (
        not then.flags & OPTIONAL and owner is not None and role_of(owner, current=True) == PROMOTED
    )


def _is_restart(first: Action, then: Action, _seen: int) -> bool:
    owner = then.resource
    if not then.flags & OPTIONAL:
        return True
    return (
        not then.flags & RUNNABLE
        and owner is not None
        and owner.managed
        and first.resource is owner
    )


def _then_has_to_wait(first: Action, then: Action, _seen: int) -> bool:
    owner = then.resource
    if owner is None or first.flags & RUNNABLE:
        return False
    if not then.flags & OPTIONAL:
        return then.flags & RUNNABLE != 0
    role = role_of(owner, current=True)
    if then.task == "stop":
        return role != STOPPED
    runs_there = role >= STARTED and len(owner.active_on) == 1 and owner.active_on[0] is then.node
    return not (then.task == "start" and runs_there)


RULES: Final[tuple[Rule, ...]] = (
    Rule(
        "If the first is done, so is the second, unless the first is part of a live migration.",
        THEN_MUST_FOLLOW,
        THEN,
        PARTS,
        _first_is_wanted_for_good,
        (Loss(THEN, OPTIONAL),),
    ),
    Rule(
        "If the first is done, so is the second.",
        THEN_MUST_FOLLOW,
        THEN,
        NO_RESOURCE,
        _first_is_wanted,
        (Loss(THEN, OPTIONAL),),
    ),
    Rule(
        "What starts again, or cannot, is stopped first, and migrates only if the start does; what"
        " cannot be stopped is not started.",
        STOP_TO_RESTART,
        THEN,
        PARTS,
        _is_restart,
        (
            Loss(FIRST, OPTIONAL, _first_can_or_then_must),
            Loss(FIRST, MIGRATABLE, _then_does_not_migrate),
            Loss(THEN, RUNNABLE, _first_is_stuck),
        ),
    ),
    Rule(
        "If the second is done, so is a first whose parts are, and migrates only with the second.",
        FIRST_MUST_PRECEDE,
        FIRST,
        PARTS,
        _then_is_wanted,
        (Loss(FIRST, OPTIONAL, _first_is_wanted), Loss(FIRST, MIGRATABLE, _only_first_migrates)),
    ),
    Rule(
        "The first cannot be made to precede: it is not run.",
        FIRST_MUST_PRECEDE,
        FIRST,
        NO_RESOURCE,
        _first_is_wanted,
        (Loss(FIRST, RUNNABLE),),
    ),
    Rule(
        "What is promoted and has to stop is demoted first.",
        DEMOTE_BEFORE_STOP,
        THEN,
        PARTS,
        _then_is_wanted_of_promoted,
        (Loss(FIRST, OPTIONAL), Loss(FIRST, MIGRATABLE, _then_does_not_migrate)),
    ),
    Rule(
        "Nothing here: how many firsts can be run is counted at a point in the order.",
        THEN_NEEDS_ENOUGH,
        THEN,
        PARTS,
        None,
        (),
    ),
    Rule(
        "If the first cannot be run, the second cannot be run either, nor migrate.",
        THEN_NEEDS_FIRST,
        THEN,
        PARTS,
        _first_seems_unable,
        (Loss(THEN, RUNNABLE), Loss(THEN, MIGRATABLE)),
    ),
    Rule(
        "If the first cannot be run, the second cannot be run either.",
        THEN_NEEDS_FIRST,
        THEN,
        NO_RESOURCE,
        _first_seems_unable,
        (Loss(THEN, RUNNABLE),),
    ),
    Rule(
        "A step of a live migration is run if the next one is, and never if the next one cannot"
        " be run.",
        WHOLE_MIGRATION,
        THEN,
        PARTS,
        None,
        (Loss(FIRST, RUNNABLE, _then_cannot_migrate), Loss(FIRST, OPTIONAL, _then_is_wanted)),
    ),
    Rule(
        "If the migration cannot be run, the start is a real one again.",
        START_UNLESS_MIGRATED,
        THEN,
        PARTS,
        _first_cannot_run,
        (Loss(THEN, MIGRATABLE), Loss(THEN, PSEUDO)),
    ),
    Rule(
        "Nothing but the order, where both are done.",
        IN_THIS_ORDER,
        THEN,
        PARTS,
        None,
        (),
    ),
    Rule(
        "If the first cannot be run, the second waits: it is asked for and cannot be run, unless it"
        " has nothing to change.",
        NOT_SYMMETRICAL,
        THEN,
        PARTS,
        _then_has_to_wait,
        (Loss(THEN, OPTIONAL), Loss(THEN, RUNNABLE)),
    ),
    Rule(
        "What would come after the stop of a resource that is blocked and not managed cannot be"
        " run.",
        THEN_MUST_FOLLOW | FIRST_MUST_PRECEDE | STOP_TO_RESTART,
        THEN,
        BOTH_ALONE,
        _first_is_stop_of_blocked,
        (Loss(THEN, RUNNABLE),),
    ),
)
