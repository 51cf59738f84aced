"""alpha runs Heartbeat 3.0.6; beta our link process and nothing else: the test is its core."""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cluster.link_process import Core
from everbeat.model.names import NodeName

if TYPE_CHECKING:
    from lab.laboratory import Lab
    from lab.node import Node

ALPHA, BETA = NodeName("alpha"), NodeName("beta")
END_S = 60.0


@dataclass(frozen=True, slots=True)
class LinkOnly:
    """What beta runs, as a product of the laboratory."""

    def prepare(self, node: Node) -> None: ...

    def on_boot(self, node: Node) -> None:
        node.sh("mkdir -p /run/heartbeat")

    def start(self, node: Node, *options: str) -> None:
        process = node.on.spawn(sys.executable, "-m", "everbeat.daemons.link", *options)
        node.processes.append(process)

    def stop(self, node: Node, timeout_s: float) -> None:
        for process in node.processes:
            process.terminate()
            process.wait(timeout_s)

    def is_running(self, node: Node) -> bool:
        return any(process.poll() is None for process in node.processes)

    def status(self, node: Node, peer: str) -> str:
        raise NotImplementedError

    rscstatus = standby = takeover = status  # type: ignore[assignment] # a link process alone has none


class LinkPair:
    """The two machines, configured; nothing is started."""

    def __init__(self, lab: Lab, **configuration: str) -> None:
        self.lab = lab
        self.alpha = lab.heartbeat("alpha")
        self._link = LinkOnly()
        self.beta = lab.node("beta", self._link)  # type: ignore[arg-type] # as above
        wanted = {"resources": "alpha 10.77.0.50/24/eth0", "initdead": "20", **configuration}
        lab.configure(**wanted)  # type: ignore[arg-type] # all are texts

    def start(self) -> None:
        """Start both."""
        self.alpha.start()
        self.start_link()

    def start_link(self, *options: str) -> None:
        """Start our process, for the first time or again."""
        self._link.start(self.beta, *options)

    def core(self) -> Core:
        """Return a core for beta."""
        return Core(self.beta.on.root / "run/heartbeat/link.sock")

    def wait_both_active(self, core: Core) -> None:
        """Wait until each sees both active."""
        core.wait_status(ALPHA, "active")
        core.wait_status(BETA, "active")
        self.alpha.wait_status("beta", "active")

    def signal_link(self, number: signal.Signals) -> None:
        """Signal the link process: the only child of nsenter, which stops when its child does."""
        (entered,) = self.beta.processes
        children = Path(f"/proc/{entered.pid}/task/{entered.pid}/children").read_text()
        for child in children.split():
            os.kill(int(child), number)
        if number is signal.SIGCONT:
            entered.send_signal(number)

    def end_link(self, number: signal.Signals) -> None:
        """Signal the link process and see it end."""
        self.signal_link(number)
        self.beta.processes.pop().wait(END_S)
