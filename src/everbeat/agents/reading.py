"""Read the answer to `status`: whether the resource is held here.

Scripts are read by words of their standard output, as Heartbeat 3.0.6 does; their exit code does
not count. Held: it contains `running`, `Running` or `OK`. Not held: anything else, and whatever
contains `not` (in any case), a blank and, anywhere later, `running` or `Running`.

One difference on purpose: where systemd runs, /etc/init.d scripts hand `status` on to
`systemctl status`, which prints the last lines of the journal. Those may hold any words, so an
output with systemctl's `Active:` line is read by the exit code.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from everbeat.agents.agent import AddressAgent, ScriptAgent, SystemdAgent

if TYPE_CHECKING:
    from everbeat.agents.agent import Agent

_NOT: Final = re.compile(r"[Nn][Oo][Tt] ")
_RUNNING: Final = re.compile(r"[Rr]unning")
_HELD: Final = re.compile(r"[Rr]unning|OK")
_SYSTEMCTL: Final = re.compile(r"^ *Active: [a-z]+", re.MULTILINE)


def is_held(agent: Agent, exit_code: int, words: str) -> bool:
    """Return whether a finished `status` says that the resource is held.

    `words` is what the script wrote to standard output.
    """
    match agent:
        case ScriptAgent():
            if _SYSTEMCTL.search(words):
                return exit_code == 0
            return is_held_by_words(words)
        case AddressAgent() | SystemdAgent():
            return exit_code == 0


def is_held_by_words(words: str) -> bool:
    """Return what Heartbeat 3.0.6 reads out of a script's output."""
    denial = _NOT.search(words)
    if denial is not None and _RUNNING.search(words, denial.end()) is not None:
        return False
    return _HELD.search(words) is not None
