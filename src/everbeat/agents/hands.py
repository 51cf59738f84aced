"""Whether a process is somebody at work on a resource: its script or unit, with a word that acts.

In: command lines of processes that we have not started. A hand is

    [INTERPRETER] …/SCRIPT [ARGUMENT …] restart      the script itself, by whatever path
    systemctl | service | invoke-rc.d … NAME …       whoever hands it on to systemd or the script

with a word in it that starts, stops or reloads. A `status` is none. A script may have other names
too, as /etc/rc3.d/S20svc for /etc/init.d/svc: which file a word names the shell finds out.
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
    return _is_hand(command[program_position(command) :], agent) or _is_hand(command, agent)


def runs_scripts(program: str) -> bool:
    """Whether a program is an interpreter; its processes have the short names of their scripts."""
    return _base(program).lstrip("-").startswith(INTERPRETERS)


def program_position(command: Sequence[str]) -> int:
    """Return where a command line names its program: the script, if it begins with an interpreter.

    In: words that are not empty.
    """
    if not command or not runs_scripts(command[0]):
        return 0
    return next((n for n, word in enumerate(command[1:], 1) if not word.startswith("-")), 0)


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
