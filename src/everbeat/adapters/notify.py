"""Tell systemd how we are: sd_notify's protocol, one datagram to $NOTIFY_SOCKET."""

from __future__ import annotations

import os
import socket


def notify(text: str, address: str | None = None) -> bool:
    """Send e.g. `READY=1` or `WATCHDOG=1`. False: nobody asked, or it did not arrive.

    `address` defaults to $NOTIFY_SOCKET. Never blocks and never raises: the service goes on
    whether or not systemd listens.
    """
    address = os.environ.get("NOTIFY_SOCKET", "") if address is None else address
    if not address:
        return False
    if address.startswith("@"):  # an abstract socket
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sending:
        try:
            sending.sendto(text.encode(), address)
        except OSError:
            return False
    return True
