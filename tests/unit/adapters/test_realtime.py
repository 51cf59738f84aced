"""Priorities, each tried in a process of its own: they cannot be given back."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

PROMPT = """
import os, subprocess, threading
from everbeat.adapters.realtime import become_prompt
release = threading.Event()
early = threading.Thread(target=release.wait)
early.start()
refused = become_prompt()
child = subprocess.run(["sh", "-c", "cut -d' ' -f19 /proc/$$/stat"], capture_output=True, text=True)
print(*refused, os.getpriority(os.PRIO_PROCESS, 0),
      os.getpriority(os.PRIO_PROCESS, early.native_id), child.stdout.strip(), sep="|")
release.set()
"""

REFUSED = """
import os
from everbeat.adapters.realtime import become_prompt
os.setgroups([])
os.setuid(65534)
print(*become_prompt())
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="priorities are root's to raise")
def test_a_prompt_process_and_its_threads_come_first_and_its_children_do_not() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", PROMPT],
        capture_output=True,
        text=True,
        check=True,
        timeout=20,
        start_new_session=True,  # the session is put first as well
    )
    assert ran.stdout.strip() == "-15|-15|0"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else")
def test_a_refusal_is_told_and_not_raised() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", REFUSED], capture_output=True, text=True, check=True, timeout=20
    )
    assert "nice -15 refused" in ran.stdout
