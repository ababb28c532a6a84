"""Ports for programs that cannot choose one themselves."""

from __future__ import annotations

import random
import socket
from pathlib import Path


def free_port() -> int:
    """A port of the loopback that nobody listens on just now.

    Below those that the kernel gives to outgoing connections: tests beside this one make thousands of them, and each
    could take the port before the program binds it.
    """
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        port = random.randrange(lowest // 2, lowest)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
