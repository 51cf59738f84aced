"""The laboratory: a switch, a client, and the nodes plugged in."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

from everbeat.adapters.namespaces import Plug, Space, SpaceConfig, Switch
from lab.node import EVERBEAT, HEARTBEAT, Node, Product
from lab.probe import Probe
from lab.slowness import is_over

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NETWORKS = ("10.77.0", "10.78.0")
NETWORKS6 = ("fd77:0", "fd78:0")

LOG_CHARS = 6_000
_logs: list[Callable[[], str]] = []
"""Of every laboratory since `forget_logs`: what gives the ends of its nodes' logs."""


def forget_logs() -> None:
    """Begin anew: a test begins."""
    _logs.clear()


def ends_of_logs() -> str:
    """Return the ends of the logs of all nodes since `forget_logs`, for a test that has failed."""
    return "\n".join(ends() for ends in _logs)


class Lab:
    """Two bridges (eth0 of every node is on the first, eth1 on the second) and a client."""

    def __init__(self, *, has_second_link: bool = False) -> None:
        self.has_second_link = has_second_link
        self.folder = Path(tempfile.mkdtemp(prefix="everbeat-lab-"))
        self.nodes: dict[str, Node] = {}
        self._ends_of_logs = ""
        _logs.append(lambda: self._ends_of_logs or self._read_logs())
        self.switch = Switch(bridges=2)
        self.client = Space(SpaceConfig(host="client"))
        self.switch.plug(
            self.client, "eth0", f"{NETWORKS[0]}.100/24", f"{NETWORKS6[0]}::100/64", port="client"
        )

    def node(self, name: str, product: Product) -> Node:
        """Make a node and switch it on; nothing is started on it. Numbers count from 1."""
        node = Node(self, name, len(self.nodes) + 1, product)
        self.nodes[name] = node
        return node

    def heartbeat(self, name: str) -> Node:
        """Make a node that runs Heartbeat 3.0.6."""
        return self.node(name, HEARTBEAT)

    def everbeat(self, name: str) -> Node:
        """Make a node that runs everbeat from this tree."""
        return self.node(name, EVERBEAT)

    def plug(self, space: Space, number: int) -> list[Plug]:
        """Plug a node's space in: 10.77.0.NUMBER on eth0, 10.78.0.NUMBER on eth1."""
        return [
            self.switch.plug(
                space,
                f"eth{link}",
                *(f"{NETWORKS[link]}.{number}/24", f"{NETWORKS6[link]}::{number}/64"),
                port=f"n{number}e{link}",
                bridge=link,
            )
            for link in range(2 if self.has_second_link else 1)
        ]

    def configure(
        self,
        *,
        resources: str = "",
        keepalive: str = "200ms",
        deadtime: str = "2",
        initdead: str = "4",
        auto_failback: str = "on",
        media: str | None = None,
        extra: str = "",
        authkeys: str = "auth 1\n1 sha1 laboratory\n",
    ) -> None:
        """Write the same ha.cf, authkeys and haresources to every node; a webd script as well.

        `media` replaces the media lines (default: bcast on every link).
        """
        if media is None:
            media = "bcast eth0 eth1" if self.has_second_link else "bcast eth0"
        ha_cf = "\n".join(
            [
                "logfile /var/log/ha-log",
                "debugfile /var/log/ha-debug",
                f"keepalive {keepalive}",
                f"deadtime {deadtime}",
                f"initdead {initdead}",
                f"auto_failback {auto_failback}",
                *([extra.rstrip("\n")] if extra else []),
                media,
                "node " + " ".join(self.nodes),
                "",
            ]
        )
        for node in self.nodes.values():
            node.write_config(ha_cf, resources, authkeys)

    def start(self, *, is_waited: bool = True, timeout_s: float = 60) -> None:
        """Start every node; wait until each sees all others active."""
        for node in self.nodes.values():
            node.start()
        if is_waited:
            self.wait_formed(timeout_s)

    def wait_formed(self, timeout_s: float = 60) -> None:
        """Wait until every node sees all others active."""
        for node in self.nodes.values():
            for peer in self.nodes:
                if peer != node.name:
                    node.wait_status(peer, "active", timeout_s=timeout_s)

    def deafen(self, node: Node, peer: Node, link: int = 0) -> None:
        """Let this node hear nothing of that one any more; `node.loss(0)` ends it."""
        self.switch.deafen(node.plugs[link], f"{NETWORKS[link]}.{peer.number}")

    @contextlib.contextmanager
    def probing(self, address: str, every_ms: int = 5) -> Iterator[Probe]:
        """Ask the web server at an address from the client every few milliseconds."""
        probe = Probe(self.client, address, every_ms)
        try:
            yield probe
        finally:
            probe.stop()

    def holders(self, address: str) -> list[str]:
        """Return the living nodes that have this address configured."""
        return [node.name for node in self.nodes.values() if node.holds(address)]

    def close(self) -> None:
        """Remove everything."""
        self._ends_of_logs = self._read_logs()
        for node in self.nodes.values():
            node.crash()
        self.client.kill()
        self.switch.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _read_logs(self) -> str:
        return "\n".join(
            f"--- {node.name} ({node.product})\n{node.log()[-LOG_CHARS:]}"
            for node in self.nodes.values()
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def wait_until(
    condition: Callable[[], bool], what: str, timeout_s: float = 30, every_s: float = 0.05
) -> float:
    """Wait for a condition; return the seconds waited or raise TimeoutError naming `what`.

    `timeout_s` is meant for a quiet machine; a busy one gets more, as far as it is slower.
    """
    began = time.monotonic()
    while not condition():
        if is_over(began, timeout_s):
            waited_s = time.monotonic() - began
            raise TimeoutError(f"not within {timeout_s} s (waited {waited_s:.1f} s): {what}")
        time.sleep(every_s)
    return time.monotonic() - began
