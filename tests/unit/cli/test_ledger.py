from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from sqlalchemy import text

from hilum.cli.ledger import opened
from hilum.errors import ConfigError, PermanentError
from hilum.ledger.database import Database


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """A command silences the log of its process, which here is that of the tests."""
    yield
    structlog.reset_defaults()


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "app.yaml"
    path.write_text("dicom: {scp: {reject-unknown-sources: false}}\n")
    return path


@pytest.fixture
def database(tmp_path: Path) -> Database:
    database = Database(f"sqlite:///{tmp_path / 'hilum.db'}")
    database.migrate()
    return database


def test_the_ledger_of_a_configuration_is_opened(config: Path, database: Database) -> None:
    with opened(config) as office, office.database.read() as connection:
        assert office.database.path == database.path
        assert connection.execute(text("SELECT count(*) FROM jobs")).scalar() == 0
        assert not office.running


def test_where_no_gateway_has_run_there_is_no_ledger_and_none_is_made(config: Path, tmp_path: Path) -> None:
    with pytest.raises(PermanentError, match=r"no gateway has run with .*app\.yaml yet"), opened(config):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["app.yaml"]


def test_without_a_configuration_the_error_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="hilum init"), opened(tmp_path / "app.yaml"):
        pass


def test_an_empty_file_is_no_ledger_yet(config: Path, tmp_path: Path) -> None:
    (tmp_path / "hilum.db").touch()
    with pytest.raises(PermanentError, match="start the gateway on it"), opened(config):
        pass


def test_a_foreign_file_is_no_ledger(config: Path, tmp_path: Path) -> None:
    (tmp_path / "hilum.db").write_text("something else" * 100)
    with pytest.raises(PermanentError, match="not a database"), opened(config):
        pass


@pytest.mark.parametrize(
    ("revision", "says"), [("0000", "older than this Hilum; `hilum serve`"), ("9999", "by a newer Hilum")]
)
def test_a_ledger_of_another_form_is_not_touched(config: Path, database: Database, revision: str, says: str) -> None:
    with database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :to"), {"to": revision})
    with pytest.raises(PermanentError, match=says), opened(config):
        pass


def test_a_running_gateway_is_seen_by_its_lock_and_not_disturbed(config: Path, database: Database) -> None:
    with database.exclusively(), opened(config) as office:
        assert office.running
        assert office.running
    with opened(config) as office:
        assert not office.running
    with database.exclusively():
        pass


def test_a_lock_file_that_is_not_there_is_not_locked(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'hilum.db'}")
    assert not database.is_attended()
    database.close()
    assert list(tmp_path.iterdir()) == []
