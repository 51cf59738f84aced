"""How long the executor takes: from an order on its socket to the answer, in milliseconds.

Usage (root): python bench/executor_operations.py [rounds]. An address start includes the first
gratuitous ARP: it is sent before the answer.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from needed import LABORATORY, need

from everbeat.adapters.namespaces import Space, SpaceConfig, Switch
from everbeat.ipc.channel import Channel, connect
from everbeat.ipc.codec import Codec, IpcError
from everbeat.ipc.registries import EXECUTOR_TYPES
from everbeat.model.groups import ResourceSpec
from everbeat.model.names import GroupKey
from everbeat.model.operations import Action, OperationDone, RunOperation

if TYPE_CHECKING:
    import subprocess

RESOURCES = {
    "built-in IPaddr": ResourceSpec("IPaddr", "IPaddr", ("10.77.0.50/24",)),
    "trivial script": ResourceSpec("Trivial", "Trivial"),
}


def main() -> None:
    need(*LABORATORY)
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    with tempfile.TemporaryDirectory() as folder, Switch() as switch:
        root = Path(folder)
        prepare(root)
        space = Space(SpaceConfig(host="alpha"))
        switch.plug(space, "eth0", "10.77.0.1/24", port="ebxbench")
        words = [f"--{name}={root / name}" for name in ("etc", "state", "run")]
        process = space.spawn(sys.executable, "-m", "everbeat.daemons.executor", *words)
        try:
            asyncio.run(measure(root / "run/executor.sock", rounds, process))
        finally:
            space.kill()
            process.wait()


def prepare(root: Path) -> None:
    for name in ("etc/resource.d", "state", "run"):
        (root / name).mkdir(parents=True)
    (root / "etc/ha.cf").write_text("node alpha beta\nbcast eth0\nauto_failback on\n")
    (root / "etc/nodeinfo").write_text("alpha\n")
    (root / "etc/authkeys").write_text("auth 1\n1 crc\n")
    (root / "etc/authkeys").chmod(0o600)
    (root / "etc/haresources").write_text("")
    script = root / "etc/resource.d/Trivial"
    script.write_text("#!/bin/sh\necho OK\n")
    script.chmod(0o755)


async def connected(path: Path, process: subprocess.Popen[bytes]) -> Channel:
    while process.poll() is None:
        try:
            return await connect(path, Codec(EXECUTOR_TYPES), program="bench")
        except IpcError:
            await asyncio.sleep(0.05)
    raise SystemExit("the executor did not start")


async def measure(path: Path, rounds: int, process: subprocess.Popen[bytes]) -> None:
    channel = await connected(path, process)
    taken: dict[tuple[str, Action], list[float]] = defaultdict(list)
    number = 0
    for _ in range(rounds):
        for name, resource in RESOURCES.items():
            for action in (Action.STATUS, Action.START, Action.STOP):
                number += 1
                order = RunOperation(
                    id=number,
                    group=GroupKey("g"),
                    resource=resource,
                    action=action,
                    timeout_ms=10_000,
                )
                begun = time.perf_counter()
                channel.send_nowait(order)
                while not isinstance(done := await channel.receive(), OperationDone):
                    assert done is not None, "the executor has ended"
                taken[name, action].append((time.perf_counter() - begun) * 1000)
                assert done.exit_code in {0, 3}, done.output
    for (name, action), values in taken.items():
        values.sort()
        p99 = values[int(len(values) * 0.99)]
        print(f"{name:16} {action:6}  median {statistics.median(values):6.2f}  p99 {p99:6.2f} ms")
    await channel.close()


if __name__ == "__main__":
    main()
