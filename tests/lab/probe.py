"""The client of the laboratory: the web probe, and waits that suit the machine."""

from __future__ import annotations

import time

from everbeat.adapters import web_probe
from everbeat.adapters.web_probe import FRESH_MS
from lab.slowness import is_over


class Probe(web_probe.Probe):
    """A client that asks a web server every few milliseconds."""

    def wait_answer(self, body: str = "", timeout_s: float = 30) -> float:
        """Wait until a good answer (from `body`) comes; return the seconds waited."""
        began = time.monotonic()
        while True:
            answer = self.answering(began * 1000 - FRESH_MS)
            waited_s = time.monotonic() - began
            if answer is not None and body in ("", answer):
                return waited_s
            if is_over(began, timeout_s):
                who = body or "anybody"
                raise TimeoutError(f"no answer from {who} in {timeout_s} s (waited {waited_s:.1f})")
            time.sleep(0.005)
