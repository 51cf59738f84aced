"""The order in which the reference engine's tables of nodes give their entries, where it shows.

It shows in two places only: in sorting nodes by capacity, which is no proper order (each of two
nodes may have more of something), and in the choice between nodes with equal room. Keys are node
ids, entered in the order of the node list.

Oracle: traces of `crm_simulate` with strategy `balanced`; the table is GLib's, open addressing
with a prime modulus, growing to the power of two above four thirds of its entries.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from everbeat.policy.plan.node import Node

_Item = TypeVar("_Item")
_PRIMES: Final = {
    8: 7,
    16: 13,
    32: 31,
    64: 61,
    128: 127,
    256: 251,
    512: 509,
    1024: 1021,
    2048: 2039,
    4096: 4093,
    8192: 8191,
}
NODES_MAX: Final = 4096
_MASK: Final = 0xFFFF_FFFF


def in_hash_order(nodes: list[Node]) -> list[Node]:
    """Return nodes as a table would give them; more than NODES_MAX stay in their own order."""
    if len(nodes) > NODES_MAX:
        return nodes
    slots: list[Node | None] = [None] * 8
    for used, node in enumerate(nodes):
        if len(slots) <= used + used // 16:
            slots = _grown(slots, used)
        slots[_free_slot(slots, node)] = node
    return [node for node in slots if node is not None]


def _hash(text: str) -> int:
    value = 0
    for byte in text.lower().encode():
        value = (value * 31 + (byte - 256 if byte > 127 else byte)) & _MASK
    return max(value, 2)  # 0 and 1 mark empty and deleted slots


def _free_slot(slots: list[Node | None], node: Node) -> int:
    index = (_hash(node.id) * 11 & _MASK) % _PRIMES[len(slots)]
    step = 0
    while slots[index] is not None:
        step += 1
        index = (index + step) & (len(slots) - 1)
    return index


def _grown(slots: list[Node | None], used: int) -> list[Node | None]:
    size = 8
    while size <= used * 1.333:
        size *= 2
    grown: list[Node | None] = [None] * size
    for node in slots:
        if node is not None:
            grown[_free_slot(grown, node)] = node
    return grown


def merge_sorted(items: list[_Item], compare: Callable[[_Item, _Item], int]) -> list[_Item]:
    """Sort by halves; with a comparison that goes in circles the way of sorting decides."""
    if len(items) < 2:
        return items
    half = len(items) // 2
    left, right = merge_sorted(items[:half], compare), merge_sorted(items[half:], compare)
    merged: list[_Item] = []
    i = j = 0
    while i < len(left) and j < len(right):
        if compare(left[i], right[j]) <= 0:
            merged.append(left[i])
            i += 1
        else:
            merged.append(right[j])
            j += 1
    return merged + left[i:] + right[j:]
