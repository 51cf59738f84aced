"""Comparing a node attribute with a value: as text, integer, number or version.

    string    letters of either case are equal; order by bytes
    integer   the whole number a text begins with, of 64 bits
    number    the decimal number a text begins with
    version   parts between dots, each as the number it begins with; missing parts are 0

Without a type, `eq` and `ne` compare text, the others integers, or numbers if either side has a
dot. What is not a number is compared as text. A missing value equals a missing value and is less
than any other; `lt`, `lte`, `gt` and `gte` do not hold if a side is missing.

Source: behaviour of Pacemaker (expression element).
"""

from __future__ import annotations

import re
from typing import Final

OPERATIONS: Final = ("eq", "ne", "lt", "lte", "gt", "gte", "defined", "not_defined")
TYPES: Final = ("string", "integer", "number", "version")
SOURCES: Final = ("literal", "param", "meta")
INTEGER_MAX: Final = (1 << 63) - 1
_INTEGER: Final = re.compile(r"\s*([+-]?[0-9]{1,40})")
_NUMBER: Final = r"\s*([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?|[+-]?inf(?:inity)?)"


def holds(actual: str | None, operation: str, reference: str | None, type_name: str | None) -> bool:
    """Tell whether the actual value stands in the relation to the reference; type None: default."""
    match operation:
        case "defined":
            return actual is not None
        case "not_defined":
            return actual is None
        case "eq":
            return compare(actual, reference, type_name or "string") == 0
        case "ne":
            return compare(actual, reference, type_name or "string") != 0
        case _:
            return _is_ordered(actual, operation, reference, type_name)


def _is_ordered(
    actual: str | None, operation: str, reference: str | None, type_name: str | None
) -> bool:
    if actual is None or reference is None:
        return False
    order = compare(actual, reference, type_name or _type_of_order(actual, reference))
    match operation:
        case "lt":
            return order < 0
        case "lte":
            return order <= 0
        case "gt":
            return order > 0
        case _:
            assert operation == "gte"
            return order >= 0


def compare(left: str | None, right: str | None, type_name: str) -> int:
    """Return a negative number, 0 or a positive one: left before, equal to or after right."""
    if left is None or right is None:
        return (left is not None) - (right is not None)
    match type_name:
        case "integer":
            left_integer, right_integer = integer_prefix(left), integer_prefix(right)
            if left_integer is not None and right_integer is not None:
                return (left_integer > right_integer) - (left_integer < right_integer)
        case "number":
            left_number, right_number = number_prefix(left), number_prefix(right)
            if left_number is not None and right_number is not None:
                return (left_number > right_number) - (left_number < right_number)
        case "version":
            return compare_versions(left, right)
        case _:
            assert type_name == "string"
    return compare_texts(left, right)


def compare_texts(left: str, right: str) -> int:
    """Order by bytes after ASCII capitals became small letters."""
    left_bytes, right_bytes = left.encode().lower(), right.encode().lower()
    return (left_bytes > right_bytes) - (left_bytes < right_bytes)


def compare_versions(left: str, right: str) -> int:
    """Order dotted numbers part by part."""
    left_parts, right_parts = _version_parts(left), _version_parts(right)
    return (left_parts > right_parts) - (left_parts < right_parts)


def integer_prefix(text: str) -> int | None:
    """Return the integer a text begins with, None without one or outside 64 bits."""
    match = _INTEGER.match(text)
    if match is None:
        return None
    value = int(match.group(1))
    return value if -INTEGER_MAX - 1 <= value <= INTEGER_MAX else None


def number_prefix(text: str) -> float | None:
    """Return the decimal number a text begins with."""
    match = re.match(_NUMBER, text, re.IGNORECASE)
    return None if match is None else float(match.group(1))


def _type_of_order(left: str, right: str) -> str:
    return "number" if "." in left or "." in right else "integer"


def _version_parts(text: str) -> list[int]:
    parts = [integer_prefix(part) or 0 for part in text.split(".")]
    while parts and parts[-1] == 0:
        parts.pop()
    return parts
