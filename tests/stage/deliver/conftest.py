from __future__ import annotations

import socket
from pathlib import Path

import pytest

from harness.pacs import Pacs
from stage.deliver.sending import Sending
from stage.ledger.reception_desk import Reception


@pytest.fixture
def sending(desk: Reception, tmp_path: Path) -> Sending:
    return Sending(desk, tmp_path / "payloads")


@pytest.fixture
def to_pacs(sending: Sending, pacs: Pacs) -> Sending:
    """The same, with the PACS that listens as its destination."""
    sending.to("PACS", pacs.port)
    return sending


@pytest.fixture
def nobody() -> int:
    """A port on which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
