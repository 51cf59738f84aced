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
    """A null modem cable with a tty at each end."""

    def __init__(self) -> None:
        self._masters, self._slaves = zip(*(os.openpty() for _ in range(2)), strict=True)
        for master in self._masters:
            tty.setraw(master)
        self.ends: Sequence[str] = [os.ttyname(slave) for slave in self._slaves]
        self._is_flowing = True
        self._is_over = False
        self._turn = threading.Lock()
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

    def pause(self) -> None:
        """Let nothing more pass; it waits in the terminals."""
        with self._turn:
            self._is_flowing = False

    def resume(self) -> None:
        """Let pass what waits, and what follows."""
        self._is_flowing = True

    def _pump(self) -> None:
        one, two = self._masters
        with contextlib.suppress(OSError, ValueError):
            while not self._is_over:
                readable = select.select([one, two], [], [], 0.05)[0] if self._is_flowing else []
                with self._turn:
                    for source in readable if self._is_flowing else ():
                        os.write(two if source == one else one, os.read(source, 1000))
                if not self._is_flowing:
                    time.sleep(0.01)
