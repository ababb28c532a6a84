"""A message, and a mailbox for it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

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


@pytest.fixture
def box() -> Iterator[Mailbox]:
    with Mailbox() as started:
        yield started
