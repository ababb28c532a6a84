from __future__ import annotations

from pathlib import Path

import pytest

from stage.ledger.reception_desk import Reception
from stage.web.office import Office


@pytest.fixture
def office(desk: Reception, tmp_path: Path) -> Office:
    """The web on an empty ledger."""
    return Office(desk, tmp_path)


@pytest.fixture
def filled(office: Office) -> Office:
    """The web on a ledger with something of everything."""
    return office.fill()
