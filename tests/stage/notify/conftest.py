"""Servers that are told, and authorities that vouch for them."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trustme

from harness.hook import Hook
from harness.mailbox import Mailbox
from hilum.model import Phase
from hilum.notify.port import Message

NOW = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)

MESSAGE = Message(
    key="6e0f5a0e-53c5-4f6c-9d5c-3f0f2b9d7c55",
    topic="job-failed",
    phase=Phase.HAPPENED,
    subject="lung",
    count=3,
    first_at=NOW,
    last_at=NOW,
    over_at=None,
    gist="3 jobs of workflow lung failed",
    reason="exit code 3",
    remedy="hilum jobs show b2",
    examples=("a1", "b2"),
    gateway="gw1",
    link="https://hilum.example.org/jobs",
)


@dataclass(frozen=True)
class Authority:
    """Vouches for localhost.

    Attributes:
        file: Its certificate, in PEM.
        server: What a server of localhost uses.
    """

    file: Path
    server: ssl.SSLContext


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """One that clients know only if they are told."""
    made = trustme.CA()
    file = tmp_path_factory.mktemp("authority") / "ca.pem"
    made.cert_pem.write_to_path(str(file))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.issue_cert("localhost").configure_cert(server)
    return Authority(file, server)


@pytest.fixture
def hook() -> Iterator[Hook]:
    with Hook() as started:
        yield started


@pytest.fixture
def box() -> Iterator[Mailbox]:
    with Mailbox() as started:
        yield started
