"""The demo's cluster: two nodes, a client, and the files a tutorial would have.

Everything is inside namespaces (adapters.namespaces); the nodes' files are in one folder.
"""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING, Final

from everbeat.adapters.namespaces import Space, SpaceConfig, Switch
from everbeat.adapters.web_probe import Probe
from everbeat.ipc.client import CoreClient
from everbeat.ipc.codec import IpcError
from everbeat.ipc.messages import EventsReply, GetEvents, GetStatus, StatusReply
from everbeat.model.names import NodeName

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from everbeat.model.journal import ClusterEvent

ADDRESS: Final = "10.77.0.50"
NAMES: Final = (NodeName("alpha"), NodeName("beta"))

DEADTIME_MS: Final = 1_000
HA_CF: Final = f"""\
keepalive 200ms
deadtime {DEADTIME_MS // 1_000}
warntime 500ms
initdead 5
auto_failback on
ucast eth0 10.77.0.1
ucast eth0 10.77.0.2
node alpha beta
logfile /var/log/ha-log
"""
AUTHKEYS: Final = "auth 1\n1 sha1 ThisIsOnlyADemo\n"
HARESOURCES: Final = f"alpha IPaddr2::{ADDRESS}/24/eth0 webpage\n"

_NGINX_CONF: Final = """\
user root;
pid /run/webpage.pid;
error_log /run/webpage-error.log;
events {}
http {
    access_log off;
    client_body_temp_path /run/webpage-1; proxy_temp_path /run/webpage-2;
    fastcgi_temp_path /run/webpage-3; uwsgi_temp_path /run/webpage-4; scgi_temp_path /run/webpage-5;
    server { listen 80; location / { return 200 "NODE\\n"; } }
}
"""
_NGINX: Final = "{nginx} -e /run/webpage-error.log -c /etc/ha.d/webpage.conf"
_PAGE_SERVER: Final = """\
# where there is no nginx: says its argument to everybody; is ready when its parent ends
import os, socket, sys
server = socket.create_server(("", 80), backlog=1000)
if child := os.fork():
    with open("/run/webpage.pid", "w") as file:
        file.write(str(child))
    sys.exit()
os.setsid()
body = sys.argv[1].encode() + b"\\n"
while True:
    line, _ = server.accept()
    line.settimeout(0.2)
    try:
        line.recv(4096)
        line.sendall(b"HTTP/1.0 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(body) + body)
    except OSError:
        pass
    line.close()
"""
_PYTHON: Final = "{python} -I -S /etc/ha.d/webpage.py {name} </dev/null >/dev/null 2>&1"
_SCRIPT: Final = """\
#!/bin/sh
# /etc/ha.d/resource.d/webpage: a web server, as Heartbeat V1 wants its resources
running() {{ [ -s /run/webpage.pid ] && kill -0 "$(cat /run/webpage.pid)" 2>/dev/null; }}
case "$1" in
start) running || {{ {start}; }} ;;
stop) running && kill "$(cat /run/webpage.pid)"; rm -f /run/webpage.pid ;;
status) if running; then echo running; else echo stopped; exit 3; fi ;;
esac
exit 0
"""


class DemoNode:
    """A machine of the demo. `boot`, `start`, `stop`, `crash` do what they say."""

    def __init__(self, cluster: DemoCluster, name: NodeName, number: int) -> None:
        self.name = name
        self._cluster = cluster
        self._number = number
        self._folder = cluster.folder / name
        self._keeper: subprocess.Popen[bytes] | None = None
        self.space: Space | None = None
        self._write_files()

    def boot(self) -> None:
        """Switch the machine on."""
        binds = (("/etc/ha.d", "ha.d"), ("/var/lib/heartbeat", "lib"), ("/var/log", "log"))
        self.space = Space(
            SpaceConfig(
                host=self.name,
                tmpfs=(("/run", "mode=755"),),
                binds=tuple((inside, f"{self._folder}/{part}") for inside, part in binds),
                hidden=(("/bin/systemctl", "/bin/false"), ("/proc/sysrq-trigger", "/dev/null")),
            )
        )
        address = f"10.77.0.{self._number}/24"
        self._cluster.switch.plug(self.space, "eth0", address, port=self.name)

    def start(self) -> None:
        """Run `everbeat run`."""
        assert self.space is not None
        with (self._folder / "log" / "everbeat.log").open("ab") as log:
            self._keeper = self.space.spawn(
                *(
                    "setpriv",
                    "--pdeathsig",
                    "TERM",
                    sys.executable,
                    "-P",
                    "-m",
                    "everbeat.daemons.keeper",
                ),
                stdout=log.fileno(),
                stderr=log.fileno(),
            )

    def stop(self, timeout_s: float = 30) -> None:
        """Stop everbeat gracefully and wait for its end."""
        assert self.space is not None
        assert self._keeper is not None
        self.space.run("sh", "-c", "kill -TERM $(cat /run/heartbeat.pid)")
        self._keeper.wait(timeout_s)

    def crash(self) -> None:
        """Cut the power: every process is killed, the link goes down."""
        if self.space is not None:
            self.space.kill()
        self.space = None
        if self._keeper is not None:
            self._keeper.wait()
            self._keeper = None

    def status(self) -> StatusReply | None:
        """Return what everbeat says of itself, None while it does not answer."""
        reply = self._ask(GetStatus())
        return reply if isinstance(reply, StatusReply) else None

    def events(self) -> tuple[ClusterEvent, ...]:
        """Return what happened, as this node saw it."""
        reply = self._ask(GetEvents())
        return reply.events if isinstance(reply, EventsReply) else ()

    def log_tail(self) -> str:
        """Return the end of everbeat's log."""
        path = self._folder / "log" / "everbeat.log"
        return path.read_text(errors="replace")[-3000:] if path.exists() else ""

    def _ask(self, request: GetStatus | GetEvents) -> object:
        if self.space is None:
            return None
        try:
            with CoreClient(self.space.root / "run/heartbeat") as core:
                return core.request(request, timeout_s=2)
        except (IpcError, OSError):
            return None

    def _write_files(self) -> None:
        etc = self._folder / "ha.d"
        for part in ("ha.d/resource.d", "lib", "log"):
            (self._folder / part).mkdir(parents=True)
        nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
        start = _NGINX.format(nginx=nginx)
        if not nginx:
            start = _PYTHON.format(python=sys.executable, name=self.name)
        texts = {
            "ha.cf": HA_CF,
            "authkeys": AUTHKEYS,
            "haresources": HARESOURCES,
            "webpage.conf": _NGINX_CONF.replace("NODE", self.name),
            "webpage.py": _PAGE_SERVER,
            "resource.d/webpage": _SCRIPT.format(start=start),
        }
        for name, text in texts.items():
            (etc / name).write_text(text, encoding="utf-8")
        (etc / "authkeys").chmod(0o600)
        (etc / "resource.d/webpage").chmod(0o755)


class DemoCluster:
    """A switch, a client and two nodes below `folder`. Close it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.switch = Switch()
        self.client = Space(SpaceConfig(host="client"))
        self.switch.plug(self.client, "eth0", "10.77.0.100/24", port="client")
        self.nodes = [DemoNode(self, name, number) for number, name in enumerate(NAMES, 1)]
        self.probe: Probe | None = None

    def ask_from_client(self) -> Probe:
        """Begin to ask the address for its page every 5 ms."""
        self.probe = Probe(self.client, ADDRESS)
        return self.probe

    def stop_asking(self) -> None:
        """End what `ask_from_client` began."""
        if self.probe is not None:
            self.probe.stop()
        self.probe = None

    def close(self) -> None:
        """Remove everything."""
        self.stop_asking()
        for node in self.nodes:
            node.crash()
        self.client.kill()
        self.switch.kill()
