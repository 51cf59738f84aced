"""Make this process hard to hold up: real-time scheduling, locked memory, a frozen heap.

Every refusal comes back as a sentence to be told once, loudly: a cluster that runs with less than
its configuration asks for should say so, but run.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
from pathlib import Path
from typing import Final

_MCL_CURRENT: Final = 1
_MCL_FUTURE: Final = 2
_NICE_FALLBACK: Final = -20
_NICE_PROMPT: Final = -15


def become_realtime(priority: int) -> tuple[str, ...]:
    """Run all threads as SCHED_RR, children not, in locked memory; return what was refused."""
    return (*_schedule(priority), *_lock_memory())


def become_prompt() -> tuple[str, ...]:
    """Have all threads of now run before ordinary programs, children not; return what was refused.

    For processes that decide and act while a service is away. Not real-time: what they compute
    must never keep heartbeats waiting. Threads made later are ordinary ones: make them before, or
    one that holds the interpreter's lock waits its turn behind busy programs. The session comes
    first as well, with all that is in it: see `prefer_session`.
    """
    prefer_session(os.getpid(), is_preferred=True)
    try:
        for thread in Path("/proc/self/task").iterdir():
            tid = int(thread.name)
            os.sched_setscheduler(tid, os.SCHED_OTHER | os.SCHED_RESET_ON_FORK, os.sched_param(0))
            os.setpriority(os.PRIO_PROCESS, tid, _NICE_PROMPT)
    except OSError as error:
        return (f"nice {_NICE_PROMPT} refused ({error.strerror})",)
    return ()


def prefer_session(pid: int, *, is_preferred: bool) -> None:
    """Let a process's session go before others, or share with them as usual. Refusals are silent.

    Where the kernel shares the processor between sessions (sched(7), autogroup) a niceness counts
    inside its own session only. Kernels and control groups that do not are served by niceness.
    """
    nice = _NICE_PROMPT if is_preferred else 0
    with contextlib.suppress(OSError):
        Path(f"/proc/{pid}/autogroup").write_text(str(nice))


def freeze_heap() -> None:
    """Take everything made so far out of the garbage collector's sight: shorter pauses."""
    gc.collect()
    gc.freeze()


def _schedule(priority: int) -> tuple[str, ...]:
    policy = os.SCHED_RR | os.SCHED_RESET_ON_FORK
    try:
        for thread in Path("/proc/self/task").iterdir():
            os.sched_setscheduler(int(thread.name), policy, os.sched_param(priority))
    except OSError as error:
        refusal = f"real-time priority {priority} refused ({error.strerror})"
    else:
        return ()
    try:
        os.setpriority(os.PRIO_PROCESS, 0, _NICE_FALLBACK)
    except OSError as error:
        return (f"{refusal}, nice {_NICE_FALLBACK} refused as well ({error.strerror})",)
    return (f"{refusal}, running with nice {_NICE_FALLBACK} instead",)


def _lock_memory() -> tuple[str, ...]:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mlockall(_MCL_CURRENT | _MCL_FUTURE) == 0:
        return ()
    return (f"memory cannot be locked ({os.strerror(ctypes.get_errno())})",)
