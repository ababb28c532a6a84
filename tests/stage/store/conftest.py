from __future__ import annotations

from pathlib import Path

import pytest

from stage.job.planning import Planning
from stage.ledger.reception_desk import Reception


@pytest.fixture
def planning(desk: Reception, tmp_path: Path) -> Planning:
    """The step that makes jobs of what was stored."""
    return Planning(desk, tmp_path / "payloads")
