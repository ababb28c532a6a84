"""An error that nobody expected is logged with its traceback, and without what the program was working on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

_FAIL = """
import structlog
from hilum.ledger.database import Database
from hilum.ledger.tables import groups
from hilum.observe import log

log.configure()
database = Database("sqlite:///" + PATH)

def work(patient):
    try:
        with database.write() as connection:
            connection.exec_driver_sql("CREATE TABLE groups (key TEXT UNIQUE)")
            for _ in range(2):
                connection.exec_driver_sql("INSERT INTO groups (key) VALUES (?)", (patient,))
    except Exception as error:
        structlog.get_logger().error("step.failed", exc_info=error)

work("-".join(["MUST", "NOT", "BE", "SHOWN"]))
database.close()
"""


@pytest.mark.parametrize("form", ["json", "console"])
def test_neither_local_variables_nor_the_values_of_a_statement_are_logged(form: str, tmp_path: Path) -> None:
    program = f"PATH = {str(tmp_path / 'ledger.db')!r}\n{_FAIL}"
    ran = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"HILUM_LOG": form},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert "step.failed" in ran.stderr
    assert "UNIQUE constraint failed" in ran.stderr  # what happened is told
    assert "MUST-NOT-BE-SHOWN" not in ran.stderr
