"""Whether a process is somebody at work on a resource: its script or unit, with a word that acts.

In: command lines of processes that we have not started. A hand is

    [INTERPRETER] …/SCRIPT [ARGUMENT …] restart      the script itself, by whatever path
    systemctl | service | invoke-rc.d … NAME …       whoever hands it on to systemd or the script

with a word in it that starts, stops or reloads. A `status` is none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from everbeat.agents.agent import AddressAgent, ScriptAgent, SystemdAgent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from everbeat.agents.agent import Agent

INTERPRETERS: Final = ("sh", "bash", "dash", "ash", "ksh", "zsh", "python", "perl", "ruby", "php")
MANAGERS: Final = frozenset(
    {"systemctl", "service", "invoke-rc.d", "deb-systemd-invoke", "rc-service", "rcctl"}
)
PACKAGE_TOOLS: Final = frozenset({"dpkg", "rpm", "dnf", "yum", "zypper", "pacman", "apk"})
"""While they run, a service that was stopped in order will be started again by them."""

_MANAGER_NAMES: Final = frozenset(manager[:15] for manager in MANAGERS)
_ACTS: Final = ("start", "stop", "reload", "graceful", "upgrade")


def may_be_at_work(name: str, agent: Agent) -> bool:
    """Whether a process of this short name (15 characters of it) may be a hand at all."""
    return name.startswith(INTERPRETERS) or name in _MANAGER_NAMES or name == _name_of(agent)[:15]


def is_at_work(command: Sequence[str], agent: Agent) -> bool:
    """Whether a command line is somebody at work on what the agent serves."""
    words = [word for word in command if word]
    if words and _base(words[0]).lstrip("-").startswith(INTERPRETERS):
        script = next((n for n, w in enumerate(words[1:], 1) if not w.startswith("-")), None)
        if script is not None and _is_hand(words[script:], agent):
            return True
    return _is_hand(words, agent)


def _is_hand(words: Sequence[str], agent: Agent) -> bool:
    if not words or not any(part in word for word in words[1:] for part in _ACTS):
        return False
    program, rest = _base(words[0]), words[1:]
    name = _name_of(agent)
    if program in MANAGERS:
        return any(word in {name, f"{name}.service"} for word in rest)
    arguments = agent.arguments if isinstance(agent, ScriptAgent) else ()
    is_script = isinstance(agent, ScriptAgent) and program == name
    return is_script and all(word in rest for word in arguments if word)


def _name_of(agent: Agent) -> str:
    match agent:
        case ScriptAgent(path):
            return _base(path)
        case SystemdAgent(unit):
            return unit.removesuffix(".service")
        case AddressAgent(name):
            return name


def _base(path: str) -> str:
    return path.rpartition("/")[2]
