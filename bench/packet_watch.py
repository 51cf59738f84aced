"""Print when each sign of life of a node arrives: `python -I packet_watch.py eth0 10.77.0.1`.

One CLOCK_MONOTONIC ms a line, for Heartbeat's status messages (no other one counts as a sign of
life), VRRP and corosync: when the kernel got it, however late this program is. Standard library
only.
"""

from __future__ import annotations

import socket
import struct
import sys
import time

SO_TIMESTAMPNS = 35  # asm-generic/socket.h; the socket module does not name it
ETH_P_IP = 0x0800
UDP, VRRP = 17, 112
PORT = (694).to_bytes(2, "big")
COROSYNC_PORT = (5405).to_bytes(2, "big")


def main() -> None:
    device, address = sys.argv[1:3]
    source = socket.inet_aton(address)
    packets = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_IP))
    packets.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    packets.bind((device, ETH_P_IP))
    while True:
        head, ancillary, _, _ = packets.recvmsg(128, 64)
        if head[12:16] != source:
            continue
        ports = 4 * (head[0] & 15)
        port = head[ports + 2 : ports + 4] if head[9] == UDP else b""
        is_status = port == PORT and b"t=status" in head
        if head[9] == VRRP or port == COROSYNC_PORT or is_status:
            print(f"{arrival_ms(ancillary):.3f}", flush=True)


def arrival_ms(ancillary: list[tuple[int, int, bytes]]) -> float:
    """Return the kernel's time stamp, which is of CLOCK_REALTIME, on CLOCK_MONOTONIC."""
    age_ns = 0
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPNS):
            seconds, ns = struct.unpack("qq", data)
            age_ns = time.time_ns() - seconds * 1_000_000_000 - ns
    return (time.monotonic_ns() - age_ns) / 1e6


if __name__ == "__main__":
    main()
