"""How slow this machine is while a test runs, so that a bound of time means the same everywhere.

A process beside the tests sleeps 10 ms again and again and notes how late it wakes; once a second
it works for 20 ms of processor time and notes how long that took. It runs at the priority and in
a session of its own, as the nodes of the laboratory do.

    limit for something to happen:      seconds on a quiet machine, made longer by `slowness`
    limit for how quick something was:  `allowed`, milliseconds on a quiet machine made longer alike

On a quiet machine the factor is 1 and the lateness a few milliseconds: a bound is not lax there.
"""

from __future__ import annotations

import atexit
import functools
import math
import subprocess
import sys
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

SLOWNESS_MAX: Final = 25.0
"""Slower still, and a test fails: something else must end first."""
SAMPLES_MAX: Final = 1_000
ROUND_MS: Final = 1_000
BEGIN_S_MAX: Final = 60
STRETCHED_S_MAX: Final = 15.0
"""So much of a wait's limit is work, which takes longer; the rest of a longer one is patience."""
LOOKED_BACK_MS: Final = 10_000
LATE_TIMES: Final = 3
"""What is measured passes through so many processes that may each wake late."""

_METER: Final = """import time
while True:
    late = 0.0
    for _ in range(90):
        due = time.monotonic() + 0.01
        time.sleep(0.01)
        late = max(late, time.monotonic() - due)
    began, used = time.monotonic(), time.thread_time()
    while (work := time.thread_time() - used) < 0.02:
        pass
    now = time.monotonic()
    print(f"{now * 1000:.1f} {late * 1000:.1f} {(now - began) / work:.2f}", flush=True)
"""


@dataclass(frozen=True, slots=True)
class Round:
    """One second of the meter: its end (CLOCK_MONOTONIC ms), the worst lateness, wall ÷ work."""

    ended_ms: float
    late_ms: float
    slowness: float


@dataclass(frozen=True, slots=True)
class Allowance:
    """A bound: `base_ms` on a quiet machine, `ms` on this one, now. Say it where it is missed."""

    base_ms: float
    slowness: float
    late_ms: float

    @property
    def ms(self) -> float:
        """How long it may take here."""
        return self.base_ms * self.slowness + LATE_TIMES * self.late_ms


class Machine:
    """The meter and what it has seen, one round at least. Times are CLOCK_MONOTONIC ms."""

    def __init__(self) -> None:
        self._rounds: deque[Round] = deque(maxlen=SAMPLES_MAX)
        self._began_ms = time.monotonic() * 1000
        self._meter = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _METER],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._has_begun = threading.Event()
        self._reader = threading.Thread(target=self._collect, daemon=True)
        self._reader.start()
        self._has_begun.wait(BEGIN_S_MAX)

    def slowness(self, since_ms: float) -> float:
        """Return how many times longer work has taken than on a quiet machine; 1 at least."""
        return slowness(self._seen(since_ms))

    def allowed(self, base_ms: float, since_ms: float) -> Allowance:
        """Return the bound for something that began then and takes so long on a quiet machine."""
        return allowance(base_ms, self._seen(since_ms))

    def end(self) -> None:
        """End the meter."""
        self._meter.kill()
        self._meter.wait()
        self._reader.join()
        assert self._meter.stdout is not None
        self._meter.stdout.close()

    def _seen(self, since_ms: float) -> list[Round]:
        """Return the rounds since then, with the one before and the one that has not ended."""
        rounds = list(self._rounds)
        now_ms = time.monotonic() * 1000
        last_ms = rounds[-1].ended_ms if rounds else self._began_ms
        under_way = Round(now_ms, 0.0, max(1.0, (now_ms - last_ms) / ROUND_MS - 1))
        return [*(r for r in rounds if r.ended_ms >= since_ms - ROUND_MS), under_way]

    def _collect(self) -> None:
        assert self._meter.stdout is not None
        for line in self._meter.stdout:
            ended_ms, late_ms, slow = line.split()
            self._rounds.append(Round(float(ended_ms), float(late_ms), float(slow)))
            self._has_begun.set()


def slowness(rounds: Sequence[Round]) -> float:
    """Return the mean of the slower half of the rounds, between 1 and SLOWNESS_MAX."""
    worst = sorted((one.slowness for one in rounds), reverse=True)
    half = worst[: (len(worst) + 1) // 2]
    return min(SLOWNESS_MAX, max(1.0, sum(half) / len(half))) if half else 1.0


def allowance(base_ms: float, rounds: Sequence[Round]) -> Allowance:
    """Return the bound that these rounds give."""
    late_ms = max((one.late_ms for one in rounds), default=0.0)
    return Allowance(base_ms, slowness(rounds), late_ms)


def stretched(base_s: float) -> int:
    """Return a time for a configuration, in whole seconds: as much longer as this machine is slow.

    For a deadtime within which a process has to be started again, say.
    """
    return math.ceil(base_s * machine().slowness(time.monotonic() * 1000 - LOOKED_BACK_MS) - 0.5)


def is_over(began_s: float, timeout_s: float) -> bool:
    """Say whether a wait that began then (time.monotonic) has lasted its time, here and now."""
    waited_s = time.monotonic() - began_s
    if waited_s <= timeout_s:
        return False
    more = machine().slowness(began_s * 1000) - 1
    return waited_s > timeout_s + more * min(timeout_s, STRETCHED_S_MAX)


@functools.cache
def machine() -> Machine:
    """Return the meter of this process, started when first asked for: before the first test."""
    made = Machine()
    atexit.register(made.end)
    return made
