"""The products that are compared, as nodes of the laboratory in tests/lab.

Everbeat and Heartbeat 3.0.6 run the same ha.cf and haresources: an address (each its own IPaddr)
and `webd`, a resource script that starts and stops nginx. keepalived moves the address alone:
nginx runs on both nodes all the time, so that its takeover is one address cheaper than theirs; it
looks each second whether nginx lives. corosync and pacemaker are in pacemaker_pair.py.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

sys.path[:0] = [str(Path(__file__).parents[1] / part) for part in ("tests", "src")]

from lab import (  # noqa: E402 - the laboratory lies in tests/
    EVERBEAT,
    HEARTBEAT,
    Lab,
    Node,
    Product,
    wait_until,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

VIP: Final = "10.77.0.50"
NODES: Final = ("alpha", "beta")
SETTLE_S_MAX: Final = 90

WEBD: Final = """#!/bin/sh
# nginx as a resource script in the manner of Heartbeat V1
pid=/run/nginx.pid
lives() { read -r p <$pid && kill -0 "$p"; } 2>/dev/null
case "$1" in
start) lives || exec /usr/sbin/nginx -c /etc/ha.d/nginx.conf ;;
stop)
    lives || exit 0
    kill -TERM "$p"
    while lives; do sleep 0.002; done ;;
status) if lives; then echo running; else echo stopped; exit 3; fi ;;
esac
exit 0
"""

NGINX: Final = """user root; worker_processes 1; pid /run/nginx.pid; error_log /var/log/nginx.log;
events { worker_connections 512; }
http { access_log off; client_body_temp_path /run/ng1; proxy_temp_path /run/ng2;
 fastcgi_temp_path /run/ng3; uwsgi_temp_path /run/ng4; scgi_temp_path /run/ng5;
 server { listen 80; location / { default_type text/plain; return 200 "NODE\\n"; } } }
"""

KEEPALIVED: Final = """global_defs {{ router_id {name}
 vrrp_version 3
 vrrp_garp_master_delay 1
 enable_script_security
 script_user root
}}
vrrp_script web {{
 script "/etc/ha.d/resource.d/webd status"
 interval 1
 fall 1
 rise 1
}}
vrrp_track_file leave {{ file /run/keepalived-leave }}
vrrp_instance service {{
 state BACKUP
 nopreempt
 interface eth0
 virtual_router_id 51
 priority {priority}
 advert_int {advert_s:.2f}
 virtual_ipaddress {{ {vip}/24 }}
 track_file {{ leave weight 1 }}
 track_script {{ web }}
}}
"""


@dataclass(frozen=True, slots=True)
class Settings:
    """How often a node speaks and how long its silence is a death, in ms.

    `has_tie_breaker`: a third machine decides a split, for products that know of such a thing.
    """

    keepalive_ms: int
    deadtime_ms: int
    has_tie_breaker: bool = False

    @property
    def advert_ms(self) -> int:
        """keepalived's advert_int whose 3 adverts + skew come nearest to deadtime."""
        skewed = 3 + (256 - KEEPALIVED_PRIORITY) / 256
        return round(self.deadtime_ms / skewed / 10) * 10


KEEPALIVED_PRIORITY: Final = 254


class Contestant(Protocol):
    """A pair of nodes running one product. `marks` are lines of the survivor's log to time."""

    name: str
    log_name: str
    watches_service: bool

    def make(self, settings: Settings) -> Lab:
        """Build a lab with two configured nodes; nothing is started."""
        ...

    def marks(self, victim: str) -> dict[str, str]:
        """Return what each phase writes into the survivor's log."""
        ...

    def is_settled(self, lab: Lab) -> bool:
        """Whether both nodes run, know each other and nothing moves."""
        ...

    def prepare_standby(self, lab: Lab) -> None:
        """Undo what the last planned move left behind."""
        ...


class HaresourcesPair:
    """Everbeat or Heartbeat: the same configuration."""

    log_name = "ha-log"

    def __init__(self, name: str, product: Product, *, watches_service: bool) -> None:
        self.name = name
        self.watches_service = watches_service
        self._product = product

    def make(self, settings: Settings) -> Lab:
        lab = Lab()
        for name in NODES:
            lab.node(name, self._product)
        lab.configure(
            resources=f"alpha {VIP}/24/eth0 webd",
            keepalive=f"{settings.keepalive_ms}ms",
            deadtime=f"{settings.deadtime_ms}ms",
            initdead=f"{max(4000, settings.deadtime_ms)}ms",
            auto_failback="off",
            extra=self._tie_breaker(lab) if settings.has_tie_breaker else "",
        )
        for node in lab.nodes.values():
            write_web(node)
        return lab

    def _tie_breaker(self, lab: Lab) -> str:
        """Run a witness on the client's machine; return the line of ha.cf that names it."""
        if self._product is not EVERBEAT:
            return ""
        folder = lab.folder / "witness"
        (folder / "etc").mkdir(parents=True)
        keys = folder / "etc" / "authkeys"
        keys.write_text("auth 1\n1 sha1 laboratory\n")
        keys.chmod(0o600)
        words = [f"--{name}={folder / name}" for name in ("etc", "state", "run")]
        lab.client.spawn(sys.executable, "-m", "everbeat.daemons.witness", *words)
        return "witness 10.77.0.100"

    def marks(self, victim: str) -> dict[str, str]:
        return {"declared dead": f"node {victim}: is dead"}

    def is_settled(self, lab: Lab) -> bool:
        alpha, beta = (lab.nodes[name] for name in NODES)
        return (
            (alpha.status("beta"), beta.status("alpha")) == ("active", "active")
            and "transition" not in (states := (alpha.rscstatus(), beta.rscstatus()))
            and "" not in states
            and set(states) != {"none"}
        )

    def prepare_standby(self, lab: Lab) -> None:
        pass


class KeepalivedPair:
    """keepalived: VRRP version 3, multicast, no preemption, no check scripts."""

    name = "keepalived"
    log_name = "keepalived.log"
    watches_service = True

    def make(self, settings: Settings) -> Lab:
        lab = Lab()
        for name in NODES:
            node = lab.node(name, KeepalivedNode())
            write_web(node)
            text = KEEPALIVED.format(
                name=name,
                priority=KEEPALIVED_PRIORITY,
                advert_s=settings.advert_ms / 1000,
                vip=VIP,
            )
            node.write("keepalived.conf", text)
        return lab

    def marks(self, victim: str) -> dict[str, str]:
        del victim
        return {"declared dead": "Entering MASTER STATE"}

    def is_settled(self, lab: Lab) -> bool:
        return all(node.is_running() for node in lab.nodes.values())

    def prepare_standby(self, lab: Lab) -> None:
        for node in lab.nodes.values():
            node.sh("echo 0 >/run/keepalived-leave")


class SeenFromOutside:
    """The questions to a product whose own words nobody asks: its processes and the VIP answer."""

    def is_running(self, node: Node) -> bool:
        return bool(node.processes) and all(p.poll() is None for p in node.processes)

    def status(self, node: Node, peer: str) -> str:
        return "active" if node.lab.nodes[peer].is_running() else "dead"

    def rscstatus(self, node: Node) -> str:
        return "all" if node.holds(VIP) else "none"


class KeepalivedNode(SeenFromOutside):
    """keepalived from its Debian package, nginx beside it."""

    def prepare(self, node: Node) -> None:
        pass

    def on_boot(self, node: Node) -> None:
        node.sh("echo 0 >/run/keepalived-leave")

    def start(self, node: Node) -> None:
        node.sh("/etc/ha.d/resource.d/webd start")
        with (node.folder / "log" / "keepalived.log").open("ab") as log:
            process = node.on.spawn(
                *("keepalived", "-n", "-l", "-D", "-f", "/etc/ha.d/keepalived.conf"),
                stdout=log.fileno(),
                stderr=log.fileno(),
            )
        node.processes.append(process)

    def stop(self, node: Node, timeout_s: float) -> None:
        node.sh("kill -TERM $(cat /run/keepalived.pid)")
        for process in node.processes:
            process.wait(timeout=timeout_s)
        node.processes = []

    def standby(self, node: Node, hold: str) -> None:
        del hold
        node.sh("echo -254 >/run/keepalived-leave")

    def takeover(self, node: Node, hold: str) -> None:
        for peer in node.lab.nodes.values():
            if peer is not node:
                self.standby(peer, hold)


def write_web(node: Node) -> None:
    """Write nginx's configuration and the script that runs it."""
    node.write("nginx.conf", NGINX.replace("NODE", node.name))
    node.write("resource.d/webd", WEBD, 0o755)


def wait_settled(contestant: Contestant, lab: Lab, quiet_s: float) -> Node:
    """Wait until one node holds the address in a pair at rest; return it."""

    def holders() -> list[str]:
        return lab.holders(VIP)

    wait_until(
        lambda: contestant.is_settled(lab) and len(holders()) == 1,
        f"{contestant.name} settles",
        SETTLE_S_MAX,
        every_s=0.2,
    )
    time.sleep(quiet_s)
    found = holders()
    assert len(found) == 1, f"{contestant.name}: held by {found}"
    return lab.nodes[found[0]]


CONTESTANTS: Final[Sequence[Contestant]] = (
    HaresourcesPair("everbeat", EVERBEAT, watches_service=True),
    HaresourcesPair("heartbeat", HEARTBEAT, watches_service=False),
    KeepalivedPair(),
)
