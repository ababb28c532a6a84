"""Who vouches for servers of a test."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

import trustme


@dataclass(frozen=True)
class Authority:
    """Vouches for localhost.

    Attributes:
        file: Its certificate, in PEM.
        server: What a server of localhost uses.
    """

    file: Path
    server: ssl.SSLContext


def new_authority(folder: Path) -> Authority:
    """One that clients know only if they are told."""
    made = trustme.CA()
    file = folder / "ca.pem"
    made.cert_pem.write_to_path(str(file))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.issue_cert("localhost").configure_cert(server)
    return Authority(file, server)
