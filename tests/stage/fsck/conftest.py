from __future__ import annotations

from pathlib import Path

import pytest

from stage.fsck.premises import Premises
from stage.job.planning import Planning
from stage.ledger.reception_desk import Reception


@pytest.fixture
def premises(desk: Reception, tmp_path: Path) -> Premises:
    """Something in every state, and nothing wrong."""
    return Premises(desk, Planning(desk, tmp_path / "payloads"))
