"""Plays watchdog hardware: resets a node of the laboratory that does not feed it in time.

A FIFO below the node's /var/log stands in for the device. The first byte arms it; a `V` as the
last byte disarms it. A reset takes the node's power away: nothing on it runs any longer.
"""

from __future__ import annotations

import os
import select
import threading
import time
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from lab.node import Node

PLACE = "/var/log/watchdog"


class WatchdogHardware:
    """The watchdog of one node, with a timeout in seconds. `resets`: when it bit (monotonic ms)."""

    def __init__(self, node: Node, timeout_s: float) -> None:
        self._node = node
        self._timeout_s = timeout_s
        self.resets: list[float] = []
        path = node.folder / "log" / "watchdog"
        os.mkfifo(path)
        self._fifo = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        self._is_closed = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Take the hardware away."""
        self._is_closed.set()
        self._thread.join(timeout=5)
        os.close(self._fifo)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _watch(self) -> None:
        bites_at: float | None = None
        while not self._is_closed.is_set():
            if select.select([self._fifo], [], [], 0.02)[0]:
                data = os.read(self._fifo, 4_096)
                bites_at = None if data.endswith(b"V") else time.monotonic() + self._timeout_s
            elif bites_at is not None and time.monotonic() >= bites_at:
                if self._node.space is not None:  # without power it has nothing to count with
                    self.resets.append(time.monotonic() * 1_000)
                    self._node.crash()
                bites_at = None
