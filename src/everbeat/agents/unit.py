"""What systemd tells of a unit, read as a resource manager must: runs, moves, done, stopped, dead.

In: the words of `systemctl show` for PROPERTIES. Out: a Condition.

A task that ended well has done its work: Type=oneshot without RemainAfterExit, or another service
without its own restart that exited well within TASK_S of its start (a short script behind a unit
without a Type line). It is neither dead nor stopped. A longer run that ends with 0 is a service
that has stopped. Well is 0, or what the unit's SuccessExitStatus= adds, but no 128 + n of a signal.
systemd unloads a unit that has ended well and that nothing refers to, and with
it the times of its start and end: a oneshot that is inactive and has not failed is done.
Source: systemd.service(5), org.freedesktop.systemd1(5).
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Final

PROPERTIES: Final = (
    "Type",
    "RemainAfterExit",
    "Restart",
    "ActiveState",
    "Result",
    "Job",
    "ExecMainCode",
    "ExecMainStatus",
    "ExecMainStartTimestampMonotonic",
    "ExecMainExitTimestampMonotonic",
)

TASK_S: Final = 10
"""A service that exits with 0 so soon after its start was a task and not a service."""

_EXITED: Final = "1"  # CLD_EXITED
_SIGNALLED: Final = 128
_SHORT_TYPES: Final = frozenset({"simple", "exec", "idle"})


class Condition(Enum):
    """How a resource was found."""

    HELD = auto()
    DONE = auto()  # a task that ended well
    MOVING = auto()  # somebody starts or stops it, or systemd is about to restart it
    STOPPED = auto()  # in order: nothing failed
    FORGOTTEN = auto()  # done or stopped, or never run: systemd has unloaded it since
    DEAD = auto()
    UNKNOWN = auto()  # no answer


def condition_from_show(words: str) -> Condition:
    """Read the answer of `systemctl show`."""
    told = dict(line.partition("=")[::2] for line in words.splitlines())
    state = told.get("ActiveState", "")
    if state in {"active", "reloading", "refreshing"}:
        return Condition.HELD
    if state in {"activating", "deactivating", "maintenance"} or told.get("Job", "") not in {
        "",
        "0",
    }:
        return Condition.MOVING
    if state == "failed":
        return Condition.DEAD
    if state != "inactive":
        return Condition.UNKNOWN
    if told.get("Result", "success") != "success":
        return Condition.DEAD
    if _is_task(told):
        return Condition.DONE
    has_run = _number(told, "ExecMainStartTimestampMonotonic") > 0
    return Condition.STOPPED if has_run or not _may_be_task(told) else Condition.FORGOTTEN


def _is_task(told: dict[str, str]) -> bool:
    began_us = _number(told, "ExecMainStartTimestampMonotonic")
    ended_us = _number(told, "ExecMainExitTimestampMonotonic")
    if told.get("RemainAfterExit") == "yes":
        return False  # it was stopped by somebody
    if told.get("Type") == "oneshot":
        return True  # with its end or without: systemd forgets it when it unloads the unit
    if not ended_us:
        return False
    is_well = told.get("ExecMainCode") == _EXITED and _number(told, "ExecMainStatus") < _SIGNALLED
    return is_well and _may_be_task(told) and ended_us - began_us <= TASK_S * 1_000_000


def _may_be_task(told: dict[str, str]) -> bool:
    """Whether a unit of another type than oneshot may be a task, by what is written in its file."""
    is_left = told.get("RemainAfterExit") != "yes" and told.get("Restart") == "no"
    return is_left and told.get("Type") in _SHORT_TYPES


def _number(told: dict[str, str], name: str) -> int:
    text = told.get(name, "")
    return int(text) if text.isdecimal() else 0
