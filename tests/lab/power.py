"""The laboratory's power switch: machines are switched off by agents that run on other machines.

    with PowerSwitch(lab) as power:          # before lab.configure
        lab.configure(extra=power.ha_cf())
        power.manner = Manner.FAILING        # what the switch does from now on
        power.asked                          # [("alpha", "reboot", "beta")]

Two agents speak to it over a socket below /var/log of every node: `fence_lab`, options on standard
input as fence-agents have them, and `external/lab`, a plug-in of cluster-glue's stonith program.
"""

from __future__ import annotations

import contextlib
import queue
import socket
import sys
import threading
import time
from enum import Enum, auto
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from lab.laboratory import Lab
    from lab.node import Node

SOCKET = "power.sock"
AGENT_PATH = "/etc/ha.d/fence_lab"
HANG_S = 120.0
BOOT_S = 3.0  # no machine is up before the device that reset it has answered

_CLIENT = f"""
import socket, sys
def ask(action, plug):
    with socket.socket(socket.AF_UNIX) as line:
        line.connect("/var/log/{SOCKET}")
        line.sendall(f"{{action}} {{plug}}\\n".encode())
        return line.makefile().readline().strip()
"""

FENCE_LAB = f"""#!{sys.executable} -IS
{_CLIENT}
given = dict(line.strip().split("=", 1) for line in sys.stdin if "=" in line)
action, plug = given["action"], given.get("plug", "")
answer = ask(action, plug)
print(f"{{action}} {{plug}}: {{answer}}")
sys.exit({{"done": 0, "on": 0, "off": 2}}.get(answer, 1))
"""

EXTERNAL_LAB = f"""#!{sys.executable} -IS
{_CLIENT}
import os
action = sys.argv[1]
hosts = os.environ.get("hostlist", "").split(",")
if action == "gethosts":
    print("\\n".join(hosts))
elif action == "getconfignames":
    print("hostlist")
elif action == "status":
    sys.exit(0 if ask("monitor", "") == "done" else 1)
elif action in ("reset", "off"):
    sys.exit(0 if ask({{"reset": "reboot"}}.get(action, action), sys.argv[2]) == "done" else 1)
elif action.startswith("getinfo-xml"):
    print('<parameters><parameter name="hostlist" unique="0" required="1">'
          '<content type="string"/></parameter></parameters>')
elif action.startswith("getinfo"):
    print("power switch of the laboratory")
else:
    sys.exit(1)
"""


class Manner(Enum):
    """How the switch behaves."""

    WORKING = auto()
    FAILING = auto()  # says no and does nothing
    HANGING = auto()  # answers after HANG_S


class PowerSwitch:
    """Switches the nodes of a laboratory; a rebooted one starts its product again."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self.manner = Manner.WORKING
        self.asked: list[tuple[str, str, str]] = []  # who asked, what, for which node
        self._is_closed = threading.Event()
        self._is_drained = threading.Event()
        self._threads: list[threading.Thread] = []
        self._listeners: list[socket.socket] = []
        self._rebooting: queue.SimpleQueue[Node | None] = queue.SimpleQueue()
        self._spawn(self._start_machines)
        for node in lab.nodes.values():
            self._listen(node)

    def ha_cf(self, **options: str) -> str:
        """Return the lines of ha.cf for every node, by fence_lab."""
        names = ",".join(self._lab.nodes)
        given = "".join(f" {name}={value}" for name, value in options.items())
        return f"stonith_host * {AGENT_PATH} pcmk_host_list={names}{given}\nstonith_timeout 5"

    def ha_cf_external(self) -> str:
        """Return the lines of ha.cf for every node, by the plug-in."""
        return f"stonith_host * external/lab {','.join(self._lab.nodes)}\nstonith_timeout 10"

    def count(self, action: str, node: str) -> int:
        """Return how often the switch was asked to do this to a node."""
        return sum((what, whom) == (action, node) for _, what, whom in self.asked)

    def close(self) -> None:
        """Switch everything off and stop listening."""
        self._rebooting.put(None)
        self._is_drained.wait(timeout=30)  # a machine that boots is not crashed half-way
        for node in self._lab.nodes.values():
            node.crash()
        self._is_closed.set()
        for listener in self._listeners:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        for thread in self._threads:
            thread.join(timeout=10)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _listen(self, node: Node) -> None:
        node.write("fence_lab", FENCE_LAB, 0o755)
        node.write("external/lab", EXTERNAL_LAB, 0o755)
        node.mounts.append(("/usr/lib/stonith/plugins/external", "/etc/ha.d/external"))
        node.mount_all()
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(node.folder / "log" / SOCKET))
        listener.listen()
        self._listeners.append(listener)
        self._spawn(self._serve, listener, node.name)

    def _spawn(self, target: object, *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)  # type: ignore[arg-type] # bound methods
        self._threads.append(thread)
        thread.start()

    def _serve(self, listener: socket.socket, asker: str) -> None:
        while not self._is_closed.is_set():
            try:
                line, _ = listener.accept()
            except OSError:
                return
            self._spawn(self._answer, line, asker)

    def _answer(self, line: socket.socket, asker: str) -> None:
        with line, contextlib.suppress(OSError):
            action, _, plug = line.makefile().readline().strip().partition(" ")
            line.sendall(self._act(asker, action, plug).encode() + b"\n")

    def _act(self, asker: str, action: str, plug: str) -> str:
        self.asked.append((asker, action, plug))
        if self.manner is Manner.HANGING:
            self._is_closed.wait(HANG_S)
            return "late"
        if self.manner is Manner.FAILING:
            return "the switch does not answer"
        node = self._lab.nodes.get(plug)
        if action == "monitor":
            return "done"
        if node is None:
            return f"no plug {plug}"
        if action == "status":
            return "on" if node.space is not None else "off"
        node.crash()
        if action == "reboot":
            self._rebooting.put(node)
        return "done"

    def _start_machines(self) -> None:
        """Boot what was switched off, in one thread: a machine lives as long as its maker."""
        while (node := self._rebooting.get()) is not None:
            time.sleep(BOOT_S)
            node.boot()
            node.start()
        self._is_drained.set()
        self._is_closed.wait()
