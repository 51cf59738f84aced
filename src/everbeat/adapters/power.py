"""Restart the machine at once, without syncing or stopping anything, as `reboot -nf` does."""

from __future__ import annotations

import ctypes
import os
from typing import Final

_RESTART: Final = 0x0123_4567  # LINUX_REBOOT_CMD_RESTART


def reboot_now() -> str:
    """Restart; returns only if the kernel refuses, with the reason.

    In a container it ends the container's PID namespace instead of the machine.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    libc.reboot(ctypes.c_int(_RESTART))
    return os.strerror(ctypes.get_errno())
