"""Whether a script knows the word `status`: what does not may act on any word it is given.

In: the text of a script. It does not know the word only if all of this holds; in doubt it does:

* its interpreter is a shell, Python, Perl or Ruby, or it names none,
* `status` occurs nowhere outside comments,
* no pattern of a `case` but a bare `*` matches it (`st*)`),
* it hands its words on to nobody: no command but those that print or compare is given `$@`, `$*`,
  `$1` or a variable that got one of them, and none of those is itself the command,
* it reads no other script in, but libraries of init scripts and files of settings.

Heartbeat 3.0.6 knows no such rule: it asks every script for its status once before each start.
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import Final

STATUS: Final = "status"

_INTERPRETER: Final = re.compile(r"#!\s*(?:\S*/env\s+(?:-\S+\s+)*)?(\S+)")
_SHELLS: Final = frozenset({"sh", "bash", "dash", "ash", "ksh", "zsh", "rbash"})
_LANGUAGES: Final = re.compile(r"(?:python|perl|ruby)[0-9.]*")
_COMMENT: Final = re.compile(r"(?:^|(?<=\s))#.*$", re.MULTILINE)
_WORD: Final = re.compile(rf"(?<![A-Za-z]){STATUS}(?![A-Za-z])")
_PATTERN: Final = re.compile(
    r"""(?:^|;;|\bin)\s*\(?([^\s();&$`]+(?:\s*\|\s*[^\s();&$`]+)*)\s*\)""", re.MULTILINE
)
_COMMAND_END: Final = re.compile(r"&&|\|\||[;|&\n()`{}]")
_SINGLE_QUOTED: Final = re.compile(r"'[^'\n]*'")
_DOUBLE_QUOTED: Final = re.compile(r'"(?:[^"\\]|\\.)*"')
_SUBSTITUTED: Final = re.compile(r"\$\(([^()]*)\)|`([^`]*)`")
_KEYWORD: Final = re.compile(r"^(?:then|else|elif|do|if|while|until|!|time)\s+")
_ASSIGNED: Final = re.compile(r"^(?:local\s+|export\s+|readonly\s+|declare\s+)?(\w+)=(.*)$")
_SETTINGS_BEFORE: Final = re.compile(r"^(?:\w+=\S*\s+)+")
_VALUE: Final = re.compile(r"\$\{?([@*]|\w+)")
_SOURCED: Final = re.compile(r"^(?:\.|source)\s+[\"']?(\S+?)[\"']?$")
_LIBRARIES: Final = re.compile(
    r"(?:^|/)(?:functions|init-functions|shellfuncs|ocf-\w+|\.ocf-\w+|rc\.status)$"
    r"|/(?:default|sysconfig|conf\.d)/"
    r"|\.(?:conf|cfg|env)$"
)
# fmt: off
_HARMLESS: Final = frozenset({
    "echo", "printf", "logger", "wall", "test", "[", "[[", "case", "set", "shift", ":", "exit",
    "return", "ha_log", "ocf_log", "ha_debug", "log_daemon_msg", "log_action_msg",
    "log_success_msg", "log_failure_msg", "log_warning_msg",
})
# fmt: on
_HANDED_ON_ELSEWHERE: Final = re.compile(
    r"\b(?:exec\w*|system|subprocess|popen|getattr|send|spawn\w*|do|require)\b", re.IGNORECASE
)


def knows_status(text: str) -> bool:
    """Whether a script may be asked for its status."""
    interpreter = _INTERPRETER.match(text)
    program = interpreter[1].rpartition("/")[2] if interpreter else "sh"
    is_shell = program in _SHELLS
    if not is_shell and _LANGUAGES.fullmatch(program) is None:
        return True
    code = _COMMENT.sub("", text).replace("\\\n", " ")
    if _WORD.search(code):
        return True
    if not is_shell:
        return "argv" in code.lower() and _HANDED_ON_ELSEWHERE.search(code) is not None
    return _has_pattern(code) or _hands_on(code)


def _has_pattern(code: str) -> bool:
    for found in _PATTERN.finditer(code):
        for pattern in found[1].split("|"):
            bare = re.sub(r"[\"'\s]", "", pattern)
            if bare.strip("*") and fnmatchcase(STATUS, bare):
                return True
    return False


def _hands_on(code: str) -> bool:
    given = {"@", "*", "1", "2", "3", "4", "5", "6", "7", "8", "9"}
    for command in _commands(code):
        assigned = _ASSIGNED.match(command)
        if assigned is not None and not re.search(r"\s\S", _unquoted(assigned[2])):
            if _names(assigned[2]) & given:
                given.add(assigned[1])
            continue
        command = _SETTINGS_BEFORE.sub("", command)  # noqa: PLW2901 - NAME=value command
        sourced = _SOURCED.match(command)
        if sourced is not None and not _LIBRARIES.search(sourced[1]):
            return True
        program = command.split(maxsplit=1)[0] if command else ""
        if program and program not in _HARMLESS and _names(command) & given:
            return True
    return False


def _commands(code: str) -> list[str]:
    """Return the simple commands of a shell script, those in $(…) and `…` after the others.

    Single-quoted text is left out, and what ends a command does not in double quotes.
    """
    outer = re.sub(r"\$\{(\w+|[@*])[^}]*\}", r"$\1", _SINGLE_QUOTED.sub("''", code))
    inner: list[str] = []
    while (found := _SUBSTITUTED.search(outer)) is not None:
        inner.append(found[1] or found[2] or "")
        outer = f"{outer[: found.start()]}_{outer[found.end() :]}"
    masked = _DOUBLE_QUOTED.sub(lambda quoted: _COMMAND_END.sub(" ", quoted[0]), outer)
    commands: list[str] = []
    for part in _COMMAND_END.split("\n".join((masked, *inner))):
        command = part.strip()
        while (keyword := _KEYWORD.match(command)) is not None:
            command = command[keyword.end() :]
        commands.append(command)
    return commands


def _unquoted(value: str) -> str:
    return re.sub(r"\"[^\"]*\"|'[^']*'", "", value)


def _names(text: str) -> set[str]:
    return set(_VALUE.findall(text))
