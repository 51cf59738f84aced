"""Two or more network namespaces on one bridge, and media opened inside them.

Each node is a thread that has entered its namespace and runs its own event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import queue
import subprocess
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeVar

from everbeat.adapters.links import Media
from lab.slowness import is_over

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from everbeat.model.cluster import Medium

CLONE_NEWNET = 0x4000_0000
WAIT_S = 8.0
T = TypeVar("T")


def run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)


def ip(*words: str) -> None:
    run("ip", *words)


class Net:
    """A bridge in a namespace of its own, and nodes 1, 2, … with eth0 on it."""

    def __init__(self, count: int = 2) -> None:
        self.prefix = f"ebm{os.getpid() % 100_000}"
        self.switch = f"{self.prefix}sw"
        self.count = count

    def __enter__(self) -> Self:
        ip("netns", "add", self.switch)
        ip("-n", self.switch, "link", "add", "br0", "type", "bridge", "mcast_snooping", "0")
        ip("-n", self.switch, "link", "set", "br0", "up")
        for number in range(1, self.count + 1):
            ip("netns", "add", self.name(number))
            ip("-n", self.name(number), "link", "set", "lo", "up")
            self.plug(number)
        return self

    def __exit__(self, *exception: object) -> None:
        for name in (self.switch, *(self.name(n) for n in range(1, self.count + 1))):
            with contextlib.suppress(subprocess.CalledProcessError):
                ip("netns", "del", name)

    def name(self, number: int) -> str:
        return f"{self.prefix}n{number}"

    def plug(self, number: int) -> None:
        """Make eth0 of a node."""
        name = self.name(number)
        ip("-n", self.switch, "link", "add", f"p{number}", "type", "veth", "peer", "name", "eth0",
           "netns", name)  # fmt: skip
        ip("-n", self.switch, "link", "set", f"p{number}", "master", "br0", "up")
        ip("-n", name, "addr", "add", f"10.98.0.{number}/24", "brd", "+", "dev", "eth0")
        ip("-n", name, "addr", "add", f"fd98::{number}/64", "dev", "eth0", "nodad")
        ip("-n", name, "link", "set", "eth0", "up")
        ip("netns", "exec", name, "ip", "-6", "route", "add", "ff00::/8", "dev", "eth0", "table",
           "local")  # fmt: skip

    def unplug(self, number: int) -> None:
        """Remove eth0 of a node altogether."""
        ip("-n", self.name(number), "link", "del", "eth0")


class Node:
    """Media running in a namespace (or none) in a thread of their own."""

    def __init__(self, media: Sequence[Medium], namespace: str = "") -> None:
        self._media_config = tuple(media)
        self._namespace = namespace
        self.received: queue.Queue[tuple[int, bytes, str]] = queue.Queue()
        self.changes: queue.Queue[tuple[int, str]] = queue.Queue()
        self.media: Media
        self._loop = asyncio.new_event_loop()
        self._is_ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        began = time.monotonic()
        while not self._is_ready.wait(1):
            assert not is_over(began, WAIT_S)
        return self

    def __exit__(self, *exception: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(WAIT_S)

    def transmit(self, data: bytes, *indexes: int) -> None:
        self._loop.call_soon_threadsafe(self.media.transmit, indexes, data)

    def wait_for(self, data: bytes) -> tuple[int, str]:
        """Return medium and source of this datagram, dropping what comes before it."""
        while True:
            index, got, source = _next_of(self.received)
            if got == data:
                return index, source

    def wait_change(self, is_wanted: Callable[[int, str], bool]) -> tuple[int, str]:
        while True:
            change = _next_of(self.changes)
            if is_wanted(*change):
                return change

    def _run(self) -> None:
        if self._namespace:
            enter_namespace(self._namespace)
        asyncio.set_event_loop(self._loop)
        self.media = Media(
            self._media_config,
            on_datagram=lambda index, data, source: self.received.put((index, data, source)),
            on_medium=lambda index, error: self.changes.put((index, error)),
        )
        self._loop.run_until_complete(self.media.open())
        keeping = self._loop.create_task(self.media.keep_open())
        self._loop.call_soon(self._is_ready.set)
        self._loop.run_forever()
        keeping.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            self._loop.run_until_complete(keeping)
        self.media.close()
        self._loop.close()


def _next_of(queued: queue.Queue[T]) -> T:
    """Wait for the next one, here as long as this machine needs."""
    began = time.monotonic()
    while True:
        with contextlib.suppress(queue.Empty):
            return queued.get(timeout=0.5)
        if is_over(began, WAIT_S):
            raise TimeoutError(f"nothing came within {WAIT_S} s")


def enter_namespace(name: str) -> None:
    """Move the calling thread into a named network namespace."""
    libc = ctypes.CDLL(None, use_errno=True)
    with Path("/run/netns", name).open() as namespace:
        if libc.setns(namespace.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
