"""What dependents would like: their scores, and those of theirs, added to a primary's table.

Factors are single-precision numbers, as in the reference engine; rounding shows in scores.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, final

from everbeat.policy.assign.colocation import any_open, node_values
from everbeat.policy.assign.lists import has_influence, this_with, with_this
from everbeat.policy.plan.table import Cause, CauseKind
from everbeat.policy.plan.words import GROUP
from everbeat.policy.score import ABSENT, INFINITY, UNUSABLE_FOR_NOW, add_scores

if TYPE_CHECKING:
    from everbeat.policy.plan.constraint import Colocation
    from everbeat.policy.plan.plan import Plan
    from everbeat.policy.plan.resource import Resource

_SINGLE: Final = struct.Struct("f")
_EXACT_MAX: Final = 1 << 24


def single(value: float) -> float:
    """Round a number to single precision; whole ones of 24 bits are exact."""
    if -_EXACT_MAX <= value <= _EXACT_MAX and value == int(value):
        return value
    rounded: float = _SINGLE.unpack(_SINGLE.pack(value))[0]
    return rounded


@final
class SumFlags:
    """How a sum is made."""

    def __init__(self, *, active: bool, nonnegative: bool, forward: bool) -> None:
        self.active: Final = active
        self.nonnegative: Final = nonnegative
        self.forward: Final = forward  # follow what a resource wants to be with, not its dependents


def add_dependent_scores(plan: Plan, record: Colocation, primary: Resource) -> None:
    """Add the wishes of one dependent to its primary's table."""
    if not has_influence(record):
        return
    flags = SumFlags(active=True, nonnegative=primary.variant == 2, forward=False)
    row = add_colocated(
        plan,
        record.dependent,
        primary,
        primary.table.scores,
        record,
        single(record.score / INFINITY),
        flags,
    )
    primary.table.take(row, Cause(CauseKind.COLOCATION, record.id))


def add_colocated(
    plan: Plan,
    source: Resource,
    target: Resource,
    row: list[int] | None,
    record: Colocation | None,
    factor: float,
    flags: SumFlags,
) -> list[int]:
    """Return a row with a resource's scores added, and with those of what depends on it."""
    if source.variant == GROUP:
        if source.updating:
            return row if row is not None else source.table.scores.copy()
        source.updating = True
        member = source.children[0] if row is not None else source.children[-1]
        result = add_colocated(plan, member, target, row, record, factor, flags)
        source.updating = False
        return result
    if source.updating:
        return row if row is not None else source.table.scores.copy()
    source.updating = True
    if row is None:
        work = source.table.scores.copy()
        target = source
    else:
        assert record is not None
        work = row.copy()
        _merge(plan, work, source, target, record, factor, flags)
    if any_open(plan, work):
        work = _follow(plan, source, target, work, factor, flags)
    elif flags.active and row is not None:
        source.updating = False
        return row
    if flags.nonnegative:
        for index, score in enumerate(work):
            if score == UNUSABLE_FOR_NOW:
                work[index] = 1
    source.updating = False
    return work


def _follow(
    plan: Plan, source: Resource, target: Resource, work: list[int], factor: float, flags: SumFlags
) -> list[int]:
    inner = SumFlags(active=True, nonnegative=flags.nonnegative, forward=flags.forward)
    records = this_with(source) if flags.forward else with_this(source)
    for record in records:
        if flags.forward:
            other = record.primary
        else:
            if not has_influence(record):
                continue
            other = record.dependent
        next_factor = single(single(factor * record.score) / INFINITY)
        work = add_colocated(plan, other, target, work, record, next_factor, inner)
    return work


def _merge(
    plan: Plan,
    work: list[int],
    source: Resource,
    target: Resource,
    record: Colocation,
    factor: float,
    flags: SumFlags,
) -> None:
    best = _best_scores(plan, source, record)
    values = node_values(plan, target, record.attribute)
    stickiness = record.primary.stickiness
    for index, score in enumerate(work):
        if score == ABSENT:
            continue
        wish = best.get(values[index], -INFINITY)
        if factor < 0 and wish < 0:
            if stickiness >= -wish or not record.influence or not _is_single(record.dependent):
                continue
        if score == UNUSABLE_FOR_NOW:
            continue
        product = single(factor * wish)
        delta = int(product - 0.5) if product < 0 else int(product + 0.5)
        if delta == 0 and wish != 0:
            delta = 1 if factor > 0 else -1 if factor < 0 else 0
        total = add_scores(max(-INFINITY, min(INFINITY, delta)), score)
        if flags.nonnegative and total < 0:
            if score > 0:
                work[index] = UNUSABLE_FOR_NOW
                continue
            if score == 0:
                continue
        work[index] = total


def _is_single(dependent: Resource) -> bool:
    table = dependent.table
    return sum(1 for index in table.nodes() if table.scores[index] >= 0) == 1


def _best_scores(plan: Plan, source: Resource, record: Colocation) -> dict[str | None, int]:
    """Return a resource's best score for each value of the attribute, over nodes it could use."""
    row = source.table.scores
    group = source.parent
    if (
        group is not None
        and group.variant == GROUP
        and source is record.dependent
        and record.explicit
        and group.children[0] is not source
    ):
        row = row.copy()
        for location in group.locations:
            for node, score in location.nodes:
                if node.index < len(row) and row[node.index] != ABSENT:
                    row[node.index] = add_scores(row[node.index], score)
    values = node_values(plan, source, record.attribute)
    best: dict[str | None, int] = {}
    for index, score in enumerate(row):
        if score == ABSENT or score <= -INFINITY:
            continue
        if not plan.nodes_by_index[index].is_available():
            continue
        value = values[index]
        if score > best.get(value, -INFINITY):
            best[value] = score
    return best
