"""A serial cable for tests: two pseudo terminals with bytes pumped across."""

from __future__ import annotations

import contextlib
import os
import select
import threading
import time
import tty
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Sequence


class Cable:
    """A null modem cable with a tty at each end. `cut`: nothing passes."""

    def __init__(self) -> None:
        self._masters, self._slaves = zip(*(os.openpty() for _ in range(2)), strict=True)
        for master in self._masters:
            tty.setraw(master)
        self.ends: Sequence[str] = [os.ttyname(slave) for slave in self._slaves]
        self.is_reading = True
        self._is_over = False
        self._thread = threading.Thread(target=self._pump, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._is_over = True
        self._thread.join(5)
        self.hang_up()

    def hang_up(self) -> None:
        self._is_over = True
        for descriptor in (*self._masters, *self._slaves):
            with contextlib.suppress(OSError):
                os.close(descriptor)

    def _pump(self) -> None:
        one, two = self._masters
        with contextlib.suppress(OSError, ValueError):
            while not self._is_over:
                if not self.is_reading:
                    time.sleep(0.01)
                    continue
                for source in select.select([one, two], [], [], 0.05)[0]:
                    os.write(two if source == one else one, os.read(source, 1000))
