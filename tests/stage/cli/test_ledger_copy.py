"""``hilum ledger copy``, and ``hilum check`` of a ledger on a server."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from harness.ledgers import Files, Ledgers
from hilum.cli.app import app
from hilum.ledger.database import Database
from hilum.ledger.transition import note
from stage.ledger.clock import MovableClock
from stage.ledger.test_database import said


@pytest.fixture
def site(tmp_path: Path, clock: MovableClock) -> Path:
    """A configuration whose gateway has run, on a ledger in a file."""
    (tmp_path / "made").mkdir()
    database = Database(Files(tmp_path / "made").new(tmp_path))
    with database.write() as connection:
        note(connection, "gateway", "test", "before", now=clock())
    database.close()
    path = tmp_path / "app.yaml"
    path.write_text("dicom: {scp: {reject-unknown-sources: false}}\n")
    return path


def test_a_ledger_is_copied_and_the_old_one_stays(site: Path, ledgers: Ledgers, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    url = ledgers.url(tmp_path / "new")
    done = CliRunner().invoke(app, ["ledger", "copy", "--config", str(site), "--to", url])
    assert done.exit_code == 0, done.output
    assert "  history: 1\n" in done.output
    assert "0 instances, the same on both sides" in done.output
    for kept in (url, f"sqlite:///{tmp_path / 'hilum.db'}"):
        database = Database(kept)
        assert said(database) == ["before"]
        database.close()
    again = CliRunner().invoke(
        app, ["ledger", "copy", "--config", str(site), "--from", f"sqlite:///{tmp_path}/hilum.db", "--to", url]
    )
    assert again.exit_code != 0
    assert "is not empty" in str(again.exception)


def test_what_was_copied_is_told_to_programs(site: Path, ledgers: Ledgers, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    arguments = ["ledger", "copy", "--config", str(site), "--to", ledgers.url(tmp_path / "new"), "--json"]
    done = CliRunner().invoke(app, arguments)
    told = json.loads(done.stdout)
    assert told["rows"]["history"] == 1
    assert told["received"] == 0


def test_a_target_that_is_no_ledger_is_refused_without_its_password(site: Path) -> None:
    url = "mysql://hilum:s3cret@db/ledger"
    done = CliRunner().invoke(app, ["ledger", "copy", "--config", str(site), "--to", url])
    assert done.exit_code != 0
    assert "found a URL of the kind 'mysql'" in str(done.exception)
    assert "s3cret" not in done.output + str(done.exception)


def test_nothing_is_copied_where_there_is_nothing(tmp_path: Path) -> None:
    arguments = ["ledger", "copy", "--from", f"sqlite:///{tmp_path}/no.db", "--to", f"sqlite:///{tmp_path}/new.db"]
    done = CliRunner().invoke(app, arguments)
    assert "there is no ledger" in str(done.exception)
    assert not (tmp_path / "new.db").exists()


def test_a_check_shows_no_password_and_asks_the_server_only_if_it_is_to(tmp_path: Path) -> None:
    path = tmp_path / "app.yaml"
    path.write_text(
        "dicom: {scp: {reject-unknown-sources: false}}\n"
        "ledger: {url: 'postgresql+psycopg://hilum:s3cret@127.0.0.1:1/ledger?connect_timeout=1'}\n"
    )
    quiet = CliRunner().invoke(app, ["check", "--config", str(path)])
    assert quiet.exit_code == 0, quiet.output
    assert "postgresql+psycopg://hilum:********@127.0.0.1:1/ledger" in quiet.output
    asked = CliRunner().invoke(app, ["check", "--probe", "--config", str(path)])
    assert asked.exit_code != 0
    assert "the ledger postgresql://hilum@127.0.0.1:1/ledger cannot be used just now" in asked.output
    assert "s3cret" not in quiet.output + asked.output
