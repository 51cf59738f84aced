"""corosync 3 and pacemaker 2 from their Debian packages, as a pair of the benchmark.

A group of IPaddr2 and ocf:heartbeat:nginx, stickiness 100, no fencing, two_node. corosync's token
is deadtime, though never below 500 ms: a shorter one was lost forty times a minute on two busy
cores. nginx is monitored each second, with keepalive 1 s each ten.
"""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING, Final

from contestants import NODES, VIP, SeenFromOutside, write_web

from lab import Lab

if TYPE_CHECKING:
    from contestants import Settings

    from lab import Node

TOKEN_MS_MIN: Final = 500
LOG: Final = "pacemaker/pacemaker.log"
FOLDERS: Final = {
    "corosync": "/etc/corosync",
    "pacemaker": "/var/lib/pacemaker",
    "ring": "/var/lib/corosync",
}

COROSYNC: Final = """totem {{
 version: 2
 cluster_name: bench
 transport: knet
 crypto_cipher: none
 crypto_hash: none
 token: {token_ms}
}}
quorum {{
 provider: corosync_votequorum
 two_node: 1
 wait_for_all: 0
}}
nodelist {{
{nodes}}}
logging {{
 to_logfile: yes
 logfile: /var/log/corosync.log
 to_syslog: no
 to_stderr: no
}}
"""
MEMBER: Final = (
    " node {{\n  ring0_addr: 10.77.0.{number}\n  name: {name}\n  nodeid: {number}\n }}\n"
)

CIB: Final = """<cib validate-with="pacemaker-3.9" admin_epoch="1" epoch="1" num_updates="0">
<configuration>
 <crm_config><cluster_property_set id="properties">
  <nvpair id="stonith" name="stonith-enabled" value="false"/>
 </cluster_property_set></crm_config>
 <nodes>{nodes}</nodes>
 <resources><group id="service">
  <primitive id="vip" class="ocf" provider="heartbeat" type="IPaddr2">
   <instance_attributes id="vip-is">
    <nvpair id="vip-ip" name="ip" value="{vip}"/>
    <nvpair id="vip-mask" name="cidr_netmask" value="24"/>
    <nvpair id="vip-nic" name="nic" value="eth0"/>
   </instance_attributes>
   <operations><op id="vip-watch" name="monitor" interval="10s" timeout="20s"/></operations>
  </primitive>
  <primitive id="web" class="ocf" provider="heartbeat" type="nginx">
   <instance_attributes id="web-is">
    <nvpair id="web-file" name="configfile" value="/etc/ha.d/nginx.conf"/>
    <nvpair id="web-program" name="httpd" value="/usr/sbin/nginx"/>
   </instance_attributes>
   <operations>
    <op id="web-watch" name="monitor" interval="{monitor_s}s" timeout="20s"/>
    <op id="web-start" name="start" interval="0" timeout="40s"/>
   </operations>
  </primitive>
 </group></resources>
 <constraints/>
 <rsc_defaults><meta_attributes id="usual">
  <nvpair id="stickiness" name="resource-stickiness" value="100"/>
  <nvpair id="threshold" name="migration-threshold" value="0"/>
 </meta_attributes></rsc_defaults>
</configuration><status/></cib>
"""


class PacemakerPair:
    """corosync and pacemaker with the CIB on the disks before they start."""

    name = "pacemaker"
    log_name = LOG
    watches_service = True

    def make(self, settings: Settings) -> Lab:
        lab = Lab()
        lab.folder.chmod(0o755)  # hacluster must walk in
        for name in NODES:
            write_web(lab.node(name, PacemakerNode()))
        members = "".join(
            MEMBER.format(number=node.number, name=node.name) for node in lab.nodes.values()
        )
        known = "".join(f'<node id="{n.number}" uname="{n.name}"/>' for n in lab.nodes.values())
        token_ms = max(TOKEN_MS_MIN, settings.deadtime_ms)
        monitor_s = max(1, settings.keepalive_ms // 100)
        for node in lab.nodes.values():
            corosync = COROSYNC.format(token_ms=token_ms, nodes=members)
            (node.folder / "corosync/corosync.conf").write_text(corosync)
            cib = node.folder / "pacemaker/cib/cib.xml"
            cib.write_text(CIB.format(nodes=known, vip=VIP, monitor_s=monitor_s))
            cib.chmod(0o600)
            shutil.chown(cib, "hacluster", "haclient")
        return lab

    def marks(self, victim: str) -> dict[str, str]:
        return {"declared dead": f"Node {victim} state is now lost"}

    def is_settled(self, lab: Lab) -> bool:
        """Both online, and the coordinator has nothing left to do."""
        node = lab.nodes[NODES[0]]
        shown = node.run("crm_mon", "-1", "--output-as=xml", is_checked=False).stdout
        if shown.count('online="true" standby="false"') != len(NODES):
            return False
        if shown.count('role="Started"') < 2 or 'pending="true"' in shown:
            return False
        found = re.search(r'<current_dc present="true"[^>]* name="(\w+)"', shown)
        if found is None:
            return False
        return "S_IDLE" in node.run("crmadmin", "-S", found[1], is_checked=False).stdout

    def prepare_standby(self, lab: Lab) -> None:
        for node in lab.nodes.values():
            words = ("crm_attribute", "-N", node.name, "-n", "standby", "-l", "forever", "-D")
            node.run(*words, is_checked=False)


class PacemakerNode(SeenFromOutside):
    """corosync, then pacemakerd; everything they write lies in the node's folder."""

    def prepare(self, node: Node) -> None:
        for name in FOLDERS:
            (node.folder / name).mkdir()
        for name in ("", "cib", "pengine", "cores", "blackbox"):
            (node.folder / "pacemaker" / name).mkdir(exist_ok=True)
            shutil.chown(node.folder / "pacemaker" / name, "hacluster", "haclient")
        (node.folder / "log/pacemaker").mkdir()
        shutil.chown(node.folder / "log/pacemaker", "hacluster", "haclient")

    def on_boot(self, node: Node) -> None:
        node.sh("mount -t tmpfs tmpfs /dev/shm; mkdir -p /run/corosync /run/resource-agents")
        for name, place in FOLDERS.items():
            node.sh(f"mount --bind {node.folder / name} {place}")

    def start(self, node: Node) -> None:
        (node.folder / LOG).touch()
        shutil.chown(node.folder / LOG, "hacluster", "haclient")
        with (node.folder / "log" / "pacemakerd.log").open("ab") as log:
            process = node.on.spawn(
                *("sh", "-c", "corosync && echo $$ >/run/pacemakerd.pid && exec pacemakerd"),
                stdout=log.fileno(),
                stderr=log.fileno(),
                environment={"PCMK_logfile": f"/var/log/{LOG}", "PCMK_logfacility": "none"},
            )
        node.processes.append(process)

    def stop(self, node: Node, timeout_s: float) -> None:
        node.sh("kill -TERM $(cat /run/pacemakerd.pid)")
        for process in node.processes:
            process.wait(timeout=timeout_s)
        node.processes = []
        node.sh("kill -TERM $(cat /run/corosync.pid)")

    def standby(self, node: Node, hold: str) -> None:
        del hold
        words = ("crm_attribute", "-N", node.name, "-n", "standby", "-l", "forever", "-v", "on")
        node.run(*words)

    def takeover(self, node: Node, hold: str) -> None:
        for peer in node.lab.nodes.values():
            if peer is not node:
                self.standby(peer, hold)
