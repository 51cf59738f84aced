"""Print when each cluster packet of a node arrives: `python -I packet_watch.py eth0 10.77.0.1`.

One CLOCK_MONOTONIC ms a line, for UDP to port 694 (Heartbeat) and VRRP. Standard library only.
"""

from __future__ import annotations

import socket
import sys
import time

ETH_P_IP = 0x0800
UDP, VRRP = 17, 112
PORT = (694).to_bytes(2, "big")


def main() -> None:
    device, address = sys.argv[1:3]
    source = socket.inet_aton(address)
    packets = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_IP))
    packets.bind((device, ETH_P_IP))
    while True:
        head = packets.recv(64)
        now_ms = time.monotonic() * 1000
        if head[12:16] != source:
            continue
        ports = 4 * (head[0] & 15)
        if head[9] == VRRP or (head[9] == UDP and head[ports + 2 : ports + 4] == PORT):
            print(f"{now_ms:.3f}", flush=True)


if __name__ == "__main__":
    main()
