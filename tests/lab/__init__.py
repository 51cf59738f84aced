"""A laboratory of real nodes on one machine: Heartbeat 3.0.6 and everbeat side by side.

    with Lab() as lab:
        alpha, beta = lab.heartbeat("alpha"), lab.everbeat("beta")
        lab.configure(keepalive="200ms", deadtime="1", resources="alpha 10.77.0.50/24/eth0 webd")
        lab.start()
        with lab.probing("10.77.0.50") as probe:
            probe.wait_answer("alpha")
            alpha.crash()
            probe.wait_answer("beta")

Every node has its own network, mount, UTS, IPC and PID namespaces, /etc/ha.d, /var/lib/heartbeat,
/run, /var/log and disk directory; a client sits on the same bridge. Nothing touches the host's
network or files; leaving the block, Ctrl-C and SIGKILL all leave nothing behind but a directory
in /tmp in the last case.
"""

from everbeat.adapters.web_probe import Outage, Sample, outages
from lab.laboratory import Lab, wait_until
from lab.node import EVERBEAT, HEARTBEAT, EverbeatNode, HeartbeatNode, Node, Product
from lab.probe import Probe

__all__ = [
    "EVERBEAT",
    "HEARTBEAT",
    "EverbeatNode",
    "HeartbeatNode",
    "Lab",
    "Node",
    "Outage",
    "Probe",
    "Product",
    "Sample",
    "outages",
    "wait_until",
]
