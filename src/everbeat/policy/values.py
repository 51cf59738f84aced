"""Small values of the configuration language: booleans, durations, names in natural order."""

from __future__ import annotations

import re
from typing import Final

from everbeat.cib.whole_numbers import integer_prefix

_TRUE: Final = frozenset(("true", "on", "yes", "y", "1"))
_FALSE: Final = frozenset(("false", "off", "no", "n", "0"))
_DURATION: Final = re.compile(r"\s*([+-]?\d+)(?:\.\d*)?\s*([A-Za-z]*)\s*$")
_ISO_DURATION: Final = (
    r"P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?T?(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?$"
)
_MICROSECONDS: Final = frozenset(("us", "usec"))
_UNIT_MS: Final = {
    "": 1000,
    "s": 1000,
    "sec": 1000,
    "ms": 1,
    "msec": 1,
    "m": 60_000,
    "min": 60_000,
    "h": 3_600_000,
    "hr": 3_600_000,
}
DURATION_MS_MAX: Final = 2**63 - 1
"""As crm_simulate counts them: a longer duration is this one."""
DEFAULT_TIMEOUT_MS: Final = 20_000
INTERVAL_MS_MAX: Final = 0xFFFF_FFFF  # as crm_simulate writes them: longer ones are cut to this


def boolean_from_text(text: str | None) -> bool | None:
    """Read a boolean; None where the text is not one."""
    if text is None:
        return None
    low = text.lower()
    if low in _TRUE:
        return True
    return False if low in _FALSE else None


def is_true(text: str | None) -> bool:
    """Say whether the text is a boolean and means true."""
    return text is not None and text.lower() in _TRUE


def duration_ms(text: str | None) -> int | None:
    """Read a duration such as `10`, `10s`, `2min` or `PT10S`; None where it is none."""
    if text is None:
        return None
    if text.startswith("P"):
        return _iso_duration_ms(text)
    match = _DURATION.match(text)
    if match is None:
        return None
    number, unit = int(match.group(1)), match.group(2).lower()
    if unit in _MICROSECONDS:
        return min(number // 1000, DURATION_MS_MAX)
    factor = _UNIT_MS.get(unit)
    return None if factor is None else min(number * factor, DURATION_MS_MAX)


def _iso_duration_ms(text: str) -> int | None:
    match = re.match(_ISO_DURATION, text)
    if match is None:
        return None
    years, months, weeks, days, hours, minutes, seconds = (int(g or 0) for g in match.groups())
    whole_days = years * 365 + months * 30 + weeks * 7 + days
    total_s = ((whole_days * 24 + hours) * 60 + minutes) * 60 + seconds
    return min(total_s * 1000, DURATION_MS_MAX)


def interval_ms(text: str | None) -> int:
    """Read an operation's interval; anything invalid counts as 0."""
    value = duration_ms(text)
    return min(value, INTERVAL_MS_MAX) if value is not None and value > 0 else 0


def seconds_from_ms(ms: int) -> int:
    """Round a time to whole seconds; a short one never becomes zero."""
    if ms == 0:
        return 0
    return 1 if ms < 1000 else (ms + 500) // 1000


def epoch_from_text(text: str | None, default: int = -1) -> int:
    """Read a time in seconds since the epoch."""
    if text is None:
        return default
    value = integer_prefix(text)
    return default if value is None else value


def natural_key(name: str) -> tuple[tuple[int, int, int, str], ...]:
    """Return a sort key that orders `node2` before `node10`, whatever the case of letters."""
    parts: list[tuple[int, int, int, str]] = []
    position = 0
    while position < len(name):
        if name[position].isdecimal():
            end = position
            while end < len(name) and name[end].isdecimal():
                end += 1
            digits = name[position:end]
            # Beside a letter a number sorts as its first digit does: digits come before letters.
            parts.append((ord("0"), int(digits), len(digits), ""))
            position = end
        else:
            parts.append((ord(name[position].lower()), 0, 0, ""))
            position += 1
    return tuple(parts)


def operation_key(resource_id: str, task: str, interval: int) -> str:
    """Return the name of an action: resource, task and interval in milliseconds."""
    return f"{resource_id}_{task}_{interval}"


def base_name(resource_id: str) -> str:
    """Return the id without an instance number: `web:3` becomes `web`."""
    head, colon, tail = resource_id.rpartition(":")
    return head if colon and tail.isdecimal() else resource_id


_NOTIFY_ENDS: Final = (
    "_pre_notify",
    "_post_notify",
    "_confirmed-pre_notify",
    "_confirmed-post_notify",
)


def parse_operation_key(key: str) -> tuple[str, str, int] | None:
    """Split an action's name into resource, task and interval; None where it is none."""
    head, _, last = key.rpartition("_")
    if not head or not last.isdecimal():
        return None
    for task in ("migrate_to", "migrate_from"):
        if head.endswith("_" + task):
            return head[: -len(task) - 1], task, int(last)
    resource, _, task = head.rpartition("_")
    for end in _NOTIFY_ENDS:
        if resource.endswith(end):
            return resource[: -len(end)], f"{end[1:]}_{task}", int(last)
    return resource, task, int(last)
