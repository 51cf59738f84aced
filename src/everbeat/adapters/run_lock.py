"""One everbeat per RUN directory: a lock of the keeper, and one its children hold with it.

So a second start is refused while the first runs, and a new keeper waits for the children of one
that was killed: they are still giving up resources.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from typing import TYPE_CHECKING, Final

from everbeat.adapters.own_files import open_own, replace_own

if TYPE_CHECKING:
    from pathlib import Path

_KEEPER_LOCK: Final = "keeper.lock"
_CHILDREN_LOCK: Final = "children.lock"


class RunLock:
    """The two lock files of a RUN directory. `shared` is to be inherited by the children.

    Nobody else may open them: who can read a file can lock it, and hold up every start. Making
    one raises OSError.
    """

    def __init__(self, run: Path) -> None:
        self._own = open_own(run / _KEEPER_LOCK, os.O_RDWR)
        self.shared = open_own(run / _CHILDREN_LOCK, os.O_RDWR)

    def take_own(self) -> bool:
        """Become the keeper and write our pid down; False if there is one."""
        if not _lock(self._own):
            return False
        os.ftruncate(self._own, 0)
        os.pwrite(self._own, f"{os.getpid()}\n".encode(), 0)
        return True

    def take_shared(self) -> bool:
        """Take the children's lock; False while children of a former keeper live."""
        return _lock(self.shared)

    def keeper(self) -> str:
        """Return the pid of the keeper that runs."""
        return os.pread(self._own, 20, 0).decode(errors="replace").strip()


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def write_pidfile(path: Path) -> None:
    """Write our pid where Heartbeat does: `/run/heartbeat.pid`."""
    replace_own(path, f"{os.getpid()}\n".encode(), 0o644)


def remove_pidfile(path: Path) -> None:
    """Remove the pidfile if it is still ours."""
    with contextlib.suppress(OSError):
        if path.read_text(encoding="ascii").strip() == str(os.getpid()):
            path.unlink()
