"""Which of two entries of a history is newer, and from where on a history counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from everbeat.cib.whole_numbers import integer_prefix
from everbeat.policy.plan.hash_order import merge_sorted
from everbeat.policy.values import interval_ms

if TYPE_CHECKING:
    from everbeat.cib.tree import Element


_CALL_MAX: Final = 2**31 - 1


@final
class TransitionKey:
    """Who asked for an operation: `action:transition:target rc:asker`."""

    def __init__(self, transition: int, target_rc: int, asker: str) -> None:
        self.transition: Final = transition
        self.target_rc: Final = target_rc
        self.asker: Final = asker


def transition_key(entry: Element) -> TransitionKey:
    """Read the key of an entry; what is missing reads as -1."""
    parts = entry.text("transition-key").split(":", 3)
    if len(parts) != 4:
        return TransitionKey(-1, -1, "")
    numbers = [integer_prefix(part) for part in parts[:3]]
    if None in numbers:
        return TransitionKey(-1, -1, "")
    return TransitionKey(numbers[1] or 0, numbers[2] or 0, parts[3])


def call_id(entry: Element) -> int:
    """Return an entry's call number; -1 while it is pending, and where there is no such number."""
    value = integer_prefix(entry.text("call-id"))
    return value if value is not None and abs(value) <= _CALL_MAX else -1


def compare_age(a: Element, b: Element) -> int:
    """Compare two entries: negative where `a` is the older one.

    Call numbers count on one node only. Two entries are of the same node if both name the same
    one, or neither names any.
    """
    left, right = a.get("on_node"), b.get("on_node")
    same_node = (None if left is None else left.lower()) == (
        None if right is None else right.lower()
    )
    if same_node and a.id == b.id:
        return 0
    a_call, b_call = call_id(a), call_id(b)
    if a_call == -1 and b_call == -1:
        return 0
    if same_node and a_call >= 0 and b_call >= 0 and a_call != b_call:
        return -1 if a_call < b_call else 1
    if a_call >= 0 and b_call >= 0:
        return _compare_changes(a, b)
    return _compare_pending(a, b, a_call)


def _compare_changes(a: Element, b: Element) -> int:
    left = integer_prefix(a.text("last-rc-change"))
    right = integer_prefix(b.text("last-rc-change"))
    if left is None or right is None:
        return 0
    return (left > right) - (left < right)


def _compare_pending(a: Element, b: Element, a_call: int) -> int:
    left, right = _magic_key(a), _magic_key(b)
    if left is None or right is None:
        return 0
    if left.asker != right.asker or left.transition == right.transition:
        return 1 if a_call == -1 else -1
    if left.transition == -1 or right.transition == -1:
        return 1 if left.transition == -1 else -1
    return (left.transition > right.transition) - (left.transition < right.transition)


def _magic_key(entry: Element) -> TransitionKey | None:
    magic = entry.get("transition-magic")
    if magic is None or ";" not in magic:
        return None
    parts = magic.split(";", 1)[1].split(":", 3)
    if len(parts) != 4:
        return None
    return TransitionKey(integer_prefix(parts[1]) or 0, integer_prefix(parts[2]) or 0, parts[3])


def sorted_entries(history: Element) -> list[Element]:
    """Return a resource's entries, oldest first."""
    entries = [child for child in reversed(history.children) if child.tag == "lrm_rsc_op"]
    return merge_sorted(entries, compare_age)


def start_and_stop_index(entries: list[Element]) -> tuple[int, int]:
    """Return where the last start and the last successful stop stand; -1 where there is none."""
    stop = start = implied_monitor = implied_start = -1
    for index, entry in enumerate(entries):
        task, rc = entry.text("operation"), entry.text("rc-code")
        if task == "stop" and entry.text("op-status") == "0":
            stop = index
        elif task in ("start", "migrate_from"):
            start = index
        elif implied_monitor <= stop and task == "monitor":
            if rc in ("0", "8"):
                implied_monitor = index
        elif task in ("promote", "demote"):
            implied_start = index
    if start == -1:
        if implied_start != -1:
            start = implied_start
        elif implied_monitor != -1:
            start = implied_monitor
    return start, stop


def interval_of(entry: Element) -> int:
    """Return an entry's interval in milliseconds."""
    text = entry.get("interval")
    value = integer_prefix(text) if text is not None else None
    if value is not None and text is not None and text.strip().isdecimal():
        return value
    return interval_ms(text)
