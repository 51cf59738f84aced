"""Where the main process of a script's service is written down: a pid file named in the script.

In: the text of an init script and its name. Out: paths of pid files, the likeliest first. Read:
the header `pidfile:` of chkconfig, an assignment to PIDFILE or PID, an option --pidfile; then the
conventions /run/NAME.pid and /run/NAME/NAME.pid. Only literal paths, and $NAME where the script
says NAME=…: no shell is asked. A wrong one does no harm: its end only makes us look.
"""

from __future__ import annotations

import re
from typing import Final

PID_FILES_MAX: Final = 8

_HEADER: Final = re.compile(r"^#\s*pidfile:\s*(\S+)", re.MULTILINE | re.IGNORECASE)
_ASSIGNED: Final = re.compile(
    r"""^\s*(?:export\s+)?PID(?:_?FILE)?=["']?([^\s"';]+)""", re.MULTILINE | re.IGNORECASE
)
_OPTION: Final = re.compile(r"""--pidfile[ =]["']?(/[^\s"';]+)""")
_NAME: Final = re.compile(
    r"""^\s*(NAME|DAEMON|PROG|prog)=["']?([A-Za-z0-9._-]+)["']?\s*$""", re.MULTILINE
)
_VARIABLE: Final = re.compile(r"\$\{?(\w+)\}?")


def pid_files(name: str, text: str) -> tuple[str, ...]:
    """Return where a script's pid may stand."""
    known = dict(_NAME.findall(text)) | {"NAME": _last(_NAME, text, "NAME") or name}
    written = [*_HEADER.findall(text), *_ASSIGNED.findall(text), *_OPTION.findall(text)]
    expanded = [_VARIABLE.sub(lambda m: known.get(m[1], m[0]), path) for path in written]
    usual = [f"/run/{name}.pid", f"/run/{name}/{name}.pid"]
    literal = [path for path in (*expanded, *usual) if path.startswith("/") and "$" not in path]
    return tuple(dict.fromkeys(literal))[:PID_FILES_MAX]


def pid_from_text(text: str) -> int | None:
    """Return the process a pid file names on its first line, or None."""
    word = next(iter(text.split()), "")
    return int(word) if word.isdecimal() and len(word) < 10 and int(word) > 1 else None


def _last(pattern: re.Pattern[str], text: str, name: str) -> str:
    return next((value for key, value in reversed(pattern.findall(text)) if key == name), "")
