"""What the flows share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from flow.gate import Gate


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    """A gate that is open at the end, so that no job waits there for ever."""
    made = Gate(tmp_path / "gate")
    yield made
    made.open()
