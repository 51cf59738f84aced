"""A client that asks a web server every few milliseconds and tells when it got no answer.

Run as a program inside a client's namespaces (`python -I web_probe.py 10.77.0.50 5`) it prints
one line a request: start, end (CLOCK_MONOTONIC ms), 1 or 0, the last line of the body. Each
request is a new connection that does not wait for the others. `Probe` runs and reads it;
`outages` turns the answers into gaps. Standard library only.
"""

from __future__ import annotations

import asyncio
import itertools
import subprocess
import sys
import threading
import time
from bisect import bisect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from everbeat.adapters.namespaces import Space

REQUEST_SECONDS_MAX: Final = 1.0
FRESH_MS: Final = 100
ANSWERS_LOOKED_AT: Final = 400
GAP_MS_MIN: Final = 50
"""A shorter gap between two good answers is a hiccup of this machine, not an outage."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One request: when it was sent and answered (CLOCK_MONOTONIC ms), and by whom."""

    sent_ms: float
    ended_ms: float
    is_good: bool
    body: str


@dataclass(frozen=True, slots=True)
class Outage:
    """From the last good answer to the next one, and who gave them.

    Of the questions asked meanwhile some failed, others were answered late. Where more were late
    nothing was out: a busy machine let answers wait.
    """

    began_ms: float
    ended_ms: float
    before: str
    after: str
    failed: int
    late: int

    @property
    def length_ms(self) -> int:
        """How long nobody answered."""
        return round(self.ended_ms - self.began_ms)


def outages(samples: Iterable[Sample], gap_ms_min: float = GAP_MS_MIN) -> list[Outage]:
    """Return the gaps between good answers, oldest first."""
    asked = list(samples)
    good = sorted((s for s in asked if s.is_good), key=lambda s: s.ended_ms)
    failed = sorted(s.sent_ms for s in asked if not s.is_good)
    answered = sorted(s.sent_ms for s in good)
    return [
        Outage(
            last.ended_ms,
            following.ended_ms,
            last.body,
            following.body,
            bisect(failed, following.ended_ms) - bisect(failed, last.sent_ms),
            bisect(answered, following.ended_ms) - bisect(answered, last.sent_ms),
        )
        for last, following in itertools.pairwise(good)
        if following.ended_ms - last.ended_ms >= gap_ms_min
    ]


class Probe:
    """The running client. `samples` grows while it runs; `stop` ends it."""

    def __init__(self, space: Space, address: str, every_ms: int = 5) -> None:
        self.samples: list[Sample] = []
        ask = (sys.executable, "-I", __file__, address, str(every_ms))
        self._process = subprocess.Popen(
            space.network_command(*ask),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=_collect, args=(self._process, self.samples))
        self._reader.daemon = True
        self._reader.start()

    @property
    def pid(self) -> int:
        """The client's process, which leads its session."""
        return self._process.pid

    def answering(self, since_ms: float | None = None) -> str | None:
        """Return who gave the latest good answer since a moment, or None.

        Without a moment: of the last 100 ms. On a busy machine an answer may be told later.
        """
        if since_ms is None:
            since_ms = time.monotonic() * 1000 - FRESH_MS
        for sample in reversed(self.samples[-ANSWERS_LOOKED_AT:]):
            if sample.is_good and sample.ended_ms > since_ms:
                return sample.body
        return None

    def outages(self, since_ms: float = 0, gap_ms_min: float = GAP_MS_MIN) -> list[Outage]:
        """Return the gaps seen since a moment (CLOCK_MONOTONIC ms)."""
        recent = [sample for sample in list(self.samples) if sample.ended_ms >= since_ms]
        return outages(recent, gap_ms_min)

    def stop(self) -> list[Outage]:
        """End the client and return all gaps it saw."""
        self._process.terminate()
        self._process.wait()
        self._reader.join()
        assert self._process.stdout is not None
        self._process.stdout.close()
        return self.outages()


def _collect(process: subprocess.Popen[bytes], samples: list[Sample]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        words = line.decode(errors="replace").split(" ", 3)
        if len(words) == 4:
            sent, ended, good, body = words
            samples.append(Sample(float(sent), float(ended), good == "1", body.strip()))


async def _ask(address: str) -> None:
    sent = time.monotonic()
    good, body = 0, ""
    try:
        async with asyncio.timeout(REQUEST_SECONDS_MAX):
            reader, writer = await asyncio.open_connection(address, 80)
            writer.write(f"GET / HTTP/1.0\r\nHost: {address}\r\n\r\n".encode())
            answer = await reader.read()
            writer.close()
        head, _, content = answer.partition(b"\r\n\r\n")
        good = int(b" 200 " in head.split(b"\r\n", 1)[0])
        body = content.strip().rsplit(b"\n", 1)[-1].decode(errors="replace")
    except (OSError, TimeoutError) as error:
        body = type(error).__name__
    print(f"{sent * 1000:.3f} {time.monotonic() * 1000:.3f} {good} {body}", flush=True)  # noqa: T201 - its output


async def _run(address: str, every_ms: int) -> None:
    running: set[asyncio.Task[None]] = set()
    due = time.monotonic()
    while True:
        task = asyncio.create_task(_ask(address))
        running.add(task)
        task.add_done_callback(running.discard)
        due = max(due + every_ms / 1000, time.monotonic() - 0.1)
        await asyncio.sleep(max(0.0, due - time.monotonic()))


if __name__ == "__main__":
    try:
        asyncio.run(_run(sys.argv[1], int(sys.argv[2])))
    except (KeyboardInterrupt, BrokenPipeError):
        sys.exit(0)
