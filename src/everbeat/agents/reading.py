"""Read the answer to `status`: whether the resource is held here.

Scripts are read by words of their standard output, as Heartbeat 3.0.6 does; their exit code does
not count. Held: it contains `running`, `Running` or `OK`. Not held: anything else, and whatever
contains `not` (in any case), a blank and, anywhere later, `running` or `Running`.

One difference on purpose: where systemd runs, /etc/init.d scripts hand `status` on to
`systemctl status`, which prints the last lines of the journal. Those may hold any words, so an
output with systemctl's `Active:` line is read by the exit code.

Units are read by what systemd says of them (agents.unit).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from everbeat.agents.agent import AddressAgent, ScriptAgent, SystemdAgent
from everbeat.agents.unit import Condition, condition_from_show

if TYPE_CHECKING:
    from everbeat.agents.agent import Agent

NOT_STARTED_EXIT: Final = 126
SIGNALLED_EXIT_MIN: Final = 128
DOUBTFUL_EXITS: Final = frozenset((NOT_STARTED_EXIT, *range(SIGNALLED_EXIT_MIN, 256)))
"""Of a status that could not begin, or was killed: it says nothing of the resource."""

ADDRESS_NOT_HELD_EXIT: Final = 3

_NOT: Final = re.compile(r"[Nn][Oo][Tt] ")
_RUNNING: Final = re.compile(r"[Rr]unning")
_HELD: Final = re.compile(r"[Rr]unning|OK")
_SYSTEMCTL: Final = re.compile(r"^ *Active: [a-z]+", re.MULTILINE)


def condition_of(agent: Agent, exit_code: int, words: str) -> Condition:
    """Return how a finished `status` found its resource.

    `words` is what the script wrote to standard output.
    """
    match agent:
        case SystemdAgent():
            return condition_from_show(words)
        case AddressAgent():
            return _condition(exit_code == 0, exit_code == ADDRESS_NOT_HELD_EXIT)
        case ScriptAgent():
            is_systemctl = _SYSTEMCTL.search(words) is not None
            is_up = exit_code == 0 if is_systemctl else is_held_by_words(words)
            return _condition(is_up, exit_code not in DOUBTFUL_EXITS)


def _condition(is_up: bool, is_answer: bool) -> Condition:  # noqa: FBT001 - the two of above
    if is_up:
        return Condition.HELD
    return Condition.DEAD if is_answer else Condition.UNKNOWN


def is_held(agent: Agent, exit_code: int, words: str) -> bool | None:
    """Return whether a finished `status` says that the resource is held; None: it cannot tell.

    A task that has ended well leaves nothing by which it could be known whether it was for us; nor
    does a unit that may have been one, once systemd has unloaded it.
    """
    condition = condition_of(agent, exit_code, words)
    is_untold = condition in {Condition.DONE, Condition.FORGOTTEN}
    return None if is_untold else condition is Condition.HELD


def is_held_by_words(words: str) -> bool:
    """Return what Heartbeat 3.0.6 reads out of a script's output."""
    denial = _NOT.search(words)
    if denial is not None and _RUNNING.search(words, denial.end()) is not None:
        return False
    return _HELD.search(words) is not None
