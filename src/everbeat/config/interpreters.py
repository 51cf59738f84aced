"""The first line of a script: whether the kernel will find what it names.

A script whose interpreter is missing is "No such file or directory" to the kernel, though the
script itself is there. Most often its lines were saved with DOS line ends: CR is part of the name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from everbeat.config.files import words_of

if TYPE_CHECKING:
    from collections.abc import Callable

FIRST_LINE_BYTES_MAX: Final = 256  # what the kernel reads of it


def interpreter_trouble(first_line: str, is_there: Callable[[str], bool]) -> str:
    """Return why a script with this first line cannot be run, or an empty string."""
    if not first_line.startswith("#!"):
        return ""
    program = next(iter(words_of(first_line[2:].rstrip("\n"))), "")
    if first_line.rstrip("\n").endswith("\r"):
        return (
            f"its first line ends with a CR (DOS line ends): no interpreter {program}\\r is found"
        )
    if not is_there(program):
        return f"its interpreter {program or '(none)'} is not found"
    return ""
