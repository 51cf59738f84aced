"""The first lines of every child of the keeper: import, wait for the word, run.

    python -m everbeat.daemons.child link [words…]      runs at once
    python -m everbeat.daemons.child link --standby     imports, then waits for its words

A standby's words come through EVERBEAT_GO_FD, NUL-separated, ended by a newline: a restart costs
no interpreter start and no import. End of file there: the keeper is gone, nothing to wait for.

EVERBEAT_ORPHAN_FD is a pipe whose other end is held by the keeper and by the children stopped
before this one. Its end of file says that all of them are gone: the child sends itself SIGTERM.
So without a keeper core gives up its resources, then executor ends, then link (ADR 0004).
"""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Final

GO_FD: Final = "EVERBEAT_GO_FD"
ORPHAN_FD: Final = "EVERBEAT_ORPHAN_FD"
HELD_FDS: Final = "EVERBEAT_HELD_FDS"
STANDBY: Final = "--standby"
_STACK_BYTES: Final = 64 * 1024  # the thread only waits; a real-time process locks its stack


def main(argv: list[str]) -> int:
    """Run a daemon; return its exit status."""
    name, *words = argv
    for descriptor in os.environ.pop(HELD_FDS, "").split():
        os.set_inheritable(int(descriptor), False)  # noqa: FBT003 - positional only in os
    module = importlib.import_module(f"everbeat.daemons.{name}")
    if words == [STANDBY]:
        told = _wait_for_words(int(os.environ.pop(GO_FD)))
        if told is None:
            return 0
        words = told
    _name_process(f"hb-{name}")
    _end_when_orphaned()
    status: int = module.main(words)
    return status


def _wait_for_words(descriptor: int) -> list[str] | None:
    with open(descriptor, "rb") as pipe:
        line = pipe.readline()
    return line[:-1].decode().split("\0") if line.endswith(b"\n") else None


def _name_process(name: str) -> None:
    with contextlib.suppress(OSError):  # what ps and top show
        Path("/proc/self/comm").write_text(name, encoding="ascii")


def _end_when_orphaned() -> None:
    descriptor = os.environ.pop(ORPHAN_FD, "")
    if not descriptor:
        return
    before = threading.stack_size(_STACK_BYTES)
    threading.Thread(target=_wait_orphaned, args=(int(descriptor),), daemon=True).start()
    threading.stack_size(before)


def _wait_orphaned(descriptor: int) -> None:
    os.set_inheritable(descriptor, False)  # noqa: FBT003 - positional only in os
    while os.read(descriptor, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
