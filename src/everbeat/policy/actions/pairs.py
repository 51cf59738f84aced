"""Ordered pairs of actions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from everbeat.policy.plan.action import Relation

if TYPE_CHECKING:
    from everbeat.policy.plan.action import Action


def order_pair(first: Action | None, then: Action | None, flags: int) -> bool:
    """Put one action before another; say whether that is new.

    A second relation of the same two actions that shares a flag with an earlier one is refused.
    """
    if flags == 0 or first is None or then is None:
        return False
    known = first.after_flags.get(then.id, 0)
    if known & flags:
        return False
    first.after_flags[then.id] = known | flags
    first.after.insert(0, Relation(then, flags))
    then.before.insert(0, Relation(first, flags))
    return True
