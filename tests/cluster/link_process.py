"""A real link process in a namespace, and a core's end of its socket."""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

from everbeat.ipc.channel import connect
from everbeat.ipc.codec import Codec, NotRunning
from everbeat.ipc.registries import LINK_TYPES
from everbeat.model.members import MembershipView
from everbeat.model.membership import MembershipFact, fold
from lab.slowness import is_over

if TYPE_CHECKING:
    import signal
    from collections.abc import Callable

    from everbeat.ipc.channel import Channel
    from everbeat.model.membership import MembershipOrder
    from everbeat.model.names import NodeName

WAIT_S = 20.0
SOURCE = Path(__file__).parents[2] / "src"


class LinkProcess:
    """One node's folders and its link process. `namespace`: by name, made elsewhere."""

    def __init__(self, folder: Path, node: str, ha_cf: str, namespace: str) -> None:
        self.folder = folder
        self.node = node
        self._namespace = namespace
        for name in ("etc", "state", "run"):
            (folder / name).mkdir(parents=True)
        (folder / "etc/ha.cf").write_text(f"{ha_cf}\nlogfile {folder}/ha-log\n")
        (folder / "etc/nodeinfo").write_text(node)
        (folder / "etc/haresources").write_text("")
        self.write_keys("auth 1\n1 sha1 secret\n")
        self.process: subprocess.Popen[bytes] | None = None
        self.lease = -1

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        if self.lease >= 0:
            os.close(self.lease)

    def write_keys(self, text: str) -> None:
        path = self.folder / "etc/authkeys"
        path.touch(0o600)
        path.write_text(text)

    def start(self, *options: str) -> None:
        """Start it and wait until it says that it is ready."""
        if self.lease >= 0:
            os.close(self.lease)
        self.lease, theirs = os.pipe()
        folders = [f"--{name}={self.folder / name}" for name in ("etc", "state", "run")]
        self.process = subprocess.Popen(
            ["ip", "netns", "exec", self._namespace, sys.executable, "-m", "everbeat.daemons.link",
             *folders, *options],
            env={**os.environ, "PYTHONPATH": str(SOURCE), "EVERBEAT_LEASE_FD": str(theirs)},
            pass_fds=[theirs],
        )  # fmt: skip
        os.close(theirs)
        while b"R" not in self.read_lease():
            pass

    def read_lease(self) -> bytes:
        began = time.monotonic()
        while not select.select([self.lease], [], [], 1)[0]:
            assert not is_over(began, WAIT_S), "no sign of life"
        data = os.read(self.lease, 4096)
        assert data, "it has ended"
        return data

    def send_signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def wait_end(self) -> int:
        assert self.process is not None
        return self.process.wait(WAIT_S)

    def log(self) -> str:
        return (self.folder / "ha-log").read_text()

    def core(self) -> Core:
        return Core(self.folder / "run/link.sock")


class Core:
    """What a core process would do with link.sock: remember the view, then fold the facts."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._channel: Channel
        self._changed = threading.Condition()
        self.view: MembershipView | None = None
        self.facts: list[MembershipFact] = []

    def __enter__(self) -> Self:
        self._thread.start()
        self.wait(lambda: self.view is not None)
        return self

    def __exit__(self, *exception: object) -> None:
        self.hang_up()

    def hang_up(self) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._channel.drop, "over")
            self._thread.join(WAIT_S)

    def order(self, order: MembershipOrder) -> None:
        self._loop.call_soon_threadsafe(self._channel.send_nowait, order)

    def wait(self, is_reached: Callable[[], bool]) -> None:
        began = time.monotonic()
        with self._changed:
            while not self._changed.wait_for(is_reached, 1):
                assert not is_over(began, WAIT_S), f"not reached: {self.facts[-20:]}"

    def wait_status(self, node: NodeName, *statuses: str) -> None:
        self.wait(lambda: self.status(node) in statuses)

    def status(self, node: NodeName) -> str:
        known = self.view.node(node) if self.view else None
        return known.status if known else ""

    def _run(self) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            self._loop.run_until_complete(self._receive())
        self._loop.close()

    async def _receive(self) -> None:
        self._channel = await self._connect()
        async for value in self._channel:
            with self._changed:
                if self.view is None:
                    assert isinstance(value, MembershipView), "the view comes first"
                    self.view = value
                else:
                    self.facts.append(value)  # type: ignore[arg-type] # link sends facts
                    self.view = fold(self.view, value)  # type: ignore[arg-type] # as above
                self._changed.notify_all()

    async def _connect(self) -> Channel:
        began = time.monotonic()
        while True:
            try:
                return await connect(self._path, Codec(LINK_TYPES), program="core")
            except NotRunning:
                assert not is_over(began, WAIT_S)
                await asyncio.sleep(0.05)
