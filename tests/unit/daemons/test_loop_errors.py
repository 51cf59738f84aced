"""A daemon out of descriptors goes on; a bug in a callback is still one."""

from __future__ import annotations

import asyncio
import subprocess
import sys

from everbeat.daemons.loop_errors import watch_for_bugs

CROWDED = """
import asyncio, os, resource, socket, sys
from everbeat.daemons.loop_errors import watch_for_bugs

async def play(path):
    bugs, warned = [], asyncio.Event()
    loop = asyncio.get_running_loop()
    watch_for_bugs(loop, bugs.append, lambda text: warned.set())
    async def greet(reader, writer):
        writer.write(b"hello")
        await writer.drain()
    await asyncio.start_unix_server(greet, path)
    callers = [socket.socket(socket.AF_UNIX) for _ in range(8)]
    for caller in callers:
        caller.setblocking(False)
    highest = max(map(int, os.listdir("/proc/self/fd")))
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 3, 4096))
    for caller in callers:
        await loop.sock_connect(caller, path)
    await asyncio.wait_for(warned.wait(), 20)
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
    assert await asyncio.wait_for(loop.sock_recv(callers[-1], 9), 20) == b"hello"
    assert bugs == [], bugs

asyncio.run(play(sys.argv[1]))
"""


def test_who_is_out_of_descriptors_accepts_again_when_there_are_some(tmp_path: object) -> None:
    words = (sys.executable, "-c", CROWDED, f"{tmp_path}/socket")
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr


def test_a_bug_in_a_callback_is_told() -> None:
    async def play() -> None:
        loop = asyncio.get_running_loop()
        told: asyncio.Queue[object] = asyncio.Queue()
        watch_for_bugs(loop, lambda context: told.put_nowait(context["exception"]), print)
        loop.call_soon(lambda: 1 // 0)
        assert isinstance(await asyncio.wait_for(told.get(), 20), ZeroDivisionError)

    asyncio.run(play())
