"""The one executable: argv[0] chooses between everbeat and the old names of Heartbeat's tools.

The old names import neither click nor rich, and every sub-command of everbeat is imported only
when it is called, so that asking is fast.
"""

from __future__ import annotations

import errno
import gc
import io
import os
import signal
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from everbeat.commands.places import Places


GARBAGE_MIN: Final = 50_000
"""New objects before any are looked at: no tool makes so many while it is loaded. The daemons are
other interpreters."""


OUTPUT_ERRORS: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})
"""What writing to a file or terminal may fail with. Whatever else we write, its writer catches."""


BROKEN_PIPE_EXIT: Final = 128 + signal.SIGPIPE
"""As a shell calls the end of a program by that signal."""


def main() -> int:
    """Run what argv[0] names; the exit code of a console script."""
    program, words = sys.argv[0], sys.argv[1:]
    tool = OLD_TOOLS.get(_name(program))
    if tool is None and words[:1] == ["crm_simulate"]:  # click would take longer than it does
        tool, words = _crm_simulate, words[1:]
    gc.set_threshold(GARBAGE_MIN)
    _see_to_streams()
    try:
        try:
            return _everbeat(words) if tool is None else tool(program, words)
        finally:
            sys.stdout.flush()  # here, where its failure is caught
    except BrokenPipeError:
        # The reader (head, less) has enough; keep the interpreter from complaining at its end.
        # Not 0: what was to be said, or done, may not have come to its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE_EXIT
    except KeyboardInterrupt:
        return 130
    except OSError as error:
        if error.errno not in OUTPUT_ERRORS:
            raise
        print(f"{_name(program)}: the output cannot be written: {error.strerror}", file=sys.stderr)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    finally:
        gc.freeze()  # nothing is sorted out at the end: the process takes it all with it


def _see_to_streams() -> None:
    """Have the three streams, whatever the caller has closed, and let no character stop a text.

    Terminals of another character set (LANG=de_DE.ISO-8859-1) get ? for what that has not.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # `>&-`, as some daemons run their children
            nothing = os.open(os.devnull, os.O_RDWR)
            setattr(sys, name, os.fdopen(nothing, mode, encoding="utf-8"))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="replace")


def _everbeat(words: Sequence[str]) -> int:
    from everbeat.cli.everbeat_command import run  # noqa: PLC0415 - click only for this name

    return run(words)


def _name(program: str) -> str:
    return program.rpartition("/")[2]


def _places() -> Places:
    """Return the usual directories; the environment may move them (tests, chroots)."""
    from pathlib import Path  # noqa: PLC0415 - crm_simulate is quicker than it loads

    from everbeat.commands.places import Places  # noqa: PLC0415 - after the name is known

    usual = Places()
    return Places(
        etc=Path(os.environ.get("EVERBEAT_ETC", usual.etc)),
        state=Path(os.environ.get("EVERBEAT_STATE", usual.state)),
        run=Path(os.environ.get("EVERBEAT_RUN", usual.run)),
    )


def _cl_status(_program: str, words: Sequence[str]) -> int:
    from everbeat.commands.cl_status import cl_status  # noqa: PLC0415 - only this tool's modules

    return cl_status(words, _places(), sys.stdout, sys.stderr)


def _hb_standby(program: str, words: Sequence[str]) -> int:
    from everbeat.commands.moving import Direction, old_tool  # noqa: PLC0415 - only this tool's

    return old_tool(Direction.STANDBY, program, words, _places(), sys.stdout, sys.stderr)


def _hb_takeover(program: str, words: Sequence[str]) -> int:
    from everbeat.commands.moving import Direction, old_tool  # noqa: PLC0415 - only this tool's

    return old_tool(Direction.TAKEOVER, program, words, _places(), sys.stdout, sys.stderr)


def _hb_addnode(program: str, words: Sequence[str]) -> int:
    return _change_nodes("addnode", program, words)


def _hb_delnode(program: str, words: Sequence[str]) -> int:
    return _change_nodes("delnode", program, words)


def _change_nodes(kind: str, program: str, words: Sequence[str]) -> int:
    from everbeat.commands.node_list import change_nodes  # noqa: PLC0415 - only this tool's

    return change_nodes(kind, _name(program), words, _places(), sys.stdout, sys.stderr)


def _ha_propagate(program: str, words: Sequence[str]) -> int:
    from everbeat.commands.ha_propagate import ha_propagate  # noqa: PLC0415 - only this tool's

    return ha_propagate(_name(program), words, sys.stdout, sys.stderr)


def _crm_simulate(_program: str, words: Sequence[str]) -> int:
    from everbeat.commands.crm_simulate import crm_simulate  # noqa: PLC0415 - only this tool's

    return crm_simulate(words, sys.stdout, sys.stderr)


OLD_TOOLS: Final[dict[str, Callable[[str, Sequence[str]], int]]] = {
    "cl_status": _cl_status,
    "hb_standby": _hb_standby,
    "hb_takeover": _hb_takeover,
    "hb_addnode": _hb_addnode,
    "hb_delnode": _hb_delnode,
    "ha_propagate": _ha_propagate,
    "crm_simulate": _crm_simulate,
}
