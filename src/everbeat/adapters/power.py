"""Restart the machine at once, without stopping anything, as `reboot -nf` does."""

from __future__ import annotations

import ctypes
import os
import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_RESTART: Final = 0x0123_4567  # LINUX_REBOOT_CMD_RESTART
_KEEP_S: Final = 1.0


def reboot_now(*write: Callable[[], None]) -> str:
    """Restart; returns only if the kernel refuses, with the reason.

    `write` are called first, and what the machine has not written yet, above all why it restarts,
    gets one second to reach the disk; a disk that hangs holds nothing up. In a container it ends
    the container's PID namespace instead of the machine.
    """
    keeping = threading.Thread(target=_keep, args=(write,), daemon=True)
    keeping.start()
    keeping.join(_KEEP_S)
    libc = ctypes.CDLL(None, use_errno=True)
    libc.reboot(ctypes.c_int(_RESTART))
    return os.strerror(ctypes.get_errno())


def _keep(write: tuple[Callable[[], None], ...]) -> None:
    for each in write:
        each()
    os.sync()
